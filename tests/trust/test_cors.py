"""Browser clients: listed pages may call, others get nothing, and a preflight needs no JWT."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient
from service import Keys
from signing_hospital import ISSUER, MakeSettings

from cds.errors import SettingsError
from cds.trust import init_cors

SANDBOX = "https://sandbox.example"
ASKING = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}


@pytest.fixture
def door(make_settings: MakeSettings, client_keys: Keys) -> Any:
    """A service of two routes whose hook refuses every call, as one without a JWT would be."""

    def make(*origins: str) -> FlaskClient:
        client = {"issuer": ISSUER, "jwks": client_keys.public_set(), "cors_origins": list(origins)}
        app = Flask("service")
        init_cors(app, make_settings(clients={"ehr": client}))
        app.add_url_rule("/cds-services", "discovery", lambda: {"services": []})
        app.add_url_rule("/cds-services/<name>", "hook", lambda name: Response(status=401), methods=["POST"])
        app.add_url_rule("/health", "health", lambda: "ok")
        return app.test_client()

    return make


@pytest.mark.parametrize("path", ["/cds-services", "/cds-services/risk", "/cds-services/risk/feedback"])
def test_a_preflight_of_a_listed_page_is_answered_without_a_jwt(door: Any, path: str) -> None:
    answer = door(SANDBOX).options(path, headers={"Origin": SANDBOX, **ASKING})
    assert answer.status_code == 204 and answer.data == b""
    assert answer.headers["Access-Control-Allow-Origin"] == SANDBOX
    assert answer.headers["Access-Control-Allow-Methods"] == "GET, POST"
    assert answer.headers["Access-Control-Allow-Headers"] == "Authorization, Content-Type"
    assert answer.headers["Vary"] == "Origin"
    assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "", f"{SANDBOX}.evil.example", f"{SANDBOX}:8443"])
@pytest.mark.threat("browser-origin")
def test_a_page_that_is_not_listed_gets_nothing(door: Any, origin: str) -> None:
    client = door(SANDBOX)
    for answer in (
        client.options("/cds-services/risk", headers={"Origin": origin, **ASKING}),
        client.post("/cds-services/risk", headers={"Origin": origin}),
        client.get("/cds-services", headers={"Origin": origin}),
    ):
        assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]


def test_answers_to_a_listed_page_can_be_read_by_it_errors_included(door: Any) -> None:
    client = door(SANDBOX, "http://localhost:3000/")
    for origin in (SANDBOX, "http://localhost:3000"):
        for answer in (
            client.get("/cds-services", headers={"Origin": origin}),
            client.post("/cds-services/risk", headers={"Origin": origin}),
            client.post("/cds-services/none/such", headers={"Origin": origin}),
        ):
            assert answer.headers["Access-Control-Allow-Origin"] == origin
            assert answer.headers["Vary"] == "Origin"


def test_a_cache_is_told_that_answers_differ_by_page(door: Any) -> None:
    assert door(SANDBOX).get("/cds-services").headers["Vary"] == "Origin"
    assert "Access-Control-Allow-Origin" not in door(SANDBOX).get("/cds-services").headers


@pytest.mark.threat("browser-origin")
def test_other_paths_are_not_opened(door: Any) -> None:
    client = door(SANDBOX)
    assert "Access-Control-Allow-Origin" not in client.get("/health", headers={"Origin": SANDBOX}).headers
    answer = client.options("/health", headers={"Origin": SANDBOX, **ASKING})
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.threat("browser-origin")
def test_without_browser_clients_nothing_is_added(door: Any) -> None:
    answer = door().options("/cds-services/risk", headers={"Origin": SANDBOX, **ASKING})
    assert "Vary" not in answer.headers and "Access-Control-Allow-Origin" not in answer.headers


def test_an_origin_is_read_as_a_browser_writes_it(door: Any) -> None:
    client = door("https://SANDBOX.example:443/", "http://[::1]:3000")
    for origin in (SANDBOX, "http://[::1]:3000"):
        assert "Access-Control-Allow-Origin" in client.get("/cds-services", headers={"Origin": origin}).headers


@pytest.mark.parametrize(
    "entry",
    ["*", "https://*.example", "null", "sandbox.example", f"{SANDBOX}/page", "https://a@b.example", "https://b:port"],
)
def test_what_is_not_one_origin_is_a_settings_error(door: Any, entry: str) -> None:
    with pytest.raises(SettingsError, match="client 'ehr': cors_origins"):
        door(entry)
