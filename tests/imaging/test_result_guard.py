"""A model that is not for clinical use reaches no archive and no record outside a demonstration."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ct_findings import AT, AUTHOR, DEMO, Scan, bundle, scan

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
from cds.settings import Settings

NOWHERE = "http://127.0.0.1:9/dicom-web"


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
        permit(bundle(), settings(tmp_path, **values))
    assert raised.value.reason is Reason.NOT_CLINICAL


def test_in_a_demonstration_there_is_one_and_it_marks_everything(tmp_path: Path) -> None:
    given = permit(bundle(), settings(tmp_path, environment="demo"))
    assert given.test
    assert given.titled("AI findings") == "TEST AI findings"
    assert given.noted("Read.") == f"TEST: {LABEL}. Read."
    assert given.noted("Gelezen.", "nl").startswith("TEST: Demonstratie, niet voor klinisch gebruik.")


def test_a_clinical_bundle_is_marked_only_in_a_demonstration(tmp_path: Path) -> None:
    assert not permit(bundle(clinical_use=True), settings(tmp_path)).test
    assert permit(bundle(clinical_use=True), settings(tmp_path, environment="demo")).test


@pytest.mark.parametrize("claimed", [False, None, 1, "yes"])
def test_no_permit_can_be_made_by_hand_either(claimed: Any) -> None:
    with pytest.raises(Unusable):
        Permit(claimed, "production")
    with pytest.raises(Unusable):
        replace(DEMO, environment="production")


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
    made = segmentation(labelled, findings, headers, frames, legend, AUTHOR, Permit(True, "production"), AT)
    assert made is not None
    web = DicomWeb(Pacs(NOWHERE, (NOWHERE,)))
    with pytest.raises(Unusable) as raised:
        store(web, DEMO, [made])
    assert raised.value.reason is Reason.NOT_CLINICAL


def test_an_unmarked_resource_gets_nowhere_either(seen: Scan) -> None:
    clinical = Permit(True, "production")
    findings = measured(seen.assessed, seen.volume, bundle(), AUTHOR, study_uid=seen.study_uid, series_uid="1.1")
    uids = names(seen.volume.frames, AUTHOR, clinical)
    made = transaction(findings, bundle().legend, AUTHOR, clinical, uids, About("Patient/1"), AT)
    server = DicomWeb(Pacs(NOWHERE, (NOWHERE,))).connection
    with pytest.raises(Unusable) as raised:
        deliver(server, DEMO, made)
    assert raised.value.reason is Reason.NOT_CLINICAL
