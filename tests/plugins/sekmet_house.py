"""sekmet, a FHIR server somebody else wrote, as a process of its own on a free loopback port."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

FHIR_JSON = {"Content-Type": "application/fhir+json"}
LOADER = "of-the-tests-that-load-it"
"""A bearer token that may write, where ``auth`` is asked for."""


@contextmanager
def sekmet(folder: Path, auth: dict[str, Any] | None = None) -> Iterator[str]:
    """Its FHIR base; stopped at the end. ``auth``: sekmet's ``server_auth``, to which a token for loading is added."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    base = f"http://127.0.0.1:{port}/fhir"
    settings: dict[str, Any] = {
        "base_url": base,
        "host": "127.0.0.1",
        "port": port,
        "data_dir": str(folder / "data"),
        "simulator": {"enabled": False},
        "validation": {"inbound": "strict"},
    }
    if auth is not None:
        settings["server_auth"] = {**auth, "types": [*auth["types"], "bearer"], "tokens": [LOADER]}
    (folder / "settings.yaml").write_text(json.dumps(settings), encoding="utf-8")
    script = Path(__file__).with_name("sekmet_server.py")
    command = [sys.executable, str(script), "serve", "--host", "127.0.0.1", "--port", str(port)]
    environment = {**os.environ, "SEKMET_CONFIG": str(folder / "settings.yaml"), "HOME": str(folder)}
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=folder)
    try:
        _wait(f"{base}/metadata", server, folder / "log")
        yield base
    finally:
        server.terminate()
        server.wait(timeout=20)


def load(base: str, bundles: Iterable[dict[str, Any]]) -> None:
    """Transactions, one after the other."""
    with requests.Session() as session:
        session.headers.update({**FHIR_JSON, "Authorization": f"Bearer {LOADER}"})
        for bundle in bundles:
            answer = session.post(base, json=bundle, timeout=60)
            assert answer.ok, answer.text[:1000]


def _wait(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if requests.get(url, timeout=5).ok:
                return
        except requests.RequestException:
            time.sleep(0.1)
    raise AssertionError(f"sekmet did not start:\n{log.read_text(errors='replace')[-2000:]}")
