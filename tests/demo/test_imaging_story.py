"""Patients told by their images: real DICOM, the same every time, and the demonstration judges what comes of them."""

from __future__ import annotations

import hashlib
import io
import stat
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pydicom
import pytest
import yaml
from rich.console import Console
from werkzeug.serving import make_server

from cds.demo import imaging, imaging_orthanc
from cds.demo.dicomweb_endpoint import Archive, create_dicomweb_app
from cds.errors import SettingsError
from cds.fhir import resources as fhir
from cds.imaging.dicomweb import DicomWeb
from cds.imaging.pacs import Pacs
from cds.imaging.series import Wanted
from cds.imaging.study import choose_volume
from cds.inference.registry import installed_folders, load
from cds.inference.volumes.analyse import Analysis, Assessed, Indeterminate
from cds.studies.about import from_resource
from cds.studies.plan import bundle_of, fits
from hooks.stories import STORIES, build, studies
from hooks.stories.studies import IMAGED, Imaged, Scan

TODAY = date(2026, 11, 24)
SCANS = [(imaged, scan) for imaged in IMAGED for scan in imaged.scans]
IDS = [f"{imaged.story.id} {scan.day}" for imaged, scan in SCANS]


@pytest.fixture(scope="module")
def archive() -> Iterator[tuple[Archive, DicomWeb]]:
    kept = Archive()
    server = make_server("127.0.0.1", 0, create_dicomweb_app(kept), threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    base = f"http://127.0.0.1:{server.server_port}/dicom-web"
    web = DicomWeb(Pacs(base, (base,)))
    yield kept, web
    web.close()
    server.shutdown()
    thread.join()
    server.server_close()


def uid_of(imaged: Imaged, scan: Scan) -> str:
    return studies.study_uid(studies.study_of(studies.record(imaged, TODAY), scan, TODAY))


def test_the_same_day_gives_the_same_bytes() -> None:
    imaged, scan = SCANS[0]
    first, again = (hashlib.sha256(b"".join(studies.instances(imaged, scan, TODAY))).hexdigest() for _ in range(2))
    assert first == again


@pytest.mark.parametrize(("imaged", "scan"), SCANS, ids=IDS)
def test_images_and_record_speak_of_the_same_study_of_the_same_invented_patient(imaged: Imaged, scan: Scan) -> None:
    resource = studies.study_of(studies.record(imaged, TODAY), scan, TODAY)
    made = [pydicom.dcmread(io.BytesIO(raw)) for raw in studies.instances(imaged, scan, TODAY)]
    assert len(made) == resource["numberOfInstances"]
    assert {str(ds.StudyInstanceUID) for ds in made} == {uid_of(imaged, scan)}
    assert {str(ds.SeriesInstanceUID) for ds in made} == {resource["series"][0]["uid"]}
    assert len({str(ds.SOPInstanceUID) for ds in made}) == len(made)
    assert {(str(ds.PatientID), str(ds.PatientName)) for ds in made} == {
        (imaged.story.id, f"Testpatient^{imaged.story.given}")
    }
    assert {ds.StudyDate for ds in made} == {resource["started"][:10].replace("-", "")}
    assert all("phantom" in ds.StudyDescription and ds.BurnedInAnnotation == "NO" for ds in made)
    assert all(len(str(element.value)) <= 64 for element in made[0] if element.VR == "UI")


def test_no_two_studies_share_an_identifier() -> None:
    uids = [uid_of(*one) for one in SCANS]
    assert len(set(uids)) == len(uids)
    assert not {imaged.story.id for imaged in IMAGED} & {story.id for story in STORIES}
    names = [story.name for story in (*STORIES, *(imaged.story for imaged in IMAGED))]
    assert len(set(names)) == len(names)


def test_the_network_is_for_these_scans_and_for_no_other_patients() -> None:
    bundle = bundle_of(load(installed_folders())[studies.MODEL])
    assert bundle is not None
    for imaged in IMAGED:
        for scan in imaged.scans:
            about = from_resource_of(studies.study_of(studies.record(imaged, TODAY), scan, TODAY))
            assert fits(bundle, about) == ""
    for story in STORIES:
        others = [from_resource_of(r) for r in build(story, TODAY) if r["resourceType"] == "ImagingStudy"]
        assert all(fits(bundle, about) for about in others if about is not None)


def from_resource_of(resource: dict[str, Any]) -> Any:
    return from_resource(msgspec.convert(resource, fhir.ImagingStudy))


@pytest.mark.parametrize("imaged", IMAGED, ids=lambda imaged: imaged.story.id)
def test_the_networks_answer_on_the_newest_scan_is_the_one_the_story_tells(
    imaged: Imaged, archive: tuple[Archive, DicomWeb]
) -> None:
    kept, web = archive
    scan = imaged.scans[-1]
    for raw in studies.instances(imaged, scan, TODAY):
        kept.add(raw)
    choice = choose_volume(web, uid_of(imaged, scan), Wanted(phase=None), threads=1)
    assert choice.volume is not None
    assert choice.volume.hu.shape == (80, 176, 176)
    model = load(installed_folders())[studies.MODEL]
    bundle = bundle_of(model)
    assert bundle is not None
    found = Analysis(bundle, model.folder)(choice.volume.hu, choice.volume.spacing)
    if not imaged.stored:
        assert isinstance(found, Indeterminate)
        return
    assert isinstance(found, Assessed)
    told = [words.removeprefix("Suspicion: ") for words in imaged.tells if words.startswith("Suspicion: ")]
    assert told in ([], [found.category])


def stored(kept: Archive, imaged: Imaged, *, modality: str, description: str, code: str = "") -> None:
    """A result beside the newest scan, whatever is in it."""
    ds = pydicom.dcmread(io.BytesIO(next(studies.instances(imaged, imaged.scans[-1], TODAY))))
    ds.Modality, ds.SeriesDescription = modality, description
    ds.SeriesInstanceUID, ds.SOPInstanceUID = f"2.25.1{len(kept)}", f"2.25.2{len(kept)}"
    item = pydicom.Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code or "X", "99X", "x"
    ds.ConceptNameCodeSequence = [item]
    del ds.PixelData
    out = io.BytesIO()
    ds.save_as(out)
    kept.add(out.getvalue())


@pytest.mark.parametrize(
    ("lies_there", "fault"),
    [
        ([], "beside the scan lies nothing"),
        ([("SEG", "TEST outlines", "")], "beside the scan lies SEG"),
        ([("SEG", "TEST outlines", ""), ("SR", "Findings", "SUSP_HIGH")], "lacks the mark of a demonstration"),
        ([("SEG", "TEST outlines", ""), ("SR", "TEST findings", "SUSP_LOW")], "the report lacks SUSP_HIGH"),
        ([("SEG", "TEST outlines", ""), ("SR", "TEST findings", "SUSP_HIGH")], ""),
    ],
    ids=["nothing", "no report", "no mark", "another conclusion", "as expected"],
)
def test_what_lies_beside_a_scan_is_judged(
    archive: tuple[Archive, DicomWeb], lies_there: list[tuple[str, str, str]], fault: str
) -> None:
    kept, web = archive
    imaged = IMAGED[0]
    kept._kept.clear()
    for modality, description, code in lies_there:
        stored(kept, imaged, modality=modality, description=description, code=code)
    uid = uid_of(imaged, imaged.scans[-1])
    faults = imaging._stored(Console(quiet=True), web, studies, imaged, uid)
    assert (len(faults), fault in "".join(faults)) == ((1, True) if fault else (0, True))


def test_results_where_there_must_be_none_are_a_fault(archive: tuple[Archive, DicomWeb]) -> None:
    kept, web = archive
    imaged = next(imaged for imaged in IMAGED if not imaged.stored)
    kept._kept.clear()
    stored(kept, imaged, modality="SR", description="TEST findings")
    faults = imaging._stored(Console(quiet=True), web, studies, imaged, uid_of(imaged, imaged.scans[-1]))
    assert faults == [f"{imaged.story.id}: beside the scan lies SR"]


def test_a_scan_still_to_be_made_is_in_no_record() -> None:
    found = [r for r in imaging.resources(studies, TODAY) if r["resourceType"] == "ImagingStudy"]
    described = [r["subject"]["reference"] for r in found if "phantom" in r.get("description", "")]
    assert sorted(described) == sorted(
        f"Patient/{imaged.story.id}" for imaged, scan in SCANS if not (imaged.later and scan is imaged.scans[-1])
    )


def test_secrets_are_in_files_of_their_own_that_nobody_else_reads(tmp_path: Path) -> None:
    text = imaging.Place("http://127.0.0.1:1/dicom-web", "demo", "a-password").settings(tmp_path)
    assert "a-password" not in text
    for name in ("archive-password", "notify-secret"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    assert (tmp_path / "archive-password").read_text() == "a-password"


def test_the_policy_only_gains_the_network() -> None:
    before = "name: Packaged\nmodels: {a: {enabled: true}}\ncards: {most: 3}\n"
    after = yaml.safe_load(imaging.policy_with(before, "net"))
    assert after["models"] == {"a": {"enabled": True}, "net": {"enabled": True}}
    assert after["cards"] == {"most": 3}
    assert after["name"].startswith("Packaged, with")


@pytest.mark.parametrize("missing", ["program", "plugin"])
def test_without_orthanc_the_answer_is_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None if missing == "program" else "/bin/true")
    monkeypatch.setattr(imaging_orthanc, "_PROGRAMS", ())
    monkeypatch.setattr(imaging_orthanc, "_PLUGINS", ())
    with pytest.raises(SettingsError, match="apt-get install --no-install-recommends orthanc orthanc-dicomweb"):
        imaging_orthanc.command(tmp_path, 8042)


def test_a_card_that_never_says_what_it_must_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imaging, "_PATIENCE_S", 0.1)
    imaged = replace(IMAGED[0], stored=False, tells=("Suspicion: high",))

    class Sent:
        def study(self, imaged: Imaged, scan: Scan) -> dict[str, Any]:
            return studies.study_of(studies.record(imaged, TODAY), scan, TODAY)

        def send(self, *_: object) -> None: ...

        def tell(self, *_: object) -> None: ...

    class Empty:
        def series(self, _uid: str) -> list[Any]:
            return []

    card = {"summary": "Being analysed", "source": {"topic": {"code": f"{studies.MODEL}-scan-not-assessed"}}}
    faults = imaging._told_of(
        Console(quiet=True), Sent(), studies, Empty(), imaged, lambda story, language: [card], lambda cards: None, "en"
    )  # type: ignore[arg-type]
    assert faults == ["phantom-mass: the card does not say: Suspicion: high"]
