"""Security: who may call. Every refusal is a 401 that says nothing; the same call, rightly signed, gets its cards."""

from __future__ import annotations

import base64
import hmac
import json
import logging
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from counting_hospital import Hospital
from cryptography.hazmat.primitives import serialization
from requirements import requirement
from service import (
    ISSUER,
    NOW,
    PUBLIC_URL,
    Clock,
    Json,
    Keys,
    MakeApp,
    PrefetchOf,
    SignedClient,
    context_of,
    loopback,
    prefetcher,
    request,
    signed_settings,
)
from werkzeug.test import TestResponse

from cds.errors import SettingsError
from cds.settings import load

CALL = "/cds-services/pancreas-risk"
FEEDBACK = f"{CALL}/feedback"
STORY = "new-diabetes"


@pytest.fixture(scope="module")
def body(signed_client: SignedClient) -> Json:
    prefetch_of: PrefetchOf = prefetcher(signed_client.app)
    return request("patient-view", context_of(STORY, "patient-view"), prefetch_of(STORY))


def refused(answer: TestResponse) -> bool:
    """401, and the same words whatever was wrong."""
    assert answer.status_code == 401, answer.get_data(as_text=True)
    [issue] = answer.get_json()["issue"]
    assert issue["code"] == "login"
    assert issue["details"]["text"] == "Not authenticated"
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    return True


@requirement(34)
@pytest.mark.parametrize("path", [CALL, FEEDBACK])
@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer ", "Basic dTpw", "Bearer nonsense", "Bearer a.b.c"]
)
@pytest.mark.threat("forged-token")
def test_a_call_without_a_good_token_gets_nothing(
    signed_client: SignedClient, body: Json, path: str, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    assert refused(signed_client.app.test_client().post(path, json=body, headers=headers))


@requirement(34)
@pytest.mark.threat("forged-token")
def test_production_has_no_client_that_need_not_sign(tmp_path: Path) -> None:
    given = {**loopback(), "environment": "production"}
    with pytest.raises(SettingsError, match="loopback"):
        load(_empty(tmp_path), **given)


@requirement(34)
def test_a_loopback_client_is_answered_on_this_machine_only(make_app: MakeApp, body: Json) -> None:
    client = make_app(**loopback()).test_client()
    assert client.post(CALL, json=body).status_code == 200
    for elsewhere in ("10.0.0.7", "192.168.1.2", "fd00::7"):
        assert refused(client.post(CALL, json=body, environ_base={"REMOTE_ADDR": elsewhere}))


@requirement(35, 37)
@pytest.mark.parametrize("algorithm", ["RS384", "ES384"])
def test_a_signed_call_gets_its_cards(signed_client: SignedClient, body: Json, algorithm: str) -> None:
    answer = signed_client.post(CALL, body, signed_client.sign(CALL, algorithm))
    assert answer.status_code == 200
    assert answer.get_json()["cards"]


@requirement(35)
@pytest.mark.parametrize("claim", ["iss", "aud", "exp", "iat", "jti"])
@pytest.mark.threat("forged-token")
def test_a_token_without_a_required_claim_is_refused(signed_client: SignedClient, body: Json, claim: str) -> None:
    without: Json = {claim: None}
    assert refused(signed_client.post(CALL, body, signed_client.sign(CALL, **without)))


@requirement(35)
@pytest.mark.parametrize("headers", [{"typ": "at+jwt"}, {"kid": None}, {"kid": "unknown"}, {"kid": ""}])
def test_a_token_whose_header_names_no_key_or_another_type_is_refused(
    signed_client: SignedClient, body: Json, headers: Json
) -> None:
    assert refused(signed_client.post(CALL, body, signed_client.sign(CALL, headers=headers)))


@requirement(35)
def test_feedback_is_signed_like_any_call(signed_client: SignedClient) -> None:
    answer = signed_client.post(FEEDBACK, {"feedback": []}, signed_client.sign(FEEDBACK))
    assert answer.status_code == 200


@requirement(36)
@pytest.mark.parametrize(
    "aud",
    [PUBLIC_URL + CALL, [PUBLIC_URL + CALL], ["https://other.example", PUBLIC_URL + CALL]],
    ids=["address", "array", "one of two"],
)
def test_the_audience_is_the_address_called(signed_client: SignedClient, body: Json, aud: Any) -> None:
    assert signed_client.post(CALL, body, signed_client.sign(CALL, aud=aud)).status_code == 200


@requirement(36)
@pytest.mark.parametrize(
    "aud",
    [
        "https://elsewhere.example" + CALL,
        PUBLIC_URL + "/cds-services/pancreas-first-line",
        PUBLIC_URL,
        PUBLIC_URL + "/cds-services",
        PUBLIC_URL + CALL + "/other",
        "http://localhost" + CALL,
        [],
        {"url": PUBLIC_URL + CALL},
    ],
    ids=[
        "another host",
        "another service",
        "no path",
        "discovery",
        "longer path",
        "the test's own host",
        "empty",
        "an object",
    ],
)
@pytest.mark.threat("wrong-audience")
def test_another_audience_is_refused(signed_client: SignedClient, body: Json, aud: Any) -> None:
    assert refused(signed_client.post(CALL, body, signed_client.sign(CALL, aud=aud)))


@requirement(36)
@pytest.mark.threat("wrong-audience")
def test_the_host_header_decides_nothing(signed_client: SignedClient, body: Json) -> None:
    evil = signed_client.sign(CALL, aud="https://evil.example" + CALL)
    forwarded = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
    assert refused(signed_client.post(CALL, body, evil, **forwarded))
    assert signed_client.post(CALL, body, None, **forwarded).status_code == 200


@requirement(37)
@pytest.mark.threat("algorithm-confusion")
def test_an_unsigned_token_is_refused(signed_client: SignedClient, body: Json) -> None:
    unsigned = jwt.encode(signed_client.claims(CALL), "", "none", headers={"kid": "rsa+key/1=="})
    assert refused(signed_client.post(CALL, body, unsigned))


@requirement(37)
@pytest.mark.parametrize("algorithm", ["HS256", "HS384"])
@pytest.mark.threat("algorithm-confusion")
def test_a_public_key_is_not_taken_for_a_shared_secret(signed_client: SignedClient, body: Json, algorithm: str) -> None:
    public = signed_client.keys.rsa.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    head = _part({"alg": algorithm, "typ": "JWT", "kid": signed_client.keys.kids["RS384"]})
    signed = f"{head}.{_part(signed_client.claims(CALL))}"
    # made by hand: PyJWT itself refuses to sign with a public key
    digest = hmac.new(public, signed.encode(), algorithm.replace("HS", "sha")).digest()
    signature = base64.urlsafe_b64encode(digest)
    assert refused(signed_client.post(CALL, body, f"{signed}.{signature.rstrip(b'=').decode()}"))


def _part(content: Json) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


@requirement(37)
@pytest.mark.parametrize("algorithm", ["RS256", "RS512", "PS384"])
@pytest.mark.threat("algorithm-confusion")
def test_a_key_is_good_for_its_own_algorithm_only(signed_client: SignedClient, body: Json, algorithm: str) -> None:
    token = signed_client.sign(CALL, algorithm, headers={"kid": signed_client.keys.kids["RS384"]})
    assert refused(signed_client.post(CALL, body, token))


@requirement(37)
@pytest.mark.threat("forged-token")
def test_the_signature_is_checked_against_the_key_the_token_names(signed_client: SignedClient, body: Json) -> None:
    crossed = signed_client.sign(CALL, "ES384", headers={"kid": signed_client.keys.kids["RS384"]})
    assert refused(signed_client.post(CALL, body, crossed))
    stranger = signed_client.sign(CALL, key=Keys().rsa)
    assert refused(signed_client.post(CALL, body, stranger))


@requirement(37)
@pytest.mark.threat("forged-token")
def test_a_token_altered_after_signing_is_refused(signed_client: SignedClient, body: Json) -> None:
    head, _, signature = signed_client.sign(CALL).split(".")
    claims = _part(signed_client.claims(CALL, sub="somebody-else"))
    assert refused(signed_client.post(CALL, body, f"{head}.{claims}.{signature}"))


@requirement(38)
@pytest.mark.parametrize("iss", ["https://other.example/fhir", ISSUER + "/", ISSUER.upper(), "", 7])
@pytest.mark.threat("forged-token")
def test_only_a_configured_issuer_is_heard(signed_client: SignedClient, body: Json, iss: Any) -> None:
    token = jwt.encode({**signed_client.claims(CALL), "iss": str(iss)}, signed_client.keys.rsa, "RS384")
    assert refused(signed_client.post(CALL, body, token))


@requirement(38)
@pytest.mark.threat("foreign-key")
def test_a_key_address_in_a_token_is_not_fetched(signed_client: SignedClient, body: Json, hospital: Hospital) -> None:
    attacker = Keys()
    headers = {"jku": f"{hospital.base}/jwks.json", "kid": "attacker"}
    assert refused(signed_client.post(CALL, body, signed_client.sign(CALL, key=attacker.rsa, headers=headers)))
    assert hospital.asked == []


@requirement(38)
@pytest.mark.threat("ssrf-jku")
def test_with_a_configured_key_address_a_token_naming_another_is_refused(
    make_app: MakeApp, client_keys: Keys, body: Json, hospital: Hospital
) -> None:
    settings = signed_settings({})
    settings["clients"]["hospital"] |= {"jwks": None, "jku": "https://ehr.hospital.example/jwks"}
    caller = SignedClient(make_app(now=Clock(), **settings), client_keys, Clock())
    token = caller.sign(CALL, headers={"jku": f"{hospital.base}/jwks.json"})
    assert refused(caller.post(CALL, body, token))
    assert hospital.asked == []


def seconds(offset: timedelta) -> int:
    return int((NOW + offset).timestamp())


@requirement(39)
@pytest.mark.parametrize(
    "claims",
    [
        {"iat": seconds(-timedelta(minutes=10)), "exp": seconds(-timedelta(minutes=2))},
        {"nbf": seconds(timedelta(minutes=2))},
        {"iat": seconds(timedelta(minutes=2))},
        {"exp": seconds(timedelta(days=2))},
        {"exp": "tomorrow"},
        {"exp": 1e300},
        {"iat": True},
    ],
    ids=["expired", "not yet", "from the future", "for days", "no number", "no date", "no time"],
)
@pytest.mark.threat("wrong-audience")
def test_a_token_out_of_its_time_is_refused(signed_client: SignedClient, body: Json, claims: Json) -> None:
    token = jwt.encode(
        {**signed_client.claims(CALL), **claims},
        signed_client.keys.rsa,
        "RS384",
        headers={"kid": signed_client.keys.kids["RS384"]},
    )
    assert refused(signed_client.post(CALL, body, token))


@requirement(39)
@pytest.mark.threat("replayed-token")
def test_a_token_is_good_for_one_call(signed_client: SignedClient, body: Json) -> None:
    token = signed_client.sign(CALL)
    assert signed_client.post(CALL, body, token).status_code == 200
    assert refused(signed_client.post(CALL, body, token))


@requirement(39)
@pytest.mark.threat("wrong-audience")
def test_a_tenant_that_was_agreed_must_be_the_one_named(make_app: MakeApp, client_keys: Keys, body: Json) -> None:
    app = make_app(now=Clock(), **signed_settings(client_keys.public_set(), tenant="north"))
    caller = SignedClient(app, client_keys, Clock())
    assert caller.post(CALL, body, caller.sign(CALL, tenant="north")).status_code == 200
    for tenant in (None, "south", 7):
        assert refused(caller.post(CALL, body, caller.sign(CALL, tenant=tenant)))


@requirement(39)
def test_the_log_says_why_and_holds_no_token(
    signed_client: SignedClient, body: Json, caplog: pytest.LogCaptureFixture
) -> None:
    good, bad = signed_client.sign(CALL), signed_client.sign(CALL, aud="https://elsewhere.example")
    with caplog.at_level(logging.DEBUG):
        signed_client.post(CALL, body, good)
        signed_client.post(CALL, body, bad)
    assert f"{CALL} but 'https://elsewhere.example'; compare it with public_url" in caplog.text
    for token in (good, bad):
        assert token not in caplog.text
        assert token.split(".")[2] not in caplog.text


@requirement(39)
def test_keys_rotate_without_a_restart(make_app: MakeApp, body: Json, tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    old, new = Keys(), Keys(kids={"RS384": "next", "ES384": "next-ec"})
    file.write_text(json.dumps(old.public_set()), encoding="utf-8")
    settings = signed_settings({})
    settings["clients"]["hospital"] |= {"jwks": None, "jwks_file": file}
    app = make_app(now=Clock(), **settings)
    before, after = SignedClient(app, old, Clock()), SignedClient(app, new, Clock())
    assert before.post(CALL, body).status_code == 200
    assert refused(after.post(CALL, body))
    file.write_text(json.dumps(new.public_set()), encoding="utf-8")
    os.utime(file, (1, file.stat().st_mtime + 5))
    assert after.post(CALL, body).status_code == 200
    assert refused(before.post(CALL, body))


def _empty(folder: Path) -> Path:
    path = folder / "cds.toml"
    path.touch()
    return path
