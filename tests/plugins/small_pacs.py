"""A PACS in this process that takes objects by STOW-RS, shows them by QIDO-RS, and fails as a test tells it to."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO

_JSON = "application/dicom+json"


@dataclass
class SmallPacs:
    port: int = 0
    kept: dict[str, Dataset] = field(default_factory=dict)
    """By SOP Instance UID."""
    posts: list[str] = field(default_factory=list)
    """SOP Instance UIDs in the order in which they came, taken or not."""
    faults: list[str] = field(default_factory=list)
    """One a request to store, used up in turn: ``507``, ``503``, ``404``, ``full``, ``refuse``, ``forget``,
    ``take-and-drop``, ``empty``, ``html``, ``duplicate``; ``""`` is none."""
    gone: bool = False
    """Searches are answered with 503."""

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}/dicom-web"

    def search(self, study: str, series: str) -> list[dict[str, Any]]:
        return [
            {
                "00080018": {"vr": "UI", "Value": [uid]},
                "00080016": {"vr": "UI", "Value": [str(ds.SOPClassUID)]},
            }
            for uid, ds in self.kept.items()
            if (str(ds.StudyInstanceUID), str(ds.SeriesInstanceUID)) == (study, series)
        ]

    def take(self, body: bytes) -> tuple[int, bytes]:
        """(status, answer); status 0 ends the connection without one."""
        start = body.index(b"\r\n\r\n") + 4
        ds = dcmread(DicomBytesIO(body[start : body.rindex(b"\r\n--")]))
        uid = str(ds.SOPInstanceUID)
        self.posts.append(uid)
        fault = self.faults.pop(0) if self.faults else ""
        if fault.isdigit():
            return int(fault), b""
        if fault in ("full", "refuse"):
            return 409, self._answer(failed=[(uid, 0xA700 if fault == "full" else 0xA900)])
        if fault == "duplicate":
            return 202, self._answer(failed=[(uid, 0x0111)])
        if fault != "forget":
            self.kept[uid] = ds
        if fault == "take-and-drop":
            return 0, b""
        if fault in ("empty", "html"):
            return 200, b"" if fault == "empty" else b"<html>fine</html>"
        return 200, self._answer(stored=[uid])

    @staticmethod
    def _answer(stored: list[str] | None = None, failed: list[tuple[str, int]] | None = None) -> bytes:
        """As real archives do: the sequence of failures is there, and empty, on success as well."""
        bad = [
            {"00081155": {"vr": "UI", "Value": [uid]}, "00081197": {"vr": "US", "Value": [code]}}
            for uid, code in failed or []
        ]
        good = [{"00081155": {"vr": "UI", "Value": [uid]}} for uid in stored or []]
        failures: dict[str, Any] = {"vr": "SQ"}
        if bad:
            failures["Value"] = bad
        return json.dumps({"00081198": failures, "00081199": {"vr": "SQ", "Value": good}}).encode()


@contextmanager
def small_pacs() -> Iterator[SmallPacs]:
    pacs = SmallPacs()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if pacs.gone:
                return self._send(503, b"")
            path, _, query = self.path.partition("?")
            parts = path.split("/")
            rows = pacs.search(parts[3], parts[5]) if len(parts) == 7 else []
            return self._send(200, json.dumps([] if "offset=0" not in query else rows).encode())

        def do_POST(self) -> None:
            status, answer = pacs.take(self.rfile.read(int(self.headers["Content-Length"])))
            if status:
                self._send(status, answer)
            else:
                self.close_connection = True

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", _JSON)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    pacs.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield pacs
    finally:
        server.shutdown()
        thread.join(timeout=10)
        server.server_close()
