"""What a caller that is not authenticated sees of the real application: one answer, whatever was wrong."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from service import ISSUER, Clock, Keys, MakeApp, SignedClient, loopback, signed_settings
from werkzeug.test import TestResponse

PATH = "/cds-services/pancreas-risk"
ORIGIN = "https://sandbox.example"
BODY = {"hook": "patient-view", "hookInstance": "1", "context": {"userId": "Practitioner/1", "patientId": "p"}}
ASKING = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}


@pytest.fixture(scope="module")
def hospital(make_app: MakeApp, client_keys: Keys) -> SignedClient:
    clock = Clock()
    settings = signed_settings(client_keys.public_set(), tenant="north", cors_origins=[ORIGIN])
    return SignedClient(make_app(now=clock, **settings), client_keys, clock)


def signed(hospital: SignedClient, path: str = PATH, **changed: Any) -> str:
    return hospital.sign(path, **{"tenant": "north", **changed})


def bad_tokens(hospital: SignedClient) -> Iterator[tuple[str, str]]:
    """A fault, as the log names it, and a token that has it."""
    now = int(hospital.clock().timestamp())
    good = signed(hospital)
    head, claims, signature = good.split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    yield "no Authorization header", ""
    yield "holds no bearer JWT", "rubbish"
    yield "not a JWT", "a.b.c"
    yield "alg 'none'", f"{none}.{claims}.AA"
    yield "signature not verified", f"{head}.{claims}.{signature[:-8]}AAAAAAAA"
    yield "signature not verified", signed(hospital, key=Keys(kids={}).rsa)
    yield "has no RS384 key", signed(hospital, headers={"kid": "another"})
    yield "names no kid", signed(hospital, headers={"kid": None})
    yield "no client has this issuer", signed(hospital, iss="https://elsewhere.example")
    yield "tenant is not", signed(hospital, tenant="south")
    yield "aud is not", signed(hospital, aud="https://elsewhere.example")
    yield "aud is neither", signed(hospital, aud=None)
    yield "expired", signed(hospital, iat=now - 900, exp=now - 600)
    yield "not valid yet", signed(hospital, nbf=now + 600)
    yield "issued in the future", signed(hospital, iat=now + 600, exp=now + 900)
    yield "at most 3600", signed(hospital, exp=now + 7200)
    yield "jti is missing", signed(hospital, jti=None)
    yield "typ is not JWT", signed(hospital, headers={"typ": "at+jwt"})


def seen(answer: TestResponse) -> tuple[int, bytes, list[tuple[str, str]]]:
    """All that a caller can tell answers apart by."""
    return answer.status_code, answer.data, [(k, v) for k, v in answer.headers if k != "X-Request-ID"]


@pytest.mark.threat("error-leak")
def test_a_refusal_is_the_same_whatever_was_wrong(hospital: SignedClient) -> None:
    answers = {json.dumps(seen(hospital.post(PATH, BODY, token)), default=repr) for _, token in bad_tokens(hospital)}
    used = signed(hospital)
    hospital.post(PATH, BODY, used)
    answers.add(json.dumps(seen(hospital.post(PATH, BODY, used)), default=repr))
    assert len(answers) == 1


def test_a_refusal_is_an_operation_outcome_that_asks_for_a_bearer_token(hospital: SignedClient) -> None:
    answer = hospital.post(PATH, BODY, "")
    assert answer.status_code == 401 and answer.headers["WWW-Authenticate"] == "Bearer"
    found = answer.get_json(force=True)
    assert found["resourceType"] == "OperationOutcome"
    assert found["issue"][0]["code"] == "login" and found["issue"][0]["severity"] == "error"


@pytest.mark.threat("log-injection")
def test_the_log_has_the_reason_and_nothing_of_the_token(
    hospital: SignedClient, caplog: pytest.LogCaptureFixture
) -> None:
    for reason, token in bad_tokens(hospital):
        caplog.clear()
        with caplog.at_level(logging.DEBUG):
            hospital.post(PATH, BODY, token)
        assert reason in caplog.text
        assert not any(len(part) > 12 and part in caplog.text for part in token.split("."))


def test_feedback_is_refused_in_the_same_words(hospital: SignedClient) -> None:
    item = {"feedback": [{"card": "c", "outcome": "accepted", "outcomeTimestamp": "2026-11-23T12:00:00Z"}]}
    refusal = seen(hospital.post(PATH, BODY, ""))
    assert seen(hospital.post(f"{PATH}/feedback", item, "")) == refusal
    assert seen(hospital.post(f"{PATH}/feedback", item, signed(hospital, "/cds-services"))) == refusal


@pytest.mark.parametrize("tail", ["", "/feedback"])
def test_feedback_is_signed_for_its_own_address_or_its_services(hospital: SignedClient, tail: str) -> None:
    item = {"feedback": [{"card": "c", "outcome": "accepted", "outcomeTimestamp": "2026-11-23T12:00:00Z"}]}
    assert hospital.post(f"{PATH}/feedback", item, signed(hospital, PATH + tail)).status_code == 200


def test_the_host_header_decides_nothing(hospital: SignedClient) -> None:
    elsewhere = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
    for_us, for_them = signed(hospital), signed(hospital, aud=f"https://evil.example{PATH}")
    assert hospital.post(PATH, BODY, for_us, **elsewhere).status_code != 401
    assert hospital.post(PATH, BODY, for_them, **elsewhere).status_code == 401


def test_two_authorization_headers_are_refused(hospital: SignedClient) -> None:
    both = [("Authorization", f"Bearer {signed(hospital)}"), ("Authorization", f"Bearer {signed(hospital)}")]
    assert hospital.app.test_client().post(PATH, json=BODY, headers=both).status_code == 401


# browsers


def test_a_listed_page_may_ask_without_a_jwt_and_read_refusals_and_answers(hospital: SignedClient) -> None:
    client = hospital.app.test_client()
    preflight = client.options(PATH, headers={"Origin": ORIGIN, **ASKING})
    assert preflight.status_code == 204 and preflight.headers["Access-Control-Allow-Origin"] == ORIGIN
    refused = hospital.post(PATH, BODY, "", Origin=ORIGIN)
    answered = client.get("/cds-services", headers={"Origin": ORIGIN})
    feedback = hospital.post(f"{PATH}/feedback", {"feedback": []}, signed(hospital, f"{PATH}/feedback"), Origin=ORIGIN)
    assert refused.status_code == 401 and answered.status_code == 200
    for answer in (refused, answered, feedback):
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert "Origin" in answer.headers["Vary"]


@pytest.mark.parametrize("origin", ["https://evil.example", "null", ORIGIN.upper(), f"{ORIGIN}/"])
def test_another_page_gets_nothing(hospital: SignedClient, origin: str) -> None:
    client = hospital.app.test_client()
    for answer in (
        client.options(PATH, headers={"Origin": origin, **ASKING}),
        client.get("/cds-services", headers={"Origin": origin}),
        hospital.post(PATH, BODY, "", Origin=origin),
    ):
        assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]
        assert "Origin" in answer.headers["Vary"]


# a demonstration's loopback client


@pytest.fixture(scope="module")
def demo(make_app: MakeApp) -> Flask:
    return make_app(**loopback())


def called(demo: Flask, remote: str = "127.0.0.1", **headers: str) -> int:
    client: FlaskClient = demo.test_client()
    answer = client.post(
        PATH,
        json={**BODY, "fhirServer": "https://elsewhere.example"},
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        environ_overrides={"REMOTE_ADDR": remote},
    )
    return answer.status_code


@pytest.mark.parametrize("remote", ["127.0.0.1", "127.8.8.8", "::1"])
def test_this_machine_may_call_a_demonstration_without_a_token(demo: Flask, remote: str) -> None:
    assert called(demo, remote) == 403  # beyond the door: the FHIR server is not on the list


@pytest.mark.parametrize("remote", ["192.0.2.1", "10.0.0.1", "2001:db8::1", ""])
@pytest.mark.threat("loopback-proxy")
def test_another_machine_may_not(demo: Flask, remote: str) -> None:
    assert called(demo, remote) == 401


@pytest.mark.parametrize(
    "header", ["X_Forwarded_For", "Forwarded", "X_Real_IP", "X_Forwarded_Host", "X_Forwarded_Proto", "Via"]
)
@pytest.mark.parametrize("value", ["127.0.0.1", "for=127.0.0.1", "192.0.2.1", ""])
@pytest.mark.threat("loopback-proxy")
def test_what_a_proxy_on_this_machine_passes_on_is_not_from_this_machine(demo: Flask, header: str, value: str) -> None:
    assert called(demo, **{header: value}) == 401


def test_a_token_is_judged_wherever_it_comes_from(demo: Flask) -> None:
    assert called(demo, Authorization="Bearer a.b.c") == 401
    assert called(demo, Authorization="") == 401
    assert called(demo, Authorization="Basic dTpw") == 401


def test_a_signed_call_may_come_through_a_proxy(hospital: SignedClient) -> None:
    proxied = {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https", "Via": "1.1 proxy"}
    assert hospital.post(PATH, BODY, signed(hospital), **proxied).status_code != 401
    assert hospital.post(PATH, BODY, signed(hospital, iss=ISSUER + "x"), **proxied).status_code == 401
