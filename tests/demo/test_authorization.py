"""The demo hospital's authorization server refuses what a real one refuses; an app that passes here was not let off."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from joserfc import jwt
from joserfc.jwk import KeySet
from werkzeug.test import TestResponse

from cds.demo.authorization import REPORT_APP, AuthorizationServer
from cds.demo.authorization_grants import RegisteredApp
from cds.demo.fhir_endpoint import create_fhir_app
from cds.demo.hospital import create_hospital

BASE, BACK = "http://127.0.0.1:1/fhir", "https://app.example/back"
VERIFIER = "a-verifier-of-forty-three-characters-or-more-x"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


@dataclass
class Side:
    """An app's side of the flow."""

    server: AuthorizationServer
    client: FlaskClient
    time: list[float]

    def authorize(self, **changes: Any) -> TestResponse:
        usual = {
            "response_type": "code",
            "client_id": "app",
            "redirect_uri": BACK,
            "scope": "launch openid fhirUser patient/*.read",
            "state": "s",
            "aud": BASE,
            "nonce": "n",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
        if "launch" not in changes:
            changes["launch"] = self.launch()
        asked = {k: v for k, v in {**usual, **changes}.items() if v is not None}
        return self.client.get("/auth/authorize", query_string=asked)

    def launch(self) -> str:
        url = self.server.launch_url("https://app.example/launch?x=1", "context", "p1", "e1")
        assert url.startswith("https://app.example/launch?x=1&iss=")
        return parse_qs(urlsplit(url).query)["launch"][0]

    def code(self, **changes: Any) -> str:
        return parse_qs(urlsplit(self.authorize(**changes).headers["Location"]).query)["code"][0]

    def token(self, code: str, /, **changes: Any) -> TestResponse:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK}
        usual = {**form, "code_verifier": VERIFIER, "client_id": "app"}
        return self.client.post("/auth/token", data={k: v for k, v in {**usual, **changes}.items() if v is not None})


@pytest.fixture
def app() -> Side:
    time = [1_800_000_000.0]
    apps = [RegisteredApp("app", (BACK,)), RegisteredApp("other", (BACK,)), RegisteredApp("kept", (BACK,), secret="s")]
    server = AuthorizationServer(BASE, apps, lambda: [("p2", "Dora <Bos>")], algorithm="ES384", now=lambda: time[0])
    made: Flask = create_fhir_app([])
    made.register_blueprint(server.blueprint())
    return Side(server, made.test_client(), time)


def back(answer: TestResponse) -> dict[str, str]:
    assert answer.status_code == 302 and answer.headers["Location"].startswith(BACK)
    return {k: v[0] for k, v in parse_qs(urlsplit(answer.headers["Location"]).query).items()}


def test_its_configuration_lies_under_the_fhir_base(app: Side) -> None:
    told = app.client.get("/fhir/.well-known/smart-configuration").get_json()
    assert told["code_challenge_methods_supported"] == ["S256"] and told["issuer"] == BASE
    assert {"launch-ehr", "launch-standalone", "client-public", "sso-openid-connect"} <= set(told["capabilities"])


def test_a_code_gives_what_is_open_in_the_ehr(app: Side) -> None:
    answer = app.token(app.code())
    told = answer.get_json()
    assert answer.headers["Cache-Control"] == "no-store" and told["token_type"] == "Bearer"
    assert (told["patient"], told["encounter"], told["appContext"]) == ("p1", "e1", "context")
    keys = KeySet.import_key_set(app.client.get("/auth/jwks").get_json())
    assert not any("d" in key for key in app.client.get("/auth/jwks").get_json()["keys"])
    claims = jwt.decode(told["id_token"], keys, algorithms=["ES384"]).claims
    assert (claims["aud"], claims["nonce"], claims["iss"]) == ("app", "n", BASE)
    assert claims["fhirUser"] == f"{BASE}/Practitioner/demonstration"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_verifier": "another-verifier-of-forty-three-characters-xxx"}, "invalid_grant"),
        ({"code_verifier": None}, "invalid_grant"),
        ({"code_verifier": CHALLENGE}, "invalid_grant"),
        ({"redirect_uri": f"{BACK}/x"}, "invalid_grant"),
        ({"client_id": "other"}, "invalid_grant"),
        ({"client_id": "unknown"}, "invalid_client"),
        ({"client_id": "kept"}, "invalid_client"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"code": "made-up"}, "invalid_grant"),
    ],
)
def test_a_code_is_refused_to_who_can_not_show_it_is_theirs(app: Side, changes: dict[str, Any], error: str) -> None:
    answer = app.token(app.code(), **changes)
    assert answer.status_code in (400, 401) and answer.get_json()["error"] == error


def test_a_code_works_once_and_a_failed_try_uses_it_up(app: Side) -> None:
    code, tried = app.code(), app.code()
    assert app.token(code).status_code == 200
    assert app.token(code).get_json()["error"] == "invalid_grant"
    assert app.token(tried, code_verifier="x" * 43).status_code == 400
    assert app.token(tried).status_code == 400


def test_a_code_and_a_launch_expire(app: Side) -> None:
    code, launch = app.code(), app.launch()
    app.time[0] += 61
    assert app.token(code).get_json()["error"] == "invalid_grant"
    app.time[0] += 300
    assert back(app.authorize(launch=launch))["error"] == "invalid_request"


def test_a_launch_token_works_once(app: Side) -> None:
    launch = app.launch()
    assert "code" in back(app.authorize(launch=launch))
    assert back(app.authorize(launch=launch))["error"] == "invalid_request"


@pytest.mark.parametrize("changes", [{"client_id": "unknown"}, {"redirect_uri": f"{BACK}.evil.example"}])
def test_an_app_it_does_not_know_gets_no_redirect(app: Side, changes: dict[str, Any]) -> None:
    assert app.authorize(**changes).status_code == 400


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"aud": "https://elsewhere.example"}, "invalid_request"),
        ({"scope": "system/*.write"}, "invalid_scope"),
        ({"launch": "made-up"}, "invalid_request"),
        ({"launch": None}, "invalid_scope"),
    ],
)
def test_what_is_asked_wrongly_goes_back_as_an_error_with_its_state(
    app: Side, changes: dict[str, Any], error: str
) -> None:
    assert back(app.authorize(**changes)) == {"error": error, "state": "s"}


def test_a_patient_is_chosen_once_by_place_not_by_number(app: Side) -> None:
    picker = app.authorize(launch=None, scope="launch/patient openid")
    page = picker.get_data(as_text=True)
    assert "Dora &lt;Bos&gt;" in page and "p2" not in page and "script" not in page
    key = page.split('name="key" value="')[1].split('"')[0]
    assert app.client.post("/auth/choose", data={"key": key, "place": "1"}).status_code == 400
    again = app.authorize(launch=None, scope="launch/patient openid").get_data(as_text=True)
    key = again.split('name="key" value="')[1].split('"')[0]
    code = back(app.client.post("/auth/choose", data={"key": key, "place": "0"}))["code"]
    assert app.token(code).get_json()["patient"] == "p2"
    assert app.client.post("/auth/choose", data={"key": key, "place": "0"}).status_code == 400


def test_the_demo_hospital_launches_the_report_of_the_service_beside_it() -> None:
    hospital = create_hospital("http://127.0.0.1:2", BASE, date(2026, 11, 23))
    url = hospital.extensions["smart"].launch_url("http://127.0.0.1:2/report/launch", "context", "new-diabetes", "e1")
    launch = parse_qs(urlsplit(url).query)
    assert launch["iss"] == [BASE] and "new-diabetes" not in url
    asked = {
        "response_type": "code",
        "client_id": REPORT_APP,
        "redirect_uri": "http://127.0.0.1:2/report/callback",
        "scope": "launch openid fhirUser patient/*.read",
        "state": "s",
        "aud": BASE,
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        "launch": launch["launch"][0],
    }
    answer = hospital.test_client().get("/auth/authorize", query_string=asked)
    assert answer.headers["Location"].startswith("http://127.0.0.1:2/report/callback?code=")
