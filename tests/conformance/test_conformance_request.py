"""The request: what it must hold, what is tolerated, and the answer when nothing can be said."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from requirements import requirement
from service import FHIR, Json, MakeApp, PrefetchOf, StoryCalls, context_of, loopback, request

CALL = "/cds-services/pancreas-risk"
STORY = "new-diabetes"
AUTHORIZATION: Json = {
    "access_token": "t",
    "token_type": "Bearer",
    "expires_in": 300,
    "scope": "patient/Patient.rs patient/Observation.rs",
    "subject": "cds-service",
    "patient": STORY,
}


def said(answer: Any) -> str:
    text: str = answer.get_json()["issue"][0]["details"]["text"]
    return text


@requirement(15)
@pytest.mark.parametrize("member", ["hook", "hookInstance", "context"])
def test_a_required_member_that_is_missing_is_named(fire: StoryCalls, member: str) -> None:
    answer = fire(STORY, **{member: None})
    assert answer.status_code == 400
    assert member in said(answer)


@requirement(15)
@pytest.mark.parametrize(
    ("service", "hook", "field"),
    [
        ("pancreas-risk", "patient-view", "userId"),
        ("pancreas-risk", "patient-view", "patientId"),
        ("pancreas-risk", "encounter-start", "encounterId"),
        ("pancreas-first-line", "order-select", "selections"),
        ("pancreas-first-line", "order-select", "draftOrders"),
        ("pancreas-first-line", "order-sign", "draftOrders"),
    ],
)
def test_a_field_the_hook_requires_in_its_context_is_named_when_missing(
    fire: StoryCalls, service: str, hook: str, field: str
) -> None:
    context = {k: v for k, v in context_of("folfirinox-falling", hook).items() if k != field}
    answer = fire("folfirinox-falling", service, hook, context=context)
    assert answer.status_code == 400
    assert f"context.{field}" in said(answer)


@requirement(15)
@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("hook", 7),
        ("hook", ""),
        ("hookInstance", ""),
        ("hookInstance", {"id": 1}),
        ("context", []),
        ("context", "patient"),
        ("prefetch", []),
        ("fhirServer", 5),
        ("fhirAuthorization", "Bearer x"),
    ],
)
def test_a_member_of_the_wrong_type_is_refused(fire: StoryCalls, member: str, value: Any) -> None:
    assert fire(STORY, **{member: value}).status_code == 400


@requirement(15)
def test_a_token_without_the_server_it_is_for_is_refused(fire: StoryCalls) -> None:
    answer = fire(STORY, fhirAuthorization=AUTHORIZATION)
    assert answer.status_code == 400
    assert "fhirServer" in said(answer)


@requirement(15)
def test_a_whole_request_is_answered(fire: StoryCalls) -> None:
    answer = fire(STORY, fhirServer=FHIR, fhirAuthorization=AUTHORIZATION)
    assert answer.status_code == 200
    assert answer.get_json()["cards"]


@requirement(15)
@pytest.mark.parametrize("instance", ["d1577c69-dfbe-44ad-ba6d-3e05e953b2ea", "f3945c39-dfbe-2va", "1"])
def test_any_hookinstance_will_do(fire: StoryCalls, instance: str) -> None:
    assert fire(STORY, hookInstance=instance).status_code == 200


@requirement(15)
def test_optional_members_may_be_null(client: FlaskClient, prefetch_of: PrefetchOf) -> None:
    context = {**context_of(STORY, "patient-view"), "encounterId": None}
    body = request("patient-view", context, prefetch_of(STORY), fhirServer=None, fhirAuthorization=None)
    assert client.post(CALL, json=body).status_code == 200


@pytest.fixture
def dead_server() -> Iterator[str]:
    """The address of a FHIR server that takes no connection."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}/fhir"


@requirement(19)
def test_412_when_neither_data_nor_a_server_was_sent(client: FlaskClient) -> None:
    start = time.perf_counter()
    answer = client.post(CALL, json=request("patient-view", context_of(STORY, "patient-view")))
    assert time.perf_counter() - start < 0.5
    assert answer.status_code == 412
    assert "patient" in said(answer)


@requirement(19)
def test_412_when_the_server_can_not_be_reached(make_app: MakeApp, dead_server: str) -> None:
    app = make_app(**loopback(fhir_servers=[dead_server]))
    body = request("patient-view", context_of(STORY, "patient-view"), fhirServer=dead_server)
    answer = app.test_client().post(CALL, json=body)
    assert answer.status_code == 412
    assert "could" in said(answer) or "no connection" in said(answer)


@requirement(19)
def test_412_when_the_server_may_not_be_used(make_app: MakeApp, prefetch_of: PrefetchOf) -> None:
    app = make_app(**loopback(fhir_access=False))
    body = request("patient-view", context_of(STORY, "patient-view"), fhirServer=FHIR)
    assert app.test_client().post(CALL, json=body).status_code == 412
    assert app.test_client().post(CALL, json={**body, "prefetch": prefetch_of(STORY)}).status_code == 200


@requirement(19)
@pytest.mark.parametrize(
    "prefetch",
    [
        {"patient": None},
        {"patient": {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "exception"}]}},
        {"patient": {"resourceType": "Patient", "id": "somebody-else"}},
    ],
    ids=["null", "failed", "another patient"],
)
def test_412_when_the_required_patient_is_not_there(fire: StoryCalls, prefetch: Json) -> None:
    whole = fire.prefetch_of(STORY)
    assert fire(STORY, prefetch={**whole, **prefetch}).status_code == 412


@requirement(19)
def test_412_when_nothing_but_the_patient_was_sent(fire: StoryCalls) -> None:
    patient = fire.prefetch_of(STORY)["patient"]
    answer = fire(STORY, prefetch={"patient": patient})
    assert answer.status_code == 412
    assert "observations" in said(answer)


@requirement(21)
def test_extensions_and_unknown_members_are_ignored_wherever_they_stand(fire: StoryCalls, client: FlaskClient) -> None:
    body = fire.body(STORY)
    plain = client.post(CALL, json=body).get_json()
    extension = {"com.example.ehr": {"trigger": ["a", 1, None]}}
    body |= {"extension": extension, "unknownMember": [1, {}], "fhirServer": FHIR}
    body["context"] |= {"extension": extension, "unknownField": {"a": 1}}
    body["fhirAuthorization"] = {**AUTHORIZATION, "extension": extension, "need_patient_banner": True}
    answer = client.post(CALL, json=body)
    assert answer.status_code == 200
    assert [c["summary"] for c in answer.get_json()["cards"]] == [c["summary"] for c in plain["cards"]]


@requirement(21)
@pytest.mark.parametrize("extension", [None, [], "text", 5, {}, [{"url": "urn:x", "valueString": "y"}]])
def test_an_extension_of_any_shape_is_no_reason_to_refuse(fire: StoryCalls, extension: Any) -> None:
    body = fire.body(STORY) | {"extension": extension}
    assert fire.client.post(CALL, json=body).status_code == 200
