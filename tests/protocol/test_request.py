"""Calls and feedback are read tolerantly; what can't be answered is named."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cds.errors import MalformedRequest
from cds.protocol.request import parse_call, parse_feedback


def body(**changes: Any) -> bytes:
    base: dict[str, Any] = {
        "hook": "patient-view",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {"userId": "Practitioner/1", "patientId": "p1"},
    }
    return json.dumps(base | changes).encode()


def test_unknown_members_and_extensions_are_ignored() -> None:
    call = parse_call(body(extension={"com.example": {"x": 1}}, unheard_of=[1, {"a": None}]))
    assert call.patient_id == "p1"


@pytest.mark.parametrize("sent", ["p1", "Patient/p1", "https://ehr.example.org/fhir/Patient/p1", " p1 "])
def test_a_patient_id_may_carry_its_type(sent: str) -> None:
    assert parse_call(body(context={"userId": "u", "patientId": sent})).patient_id == "p1"


@pytest.mark.parametrize("instance", ["not-a-uuid", "1", "{weird}"])
def test_a_hook_instance_need_not_be_a_uuid(instance: str) -> None:
    assert parse_call(body(hookInstance=instance)).hook_instance == instance


def test_prefetch_values_stay_raw_and_null_is_kept() -> None:
    call = parse_call(body(prefetch={"a": None, "b": {"resourceType": "Patient"}}))
    assert call.prefetch == {"a": b"null", "b": b'{"resourceType": "Patient"}'}


@pytest.mark.parametrize("odd", [{"expires_in": "300"}, {"scope": ["patient/*.rs"]}, {"subject": None, "patient": 7}])
def test_what_is_not_read_of_an_authorization_may_have_any_form(odd: dict[str, Any]) -> None:
    body = {
        "hook": "patient-view",
        "hookInstance": "i",
        "context": {"userId": "Practitioner/1", "patientId": "1"},
        "fhirServer": "https://ehr",
        "fhirAuthorization": {"access_token": "t", **odd},
    }
    call = parse_call(json.dumps(body).encode())
    assert call.authorization is not None
    assert call.authorization.access_token == "t"


def test_a_token_never_shows_in_a_repr() -> None:
    call = parse_call(
        body(
            fhirServer="https://ehr.example.org/fhir",
            fhirAuthorization={
                "access_token": "s3cret",
                "token_type": "Bearer",
                "expires_in": 300,
                "scope": "x",
                "subject": "y",
            },
        )
    )
    assert "s3cret" not in repr(call)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b"[]", "Expected `object`"),
        (b"null", "Expected `object`"),
        (body(hook=None), "$.hook"),
        (body(hook=7), "$.hook"),
        (body(hookInstance=" "), "hookInstance"),
        (body(context=None), "$.context"),
        (body(context={"userId": "u"}), "patientId"),
        (body(context={"userId": "u", "patientId": ""}), "patientId"),
        (body(context={"userId": "u", "patientId": "../../etc"}), "Patient"),
        (body(context={"userId": "u", "patientId": "a b"}), "patientId"),
        (body(context={"patientId": "p1"}), "context.userId"),
        (body(context={"userId": "u", "patientId": "Group/1"}), "Patient"),
        (body(prefetch=[1]), "$.prefetch"),
        (body(fhirAuthorization={"access_token": "t"}), "fhirServer"),
        (body(hook="order-sign"), "draftOrders"),
        (body(hook="order-sign", context={"userId": "u", "patientId": "p", "draftOrders": None}), "draftOrders"),
        (body(hook="encounter-start"), "encounterId"),
        (b'{"hook":"patient-view","hookInstance":"x","context":{"patientId":NaN}}', "not valid JSON"),
        (b"[" * 200_000, "object"),
        (body()[:-1] + b',"prefetch":{"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}}", "nested too deeply"),
    ],
)
def test_what_can_not_be_answered_is_named(raw: bytes, says: str) -> None:
    with pytest.raises(MalformedRequest) as caught:
        parse_call(raw)
    assert says in str(caught.value)


ACCEPTED = {
    "card": "c1",
    "outcome": "accepted",
    "acceptedSuggestions": [{"id": "s1"}],
    "outcomeTimestamp": "2026-01-01T00:00:00Z",
}
REASON = {"code": "declined", "system": "urn:x", "display": "Declines"}


@pytest.mark.parametrize(
    "message",
    [
        {"feedback": [ACCEPTED]},
        {"feedback": ACCEPTED},
        ACCEPTED,
    ],
)
def test_feedback_comes_as_an_array_a_single_or_a_bare_object(message: dict[str, Any]) -> None:
    (item,) = parse_feedback(json.dumps(message).encode()).items
    assert (item.card, item.outcome, item.suggestions) == ("c1", "accepted", ("s1",))


@pytest.mark.parametrize(
    "override",
    [
        {"overrideReason": {"reason": REASON}},
        {"overrideReasons": {"reason": REASON, "userComment": "Mrs Smith said no"}},
        {"overrideReasons": [{"reason": REASON}]},
    ],
)
def test_an_override_reason_is_found_under_either_name(override: dict[str, Any]) -> None:
    (item,) = parse_feedback(
        json.dumps({"feedback": [{"card": "c", "outcome": "overridden"} | override]}).encode()
    ).items
    assert (item.reason_code, item.reason_system) == ("declined", "urn:x")
    assert "Smith" not in repr(item)


def test_a_reason_in_an_extension_is_taken() -> None:
    override = {"extension": {"com.epic.cdshooks.feedback.overrideReason.reasonCategory": "45"}, "userComment": "x"}
    message = {"feedback": [{"card": "c", "outcome": "overridden", "overrideReasons": override}]}
    (item,) = parse_feedback(json.dumps(message).encode()).items
    assert item.reason_code == "45"
    assert item.commented


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"7", b'{"feedback":7}', b'{"feedback":[{"card":"c","outcome":"ignored"}]}', b"{}"]
)
def test_wrong_feedback_is_named(raw: bytes) -> None:
    with pytest.raises(MalformedRequest):
        parse_feedback(raw)


def test_feedback_in_another_encoding_is_refused_not_a_fault() -> None:
    with pytest.raises(MalformedRequest):
        parse_feedback(b'{"feedback":[{"card":"\xff","outcome":"accepted"}]}')


def test_a_flood_of_feedback_is_refused_as_a_whole() -> None:
    item = {"card": "c", "outcome": "overridden"}
    with pytest.raises(MalformedRequest, match="at most 1000"):
        parse_feedback(json.dumps({"feedback": [item] * 1001}).encode())


@pytest.mark.parametrize(
    ("user", "by_patient"),
    [
        ("Practitioner/1", False),
        ("PractitionerRole/1", False),
        ("https://ehr.example.org/fhir/Practitioner/1", False),
        ("Patient/1", True),
        (" Patient/1", True),
        ("patient/1", True),
        ("https://ehr.example.org/fhir/Patient/1", True),
        ("RelatedPerson/1", True),
        ("Patient", True),
        ("1", True),
        ("Person/1", True),
    ],
)
def test_whoever_is_not_plainly_staff_may_be_the_patient(user: str, by_patient: bool) -> None:
    assert parse_call(body(context={"userId": user, "patientId": "p1"})).by_patient is by_patient
