"""This service signs in by itself to a FHIR server somebody else wrote (sekmet), and is let in as it was registered.

The server fetches our public keys from our own running service, as an EHR does.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from joserfc.jwk import ECKey
from sekmet_house import LOADER, sekmet
from sekmet_house import load as load_into
from service import MakeApp, loopback
from werkzeug.serving import make_server

from cds.errors import SourceError, SourceRefused
from cds.fhir.client import FhirClient
from cds.fhir.queries import PATIENT
from cds.settings import Settings, load
from cds.studies.ehr import target_of
from cds.trust import AllowList
from cds.trust.smart import Backend

pytestmark = pytest.mark.system

PERSON = {"resourceType": "Patient", "id": "p1", "birthDate": "1960-01-01"}
BUNDLE = {
    "resourceType": "Bundle",
    "type": "transaction",
    "entry": [{"resource": PERSON, "request": {"method": "PUT", "url": "Patient/p1"}}],
}


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("keys")
    made = [folder / "first.pem", folder / "next.pem"]
    for path in made:  # of one kind: this server tries each key on each signature and stumbles over another kind's
        path.write_bytes(ECKey.generate_key("P-384").as_pem(private=True))
    return made


@contextmanager
def answering(app: Flask) -> Iterator[int]:
    """The app on a port of this machine."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def ehr(tmp_path_factory: pytest.TempPathFactory, make_app: MakeApp, keys: list[Path]) -> Iterator[str]:
    """The FHIR base. `cds` may read patients, `cds-labs` observations only; ``lab`` has a password."""
    with answering(make_app(**loopback(), signing_keys=keys)) as port:
        jwks = f"http://127.0.0.1:{port}/.well-known/jwks.json"
        auth = {
            "types": ["smart", "basic"],
            "users": {"lab": "pass:word"},
            "token_lifetime": 120,
            "smart_clients": [
                {"client_id": "cds", "jwks_url": jwks, "scopes": "system/*.read"},
                {"client_id": "cds-labs", "jwks_url": jwks, "scopes": "system/Observation.read"},
            ],
        }
        with sekmet(tmp_path_factory.mktemp("sekmet"), auth) as base:
            load_into(base, [BUNDLE])
            yield base


@pytest.fixture
def made(tmp_path: Path, ehr: str, keys: list[Path]) -> Any:
    def make(signing: list[Path] | None = None, **backend: Any) -> Settings:
        empty = tmp_path / "cds.toml"
        empty.touch()
        client: dict[str, Any] = {"issuer": ehr, "jwks": {"keys": []}, "fhir_servers": [ehr]}
        if backend:
            client["backend"] = backend
        return load(
            empty, data_dir=tmp_path, clients={"ehr": client}, signing_keys=keys if signing is None else signing
        )

    return make


def now() -> datetime:
    return datetime.now(UTC)


def read(settings: Settings, ehr: str, backend: Backend | None = None) -> int:
    """How many patients come. Raises SourceError."""
    target = target_of(backend or Backend(settings, "ehr", now), ehr, AllowList([ehr]))
    [found] = FhirClient(settings.fhir).fetch((PATIENT,), "p1", target, time.monotonic() + 10)
    if found.fault is not None:
        raise found.fault
    return sum(len(page.resources) for page in found.pages)


def test_a_signature_lets_us_in(made: Any, ehr: str) -> None:
    assert read(made(client_id="cds"), ehr) == 1


def test_the_key_that_comes_next_lets_us_in_without_anything_registered_anew(
    made: Any, ehr: str, keys: list[Path]
) -> None:
    assert read(made(signing=keys[::-1], client_id="cds"), ehr) == 1


def test_a_key_that_was_not_published_does_not(made: Any, ehr: str, tmp_path: Path) -> None:
    path = tmp_path / "strange.pem"
    path.write_bytes(ECKey.generate_key("P-384").as_pem(private=True))
    with pytest.raises(SourceRefused, match=r"the token endpoint answered 401 \(invalid_client\)"):
        read(made(signing=[path], client_id="cds"), ehr)


def test_an_unknown_name_does_not(made: Any, ehr: str) -> None:
    with pytest.raises(SourceRefused, match="client 'ehr': the token endpoint answered 401"):
        read(made(client_id="nobody"), ehr)


def test_scopes_that_are_not_ours_are_refused_by_name(made: Any, ehr: str) -> None:
    with pytest.raises(SourceRefused, match=r"answered 400 \(invalid_scope\)"):
        read(made(client_id="cds", scopes=["system/Patient.write"]), ehr)


def test_a_token_without_the_scope_is_refused_by_the_server(made: Any, ehr: str) -> None:
    with pytest.raises(SourceError, match="answered 403"):
        read(made(client_id="cds-labs", scopes=["system/Observation.read"]), ehr)


def test_a_token_is_used_again_until_it_is_refused(made: Any, ehr: str) -> None:
    settings = made(client_id="cds")
    backend = Backend(settings, "ehr", now)
    first = backend.authorization(ehr)
    assert first is not None and first == backend.authorization(ehr)
    assert read(settings, ehr, backend) == 1
    backend.forget()
    assert backend.authorization(ehr) != first


def test_a_clock_that_is_far_off_is_told(made: Any, ehr: str) -> None:
    settings = made(client_id="cds")
    with pytest.raises(SourceRefused, match="invalid_client"):
        Backend(settings, "ehr", lambda: now() - timedelta(hours=1)).authorization(ehr)


def test_a_user_and_a_password_let_us_in(made: Any, ehr: str, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("pass:word\n", encoding="utf-8")
    assert read(made(user="lab", password_file=tmp_path / "password"), ehr) == 1
    (tmp_path / "password").write_text("wrong", encoding="utf-8")
    with pytest.raises(SourceError, match="answered 401"):
        read(made(user="lab", password_file=tmp_path / "password"), ehr)


def test_a_bearer_token_from_a_file_is_read_each_time(made: Any, ehr: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("wrong", encoding="utf-8")
    settings = made(token_file=tmp_path / "token")
    backend = Backend(settings, "ehr", now)
    with pytest.raises(SourceError, match="answered 401"):
        read(settings, ehr, backend)
    (tmp_path / "token").write_text(LOADER, encoding="utf-8")
    assert read(settings, ehr, backend) == 1


def test_without_a_way_to_sign_in_nobody_is_let_in(made: Any, ehr: str) -> None:
    with pytest.raises(SourceError, match="answered 401"):
        read(made(), ehr)


@pytest.mark.threat("token-theft")
def test_a_token_endpoint_elsewhere_is_not_given_our_signature(made: Any, ehr: str) -> None:
    elsewhere = ehr.replace("127.0.0.1", "localhost")
    with pytest.raises(SourceRefused, match="on another host than the FHIR server"):
        Backend(made(client_id="cds"), "ehr", now).authorization(elsewhere)
    named = made(client_id="cds", token_url=ehr.replace("/fhir", "/auth/token"))
    assert Backend(named, "ehr", now).authorization(elsewhere) is not None
