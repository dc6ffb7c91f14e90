"""What the service stands on: a missing file, an open secret, a wrong clock, a certificate that ends, are each said."""

from __future__ import annotations

import datetime
import json
import sqlite3
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr
from servers import FhirServer
from service import Keys
from small_site import settings_for

from cds.errors import SettingsError
from cds.ledger import migrate
from cds.ledger.book import Book
from cds.ledger.chain import Chain
from cds.ledger.committee_tables import standings
from cds.ledger.standings import Standing
from cds.sealing import chain_keys
from cds.settings import Settings, load
from cds.site import callers, ground, quick, reach
from cds.site.findings import Finding, Findings
from cds.site.walk import patients_of


def told(look: Any, settings: Settings) -> list[Finding]:
    findings = Findings()
    look(settings, findings)
    return findings.rows


def test_a_file_that_is_not_there_is_named_with_its_key(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, "https://ehr.example/fhir", backend={"token_file": str(tmp_path / "nowhere")})
    [row] = told(ground.files, settings)
    assert row.verdict == "fault"
    assert f"clients.ehr.backend.token_file ({tmp_path}/nowhere: No such file or directory)" in row.why


@pytest.mark.parametrize(("mode", "verdicts"), [(0o600, ["good"]), (0o640, ["good"]), (0o644, ["note", "good"])])
def test_a_secret_that_everybody_can_read_is_told(tmp_path: Path, mode: int, verdicts: list[str]) -> None:
    (tmp_path / "token").write_text("secret")
    (tmp_path / "token").chmod(mode)
    settings = settings_for(tmp_path, "https://ehr.example/fhir", backend={"token_file": str(tmp_path / "token")})
    rows = told(ground.files, settings)
    assert [row.verdict for row in rows] == verdicts
    assert "secret" not in " ".join(row.why for row in rows if row.verdict == "good")


def test_a_data_folder_that_can_not_be_made_is_a_fault(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, "https://ehr.example/fhir")
    (tmp_path / "file").touch()
    [row] = told(ground.disk, settings.model_copy(update={"data_dir": tmp_path / "file" / "data"}))
    assert row.verdict == "fault" and "can't be made" in row.why


def test_a_database_that_was_not_made_yet_is_a_fault_with_what_to_do(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, "https://ehr.example/fhir")
    [row] = told(ground.database, settings.model_copy(update={"data_dir": tmp_path / "another"}))
    assert row.verdict == "fault"
    assert "CDS-800" in row.why


def test_a_database_that_keeps_nothing_is_a_fault(tmp_path: Path) -> None:
    """As a standby is, or a file on a disk that was mounted to be read. Who runs the tests may write everywhere, so
    the database itself refuses."""
    settings = settings_for(tmp_path, "https://ehr.example/fhir")
    migrate.upgrade(settings.ledger_url)
    assert [row.verdict for row in told(ground.database, settings)] == ["good"]
    with closing(sqlite3.connect(settings.data_dir / "ledger.db")) as file, file:
        file.execute("CREATE TRIGGER refusal BEFORE INSERT ON jti BEGIN SELECT RAISE(ABORT, 'read only'); END")
    [row] = told(ground.database, settings)
    assert row.verdict == "fault"
    assert "can be read and not written" in row.why and "standby" in row.why


@pytest.mark.parametrize("look", [ground.database, quick.ledger])
def test_a_key_that_is_not_the_ledgers_is_a_fault(look: Any, tmp_path: Path) -> None:
    settings = settings_for(tmp_path, "https://ehr.example/fhir")
    migrate.upgrade(settings.ledger_url)
    now = datetime.datetime.now(datetime.UTC)
    with Book(settings.ledger_url) as book:
        book.put_all(standings, [dict(Standing("1", now, "m", "*", "stop", "manual", "why", "A", "B", None).__dict__)])
        assert Chain(book, *chain_keys(settings.load_ledger_key())).seal(now) == 1
    [row] = told(look, settings)
    assert row.verdict == "good" and "key is its own" in row.why
    [row] = told(look, settings.model_copy(update={"ledger_key": SecretStr("another-key-0123456789-0123456789")}))
    assert row.verdict == "fault" and "the ledger key is not this ledger's" in row.why


@pytest.mark.parametrize(
    ("jwks", "verdict", "said"),
    [
        ({"keys": []}, "fault", "none of its 0 keys is for RS384 or ES384"),
        ({"nothing": 1}, "fault", "not a JWK Set"),
        ("real", "good", "2 usable (ES384, RS384); kid "),
    ],
)
def test_keys_are_looked_at_as_a_call_would_use_them(
    tmp_path: Path, client_keys: Keys, jwks: Any, verdict: str, said: str
) -> None:
    given = client_keys.public_set() if jwks == "real" else jwks
    settings = settings_for(tmp_path, "https://ehr.example/fhir", jwks=given)
    findings = Findings()
    callers.look("ehr", settings.clients["ehr"], settings, findings)
    assert findings.rows[-1].verdict == verdict
    assert said in findings.rows[-1].why


class _Clock(BaseHTTPRequestHandler):
    off = datetime.timedelta()

    def do_GET(self) -> None:
        body = json.dumps({"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def date_time_string(self, timestamp: float | None = None) -> str:
        return (datetime.datetime.now(datetime.UTC) + self.off).strftime("%a, %d %b %Y %H:%M:%S GMT")

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


def certificate(folder: Path, days: float) -> Path:
    """A file with a certificate for this machine that is its own authority, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hospital")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=days, minutes=5))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "server.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM) + secret)
    return folder / "server.pem"


@pytest.fixture
def served(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[str, Path]]:
    """(base, authority) of a server whose certificate lives as many days, and whose clock is as many seconds off."""
    days, seconds = request.param
    file = certificate(tmp_path, days)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    handler = type("Handler", (_Clock,), {"off": datetime.timedelta(seconds=seconds)})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"https://127.0.0.1:{server.server_port}/fhir", file
        server.shutdown()


@pytest.mark.parametrize(
    ("served", "tls", "clock"),
    [
        ((365, 0), "good", "good"),
        ((10, 0), "note", "good"),
        ((365, -15), "good", "note"),
        ((365, 300), "good", "fault"),
    ],
    indirect=["served"],
)
def test_certificates_that_end_and_clocks_that_are_off_are_told(
    served: tuple[str, Path], tmp_path: Path, tls: str, clock: str
) -> None:
    base, authority = served
    settings = settings_for(tmp_path, base).model_copy(update={"ca_file": authority})
    rows = {row.what.split()[0]: row for row in told(reach.look, settings)}
    assert rows["TLS"].verdict == tls, rows["TLS"]
    assert "TLSv1.3, certificate until" in rows["TLS"].why
    assert rows["clock"].verdict == clock, rows["clock"]


@pytest.mark.parametrize("served", [(365, 0)], indirect=True)
def test_a_certificate_of_an_unknown_authority_is_a_fault_that_names_the_setting(
    served: tuple[str, Path], tmp_path: Path
) -> None:
    rows = told(reach.look, settings_for(tmp_path, served[0]))
    assert rows[0].verdict == "fault"
    assert "is not believed" in rows[0].why and "ca_file" in rows[0].why


@pytest.mark.parametrize(
    ("served", "host", "said"),
    [
        ((-0.02, 0), "127.0.0.1", "has expired): its team has to renew it"),
        ((365, 0), "localhost", "it is made out to another name"),
    ],
    indirect=["served"],
)
def test_a_certificate_is_told_once_with_what_to_do(
    served: tuple[str, Path], tmp_path: Path, host: str, said: str
) -> None:
    base, authority = served
    settings = settings_for(tmp_path, base.replace("127.0.0.1", host)).model_copy(update={"ca_file": authority})
    [row] = [row for row in told(reach.look, settings) if row.part == "client ehr"]
    assert row.verdict == "fault" and said in row.why


def test_a_port_that_speaks_no_tls_is_told_as_that(fhir: FhirServer, tmp_path: Path) -> None:
    rows = told(reach.look, settings_for(tmp_path, fhir.base.replace("http://", "https://")))
    assert rows[0].verdict == "fault" and "is that its port for https" in rows[0].why


def test_patients_data_without_tls_is_a_fault(tmp_path: Path) -> None:
    rows = told(reach.look, settings_for(tmp_path, "http://192.0.2.1:9/fhir", allow_plain_http=True))
    assert rows[0].verdict == "fault"
    assert "without TLS" in rows[0].why


@pytest.mark.parametrize(
    ("named", "said"),
    [
        (("nobody:p1",), "'nobody' is no client; there are ehr"),
        (("ehr:Patient/p1",), "by the id of its Patient resource alone"),
        (("ehr:",), "by the id of its Patient resource alone"),
        (("ehr:p?x=1",), "by the id of its Patient resource alone"),
    ],
)
def test_a_test_patient_that_can_not_be_meant_is_refused(tmp_path: Path, named: tuple[str, ...], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        patients_of(settings_for(tmp_path, "https://ehr.example/fhir"), named)


def test_with_one_client_an_id_is_enough(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, "https://ehr.example/fhir")
    assert patients_of(settings, ("p1", "ehr:p2", "p1")) == {"ehr": ("p1", "p2")}


def broker_of(url: str, tmp_path: Path) -> Finding:
    (tmp_path / "cds.toml").touch()
    pacs = {"main": {"url": "http://127.0.0.1:9/dicom-web"}}
    given: dict[str, Any] = {"data_dir": tmp_path, "pacs": pacs, "imaging": {"broker_url": url}}
    migrate.upgrade(f"sqlite:///{tmp_path}/ledger.db")
    rows = {row.part: row for row in told(ground.queue, load(tmp_path / "cds.toml", **given))}
    assert rows["queue"].verdict == "good"
    return rows["broker"]


@pytest.mark.system
@pytest.mark.parametrize("kind", ["redis", "rabbitmq"])
def test_a_broker_is_asked_whether_it_lets_us_in(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    server = request.getfixturevalue(kind)
    assert broker_of(server.url, tmp_path) == Finding("broker", "", "good", "answers")
    refused = broker_of(server.url.replace(server.password, "another-word"), tmp_path)
    assert refused.verdict == "note" and "does not let us in" in refused.why
    assert "another-word" not in refused.why


@pytest.mark.parametrize("url", ["redis://:hidden@127.0.0.1:1/0", "amqp://cds:hidden@127.0.0.1:1//"])
def test_a_broker_that_is_away_is_no_fault_since_workers_look_for_themselves(url: str, tmp_path: Path) -> None:
    row = broker_of(url, tmp_path)
    assert row.verdict == "note" and "workers look for themselves" in row.why
    assert "hidden" not in row.why
