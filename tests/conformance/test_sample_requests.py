"""Requests in the shapes of published samples: the specification's, its hook library's and a payer test kit's.

The patients are ours; what is kept is each sample's peculiarity.
"""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from requirements import requirement
from service import FHIR, Json, PrefetchOf, StoryCalls, context_of, request

from cds.errors import MalformedRequest
from cds.protocol.request import parse_call, parse_feedback

STORY = "folfirinox-falling"
RISK, FIRST_LINE = "/cds-services/pancreas-risk", "/cds-services/pancreas-first-line"
AUTHORIZATION: Json = {
    "access_token": "SAMPLE",
    "token_type": "Bearer",
    "expires_in": 300,
    "scope": "user/Patient.read user/Practitioner.read user/Encounter.read",
    "subject": "cds-service",
}
COVERAGE: Json = {
    "resourceType": "Bundle",
    "type": "searchset",
    "total": 1,
    "entry": [
        {
            "fullUrl": f"{FHIR}/Coverage/cov",
            "resource": {"resourceType": "Coverage", "id": "cov", "beneficiary": {"reference": f"Patient/{STORY}"}},
            "search": {"mode": "match"},
        }
    ],
}


def drafts(*resources: Json) -> Json:
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": r} for r in resources]}


@requirement(15, 16)
def test_encounter_start_of_the_payer_kit(client: FlaskClient, prefetch_of: PrefetchOf) -> None:
    """The Encounter itself as prefetch, under a key nobody declared, and a malformed class."""
    encounter = {
        "resourceType": "Encounter",
        "id": "enc",
        "status": "finished",
        "class": {"code": "HH"},
        "length": {"value": 56, "unit": "minutes"},
        "subject": {"reference": f"Patient/{STORY}"},
    }
    context = {"userId": "Practitioner/pra1234", "patientId": STORY, "encounterId": "enc"}
    prefetch = {"encounter": encounter, **prefetch_of(STORY, "pancreas-risk", "encounter-start")}
    body = request("encounter-start", context, prefetch, fhirServer=FHIR, fhirAuthorization=AUTHORIZATION)
    answer = client.post(RISK, json=body)
    assert (answer.status_code, answer.get_json()) == (200, {"cards": []})


@requirement(15)
@pytest.mark.parametrize(
    "context",
    [
        {"patientId": STORY, "order": "ServiceRequest/s1", "performer": "Practitioner/p1"},
        {"patientId": STORY, "dispatchedOrders": ["ServiceRequest/s1"], "performer": "Organization/o1"},
        {
            "patientId": STORY,
            "order": "ServiceRequest/s1",
            "performer": "Practitioner/p1",
            "task": {"resourceType": "Task", "id": "t1"},
        },
    ],
    ids=["names of 1.0", "names of 1.1", "with a task"],
)
def test_order_dispatch_is_read_under_both_versions_names_and_without_a_user(
    client: FlaskClient, context: Json
) -> None:
    body = request("order-dispatch", context, {"coverage": COVERAGE})
    call = parse_call(client.application.json.dumps(body).encode())
    assert (call.hook, call.patient_id) == ("order-dispatch", STORY)
    # nobody here answers it yet, and that is said
    answer = client.post(RISK, json=body)
    assert answer.status_code == 400
    assert "patient-view" in answer.get_json()["issue"][0]["details"]["text"]


@requirement(15)
def test_order_select_judges_the_selected_orders_only(fire: StoryCalls) -> None:
    context = context_of("missing-data", "order-select")
    unrelated = {
        "resourceType": "MedicationRequest",
        "id": "mr-azathioprine",
        "status": "draft",
        "intent": "order",
        "identifier": [{"type": {"coding": [{"code": "PLAC"}]}, "value": "25839b73"}],
        "medicationCodeableConcept": {
            "coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "105611"}]
        },
        "subject": {"reference": "Patient/missing-data"},
        "dosageInstruction": [{"doseAndRate": {"doseQuantity": {"value": 50}}}],
        "insurance": [{"reference": "Coverage/cov"}],
    }
    context["draftOrders"] = drafts(unrelated, *(e["resource"] for e in context["draftOrders"].get("entry", ())))
    context["selections"] = ["MedicationRequest/mr-azathioprine"]
    answer = fire("missing-data", "pancreas-first-line", "order-select", context=context)
    assert (answer.status_code, answer.get_json()) == (200, {"cards": []})


@requirement(15)
def test_a_regimen_not_selected_yet_is_not_spoken_of(fire: StoryCalls) -> None:
    whole = context_of(STORY, "order-sign")["draftOrders"]
    none_chosen = {**context_of(STORY, "order-select"), "draftOrders": whole, "selections": []}
    answer = fire(STORY, "pancreas-first-line", "order-select", context=none_chosen)
    assert (answer.status_code, answer.get_json()) == (200, {"cards": []})


DEVICE = {
    "resourceType": "DeviceRequest",
    "id": "device",
    "status": "draft",
    "intent": "original-order",
    "codeCodeableConcept": {"coding": [{"system": "urn:hcpcs", "code": "E0250"}]},
    "subject": {"reference": f"Patient/{STORY}"},
}
DIET = {
    "resourceType": "NutritionOrder",
    "id": "diet",
    "patient": {"reference": f"Patient/{STORY}"},
    "status": "draft",
    "oralDiet": {"schedule": [{"repeat": {"periodUnits": "d"}}]},
}
DSTU2 = {
    "resourceType": "MedicationOrder",
    "id": "order-103",
    "status": "draft",
    "patient": {"reference": f"Patient/{STORY}"},
    "dosageInstruction": [{"doseQuantity": {"value": 5, "unit": "mL"}}],
}
HYPHENS = {
    "resourceType": "MedicationRequest",
    "id": "draft\u2011rx\u20111",
    "status": "draft",
    "intent": "order",
    "medicationCodeableConcept": {"text": "Amoxicillin 500\u202fmg tablet"},
    "subject": {"reference": f"Patient/{STORY}"},
}


@requirement(15, 21)
@pytest.mark.parametrize(
    "order",
    [DEVICE, DIET, DSTU2, HYPHENS],
    ids=["device of the payer kit", "diet of the library", "a DSTU 2 type", "hyphens that are none"],
)
def test_orders_of_other_kinds_get_no_card_and_spoil_none(fire: StoryCalls, order: Json) -> None:
    alone = {**context_of(STORY, "order-sign"), "draftOrders": drafts(order)}
    answer = fire(STORY, "pancreas-first-line", "order-sign", context=alone, extension={"davinci-crd": {"alt": True}})
    assert (answer.status_code, answer.get_json()) == (200, {"cards": []})
    regimen = context_of(STORY, "order-sign")
    regimen["draftOrders"] = drafts(order, *(e["resource"] for e in regimen["draftOrders"]["entry"]))
    assert fire(STORY, "pancreas-first-line", "order-sign", context=regimen).get_json()["cards"]


@requirement(15)
def test_orders_signed_again_may_be_active(fire: StoryCalls) -> None:
    """order-sign 1.1: a change to a running order comes with its own status."""
    context = context_of(STORY, "order-sign")
    active = [{**e["resource"], "status": "active"} for e in context["draftOrders"]["entry"]]
    answer = fire(STORY, "pancreas-first-line", "order-sign", context={**context, "draftOrders": drafts(*active)})
    assert answer.get_json()["cards"]


@requirement(17)
def test_the_specifications_paged_prefetch_is_used_as_far_as_it_reaches(fire: StoryCalls) -> None:
    """A first page whose next link has no token to follow it."""
    prefetch = fire.prefetch_of(STORY, "pancreas-first-line", "order-sign")
    next_page = {"relation": "next", "url": f"{FHIR}/MedicationRequest?patient={STORY}&_count=1&_page=2"}
    prefetch["medications"] = {**prefetch["medications"], "link": [next_page]}
    answer = fire(STORY, "pancreas-first-line", "order-sign", prefetch=prefetch)
    [card] = answer.get_json()["cards"]
    assert "The medication list could be read only in part" in card["detail"]


@requirement(15)
def test_the_librarys_smallest_context_will_do(client: FlaskClient, prefetch_of: PrefetchOf) -> None:
    context = {"userId": "PractitionerRole/123", "patientId": "new-diabetes"}
    answer = client.post(RISK, json=request("patient-view", context, prefetch_of("new-diabetes")))
    assert answer.get_json()["cards"]


@requirement(32)
def test_the_specifications_feedback_is_understood() -> None:
    item = (
        b'{"card": "4e0a3a1e-3283-4575-ab82-028d55fe2719", "outcome": "accepted",'
        b' "acceptedSuggestions": [{"id": "e56e1945-20b3-4393-8503-a1a20fd73152"}],'
        b' "outcomeTimestamp": "2021-12-11T10:05:31Z"}'
    )
    for body in (b'{"feedback": [' + item + b"]}", item):
        [read] = parse_feedback(body).items
        assert (read.card, read.outcome) == ("4e0a3a1e-3283-4575-ab82-028d55fe2719", "accepted")
        assert read.suggestions == ("e56e1945-20b3-4393-8503-a1a20fd73152",)
    with pytest.raises(MalformedRequest):
        parse_feedback(b"[" + item + b",]")
