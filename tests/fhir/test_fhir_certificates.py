"""A FHIR server is believed only with a certificate of the hospital's authority, and only by its own name."""

from __future__ import annotations

import datetime
import json
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import ClassVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from small_chart import PATIENT_1

from cds.fhir.client import Fetched, FhirClient, Target
from cds.fhir.queries import PATIENT
from cds.settings import FhirSettings
from cds.trust import AllowList

_LARGE = {**PATIENT_1, "text": {"status": "generated", "div": "x" * 1_000_000}}


class _Patient(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    callers: ClassVar[list[int]] = []

    def do_GET(self) -> None:
        self.callers.append(self.client_address[1])
        body = json.dumps(_LARGE).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


def _authority(folder: Path, address: str) -> Path:
    """A file with a certificate for ``address`` that is its own authority, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hospital")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{address}.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + secret)
    return file


@pytest.fixture
def served(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[str, Path]]:
    """A FHIR server's base, and its authority's certificate; the parameter is the address that one is for."""
    file = _authority(tmp_path, getattr(request, "param", "127.0.0.1"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    yield from _served(context, file)


@pytest.fixture
def asks_for_ours(tmp_path: Path) -> Iterator[tuple[str, Path, Path]]:
    """A FHIR server that lets in whoever shows one certificate: its base, its authority, and that certificate."""
    (tmp_path / "ours").mkdir()
    file, ours = _authority(tmp_path, "127.0.0.1"), _authority(tmp_path / "ours", "127.0.0.9")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(ours)
    yield from ((base, authority, ours) for base, authority in _served(context, file))


def _served(context: ssl.SSLContext, file: Path) -> Iterator[tuple[str, Path]]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Patient) as server:
        server.daemon_threads = True
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"https://127.0.0.1:{server.server_port}/fhir", file
        server.shutdown()


def _client(ca_file: Path | None, base: str = "", shown: Path | None = None) -> FhirClient:
    ours = {base: (shown, shown)} if shown is not None else None
    return FhirClient(FhirSettings.model_validate({"retries": 0}), ca_file, ours)


def _fetched(base: str, client: FhirClient) -> Fetched:
    return client.fetch((PATIENT,), "p1", Target(base, AllowList((base,)), None), time.monotonic() + 2.0)[0]


def test_the_hospitals_own_authority_is_enough(served: tuple[str, Path]) -> None:
    base, ca_file = served
    found = _fetched(base, _client(ca_file))
    assert found.fault is None
    assert found.pages[0].resources[0].id == "p1"


def test_a_secure_connection_is_kept_too(served: tuple[str, Path]) -> None:
    """After its first answer a server of TLS 1.3 sends tickets, which make a connection look as if it had been closed;
    and an answer larger than a record of TLS has to be read to its end."""
    base, ca_file = served
    client = _client(ca_file)
    _Patient.callers.clear()
    for _ in range(3):
        assert _fetched(base, client).fault is None
    assert len(_Patient.callers) == 3
    assert len(set(_Patient.callers)) == 1


@pytest.mark.threat("dns-rebinding")
def test_an_unknown_authority_is_not(served: tuple[str, Path]) -> None:
    fault = _fetched(served[0], _client(None)).fault
    assert fault is not None
    assert fault.code == "CDS-602"


@pytest.mark.parametrize("served", ["127.0.0.2"], indirect=True)
@pytest.mark.threat("dns-rebinding")
def test_another_servers_certificate_is_not(served: tuple[str, Path]) -> None:
    base, ca_file = served
    fault = _fetched(base, _client(ca_file)).fault
    assert fault is not None
    assert fault.code == "CDS-602"


def test_a_server_that_asks_for_our_certificate_is_shown_it(asks_for_ours: tuple[str, Path, Path]) -> None:
    base, ca_file, ours = asks_for_ours
    assert _fetched(base, _client(ca_file, base, ours)).fault is None


def test_without_it_or_with_another_we_are_not_let_in(asks_for_ours: tuple[str, Path, Path], tmp_path: Path) -> None:
    base, ca_file, _ = asks_for_ours
    (tmp_path / "another").mkdir()
    for shown in (None, _authority(tmp_path / "another", "127.0.0.9"), tmp_path / "nowhere.pem"):
        fault = _fetched(base, _client(ca_file, base, shown)).fault
        assert fault is not None
        assert fault.code == "CDS-602"
