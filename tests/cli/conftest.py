"""Settings files, a FHIR server with the authored patients, and the service in front of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import serving
from service import TODAY, MakeApp

from cds.demo.fhir_endpoint import create_fhir_app
from hooks.stories import all_resources


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an empty folder: a cds.toml of this machine must not take part."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def hospital() -> Iterator[str]:
    """FHIR base address of a real server that holds every story."""
    with serving(create_fhir_app(all_resources(TODAY), page_size=1000)) as address:
        yield f"{address}/fhir"


@pytest.fixture(scope="module")
def service_url(make_app: MakeApp, hospital: str) -> Iterator[str]:
    """Base address of the service, on a real socket; calls from this machine need no JWT."""
    client = {"authentication": "loopback", "fhir_servers": [hospital]}
    with serving(make_app(environment="demo", clients={"demo": client})) as address:
        yield address
