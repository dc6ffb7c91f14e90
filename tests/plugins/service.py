"""The real application in process, over the authored stories, as of one fixed moment.

`client` may call without a JWT (a demonstration's loopback client); `signed_client` is a hospital's, whose every call
carries a JWT. `prefetch_of` fills the discovered templates from a story's resources as an EHR does.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from flask import Flask
from flask.testing import FlaskClient
from ready_ledger import ready
from werkzeug.test import TestResponse

from cds.app import create_app, warm
from cds.demo.fhir_endpoint import create_fhir_app
from cds.settings import load
from hooks.stories import all_resources, draft_orders, story
from hooks.stories.concept_map import concept_map

TODAY = date(2026, 11, 23)
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
FHIR = "https://fhir.hospital.example/r4"
PUBLIC_URL = "https://cds.hospital.example"
ISSUER = "https://ehr.hospital.example/fhir"

Json = dict[str, Any]
MakeApp = Callable[..., Flask]


@pytest.fixture(scope="session")
def stories_today() -> date:
    """The day the stories are told on."""
    return TODAY


@dataclass
class Clock:
    """The time the application believes it is; a test may move it."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


_FIXED = Clock()


@pytest.fixture(scope="session")
def make_app(tmp_path_factory: pytest.TempPathFactory) -> MakeApp:
    """Call it with settings for an application of its own: own folder, own ledger, models loaded."""

    def make(now: Callable[[], datetime] = _FIXED, **settings: Any) -> Flask:
        folder = tmp_path_factory.mktemp("service")
        codes = folder / "concept_map.json"
        codes.write_text(json.dumps(concept_map()), encoding="utf-8")
        # an empty file: neither this machine's cds.toml nor its environment says what is tested here
        empty = folder / "cds.toml"
        empty.touch()
        given = load(empty, **{"data_dir": folder, "concept_map": codes, "public_url": PUBLIC_URL, **settings})
        ready(given.ledger_url)
        app = create_app(given, now=now)
        warm(app)
        return app

    return make


def loopback(**client: Any) -> Json:
    """Settings of a demonstration: one client on this machine that needs no JWT."""
    given = {"authentication": "loopback", "fhir_servers": [FHIR], **client}
    return {"environment": "demo", "clients": {"demo": given}}


@pytest.fixture(scope="module")
def app(make_app: MakeApp) -> Flask:
    """One for all tests of a file. A test that leaves something behind (feedback snoozes) takes `fresh_app`."""
    return make_app(**loopback())


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def fresh_app(make_app: MakeApp) -> Flask:
    return make_app(**loopback())


@pytest.fixture
def fresh_client(fresh_app: Flask) -> FlaskClient:
    return fresh_app.test_client()


@cache
def _chart(story_id: str) -> FlaskClient:
    """The story's FHIR server, in process. Pages are large: an EHR sends whole answers as prefetch."""
    belongs = [r for r in all_resources(TODAY) if r["id"] == story_id or r["id"].startswith(f"{story_id}-")]
    return create_fhir_app(belongs, page_size=1000).test_client()


def read(story_id: str, query: str) -> Json:
    """What the story's FHIR server answers to a relative read or search."""
    answer = _chart(story_id).get(f"/fhir/{query}", headers={"Prefer": "handling=strict"})
    assert answer.status_code == 200, f"{query}: {answer.get_data(as_text=True)}"
    found: Json = answer.get_json()
    return found


def filled(template: str, context: Mapping[str, Any]) -> str:
    """A prefetch template with its context tokens replaced."""
    for name, value in context.items():
        if isinstance(value, str):
            template = template.replace("{{context." + name + "}}", value)
    assert "{{" not in template, f"no value for a token of {template}"
    return template


PrefetchOf = Callable[..., dict[str, Json]]


def prefetcher(app: Flask) -> PrefetchOf:
    """Fills the templates that ``app`` publishes."""
    services = app.test_client().get("/cds-services").get_json()["services"]
    templates = {(s["id"], s["hook"]): s["prefetch"] for s in services}

    def fill(story_id: str, service_id: str = "pancreas-risk", hook: str = "patient-view") -> dict[str, Json]:
        context = {"patientId": story_id}
        return {key: read(story_id, filled(t, context)) for key, t in templates[service_id, hook].items()}

    return fill


@pytest.fixture(scope="module")
def prefetch_of(app: Flask) -> PrefetchOf:
    """``prefetch_of(story_id, service_id, hook)``: the discovered templates, answered from the story's chart."""
    return prefetcher(app)


def context_of(story_id: str, hook: str) -> Json:
    """The hook's context for a story: its draft orders, all of them selected."""
    context: Json = {"userId": "Practitioner/gp", "patientId": story_id}
    if hook.startswith("encounter-"):
        context["encounterId"] = "enc-1"
    if hook.startswith("order-"):
        drafts = draft_orders(story(story_id), TODAY)
        context["draftOrders"] = drafts
        if hook == "order-select":
            context["selections"] = [
                f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in drafts.get("entry", ())
            ]
    return context


def request(hook: str, context: Json, prefetch: Mapping[str, Any] | None = None, **members: Any) -> Json:
    """A CDS Hooks request with a fresh hookInstance."""
    body: Json = {"hook": hook, "hookInstance": str(uuid.uuid4()), "context": context, **members}
    return body if prefetch is None else {**body, "prefetch": dict(prefetch)}


@dataclass(frozen=True)
class StoryCalls:
    """Fires a hook for a story, data as prefetch. ``call(...)`` gives the answer, ``body(...)`` the request."""

    client: FlaskClient
    prefetch_of: PrefetchOf

    def body(self, story_id: str, service_id: str = "pancreas-risk", hook: str = "patient-view") -> Json:
        return request(hook, context_of(story_id, hook), self.prefetch_of(story_id, service_id, hook))

    def __call__(
        self,
        story_id: str,
        service_id: str = "pancreas-risk",
        hook: str = "patient-view",
        /,
        *,
        headers: Mapping[str, str] | None = None,
        **changed: Any,
    ) -> TestResponse:
        """``changed`` members replace the request's; ``None`` leaves a member out."""
        body = {k: v for k, v in {**self.body(story_id, service_id, hook), **changed}.items() if v is not None}
        return self.client.post(f"/cds-services/{service_id}", json=body, headers=dict(headers or {}))


@pytest.fixture
def fire(client: FlaskClient, prefetch_of: PrefetchOf) -> StoryCalls:
    return StoryCalls(client, prefetch_of)


@pytest.fixture
def fire_fresh(fresh_client: FlaskClient, prefetch_of: PrefetchOf) -> StoryCalls:
    return StoryCalls(fresh_client, prefetch_of)


@dataclass(frozen=True)
class Keys:
    """A client's private keys, and the public set it gives us."""

    rsa: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    ec: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP384R1()))
    kids: Mapping[str, str] = field(default_factory=lambda: {"RS384": "rsa+key/1==", "ES384": "ec-key-1"})

    def private(self, algorithm: str) -> Any:
        return self.rsa if algorithm.startswith(("RS", "PS")) else self.ec

    def public_set(self) -> Json:
        found = []
        for algorithm, kid in self.kids.items():
            worker = jwt.algorithms.get_default_algorithms()[algorithm]
            public = self.private(algorithm).public_key()
            key = json.loads(worker.to_jwk(public))
            key.pop("key_ops", None)
            found.append({**key, "kid": kid, "use": "sig", "alg": algorithm})
        return {"keys": found}


@dataclass
class SignedClient:
    """Calls as a hospital's EHR does: each with its own JWT."""

    app: Flask
    keys: Keys
    clock: Clock

    def claims(self, path: str, **changed: Any) -> Json:
        """Valid claims for a call to ``path``; ``changed`` replaces some, ``None`` leaves one out."""
        now = int(self.clock().timestamp())
        usual = {
            "iss": ISSUER,
            "aud": PUBLIC_URL + path,
            "iat": now,
            "exp": now + int(timedelta(minutes=5).total_seconds()),
            "jti": str(uuid.uuid4()),
        }
        return {k: v for k, v in {**usual, **changed}.items() if v is not None}

    def sign(
        self,
        path: str,
        algorithm: str = "RS384",
        *,
        key: Any = None,
        headers: Mapping[str, Any] | None = None,
        **changed: Any,
    ) -> str:
        """A token for a call to ``path``. ``headers`` and ``changed`` claims replace the usual ones; None drops one."""
        head = {"kid": self.keys.kids.get(algorithm), "typ": "JWT", **(headers or {})}
        return jwt.encode(
            self.claims(path, **changed),
            self.keys.private(algorithm) if key is None else key,
            algorithm,
            headers={k: v for k, v in head.items() if v is not None},
        )

    def post(self, path: str, body: Any, token: str | None = None, **headers: str) -> TestResponse:
        """With a fresh RS384 token, or the one given; an empty string sends none."""
        token = self.sign(path) if token is None else token
        sent = {**({"Authorization": f"Bearer {token}"} if token else {}), **headers}
        return self.app.test_client().post(path, json=body, headers=sent)


@pytest.fixture(scope="session")
def client_keys() -> Keys:
    """Made once: an RSA key takes a tenth of a second."""
    return Keys()


@pytest.fixture(scope="module")
def signed_client(make_app: MakeApp, client_keys: Keys) -> SignedClient:
    """A production application with one client, known by its static key set."""
    clock = Clock()
    made = make_app(now=clock, **signed_settings(client_keys.public_set()))
    return SignedClient(made, client_keys, clock)


def signed_settings(jwks: Json, **client: Any) -> Json:
    """Settings of a production service with one client."""
    given = {"issuer": ISSUER, "jwks": jwks, "fhir_servers": [FHIR], **client}
    return {"ledger_key": "0123456789abcdef-conformance-tests", "clients": {"hospital": given}}


def write_settings(folder: Path, port: int, *, jwks: Json | None = None) -> Path:
    """A settings file for ``cds serve`` on a loopback port."""
    lines = [
        f"port = {port}",
        "workers = 1",
        "leaving_s = 0",
        f"data_dir = {json.dumps(str(folder))}",
        f'public_url = "http://127.0.0.1:{port}"',
    ]
    if jwks is None:
        lines += ['environment = "demo"', "[clients.demo]", 'authentication = "loopback"']
    else:
        (folder / "jwks.json").write_text(json.dumps(jwks), encoding="utf-8")
        lines += [
            'ledger_key = "0123456789abcdef-conformance-tests"',
            "[clients.hospital]",
            f'issuer = "{ISSUER}"',
            f"jwks_file = {json.dumps(str(folder / 'jwks.json'))}",
        ]
    path = folder / "cds.toml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
