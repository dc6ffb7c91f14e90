"""The demonstration EHR when what it depends on is not there."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
import requests
from demo_hospital import Told, serving
from flask import Flask
from stub_cds_service import StubService

from cds.pages.ehr import create_ehr


def _closed_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def _ehr(session: requests.Session, service_url: str, fhir_base: str) -> Flask:
    app = Flask("ehr_alone")
    create_ehr(
        app,
        stories=Told(("new-diabetes",)),
        service_url=service_url,
        fhir_base=fhir_base,
        session=session,
    )
    return app


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


def test_without_the_service_the_list_and_the_chart_say_so_and_work(session: requests.Session) -> None:
    client = _ehr(session, _closed_port(), _closed_port()).test_client()
    assert "The CDS service can&#39;t be reached: nothing answers at its address" in client.get("/").text
    page = client.post("/charts", data={"patient": "new-diabetes"}, follow_redirects=True)
    assert page.status_code == 200
    assert "The chart works without it." in page.text
    assert "metformin" in page.text


def test_without_the_record_the_advice_is_still_asked_for(session: requests.Session) -> None:
    stub = StubService()
    with serving(stub.app()) as service_url:
        client = _ehr(session, service_url, _closed_port()).test_client()
        page = client.post("/charts", data={"patient": "new-diabetes"}, follow_redirects=True).text
    assert "The record can&#39;t be read: nothing answers at its address" in page
    assert "consider CT within 2 weeks" in page
    assert stub.calls[0][1]["prefetch"] == {}
    assert "Prefetch left out: patient: nothing answers at its address" in page
