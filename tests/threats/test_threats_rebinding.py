"""A listed name is made to lead to another machine after it was looked up once: that machine is told nothing.

The two machines are two addresses of this one, and TLS, certificates and connections are real. What the name leads to
is set where each client asks for it, since a test may not change this machine's DNS: for `requests` (key sets,
authorization servers) at ``socket.getaddrinfo``; libcurl (FHIR servers) asks the C library, so its answers are put into
its own cache (CURLOPT_RESOLVE).
"""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pycurl
import pytest
from certificates import Authority

from cds.errors import CdsError, SettingsError
from cds.fhir.client import FhirClient, Target
from cds.fhir.queries import PATIENT
from cds.fhir.transfers import Transfer
from cds.settings import FhirSettings, load
from cds.trust import AllowList, Limits
from cds.trust.jku import RemoteKeys
from cds.trust.smart.wire import Wire

NAME, TOKEN = "ehr.hospital.test", "the-ehrs-access-token"
OURS, ANOTHER = "127.0.0.1", "127.0.0.2"

pytestmark = pytest.mark.threat("dns-rebinding")


@dataclass
class Machine:
    """A server that writes down whatever it is told."""

    address: str
    port: int
    told: list[str] = field(default_factory=list)


@dataclass
class Names:
    """What the name leads to at this moment."""

    address: str = OURS
    asked: int = 0

    def lead_to(self, address: str) -> None:
        self.address, self.asked = address, 0


Start = Callable[..., Machine]


@pytest.fixture
def start() -> Iterator[Start]:
    """``start(address, context, port=...)``; no context: without TLS."""
    with ExitStack() as stack:

        def started(address: str, context: ssl.SSLContext | None, port: int = 0) -> Machine:
            class Told(BaseHTTPRequestHandler):
                def do_GET(self) -> None:
                    machine.told.append(f"{self.path} {self.headers}")
                    body = json.dumps(
                        {"keys": []} if "jwks" in self.path else {"resourceType": "Patient", "id": "p1"}
                    ).encode()
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

                def do_POST(self) -> None:
                    self.path += self.rfile.read(int(self.headers["Content-Length"])).decode()
                    self.do_GET()

                def log_message(self, format: str, *args: object) -> None:
                    """Nothing."""

            server = stack.enter_context(ThreadingHTTPServer((address, port), Told))
            server.daemon_threads = True
            server.handle_error = lambda *_: None  # type: ignore[method-assign]
            if context is not None:
                server.socket = context.wrap_socket(server.socket, server_side=True)
            machine = Machine(address, server.server_port)
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
            stack.callback(server.shutdown)
            return machine

        yield started


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    found, real, prepare = Names(), socket.getaddrinfo, Transfer.prepare

    def looked_up(host: Any, *more: Any, **options: Any) -> Any:
        if host == NAME:
            found.asked += 1
        return real(found.address if host == NAME else host, *more, **options)

    def prepared(transfer: Transfer, url: str, headers: list[str]) -> None:
        found.asked += 1
        server = url.split("/")[2]
        transfer.handle.setopt(pycurl.RESOLVE, [f"-{server}", f"{server}:{found.address}"])
        prepare(transfer, url, headers)

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    monkeypatch.setattr(Transfer, "prepare", prepared)
    return found


Ask = Callable[[str, Path], None]
"""A server (host:port) and the authorities to believe. Raises CdsError, or requests' own, when it was not answered."""


def a_fhir_server(server: str, authorities: Path) -> None:
    base = f"https://{server}/fhir"
    client = FhirClient(FhirSettings.model_validate({"retries": 0}), authorities, None)
    target = Target(base, AllowList((base,)), TOKEN)
    found = client.fetch((PATIENT,), "p1", target, time.monotonic() + 5.0)[0]
    if found.fault is not None:
        raise found.fault


def a_key_set(server: str, authorities: Path) -> None:
    RemoteKeys(f"https://{server}/jwks.json", Limits(), time.monotonic, authorities).load()


def an_authorization_server(server: str, authorities: Path) -> None:
    Wire(authorities).post("the token endpoint", f"https://{server}/token", {"code": TOKEN}, {})


ASKED = [a_fhir_server, a_key_set, an_authorization_server]


@pytest.mark.parametrize("ask", ASKED)
@pytest.mark.parametrize("its", ["another name's", "a stranger's", "none"])
def test_a_name_that_leads_elsewhere_on_the_second_look_up_tells_that_machine_nothing(
    tmp_path: Path, start: Start, names: Names, ask: Ask, its: str
) -> None:
    """``its``: the other machine's certificate. The same authority's, for a name of its own, is what another machine of
    the hospital has; one for the right name can be made by anybody, and is not believed."""
    hospital = Authority(tmp_path)
    ours = start(OURS, hospital.server(NAME))
    (tmp_path / "strange").mkdir()
    context = {
        "another name's": hospital.server("printer.hospital.test"),
        "a stranger's": Authority(tmp_path / "strange").server(NAME),
        "none": None,
    }[its]
    other = start(ANOTHER, context, ours.port)
    ask(f"{NAME}:{ours.port}", hospital.file)
    assert len(ours.told) == 1
    names.lead_to(ANOTHER)
    with pytest.raises(CdsError):
        ask(f"{NAME}:{ours.port}", hospital.file)
    assert names.asked == 1
    assert (len(ours.told), other.told) == (1, [])


@pytest.mark.parametrize("ask", ASKED)
def test_a_name_that_moves_to_a_machine_with_its_certificate_is_followed(
    tmp_path: Path, start: Start, names: Names, ask: Ask
) -> None:
    """A server may move; and the other machine is really where the name leads in the test above."""
    hospital = Authority(tmp_path)
    ours = start(OURS, hospital.server(NAME))
    other = start(ANOTHER, hospital.server(NAME), ours.port)
    ask(f"{NAME}:{ours.port}", hospital.file)
    names.lead_to(ANOTHER)
    ask(f"{NAME}:{ours.port}", hospital.file)
    assert (len(ours.told), len(other.told)) == (1, 1)


@pytest.mark.parametrize("where", ["http://ehr.hospital.test/fhir", "http://10.1.2.3/fhir"])
def test_where_no_certificate_tells_machines_apart_production_asks_nothing(tmp_path: Path, where: str) -> None:
    """Neither for records nor for keys; keys not even outside production."""
    given = {"environment": "production", "data_dir": tmp_path, "public_url": "https://cds.hospital.test"}
    load(None, **given, clients={"ehr": client(fhir_servers=[where.replace("http:", "https:")])})
    with pytest.raises(SettingsError, match=r"fhir_servers.*must start with https://"):
        load(None, **given, clients={"ehr": client(fhir_servers=[where])})
    with pytest.raises(SettingsError, match="jku must be a plain https address"):
        RemoteKeys(where, Limits(), time.monotonic)


def client(**more: Any) -> dict[str, Any]:
    return {"issuer": "https://ehr.hospital.test", "jwks": {"keys": []}, **more}
