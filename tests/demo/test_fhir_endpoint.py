"""The embedded FHIR endpoint keeps to what FHIR R4 says of searching, and to what it says of itself."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from fhir.resources.R4B import get_fhir_model_class
from werkzeug.serving import make_server

from cds.demo.fhir_endpoint import create_fhir_app
from cds.demo.fhir_search import SEARCHES

LOINC = "http://loinc.org"


def observation(
    number: int, when: str | None, code: str = "4548-4", patient: str = "p1", **more: Any
) -> dict[str, Any]:
    dated = {"effectiveDateTime": when} if when else {}
    return {
        "resourceType": "Observation",
        "id": f"o{number}",
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": code}]},
        "subject": {"reference": f"Patient/{patient}"},
        **dated,
        **more,
    }


RESOURCES: list[dict[str, Any]] = [
    {"resourceType": "Patient", "id": "p1", "gender": "female"},
    {"resourceType": "Patient", "id": "p2", "gender": "male"},
    observation(1, "2021-03"),
    observation(2, "2024-05-02T10:00:00+02:00"),
    observation(3, "2019"),
    observation(4, None),
    observation(5, "2024-05-02T09:00:00Z", code="1558-6"),
    observation(6, "2024-05-03", code="1558-6", status="entered-in-error"),
    observation(7, "2024-05-03", patient="p2"),
    {
        "resourceType": "Condition",
        "id": "c1",
        "subject": {"reference": "Patient/p1"},
        "clinicalStatus": {"coding": [{"system": "urn:s", "code": "active"}]},
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "18165001"}]},
    },
    {
        "resourceType": "ImagingStudy",
        "id": "i1",
        "status": "available",
        "subject": {"reference": "Patient/p1"},
        "started": "2024-01-10T14:00:00Z",
        "series": [{"uid": "1.2", "modality": {"system": "urn:dcm", "code": "MR"}, "bodySite": {"code": "15776009"}}],
    },
    {
        "resourceType": "MedicationRequest",
        "id": "m1",
        "status": "active",
        "intent": "order",
        "subject": {"reference": "Patient/p1"},
        "medicationCodeableConcept": {"coding": [{"system": "urn:rx", "code": "6809"}]},
    },
    {"resourceType": "Invoice", "id": "x1", "status": "issued"},
]

DRAFT = {
    "resourceType": "ServiceRequest",
    "status": "draft",
    "intent": "proposal",
    "code": {"text": "CT of the pancreas"},
    "subject": {"reference": "Patient/p1"},
}


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    server = make_server("127.0.0.1", 0, create_fhir_app(RESOURCES, page_size=3), threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/fhir"
    server.shutdown()
    thread.join(5)
    server.server_close()


def found(base: str, query: str) -> list[str]:
    response = requests.get(f"{base}/{query}", headers={"Prefer": "handling=strict"}, timeout=5)
    assert response.status_code == 200, response.text
    return [entry["resource"]["id"] for entry in response.json().get("entry", ())]


def link(bundle: dict[str, Any], relation: str) -> str | None:
    return next((item["url"] for item in bundle["link"] if item["relation"] == relation), None)


def refusal(response: requests.Response) -> str:
    outcome = response.json()
    assert response.headers["Content-Type"] == "application/fhir+json"
    get_fhir_model_class("OperationOutcome").model_validate(outcome)
    return str(outcome["issue"][0]["code"])


def test_a_resource_is_read_by_its_id(base: str) -> None:
    response = requests.get(f"{base}/Patient/p1", timeout=5)
    assert response.headers["Content-Type"] == "application/fhir+json"
    assert response.json() == RESOURCES[0]


def test_the_capability_statement_is_valid_and_lists_every_parameter_and_no_more(base: str) -> None:
    statement = requests.get(f"{base}/metadata", timeout=5).json()
    get_fhir_model_class("CapabilityStatement").model_validate(statement)
    listed = {r["type"]: {p["name"] for p in r["searchParam"]} - {"_id"} for r in statement["rest"][0]["resource"]}
    assert listed == {kind: set(parameters) for kind, parameters in SEARCHES.items()}


@pytest.mark.parametrize("reference", ["p1", "Patient/p1"])
@pytest.mark.parametrize("name", ["patient", "subject"])
def test_a_patient_is_named_with_or_without_the_type(base: str, name: str, reference: str) -> None:
    assert found(base, f"Condition?{name}={reference}") == ["c1"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (f"Observation?patient=p1&code={LOINC}|1558-6", {"o5", "o6"}),
        ("Observation?patient=p1&code=1558-6", {"o5", "o6"}),
        ("Observation?patient=p1&code=urn:other|1558-6", set()),
        ("Observation?patient=p1&code=|1558-6", set()),
        (f"Observation?patient=p2&code={LOINC}|1558-6,{LOINC}|4548-4", {"o7"}),
        ("Observation?patient=p1&status=entered-in-error", {"o6"}),
        ("Observation?_id=o1,o7", {"o1", "o7"}),
        ("Condition?patient=p1&clinical-status=active,recurrence", {"c1"}),
        ("Condition?patient=p1&clinical-status=resolved", set()),
        ("ImagingStudy?patient=p1&modality=CT,MR&started=ge2024-01-01", {"i1"}),
        ("ImagingStudy?patient=p1&modality=CT", set()),
        ("ImagingStudy?bodysite=15776009", {"i1"}),
        ("MedicationRequest?patient=p1&code=urn:rx|6809&intent=order", {"m1"}),
    ],
)
def test_tokens_match_on_system_and_code(base: str, query: str, expected: set[str]) -> None:
    assert set(found(base, query)) == expected


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        ("date=2024-05-02", {"o2", "o5"}),
        ("date=ge2024-05-03", {"o6"}),
        ("date=gt2024-05-02", {"o6"}),
        ("date=le2021-12-31", {"o1", "o3"}),
        ("date=lt2021-03-15", {"o1", "o3"}),
        ("date=gt2021-03-15&date=lt2021-05-01", {"o1"}),
        ("date=2019-06-01", set()),
        ("date=ge2024-05-02T10:30:00%2B02:00&date=lt2024-05-03", {"o5"}),
        ("date=ge2019-12-01&date=le2019-12-31", {"o3"}),
    ],
)
def test_dates_are_the_intervals_they_are_written_as(base: str, terms: str, expected: set[str]) -> None:
    assert set(found(base, f"Observation?patient=p1&{terms}")) == expected


def test_the_newest_comes_first_and_the_undated_last(base: str) -> None:
    assert found(base, "Observation?patient=p1&_sort=-date&_count=2") == ["o6", "o5"]
    assert found(base, "Observation?patient=p1&_sort=date&_count=2") == ["o3", "o1"]


def test_paging_visits_each_match_once_and_ends(base: str) -> None:
    url: str | None = f"{base}/Observation?patient=p1&_sort=-date&_count=100"
    seen: list[str] = []
    pages = 0
    while url:
        bundle = requests.get(url, headers={"Prefer": "handling=strict"}, timeout=5).json()
        get_fhir_model_class("Bundle").model_validate(bundle)
        assert bundle["total"] == 6
        seen += [entry["resource"]["id"] for entry in bundle["entry"]]
        url = link(bundle, "next")
        pages += 1
    assert seen == ["o6", "o5", "o2", "o1", "o3", "o4"]
    assert pages == 2


def test_nothing_found_is_an_empty_searchset(base: str) -> None:
    bundle = requests.get(f"{base}/Observation?patient=nobody", timeout=5).json()
    assert bundle["total"] == 0
    assert "entry" not in bundle
    assert link(bundle, "next") is None


def test_an_unknown_parameter_is_refused_when_strict(base: str) -> None:
    url = f"{base}/Observation?patient=p1&code:not=4548-4"
    response = requests.get(url, headers={"Prefer": "handling=strict"}, timeout=5)
    assert response.status_code == 400
    assert refusal(response) == "not-supported"


def test_an_unknown_parameter_is_otherwise_left_out_of_the_self_link(base: str) -> None:
    bundle = requests.get(f"{base}/Observation?patient=p1&colour=red", timeout=5).json()
    assert bundle["total"] == 6
    assert link(bundle, "self") == f"{base}/Observation?patient=p1"


@pytest.mark.parametrize(
    "terms", ["date=yesterday", "date=sa2024", "_sort=code", "_count=many", "_page=-1", "_count=%C2%B2"]
)
def test_a_value_that_cannot_be_read_is_refused(base: str, terms: str) -> None:
    response = requests.get(f"{base}/Observation?patient=p1&{terms}", timeout=5)
    assert response.status_code == 400
    assert refusal(response) in {"value", "not-supported"}


@pytest.mark.parametrize("path", ["Patient/nobody", "Spaceship", "Invoice/x1", "Invoice?status=issued", "a/b/c"])
def test_what_is_not_there_is_an_operation_outcome(base: str, path: str) -> None:
    response = requests.get(f"{base}/{path}", timeout=5)
    assert response.status_code == 404
    assert refusal(response) in {"not-found", "not-supported"}


def test_an_accepted_suggestion_is_stored_found_and_gone_after_deletion(base: str) -> None:
    headers = {"Content-Type": "application/fhir+json"}
    created = requests.post(f"{base}/ServiceRequest", data=json.dumps(DRAFT), headers=headers, timeout=5)
    assert created.status_code == 201
    where = created.headers["Location"]
    assert requests.get(where, timeout=5).json()["code"] == DRAFT["code"]
    assert found(base, "ServiceRequest?patient=p1&status=draft") == [created.json()["id"]]
    assert requests.delete(where, timeout=5).status_code == 204
    gone = requests.get(where, timeout=5)
    assert gone.status_code == 410
    assert refusal(gone) == "deleted"


def test_a_draft_is_signed_by_an_update_and_no_id_is_a_clients_to_give(base: str) -> None:
    headers = {"Content-Type": "application/fhir+json"}
    draft = requests.post(f"{base}/ServiceRequest", data=json.dumps(DRAFT), headers=headers, timeout=5).json()
    where, signed = f"{base}/ServiceRequest/{draft['id']}", {**draft, "status": "active"}
    answer = requests.put(where, data=json.dumps(signed), headers=headers, timeout=5)
    assert (answer.status_code, answer.json()["status"], answer.json()["meta"]["versionId"]) == (200, "active", "2")
    assert found(base, "ServiceRequest?patient=p1&status=draft") == []
    other = requests.put(f"{base}/ServiceRequest/mine", data=json.dumps(signed), headers=headers, timeout=5)
    assert other.status_code == 400
    mine = json.dumps({**signed, "id": "mine"})
    assert requests.put(f"{base}/ServiceRequest/mine", data=mine, headers=headers, timeout=5).status_code == 404
    requests.delete(where, timeout=5)


@pytest.mark.parametrize(
    ("kind", "body", "mimetype", "status"),
    [
        ("ServiceRequest", "{not json", "application/fhir+json", 400),
        ("ServiceRequest", json.dumps({**DRAFT, "resourceType": "Patient"}), "application/fhir+json", 400),
        ("ServiceRequest", json.dumps([DRAFT]), "application/fhir+json", 400),
        ("ServiceRequest", json.dumps({**DRAFT, "secret-name": "Alice"}), "application/fhir+json", 422),
        ("ServiceRequest", json.dumps({**DRAFT, "authoredOn": "Alice"}), "application/fhir+json", 422),
        ("ServiceRequest", json.dumps(DRAFT), "text/plain", 415),
        ("Spaceship", json.dumps(DRAFT), "application/fhir+json", 404),
    ],
)
def test_what_is_not_valid_is_not_stored(base: str, kind: str, body: str, mimetype: str, status: int) -> None:
    response = requests.post(f"{base}/{kind}", data=body, headers={"Content-Type": mimetype}, timeout=5)
    assert response.status_code == status
    refusal(response)
    assert "Alice" not in response.text
    assert found(base, "ServiceRequest?patient=p1") == []


def test_a_method_it_does_not_offer_is_refused_as_fhir(base: str) -> None:
    response = requests.patch(f"{base}/Patient/p1", timeout=5)
    assert response.status_code == 405
    refusal(response)


def test_the_delay_holds_every_answer_back() -> None:
    client = create_fhir_app(RESOURCES, delay_s=0.05).test_client()
    start = time.perf_counter()
    assert client.get("/fhir/Patient/p1").status_code == 200
    assert time.perf_counter() - start >= 0.05
