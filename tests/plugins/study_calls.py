"""Calls about a patient whose chart names scans."""

from __future__ import annotations

import uuid
from typing import Any

from study_scene import STUDY

Json = dict[str, Any]


def study(uid: str = STUDY, day: str = "2026-11-20", patient: str = "p1", **changed: Any) -> Json:
    return {
        "resourceType": "ImagingStudy",
        "id": f"study-{uid[-1]}",
        "status": "available",
        "identifier": [{"system": "urn:dicom:uid", "value": f"urn:oid:{uid}"}],
        "subject": {"reference": f"Patient/{patient}"},
        "started": f"{day}T09:00:00Z",
        "modality": [{"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "CT"}],
        "description": "CT abdomen",
        **changed,
    }


def body(*studies: Json, hook: str = "patient-view", user: str = "Practitioner/1", **patient: Any) -> Json:
    context: Json = {"userId": user, "patientId": "p1"}
    if hook == "encounter-start":
        context["encounterId"] = "e1"
    if hook == "appointment-book":
        context["appointments"] = {"resourceType": "Bundle", "entry": []}
    bundle = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": one} for one in studies]}
    who = {"resourceType": "Patient", "id": "p1", "birthDate": "1960-01-01", "gender": "female", **patient}
    return {
        "hook": hook,
        "hookInstance": str(uuid.uuid4()),
        "context": context,
        "prefetch": {"patient": who, "imaging": bundle},
    }
