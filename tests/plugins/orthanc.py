"""Fixture ``orthanc``: a real PACS (Orthanc with its DICOMweb plugin) on a free loopback port, with authentication.

The Debian build listens on every address whatever its configuration says; it refuses others than this machine. It is
never asked to transcode: that crashes it now and then. A test may kill it and start it again.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import urllib3

_PLUGINS = Path("/usr/share/orthanc/plugins")
BOUNDARY = "generated-boundary"
_PER_POST = 25
_RETRIES = urllib3.Retry(total=3, backoff_factor=0.1, allowed_methods=None)
"""Also of a POST: Orthanc 1.10 closes a connection that was idle for a second, now and then as it is used again."""


class Orthanc:
    """One server with its own storage in ``folder``."""

    user, password = "cds", "for-this-machine-only"

    def __init__(self, folder: Path) -> None:
        program = shutil.which("Orthanc") or "/usr/sbin/Orthanc"
        plugin = _PLUGINS / "libOrthancDicomWeb.so"
        if not Path(program).exists() or not plugin.exists():
            pytest.fail("Orthanc is not installed: apt-get install orthanc orthanc-dicomweb", pytrace=False)
        self._program = program
        self._folder = folder
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._http = urllib3.PoolManager(
            headers=urllib3.make_headers(basic_auth=f"{self.user}:{self.password}"), retries=_RETRIES
        )
        self._configuration = {
            "Name": "TEST-PACS",
            "StorageDirectory": str(folder / "db"),
            "IndexDirectory": str(folder / "db"),
            "Plugins": [str(plugin)],
            "HttpPort": self.port,
            "HttpThreadsCount": 10,
            "HttpCompressionEnabled": False,
            "KeepAlive": True,
            "TcpNoDelay": True,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": True,
            "RegisteredUsers": {self.user: self.password},
            "DicomServerEnabled": False,
            "SaveJobs": False,
            "MaximumStorageCacheSize": 64,
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/", "SeriesMetadata": "Full", "QidoCaseSensitive": False},
        }

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}/dicom-web"

    def start(self) -> None:
        """Start, or start again after `kill`; returns when the server answers."""
        settings = self._folder / "orthanc.json"
        settings.write_text(json.dumps(self._configuration), encoding="utf-8")
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, str(settings)], stdout=log, stderr=log, cwd=self._folder, start_new_session=True
            )
        deadline = time.monotonic() + 60
        while True:
            try:
                answer = self._http.request("GET", f"{self.base}/studies?limit=1", retries=False, timeout=5)
                if answer.status == 200:
                    return
            except urllib3.exceptions.HTTPError:
                pass
            if self._process.poll() is not None or time.monotonic() > deadline:
                pytest.fail("Orthanc did not start:\n" + (self._folder / "log").read_text(errors="replace")[-2000:])
            time.sleep(0.05)

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """SIGKILL: connections drop in the middle of what they were sending."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=10)
            self._process = None

    def freeze(self) -> None:
        """SIGSTOP: connections are taken, nothing answers."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        if self.running:
            assert self._process is not None
            os.kill(self._process.pid, signal.SIGCONT)

    def store(self, instances: Iterable[bytes]) -> None:
        """STOW-RS. Fails when the server did not take every one."""
        waiting = list(instances)
        for at in range(0, len(waiting), _PER_POST):
            batch = waiting[at : at + _PER_POST]
            answer = self._http.request(
                "POST",
                f"{self.base}/studies",
                body=multipart(batch),
                headers={
                    "Content-Type": f'multipart/related; type="application/dicom"; boundary={BOUNDARY}',
                    "Accept": "application/dicom+json",
                    **self._http.headers,
                },
                timeout=120,
            )
            taken = answer.json() if answer.status == 200 else {}
            # the sequence of failures is there, and empty, on success as well
            assert answer.status == 200, (answer.status, answer.data[:500])
            assert not taken.get("00081198", {}).get("Value"), taken
            assert len(taken["00081199"]["Value"]) == len(batch)

    def emptied(self) -> None:
        """Up and without a patient, whatever was done to it before."""
        self.thaw()
        if not self.running:
            self.start()
        self.forget()

    def forget(self) -> None:
        """Every patient out of the store."""
        for patient in self._http.request("GET", f"http://127.0.0.1:{self.port}/patients").json():
            self._http.request("DELETE", f"http://127.0.0.1:{self.port}/patients/{patient}")


def multipart(parts: Iterable[bytes], boundary: str = BOUNDARY) -> bytes:
    """A WADO-RS answer's, or a STOW-RS request's, body."""
    edge = boundary.encode()
    inner = b"".join(b"--" + edge + b"\r\nContent-Type: application/dicom\r\n\r\n" + part + b"\r\n" for part in parts)
    return inner + b"--" + edge + b"--\r\n"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def orthanc_server() -> Iterator[Orthanc]:
    """The session's PACS; fails where Orthanc is absent."""
    folder = Path(tempfile.mkdtemp(prefix="cds-pacs-", dir="/tmp"))
    server = Orthanc(folder)
    try:
        server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def orthanc(orthanc_server: Orthanc) -> Iterator[Orthanc]:
    """The PACS, up and empty at the start of the test, whatever the one before did to it."""
    orthanc_server.emptied()
    yield orthanc_server
    orthanc_server.thaw()
