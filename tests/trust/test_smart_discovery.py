"""An authorization server that misbehaves: it is asked little, believed less, and never followed elsewhere."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import urlencode

import pytest
from flask import Flask
from servers import (
    Behaviour,
    FhirServer,
    compressed,
    drips,
    drips_headers,
    gives,
    hangs,
    hangs_up,
    redirects,
    sends,
    status,
)
from service import MakeApp, loopback
from werkzeug.test import TestResponse

from cds.trust.smart import wire

KIND = ".well-known"


@pytest.fixture
def app(make_app: MakeApp, fhir: FhirServer, monkeypatch: pytest.MonkeyPatch) -> Flask:
    monkeypatch.setattr(wire.Wire.__init__, "__defaults__", (0.5,))
    return make_app(**loopback(fhir_servers=[fhir.base], smart={"client_id": "report"}))


def begin(app: Flask, fhir: FhirServer) -> TestResponse:
    query = urlencode({"iss": fhir.base, "launch": "x"})
    return app.test_client().get(f"/report/launch?{query}", headers={"Accept": "text/html"})


def configuration(fhir: FhirServer, **changes: Any) -> dict[str, Any]:
    base = fhir.base.removesuffix("/fhir")
    usual = {
        "issuer": fhir.base,
        "jwks_uri": f"{base}/jwks",
        "authorization_endpoint": f"{base}/authorize",
        "token_endpoint": f"{base}/token",
        "code_challenge_methods_supported": ["S256"],
    }
    return {k: v for k, v in {**usual, **changes}.items() if v is not None}


def test_a_good_configuration_sends_the_browser_on(app: Flask, fhir: FhirServer) -> None:
    fhir.on(KIND, gives(configuration(fhir)))
    answer = begin(app, fhir)
    assert answer.status_code == 303 and answer.headers["Location"].startswith(f"{fhir.base[:-5]}/authorize?")
    [hit] = fhir.hits
    assert hit.path == "/fhir/.well-known/smart-configuration"
    assert "authorization" not in hit.headers and "referer" not in hit.headers and "cookie" not in hit.headers


def test_a_server_of_the_first_version_is_sent_on_to_as_well(app: Flask, fhir: FhirServer) -> None:
    sparse = configuration(fhir, code_challenge_methods_supported=None, issuer=None, jwks_uri=None)
    fhir.on(KIND, gives(sparse))
    assert begin(app, fhir).status_code == 303


def test_a_query_in_the_authorization_address_is_kept(app: Flask, fhir: FhirServer) -> None:
    fhir.on(KIND, gives(configuration(fhir, authorization_endpoint=f"{fhir.base[:-5]}/authorize?tenant=7")))
    assert "/authorize?tenant=7&" in begin(app, fhir).headers["Location"]


@pytest.mark.threat("ssrf-redirect")
def test_a_redirect_is_not_followed(app: Flask, fhir: FhirServer, stranger: FhirServer) -> None:
    fhir.on(KIND, redirects(f"{stranger.base}/.well-known/smart-configuration"))
    assert begin(app, fhir).status_code == 502
    assert stranger.hits == []


@pytest.mark.parametrize(
    "behaviour",
    [
        hangs(),
        drips_headers(),
        drips({"a": "b" * 1000}, every=0.05),
        hangs_up(),
        status(404),
        status(500),
        sends(b"<html>sign in</html>", content_type="text/html"),
        sends(b"[]"),
        sends(b'{"authorization_endpoint":'),
        sends(json.dumps({"x": "y" * 300_000}).encode()),
        compressed({"authorization_endpoint": "x"}),
    ],
    ids=["hangs", "drips-head", "drips", "hangs-up", "404", "500", "html", "array", "half", "large", "compressed"],
)
def test_what_is_no_configuration_is_a_page_within_the_time_limit(
    app: Flask, fhir: FhirServer, behaviour: Behaviour
) -> None:
    fhir.on(KIND, behaviour)
    began = time.monotonic()
    answer = begin(app, fhir)
    assert answer.status_code == 502 and "CDS-305" in answer.get_data(as_text=True)
    assert time.monotonic() - began < 2.5


@pytest.mark.parametrize("key", ["authorization_endpoint", "token_endpoint", "jwks_uri"])
@pytest.mark.threat("ssrf-fhir-server")
def test_an_endpoint_elsewhere_is_refused(app: Flask, fhir: FhirServer, stranger: FhirServer, key: str) -> None:
    here = fhir.base.removesuffix("/fhir")
    for address in (
        stranger.base,
        here.replace("http://", "https://") + "/x",
        here.replace("127.0.0.1", "localhost") + "/x",
        f"{here}@evil.example/",
        f"{here}/x#fragment",
        "javascript:alert(1)",
        "//evil.example/x",
    ):
        fhir.on(KIND, gives(configuration(fhir, **{key: address})))
        assert begin(app, fhir).status_code == 502, address
    assert stranger.hits == []


@pytest.mark.parametrize("changes", [{"token_endpoint": None}, {"authorization_endpoint": None}, {"token_endpoint": 7}])
def test_a_configuration_without_an_endpoint_is_refused(app: Flask, fhir: FhirServer, changes: dict[str, Any]) -> None:
    fhir.on(KIND, gives(configuration(fhir, **changes)))
    assert begin(app, fhir).status_code == 502


def test_a_server_without_s256_is_refused(app: Flask, fhir: FhirServer) -> None:
    fhir.on(KIND, gives(configuration(fhir, code_challenge_methods_supported=["plain"])))
    assert begin(app, fhir).status_code == 502


def finish(app: Flask, fhir: FhirServer) -> TestResponse:
    """Back from the authorization server with a code, to be redeemed at ``/token``."""
    fhir.on(KIND, gives(configuration(fhir)))
    client = app.test_client()
    away = client.get("/report/launch", query_string={"iss": fhir.base, "launch": "x"})
    state = away.headers["Location"].split("state=")[1].split("&")[0]
    return client.get("/report/callback", query_string={"state": state, "code": "c"})


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        (redirects("http://127.0.0.1:9/token"), 502),
        (hangs(), 502),
        (sends(b"<html>", content_type="text/html"), 502),
        (sends(b'{"error": "invalid_client"}', 401), 502),
        (sends(b'{"error": "invalid_grant"}', 400), 400),
        (sends(b'{"error": "Anna Jansen"}', 400), 502),
        (sends(b'{"patient": "1", "token_type": "bearer"}'), 502),
        (sends(b'{"patient": "1", "access_token": "t"}'), 502),
        (sends(b'{"patient": "1", "access_token": "t", "token_type": "mac"}'), 502),
        (sends(b'{"access_token": "t", "token_type": "bearer"}'), 403),
    ],
)
def test_a_token_endpoint_that_misbehaves_opens_nothing(
    app: Flask, fhir: FhirServer, caplog: pytest.LogCaptureFixture, behaviour: Behaviour, expected: int
) -> None:
    fhir.on("*", behaviour)  # /token has no resource type
    answer = finish(app, fhir)
    assert answer.status_code == expected
    assert "Anna" not in caplog.text + answer.get_data(as_text=True)
    assert not [c for c in answer.headers.getlist("Set-Cookie") if "cds_report" in c]
