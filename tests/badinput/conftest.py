"""The whole service in this process, with a real ledger, and nothing in front of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
import sqlalchemy as sa
from called_service import DEADLINE_S, CalledService
from chart_calls import NOW
from ready_ledger import ready
from servers import FhirServer, fhir_server

from cds.app import create_app, warm
from cds.settings import load


@pytest.fixture(scope="session")
def _own_fhir() -> Iterator[FhirServer]:
    with fhir_server() as server:
        yield server


@pytest.fixture
def own_fhir(_own_fhir: FhirServer) -> FhirServer:
    """The client's FHIR server; it knows nobody until told."""
    _own_fhir.forget()
    return _own_fhir


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory, _own_fhir: FhirServer) -> Iterator[CalledService]:
    settings = load(
        None,
        environment="demo",
        data_dir=tmp_path_factory.mktemp("service"),
        fhir={"deadline_s": DEADLINE_S, "connect_timeout_s": 0.3},
        clients={"demo": {"authentication": "loopback", "fhir_servers": [_own_fhir.base]}},
    )
    ready(settings.ledger_url)
    app = create_app(settings, now=lambda: NOW)
    warm(app)
    ledger = sa.create_engine(settings.ledger_url)
    with closing(app.extensions["cds"].ledger):
        yield CalledService(app, ledger)
    ledger.dispose()
