"""Fixtures ``hospital``: one for the session, cleared before each test; ``axe``: the script that checks pages."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest
import requests
from accessibility import axe_source
from demo_hospital import STORY_IDS, Hospital, Launches, Told, serving
from stub_cds_service import StubService

from cds.demo.fhir_endpoint import create_fhir_app
from cds.pages.ehr import create_ehr
from hooks import stories


@pytest.fixture(scope="session")
def axe() -> str:
    return axe_source()


@pytest.fixture(scope="session")
def _hospital() -> Iterator[Hospital]:
    stub, launches = StubService(), Launches()
    told = Told(STORY_IDS)
    today = date.today()
    app = create_fhir_app([r for row in told.STORIES for r in stories.build(row, today)])
    with requests.Session() as session, serving(stub.app()) as service_url, serving(app) as url:
        desk = create_ehr(
            app,
            stories=told,
            service_url=service_url,
            fhir_base=f"{url}/fhir",
            session=session,
            launch=launches,
        )
        yield Hospital(url, service_url, stub, session, desk, launches)


@pytest.fixture
def hospital(_hospital: Hospital) -> Hospital:
    _hospital.clear()
    return _hospital
