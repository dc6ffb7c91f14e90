"""What is not a CDS Hooks call gets a clear 4xx and a sentence, quickly; never a 5xx."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from called_service import CalledService
from chart_calls import ALARMING, SIGN, chart, order_sign, patient_view
from servers import prefetch_of

GOOD = patient_view(ALARMING, prefetch_of(chart(ALARMING)))
QUICKLY_S = 1.0


def changed(*path: str, to: Any) -> dict[str, Any]:
    body = copy.deepcopy(GOOD)
    place = body
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = to
    return body


def lacking(*path: str) -> dict[str, Any]:
    body = changed(*path, to=None)
    place = body
    for name in path[:-1]:
        place = place[name]
    del place[path[-1]]
    return body


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"{", id="cut off"),
        pytest.param(json.dumps(GOOD).encode()[:-400], id="cut off late"),
        pytest.param(json.dumps(GOOD).encode() + b"x", id="something after it"),
        pytest.param(b"hook=patient-view", id="a form"),
        pytest.param(b"<xml/>", id="XML"),
        pytest.param(b"\xff\xfe\x00", id="not text"),
        pytest.param(json.dumps(GOOD).encode("utf-16"), id="UTF-16"),
        pytest.param(b"null", id="null"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b'"call"', id="a string"),
        pytest.param(b"NaN", id="NaN"),
        pytest.param(b"[" * 100_000, id="100,000 deep"),
        pytest.param(b'{"context":' * 50_000 + b"1" + b"}" * 50_000, id="50,000 objects deep"),
        pytest.param(b'{"hook": "patient-view", "hookInstance": "\\ud800"', id="half a surrogate"),
        pytest.param(b"{'hook': 'patient-view'}", id="single quotes"),
        pytest.param(json.dumps(changed("context", "x", to=1e400)).encode(), id="Infinity"),
    ],
)
@pytest.mark.threat("bad-input")
def test_what_is_not_json_or_no_call_is_refused(service: CalledService, body: bytes) -> None:
    told = service.call(body)
    assert (told.status, told.code) == (400, "CDS-400")
    assert told.seconds < QUICKLY_S


@pytest.mark.parametrize("value", [None, 5, True, [], {}, "", "   "], ids=repr)
@pytest.mark.parametrize("path", [("hook",), ("hookInstance",), ("context",), ("context", "patientId")], ids=".".join)
def test_a_required_member_of_the_wrong_kind_is_refused(
    service: CalledService, path: tuple[str, ...], value: Any
) -> None:
    told = service.call(changed(*path, to=value))
    assert 400 <= told.status < 500
    assert told.words


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("fhirServer",), 5),
        (("fhirServer",), {"url": "x"}),
        (("fhirAuthorization",), "token"),
        (("fhirAuthorization",), {"access_token": 5}),
        (("prefetch",), "all of it"),
        (("prefetch",), [1]),
        (("context", "userId"), 5),
        (("context", "encounterId"), ["e1"]),
        (("context", "patientId"), "Practitioner/1"),
        (("context", "patientId"), "a b"),
        (("context", "patientId"), "Patient/../1"),
        (("context", "patientId"), "1?x=y"),
        (("context", "patientId"), "x" * 1000),
    ],
    ids=str,
)
@pytest.mark.threat("path-traversal")
def test_a_member_of_the_wrong_kind_is_named(service: CalledService, path: tuple[str, ...], value: Any) -> None:
    body = changed(*path, to=value)
    if path == ("fhirAuthorization",):
        body["fhirServer"] = "http://127.0.0.1:9/fhir"
    told = service.call(body)
    assert told.status == 400
    assert path[-1] in told.words


@pytest.mark.parametrize(
    "path",
    [("hook",), ("hookInstance",), ("context",), ("context", "patientId"), ("context", "userId")],
    ids=".".join,
)
def test_a_missing_member_is_named(service: CalledService, path: tuple[str, ...]) -> None:
    told = service.call(lacking(*path))
    assert (told.status, told.code) == (400, "CDS-400")
    assert path[-1] in told.words


@pytest.mark.parametrize(
    "drafts", [None, 5, "x", [], {}, {"resourceType": "Patient", "id": "p"}, {"resourceType": "Bundle", "entry": 5}]
)
def test_draft_orders_must_be_a_bundle(service: CalledService, drafts: Any) -> None:
    body = order_sign(ALARMING, prefetch_of(chart(ALARMING)))
    body["context"]["draftOrders"] = drafts
    told = service.call(body, SIGN)
    assert (told.status, told.code) == (400, "CDS-400")
    assert "draftOrders" in told.words


def test_an_unknown_service_hook_or_media_type_is_told_apart(service: CalledService) -> None:
    assert service.call(GOOD, "/cds-services/nothing").code == "CDS-404"
    assert service.call(changed("hook", to="order-dispatch")).status == 400
    assert service.call(GOOD, content_type="text/plain").code == "CDS-415"


@pytest.mark.threat("oversized")
def test_ten_megabytes_are_too_many(service: CalledService) -> None:
    told = service.call(changed("extension", to="x" * 10_000_000))
    assert (told.status, told.code) == (413, "CDS-413")
    assert told.seconds < QUICKLY_S


def test_seven_megabytes_of_something_else_are_read_over(service: CalledService) -> None:
    told = service.answered(changed("extension", to=["x" * 1000] * 7000))
    assert told.topics == ["pancreas-risk"]
    assert told.seconds < QUICKLY_S


@pytest.mark.parametrize("depth", [100, 900, 20_000])
@pytest.mark.parametrize("path", [("extension",), ("prefetch", "conditions"), ("prefetch", "more")], ids=".".join)
@pytest.mark.threat("bad-input")
def test_deep_nesting_is_refused_or_said(service: CalledService, path: tuple[str, ...], depth: int) -> None:
    """Inside a value that is only skipped, and inside one that is read."""
    deep = "[" * depth + "]" * depth
    told = service.call(json.dumps(changed(*path, to="@deep@")).replace('"@deep@"', deep).encode())
    if told.status == 200:
        lost = path == ("prefetch", "conditions")
        assert told.topics == ["pancreas-risk" if not lost else "pancreas-risk-not-assessed"] or lost
        assert not lost or "problem list could not be read" in told.text
    else:
        assert (told.status, told.code) == (400, "CDS-400")


def test_deep_draft_orders_are_refused(service: CalledService) -> None:
    body = order_sign(ALARMING, prefetch_of(chart(ALARMING)), drafts="@deep@")
    deep = '{"resourceType":"Bundle","entry":' * 5000 + "[]" + "}" * 5000
    told = service.call(json.dumps(body).replace('"@deep@"', deep).encode(), SIGN)
    assert (told.status, told.code) == (400, "CDS-400")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "01", "0x10", "1_000"])
def test_what_is_no_number_in_json_is_refused(service: CalledService, number: str) -> None:
    """These are not JSON, so the body is not; a lenient reader would let NaN into a model."""
    sent = json.dumps(GOOD).replace('"value": 7.4', f'"value": {number}')
    assert number in sent
    told = service.call(sent.encode())
    if told.status == 200:  # a number too large is JSON: its result alone is not used
        assert number == "1e999"
        assert "could not be understood" in told.text
    else:
        assert (told.status, told.code) == (400, "CDS-400")


@pytest.mark.threat("error-leak")
def test_an_error_repeats_nothing_of_the_patient(service: CalledService) -> None:
    body = changed("context", "patientId", to="Testpatient Nora")
    told = service.call(body)
    assert told.status == 400
    assert "Nora" not in json.dumps(told.body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"5",
        b'{"feedback": 5}',
        b'{"feedback": [5]}',
        b'{"feedback": [{"card": "x"}]}',
        b'{"feedback": [{"card": "x", "outcome": "ignored"}]}',
        b'{"feedback": [{"card": 5, "outcome": "accepted"}]}',
        b'{"feedback": ' + b"[" * 50_000,
    ],
)
def test_feedback_that_is_none_is_refused(service: CalledService, body: bytes) -> None:
    told = service.call(body, "/cds-services/pancreas-risk/feedback")
    assert (told.status, told.code) == (400, "CDS-400")
