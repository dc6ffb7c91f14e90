"""What is no HTTP is refused in the service's own words, and no word of it goes to the log."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest
import story_calls
from running_service import Ehr, RunningService, running

pytestmark = pytest.mark.system
SECRET = "Jansen-1948"
HEAD = "Host: x\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, ehr: Ehr) -> Iterator[RunningService]:
    with running(tmp_path_factory.mktemp("unread"), ehr) as service:
        yield service


def sent(service: RunningService, request: str) -> tuple[int, dict[str, str], bytes]:
    """(status, headers, body) of the answer, after which the connection is closed."""
    host, _, port = service.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(request.encode("latin-1"))
        came = b""
        while piece := connection.recv(65536):
            came += piece
    head, _, body = came.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return int(first.split()[1]), headers, body


@pytest.mark.parametrize(
    ("request_text", "status", "told"),
    [
        (f"GET /{SECRET} HTTP/3.9\r\n{HEAD}\r\n", 400, "no other version"),
        (f"PRI {SECRET} HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "HTTP/1.1"),
        (f"GET /{SECRET}\r\n{HEAD}\r\n", 400, "METHOD /address HTTP/1.1"),
        (f"GET / HTTP/1.1\r\n{HEAD}{SECRET} is no header\r\n\r\n", 400, "a header is not as HTTP/1.1 says"),
        (f"GET / HTTP/1.1\r\n{HEAD}{SECRET} (x): y\r\n\r\n", 400, "the name of a header"),
        (f"GET / HTTP/1.1\r\n{HEAD}X: y\r\n {SECRET}\r\n\r\n", 400, "over a line end"),
        (f"GET / HTTP/1.1\r\n{HEAD}Host: {SECRET}\r\n\r\n", 400, "Host"),
        (f"POST / HTTP/1.1\r\n{HEAD}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}.", 400, "Content-Length"),
        (f"GET / HTTP/1.1\r\n{HEAD}X: {SECRET}{'y' * 9000}\r\n\r\n", 431, "too long"),
        (
            f"GET / HTTP/1.1\r\n{''.join(f'X{i}: {SECRET}' + chr(13) + chr(10) for i in range(120))}\r\n",
            431,
            "too many",
        ),
        (f"GET /{SECRET}{'y' * 9000} HTTP/1.1\r\n{HEAD}\r\n", 414, "the address is too long"),
        (f"GET / HTTP/1.1\r\n{HEAD}Expect: {SECRET}\r\n\r\n", 417, "100-continue"),
        (f"POST / HTTP/1.1\r\n{HEAD}Transfer-Encoding: {SECRET}, chunked\r\n\r\n0\r\n\r\n", 400, "chunked"),
    ],
)
def test_it_is_told_as_an_operationoutcome_with_what_to_mend(
    service: RunningService, request_text: str, status: int, told: str
) -> None:
    found, headers, body = sent(service, request_text)
    outcome = json.loads(body)
    assert found == status
    assert headers["content-type"] == "application/fhir+json" and headers["connection"] == "close"
    assert outcome["resourceType"] == "OperationOutcome"
    details = outcome["issue"][0]["details"]
    assert details["coding"][0]["code"] == f"CDS-{status}" and told in details["text"]
    assert SECRET not in body.decode()


def test_the_log_has_a_line_each_and_no_word_of_what_came(service: RunningService) -> None:
    before = service.log.count("request.unread")
    sent(service, f"GET /{SECRET} HTTP/3.9\r\n{HEAD}\r\n")
    assert service.call(story_calls.patient_view()).status_code == 200
    assert service.log.count("request.unread status=400 error=InvalidHTTPVersion") >= 1
    assert service.log.count("request.unread") == before + 1
    assert SECRET not in service.log
    assert "Traceback" not in service.log and "Logging error" not in service.log
