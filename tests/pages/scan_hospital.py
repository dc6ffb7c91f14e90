"""A hospital with an image archive: two patients' scans read by the real worker, one scan that nobody could read, one
that is still to be made. The EHR's pages, its record and its archive are one app on a real port."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import requests
from demo_hospital import Hospital, serving
from stub_cds_service import STUDY, StubService

from cds.app import create_engine
from cds.demo import imaging
from cds.demo.dicomweb_endpoint import Archive, dicomweb
from cds.demo.fhir_endpoint import create_fhir_app
from cds.demo.hospital import ARCHIVE, Told
from cds.demo.run import write_settings
from cds.fhir import resources as fhir
from cds.ledger.migrate import upgrade
from cds.pages.ehr import create_ehr
from cds.settings import Settings, load
from cds.studies import archives
from cds.studies.about import from_resource
from hooks import stories
from hooks.stories import studies
from hooks.stories.studies import Imaged

ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("CDS_")}


def imaged(story_id: str) -> Imaged:
    return next(one for one in studies.IMAGED if one.story.id == story_id)


class HandScanner:
    """Sends one patient's scan; nobody reads it until ``read`` is called."""

    def __init__(self, archive: Archive, settings: Settings, stub: StubService) -> None:
        self.archive, self.settings, self.stub = archive, settings, stub
        self.fhir_base = ""
        self.waiting = {"phantom-today"}

    def waits(self, patient: str) -> bool:
        return patient in self.waiting

    def send(self, patient: str) -> str:
        one, today = imaged(patient), date.today()
        for raw in studies.instances(one, one.scans[-1], today):
            self.archive.add(raw)
        imaging.create(self.fhir_base, studies.study_of(studies.record(one, today), one.scans[-1], today))
        self.waiting.discard(patient)
        self.stub.progress = ("running", "fetch", 0.25)
        return STUDY


class ScanHospital(Hospital):
    scanner: HandScanner
    settings_file: Path

    def read(self, story_id: str) -> None:
        """Each of the patient's scans by the worker, the oldest first."""
        one, today = imaged(story_id), date.today()
        engine = create_engine(load(self.settings_file))
        for scan in one.scans:
            study = studies.study_of(studies.record(one, today), scan, today)
            for raw in studies.instances(one, scan, today):
                self.scanner.archive.add(raw)
            about = from_resource(_decoded(study))
            assert about is not None
            asked = engine.studies.intake.ask(about, "demo", "notification")
            assert asked.jobs, asked
            command = [sys.executable, "-m", "cds", "--settings", str(self.settings_file), "worker", "--once"]
            alert = {**ENVIRONMENT, "CDS_IMAGING__NICE": "0"}  # gives way to no other test
            done = subprocess.run(command, env=alert, capture_output=True, text=True, timeout=120, check=False)
            assert done.stdout.startswith("1 job(s) done"), done.stdout + done.stderr


def _decoded(study: dict[str, Any]) -> Any:
    import msgspec

    return msgspec.convert(study, fhir.ImagingStudy)


@contextmanager
def scan_hospital(folder: Path) -> Iterator[ScanHospital]:
    stub, archive, today = StubService(), Archive(), date.today()
    told = Told(stories, ()).with_scans(studies)
    app = create_fhir_app(imaging.resources(studies, today))
    app.register_blueprint(dicomweb(archive))
    with requests.Session() as session, serving(stub.app()) as service_url, serving(app) as url:
        place = imaging.Place(f"{url}/dicom-web")
        settings_file = write_settings(folder, int(service_url.rpartition(":")[2]), url, place=place)
        settings = load(settings_file)
        upgrade(settings.ledger_url)
        scanner = HandScanner(archive, settings, stub)
        scanner.fhir_base = f"{url}/fhir"
        desk = create_ehr(
            app,
            stories=told,
            service_url=service_url,
            fhir_base=f"{url}/fhir",
            session=session,
            archive=archives.opened(settings, ARCHIVE),
            scanner=scanner,
        )
        hospital = ScanHospital(url, service_url, stub, session, desk)
        hospital.scanner, hospital.settings_file = scanner, settings_file
        yield hospital
