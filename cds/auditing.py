"""The audit as FHIR: one AuditEvent for each thing that happened, after the Basic Audit Log Patterns of IHE (BALP).

A patient and a user are named by the ledger's keyed hash alone, as identifiers of this service's own system. So the
resources are of BALP's shape (agents by role, patient and transaction as entities) and do not claim its profiles, which
want a patient's reference. Each is validated (R4B) before it goes out.
"""

from __future__ import annotations

from typing import Any

from fhir.resources.R4B.auditevent import AuditEvent

from cds.ledger.audited import Happened

PATIENT_KEY, USER_KEY = "urn:cds:patient-key", "urn:cds:user-key"
_DCM = "http://dicom.nema.org/resources/ontology/DCM"
_EVENT = "http://terminology.hl7.org/CodeSystem/audit-event-type"
_INTERACTION = "http://hl7.org/fhir/restful-interaction"
_OBJECT = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
_OBJECT_ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
_SOURCE = "http://terminology.hl7.org/CodeSystem/security-source-type"
_PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"

_SUBTYPES = {
    "call": ("operation", "E"),
    "feedback": ("create", "C"),
    "opening": ("read", "R"),
    "standing": ("update", "U"),
}


def audit_event(found: Happened, observer: str) -> dict[str, Any]:
    """``observer``: this service's public address. Raises ValueError for what is no valid AuditEvent."""
    interaction, action = _SUBTYPES[found.what]
    event: dict[str, Any] = {
        "resourceType": "AuditEvent",
        "id": found.id,
        "type": {"system": _EVENT, "code": "rest", "display": "RESTful Operation"},
        "subtype": [
            {"system": _INTERACTION, "code": interaction},
            {"system": "urn:cds:audit-event", "code": found.what},
        ],
        "action": action,
        "recorded": found.at.isoformat(),
        "outcome": "0" if found.good else "4",
        "agent": _agents(found, observer),
        "source": {
            "observer": {"display": observer},
            "type": [{"system": _SOURCE, "code": "4", "display": "Application Server"}],
        },
        "entity": _entities(found),
    }
    return _valid(event)


def _agents(found: Happened, observer: str) -> list[dict[str, Any]]:
    client = {
        "type": {"coding": [{"system": _DCM, "code": "110153", "display": "Source Role ID"}]},
        "who": {"display": found.client},
        "requestor": found.user_key is None and found.what != "standing",
    }
    service = {
        "type": {"coding": [{"system": _DCM, "code": "110152", "display": "Destination Role ID"}]},
        "who": {"display": observer},
        "requestor": False,
    }
    agents = [client, service]
    if found.user_key is not None:
        agents.append(
            {
                "type": {"coding": [{"system": _PARTICIPATION, "code": "IRCP", "display": "information recipient"}]},
                "who": {"identifier": {"system": USER_KEY, "value": found.user_key}},
                "requestor": True,
            }
        )
    people = [value for name, value in found.details if name in ("person", "second person")]
    agents += [{"who": {"display": person}, "requestor": n == 0} for n, person in enumerate(people)]
    return agents


def _entities(found: Happened) -> list[dict[str, Any]]:
    entities: list[dict[str, Any]] = []
    if found.patient_key:
        entities.append(
            {
                "what": {"identifier": {"system": PATIENT_KEY, "value": found.patient_key}},
                "type": {"system": _OBJECT, "code": "1", "display": "Person"},
                "role": {"system": _OBJECT_ROLE, "code": "1", "display": "Patient"},
            }
        )
    entities.append(
        {
            "what": {"identifier": {"system": f"urn:cds:{found.what}", "value": found.id}},
            "type": {"system": _OBJECT, "code": "2", "display": "System Object"},
            "role": {"system": _OBJECT_ROLE, "code": "20", "display": "Job"},
            "detail": [{"type": name, "valueString": value} for name, value in found.details],
        }
    )
    return entities


def _valid(event: dict[str, Any]) -> dict[str, Any]:
    AuditEvent.model_validate(event)
    return event
