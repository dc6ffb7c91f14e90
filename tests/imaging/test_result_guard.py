"""A model that is not for clinical use reaches no archive, no record and no card outside a demonstration."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import study_scene
from ct_findings import AT, AUTHOR, CLINICAL, DEMO, Scan, bundle, scan

from cds.cards.by_study import labelled
from cds.cards.phrasebook import Catalogues
from cds.imaging.dicomweb import DicomWeb
from cds.imaging.pacs import Pacs
from cds.imaging.reasons import Reason, Unusable
from cds.imaging.results.deliver import deliver
from cds.imaging.results.fhir import About, transaction
from cds.imaging.results.geometry import segments
from cds.imaging.results.guard import LABEL, Permit, permit
from cds.imaging.results.measure import measured
from cds.imaging.results.objects import names
from cds.imaging.results.seg import segmentation
from cds.imaging.results.source import source
from cds.imaging.results.store import store
from cds.inference.manifest import Manifest, Status
from cds.inference.model import Model
from cds.policy.schema import Policy
from cds.settings import Settings
from cds.studies.plan import allowed

NOWHERE = "http://127.0.0.1:9/dicom-web"
BOOK = Catalogues(()).book("en")
ENABLED = Policy.model_validate(
    {
        "name": "p",
        "author": "a",
        "approver": "b",
        "effective": "2026-01-01",
        "reason": "r",
        "models": {study_scene.MODEL: {"enabled": True}},
    }
)


def network(*, clinical_use: bool = False, **changed: Any) -> Manifest:
    """``changed``: after the manifest was checked."""
    raw = study_scene.manifest(sha256="0" * 64, clinical_use=clinical_use)
    return Manifest.model_validate(raw).model_copy(update=changed)


def settings(tmp_path: Path, **values: Any) -> Settings:
    return Settings(data_dir=tmp_path, **values)


@pytest.mark.parametrize(
    "values",
    [{}, {"imaging": {"write_pacs": True, "write_fhir": True}}, {"environment": "production"}],
    ids=["default", "all ways out switched on", "production by name"],
)
def test_outside_a_demonstration_there_is_no_permit_whatever_the_settings_say(
    values: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(Unusable) as raised:
        permit(network(), settings(tmp_path, **values))
    assert raised.value.reason is Reason.NOT_CLINICAL


def test_in_a_demonstration_there_is_one_and_it_marks_everything(tmp_path: Path) -> None:
    given = permit(network(), settings(tmp_path, environment="demo"))
    assert given.test
    assert given.titled("AI findings") == "TEST AI findings"
    assert given.noted("Read.") == f"TEST: {LABEL}. Read."
    assert given.noted("Gelezen.", "nl").startswith("TEST: Demonstratie, niet voor klinisch gebruik.")


def test_a_clinical_bundle_is_marked_only_in_a_demonstration(tmp_path: Path) -> None:
    assert not permit(network(clinical_use=True), settings(tmp_path)).test
    assert permit(network(clinical_use=True), settings(tmp_path, environment="demo")).test


@pytest.mark.parametrize("claimed", [False, None, 1, "yes"])
def test_no_permit_can_be_made_by_hand_either(claimed: Any) -> None:
    with pytest.raises(Unusable):
        Permit(claimed, Status.established, "production")
    with pytest.raises(Unusable):
        replace(DEMO, environment="production")


@pytest.mark.parametrize("status", [Status.demonstration, Status.unverified, Status.research])
def test_a_network_of_such_a_status_gets_none_though_it_says_that_it_is_for_clinical_use(
    status: Status, tmp_path: Path
) -> None:
    claims = network(clinical_use=True, status=status)
    with pytest.raises(Unusable) as raised:
        permit(claims, settings(tmp_path))
    assert raised.value.reason is Reason.NOT_CLINICAL
    assert permit(claims, settings(tmp_path, environment="demo")).test
    assert allowed(Model(claims, tmp_path, None), ENABLED, "production", by_hand=False) == "not-for-clinical-use"
    assert labelled(BOOK, claims, "Suspicion high") == "DEMONSTRATION: Suspicion high"


@pytest.mark.parametrize("status", [Status.established, Status.local_fit])
def test_one_that_a_hospital_has_validated_gets_it(status: Status, tmp_path: Path) -> None:
    validated = network(clinical_use=True, status=status)
    assert not permit(validated, settings(tmp_path)).test
    assert allowed(Model(validated, tmp_path, None), ENABLED, "production", by_hand=False) == ""
    assert labelled(BOOK, validated, "Suspicion high") == "Suspicion high"


def test_a_bundle_is_not_for_clinical_use_unless_it_says_so() -> None:
    raw = bundle().model_dump()
    del raw["clinical_use"]
    assert type(bundle()).model_validate(raw).clinical_use is False


@pytest.fixture(scope="module")
def seen() -> Scan:
    return scan()


def test_an_unmarked_object_gets_nowhere_with_a_demonstration_s_permit(seen: Scan) -> None:
    """The second lock: even an object built beside the permit stays here, before any connection is opened."""
    legend, frames = bundle().legend, seen.volume.frames
    findings = measured(seen.assessed, seen.volume, bundle(), AUTHOR, study_uid=seen.study_uid, series_uid="1.1")
    headers = source(seen.datasets, frames, seen.study_uid, seen.series_uid)
    labelled = segments(seen.assessed, seen.volume, legend)
    made = segmentation(labelled, findings, headers, frames, legend, AUTHOR, CLINICAL, AT)
    assert made is not None
    web = DicomWeb(Pacs(NOWHERE, (NOWHERE,)))
    with pytest.raises(Unusable) as raised:
        store(web, DEMO, [made])
    assert raised.value.reason is Reason.NOT_CLINICAL


def test_an_unmarked_resource_gets_nowhere_either(seen: Scan) -> None:
    findings = measured(seen.assessed, seen.volume, bundle(), AUTHOR, study_uid=seen.study_uid, series_uid="1.1")
    uids = names(seen.volume.frames, AUTHOR, CLINICAL)
    made = transaction(findings, bundle().legend, AUTHOR, CLINICAL, uids, About("Patient/1"), AT)
    server = DicomWeb(Pacs(NOWHERE, (NOWHERE,))).connection
    with pytest.raises(Unusable) as raised:
        deliver(server, DEMO, made)
    assert raised.value.reason is Reason.NOT_CLINICAL
