"""TLS to the PACS: its certificate must be trusted, and ours shown where it asks for one (mTLS)."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from cds.imaging.dicomweb import DicomWeb
from cds.imaging.pacs import Limits, Pacs
from cds.imaging.reasons import Reason, Unusable

LIMITS = Limits(connect_s=2.0, idle_s=2.0, total_s=5.0, attempts=1)


@dataclass(frozen=True)
class Identity:
    certificate: Path
    key: Path


def identity(folder: Path, name: str) -> Identity:
    """A self-signed certificate for this machine."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    made = Identity(folder / f"{name}.pem", folder / f"{name}.key")
    made.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    made.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return made


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Identity]:
    folder = tmp_path_factory.mktemp("tls")
    return {name: identity(folder, name) for name in ("pacs", "service", "stranger")}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Silent."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A handshake that fails is what these tests are about."""


@pytest.fixture
def base(parties: dict[str, Identity]) -> Iterator[str]:
    """A PACS that knows only the service's certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(parties["pacs"].certificate, parties["pacs"].key)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(parties["service"].certificate)
    server = Server(("127.0.0.1", 0), Handler)
    # the handshake belongs to the connection's own thread
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}/dicom-web"
    server.shutdown()
    server.server_close()
    thread.join()


def ask(base: str, **given: Path) -> Reason | None:
    web = DicomWeb(Pacs(base, (base,), **given), LIMITS)  # type: ignore[arg-type]
    try:
        assert web.studies() == []
        return None
    except Unusable as error:
        return error.reason
    finally:
        web.close()


def test_the_service_shows_its_certificate(base: str, parties: dict[str, Identity]) -> None:
    own = parties["service"]
    assert ask(base, ca_file=parties["pacs"].certificate, certificate=own.certificate, key=own.key) is None


@pytest.mark.parametrize("shown", ["stranger", None])
def test_without_the_right_certificate_the_pacs_is_not_reached(
    shown: str | None, base: str, parties: dict[str, Identity]
) -> None:
    own = {"certificate": parties[shown].certificate, "key": parties[shown].key} if shown else {}
    reason = ask(base, ca_file=parties["pacs"].certificate, **own)
    assert reason in (Reason.PACS_REFUSED, Reason.PACS_UNREACHABLE)


def test_a_pacs_with_an_unknown_certificate_is_not_spoken_to(base: str, parties: dict[str, Identity]) -> None:
    own = parties["service"]
    assert ask(base, certificate=own.certificate, key=own.key) is Reason.PACS_UNTRUSTED
    assert ask(base, ca_file=parties["stranger"].certificate, certificate=own.certificate, key=own.key) is (
        Reason.PACS_UNTRUSTED
    )
