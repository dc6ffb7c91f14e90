"""Behind the demo EHR's button: makes the scan a patient waits for, archives it, tells record and service."""

from __future__ import annotations

import threading
from datetime import date
from types import ModuleType

import requests

from cds.demo import imaging
from cds.errors import SourceUnreachable
from cds.settings import Settings


class EhrScanner:
    def __init__(self, settings: Settings, told: ModuleType, fhir_base: str, today: date) -> None:
        self._scanner = imaging.Scanner(settings, told, today)
        self._fhir_base = fhir_base
        self._lock = threading.Lock()
        self._waiting = {imaged.story.id: imaged for imaged in told.IMAGED if imaged.later}

    def waits(self, patient: str) -> bool:
        return patient in self._waiting

    def send(self, patient: str) -> str:
        """Once a patient. Raises SourceError."""
        with self._lock:
            imaged = self._waiting.get(patient)
            if imaged is None:
                return ""
            study = self._scanner.study(imaged, imaged.scans[-1])
            try:
                self._scanner.send(imaged, imaged.scans[-1])
                imaging.create(self._fhir_base, study)
                told = self._scanner.tell(study)
            except requests.RequestException as error:
                raise SourceUnreachable("the archive, the record or the service does not answer") from error
            del self._waiting[patient]
            return told
