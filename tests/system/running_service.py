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
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
import requests
from cryptography.hazmat.primitives.asymmetric import rsa

ROOT = Path(__file__).resolve().parents[2]
ISSUER = "https://ehr.system.test/fhir"
LEDGER_KEY = "a-ledger-key-of-the-system-tests-0123456789"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Ehr:
    """A CDS client: its key, and a fresh token for every call."""

    def __init__(self) -> None:
        self._keys = [rsa.generate_private_key(65537, 2048)]
        self.signs_with = 1

    def new_key(self) -> None:
        """Published from now on, not yet signed with: that is for ``signs_with``."""
        self._keys.append(rsa.generate_private_key(65537, 2048))

    def jwks(self, *, withdrawn: int = 0) -> dict[str, Any]:
        """The public keys, without the first ``withdrawn``."""
        found = []
        for number, private in list(enumerate(self._keys, 1))[withdrawn:]:
            key = jwt.algorithms.RSAAlgorithm.to_jwk(private.public_key(), as_dict=True)
            kept = {k: v for k, v in key.items() if k != "key_ops"}
            found.append(kept | {"kid": f"k{number}", "alg": "RS384", "use": "sig"})
        return {"keys": found}

    def write_jwks(self, path: Path) -> None:
        path.write_text(json.dumps(self.jwks()), encoding="utf-8")

    def token(self, audience: str, *, good_for_s: int = 300, ahead_s: int = 0) -> str:
        """``ahead_s``: by how much this EHR's clock is wrong."""
        now = int(time.time()) + ahead_s
        claims = {"iss": ISSUER, "aud": audience, "iat": now, "exp": now + good_for_s, "jti": str(uuid.uuid4())}
        number = self.signs_with
        return jwt.encode(claims, self._keys[number - 1], "RS384", {"kid": f"k{number}"})


@dataclass
class RunningService:
    url: str
    folder: Path
    ehr: Ehr
    process: subprocess.Popen[bytes]
    known_as: str
    """Address that the EHR knows: its own, or that of what stands before it."""

    @property
    def log(self) -> str:
        return (self.folder / "service.log").read_text(encoding="utf-8", errors="replace")

    def call(
        self, body: dict[str, Any], service: str = "pancreas-risk", *, token: str | None = None, timeout: float = 20
    ) -> requests.Response:
        """On a connection of its own, so that any worker may get it."""
        path = f"/cds-services/{service}"
        signed = self.ehr.token(self.known_as + path) if token is None else token
        headers = {"Authorization": f"Bearer {signed}"} if signed else {}
        return requests.post(self.url + path, json=body, headers=headers, timeout=timeout)

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
    folder: Path,
    ehr: Ehr,
    *,
    fhir_servers: tuple[str, ...] = (),
    deadline_s: float = 2.0,
    jku: str = "",
    serves: Sequence[str] = (),
    packages: Path | None = None,
    **settings: Any,
) -> Iterator[RunningService]:
    """``deadline_s``: time to fetch a call's data. ``jku``: where the EHR publishes its keys; without it, in a file.
    ``serves``: in place of ``-m cds ... serve``, a script and its arguments that serve by the settings file named last.
    ``packages``: a folder whose Python packages are taken before the installed ones.
    ``settings``: top-level ones, written as ``json.dumps`` writes."""
    ehr.write_jwks(folder / "jwks.json")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    given = {"port": port, "public_url": url, "data_dir": str(folder), "workers": 2, "ledger_key": LEDGER_KEY}
    given["leaving_s"] = 0.0  # nobody here asks whether it is ready before calling
    lines = [f"{name} = {json.dumps(value)}" for name, value in {**given, **settings}.items()]
    lines += ["[fhir]", f"deadline_s = {deadline_s}", "[clients.hospital]", f"issuer = {json.dumps(ISSUER)}"]
    keys = f"jku = {json.dumps(jku)}" if jku else f"jwks_file = {json.dumps(str(folder / 'jwks.json'))}"
    lines += [keys, f"fhir_servers = {json.dumps(fhir_servers)}"]
    (folder / "cds.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    toml = str(folder / "cds.toml")
    command = [sys.executable, *((*serves, toml) if serves else ("-m", "cds", "--settings", toml, "serve"))]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CDS_")}
    if packages is not None:
        environment["PYTHONPATH"] = f"{packages}{os.pathsep}{ROOT}"
    with (folder / "service.log").open("ab") as log:
        # Python looks where it is started before it looks elsewhere
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=packages)
    service = RunningService(url, folder, ehr, process, settings.get("public_url", url))
    try:
        _wait_until_it_answers(service, workers=settings.get("workers", given["workers"]))
        yield service
    finally:
        try:
            service.stop()
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def together(*starting: AbstractContextManager[RunningService]) -> Iterator[list[RunningService]]:
    """Several, started and stopped side by side."""
    with ExitStack() as stack:

        def start(one: AbstractContextManager[RunningService]) -> RunningService:
            service = one.__enter__()
            stack.push(one)
            return service

        with ThreadPoolExecutor(len(starting)) as pool:
            services = list(pool.map(start, starting))
        yield services
        for service in services:
            service.process.send_signal(signal.SIGTERM)


def _wait_until_it_answers(service: RunningService, workers: int) -> None:
    """And until all workers are forked: that happens one after another, and the first answers before the last is."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and service.process.poll() is None:
        try:
            if service.get("/health").ok and len(service.workers()) == workers:
                return
        except requests.ConnectionError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"cds serve did not start:\n{service.log[-3000:]}")
