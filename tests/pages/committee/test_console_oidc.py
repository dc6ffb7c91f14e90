"""The hospital's own sign-in, against a provider on this machine: who comes in, and what is not believed."""

from __future__ import annotations

import base64
import hashlib
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask, jsonify, request
from flask.testing import FlaskClient
from joserfc import jwt
from joserfc.jwk import RSAKey
from service import Clock, MakeApp, loopback
from werkzeug.serving import make_server

from cds.committee.accounts import Accounts

CLIENT, SECRET = "cds-committee", "a-secret-of-the-tests-only"
PASSWORD = "correct-horse-battery"


@dataclass
class Provider:
    """Answers as OpenID Connect Core 3.1 says, or as ``changes`` say."""

    url: str = ""
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "1", "use": "sig", "alg": "RS256"}))
    roles: Any = field(default_factory=lambda: ["committee"])
    changes: dict[str, Any] = field(default_factory=dict)
    signer: RSAKey | None = None
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def app(self) -> Flask:
        app = Flask("provider")
        app.get("/.well-known/openid-configuration")(self.configuration)
        app.get("/keys")(self.keys)
        app.post("/token")(self.token)
        return app

    def configuration(self) -> Any:
        return jsonify(
            issuer=self.url,
            authorization_endpoint=f"{self.url}/authorize",
            token_endpoint=f"{self.url}/token",
            jwks_uri=f"{self.url}/keys",
        )

    def keys(self) -> Any:
        return jsonify(keys=[self.key.as_dict(private=False)])

    def authorize(self, address: str) -> dict[str, str]:
        """What the provider sends the browser back with."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert asked["response_type"] == "code" and asked["code_challenge_method"] == "S256"
        self.codes["code-1"] = asked
        return {"code": "code-1", "state": asked["state"]}

    def token(self) -> Any:
        asked = self.codes.pop(request.form["code"], None)
        proof = hashlib.sha256(request.form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(proof).rstrip(b"=").decode()
        signed_in = request.authorization
        if asked is None or challenge != asked["code_challenge"] or signed_in is None or signed_in.password != SECRET:
            return jsonify(error="invalid_grant"), 400
        # the application's clock stands still
        now = int(Clock().now.timestamp())
        claims = {"iss": self.url, "aud": CLIENT, "sub": "u1", "name": "O. Idc", "nonce": asked["nonce"], "iat": now,
                  "exp": now + 300, "roles": self.roles, **self.changes}  # fmt: skip
        return jsonify(id_token=jwt.encode({"alg": "RS256", "kid": "1"}, claims, self.signer or self.key))


@pytest.fixture(scope="module")
def listening() -> Iterator[Provider]:
    provider = Provider()
    server = make_server("127.0.0.1", 0, provider.app(), threaded=True)
    provider.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield provider
    server.shutdown()


@pytest.fixture
def provider(listening: Provider) -> Provider:
    listening.roles, listening.changes, listening.signer = ["committee"], {}, None
    return listening


@pytest.fixture(scope="module")
def app(make_app: MakeApp, listening: Provider) -> Flask:
    oidc = {"issuer": listening.url, "client_id": CLIENT, "secret": SECRET, "members": ["committee"],
            "viewers": ["quality"]}  # fmt: skip
    here = {**loopback(), "public_url": "http://127.0.0.1:8080"}
    return make_app(**here, committee={"console": {"oidc": oidc}})


@pytest.fixture
def browser(app: Flask) -> FlaskClient:
    return app.test_client()


def sign_in(browser: FlaskClient, provider: Provider, **changes: str) -> Any:
    away = browser.get("/committee/oidc/start")
    assert away.status_code == 303 and away.location.startswith(f"{provider.url}/authorize?")
    return browser.get("/committee/oidc/callback", query_string={**provider.authorize(away.location), **changes})


@pytest.mark.parametrize(("roles", "incidents"), [(["committee"], 200), ("committee", 200), (["x", "quality"], 403)])
def test_the_role_claim_says_what_somebody_may_do(
    browser: FlaskClient, provider: Provider, roles: Any, incidents: int
) -> None:
    provider.roles = roles
    assert sign_in(browser, provider).status_code == 303
    page = browser.get("/committee/")
    assert page.status_code == 200 and "O. Idc" in page.text
    assert browser.get("/committee/incidents").status_code == incidents


@pytest.mark.parametrize("roles", [["nurse"], [], None, "committees", [["committee"]]])
def test_whoever_has_no_role_here_does_not_come_in(browser: FlaskClient, provider: Provider, roles: Any) -> None:
    provider.roles = roles
    assert sign_in(browser, provider).status_code == 403
    assert browser.get("/committee/").status_code == 303


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://elsewhere.example"},
        {"aud": "another-app"},
        {"aud": ["cds-committee", "another-app"], "azp": "another-app"},
        {"nonce": "of another sign-in"},
        {"exp": 1_000_000},
        {"name": None, "sub": None},
        {"sub": None},
    ],
    ids=["issuer", "audience", "authorized-party", "nonce", "expired", "nobody", "no-subject"],
)
def test_a_token_that_is_not_as_it_must_be_is_not_believed(
    browser: FlaskClient, provider: Provider, changes: dict[str, Any]
) -> None:
    provider.changes = changes
    answer = sign_in(browser, provider)
    assert answer.status_code == 403 and "CDS-322" in answer.text
    assert browser.get("/committee/").status_code == 303


def test_a_token_of_another_key_is_not_believed(browser: FlaskClient, provider: Provider) -> None:
    provider.signer = RSAKey.generate_key(2048, {"kid": "1", "use": "sig", "alg": "RS256"})
    assert sign_in(browser, provider).status_code == 403


@pytest.mark.parametrize("changes", [{"state": "another"}, {"code": ""}, {"error": "access_denied"},
                                     {"iss": "https://elsewhere.example"}, {"code": "code-2"}])  # fmt: skip
def test_an_answer_that_is_not_of_this_sign_in_is_refused(
    browser: FlaskClient, provider: Provider, changes: dict[str, str]
) -> None:
    assert sign_in(browser, provider, **changes).status_code == 403


def test_another_browser_can_t_finish_a_sign_in(app: Flask, browser: FlaskClient, provider: Provider) -> None:
    back = provider.authorize(browser.get("/committee/oidc/start").location)
    assert app.test_client().get("/committee/oidc/callback", query_string=back).status_code == 403


def test_a_provider_that_is_down_is_a_sentence(make_app: MakeApp) -> None:
    oidc = {"issuer": "http://127.0.0.1:1", "client_id": CLIENT, "members": ["committee"]}
    app = make_app(**loopback(), committee={"console": {"oidc": oidc}})
    began = time.monotonic()
    answer = app.test_client().get("/committee/oidc/start")
    assert answer.status_code == 403 and "The sign-in did not succeed." in answer.text
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(("subject", "status"), [("u3", 400), ("u4", 303)])
def test_a_local_account_and_the_hospitals_of_one_person_are_not_two(
    make_app: MakeApp, provider: Provider, tmp_path: Path, subject: str, status: int
) -> None:
    """Under whatever names. The accounts' file says whose a local account is."""
    Accounts(tmp_path / "accounts.yaml").put("Ada", PASSWORD, "member", subject)
    oidc = {"issuer": provider.url, "client_id": CLIENT, "secret": SECRET, "members": ["committee"]}
    here = {**loopback(), "public_url": "http://127.0.0.1:8080"}
    app = make_app(**here, committee={"console": {"oidc": oidc, "accounts_file": tmp_path / "accounts.yaml"}})
    model = "/committee/models/endpac/demo"
    local, hospital = app.test_client(), app.test_client()
    assert local.post("/committee/sign-in", data={"name": "Ada", "password": PASSWORD}).status_code == 303
    provider.changes = {"sub": "u3", "name": "J. Jansen"}
    assert sign_in(hospital, provider).status_code == 303
    assert local.post(f"{model}/stop", data={"reason": "calibration is off here"}).status_code == 303
    answer = hospital.post(f"{model}/confirm", data={"reason": "I have looked at it and agree"})
    assert answer.status_code == status, answer.text
    asked = hospital.post(f"{model}/resume", data={"reason": "the analyser was replaced"})
    assert asked.status_code == 303
    number = re.search(r'name="asked" value="([^"]+)"', local.get(f"{model}/").text)
    assert number is not None
    agreed = local.post(f"{model}/agree", data={"reason": "so I found, too", "asked": number[1]})
    assert agreed.status_code == status, agreed.text


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [
        ({"sub": "u1", "name": "J. Jansen"}, {"sub": "u2", "name": "J. Jansen"}, 303),
        ({"sub": "u3", "name": "J. Jansen"}, {"sub": "u3", "name": "J. de Vries"}, 400),
    ],
    ids=["two-of-one-name", "one-under-another-name"],
)
def test_the_second_person_is_told_by_issuer_and_subject(
    make_app: MakeApp, provider: Provider, first: dict[str, str], second: dict[str, str], status: int
) -> None:
    oidc = {"issuer": provider.url, "client_id": CLIENT, "secret": SECRET, "members": ["committee"]}
    here = {**loopback(), "public_url": "http://127.0.0.1:8080"}
    app = make_app(**here, committee={"console": {"oidc": oidc}})
    model = "/committee/models/endpac/demo"
    stopping, confirming = app.test_client(), app.test_client()
    for browser, claims in ((stopping, first), (confirming, second)):
        provider.changes = claims
        assert sign_in(browser, provider).status_code == 303
    assert stopping.post(f"{model}/stop", data={"reason": "calibration is off here"}).status_code == 303
    answer = confirming.post(f"{model}/confirm", data={"reason": "I have looked at it and agree"})
    assert answer.status_code == status, answer.text
