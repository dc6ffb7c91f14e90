"""``cds serve`` as an administrator starts it, and an EHR that signs its calls."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
import requests
from cryptography.hazmat.primitives.asymmetric import rsa

ISSUER = "https://ehr.system.test/fhir"
LEDGER_KEY = "a-ledger-key-of-the-system-tests-0123456789"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Ehr:
    """A CDS client: its key, and a fresh token for every call."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(65537, 2048)

    def write_jwks(self, path: Path) -> None:
        key = jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        key = {k: v for k, v in key.items() if k != "key_ops"} | {"kid": "k1", "alg": "RS384", "use": "sig"}
        path.write_text(json.dumps({"keys": [key]}), encoding="utf-8")

    def token(self, audience: str, *, good_for_s: int = 300) -> str:
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": audience, "iat": now, "exp": now + good_for_s, "jti": str(uuid.uuid4())}
        return jwt.encode(claims, self._key, "RS384", {"kid": "k1"})


@dataclass
class RunningService:
    url: str
    folder: Path
    ehr: Ehr
    process: subprocess.Popen[bytes]

    @property
    def log(self) -> str:
        return (self.folder / "service.log").read_text(encoding="utf-8", errors="replace")

    def call(
        self, body: dict[str, Any], service: str = "pancreas-risk", *, token: str | None = None, timeout: float = 20
    ) -> requests.Response:
        """On a connection of its own, so that any worker may get it."""
        url = f"{self.url}/cds-services/{service}"
        signed = self.ehr.token(url) if token is None else token
        headers = {"Authorization": f"Bearer {signed}"} if signed else {}
        return requests.post(url, json=body, headers=headers, timeout=timeout)

    def get(self, path: str) -> requests.Response:
        return requests.get(self.url + path, timeout=10)

    def services(self) -> list[tuple[str, str]]:
        """(service, hook) of everything that discovery names."""
        return [(found["id"], found["hook"]) for found in self.get("/cds-services").json()["services"]]

    def ready(self) -> dict[str, Any]:
        return dict(self.get("/ready").json())

    def workers(self) -> list[int]:
        pid = self.process.pid
        return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def stop(self) -> int:
        """SIGTERM, as an orchestrator sends it; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)


@contextmanager
def running(
    folder: Path, ehr: Ehr, *, fhir_servers: tuple[str, ...] = (), deadline_s: float = 2.0, **settings: Any
) -> Iterator[RunningService]:
    """``deadline_s``: time to fetch a call's data. ``settings``: top-level ones, written as ``json.dumps`` writes."""
    ehr.write_jwks(folder / "jwks.json")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    given = {"port": port, "public_url": url, "data_dir": str(folder), "workers": 2, "ledger_key": LEDGER_KEY}
    lines = [f"{name} = {json.dumps(value)}" for name, value in {**given, **settings}.items()]
    lines += ["[fhir]", f"deadline_s = {deadline_s}", "[clients.hospital]", f"issuer = {json.dumps(ISSUER)}"]
    lines += [f"jwks_file = {json.dumps(str(folder / 'jwks.json'))}", f"fhir_servers = {json.dumps(fhir_servers)}"]
    (folder / "cds.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "cds", "--settings", str(folder / "cds.toml"), "serve"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CDS_")}
    with (folder / "service.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    service = RunningService(url, folder, ehr, process)
    try:
        _wait_until_it_answers(service)
        yield service
    finally:
        try:
            service.stop()
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_it_answers(service: RunningService) -> None:
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline and service.process.poll() is None:
        try:
            if service.get("/health").ok:
                return
        except requests.ConnectionError:
            time.sleep(0.05)
    raise AssertionError(f"cds serve did not start:\n{service.log[-3000:]}")
