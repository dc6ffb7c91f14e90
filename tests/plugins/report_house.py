"""Reports as a clinician gets to them: a hook is fired, the card's link followed, the page read.

``reports.of("new-diabetes")`` is an open report in process, with a browser's manners (cookies, forms) and without a
browser; ``report_house`` is the same on real ports, for Chromium, with the hospital's FHIR server behind it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from service import FHIR, Clock, MakeApp, PrefetchOf, context_of, loopback, prefetcher, request
from werkzeug.test import TestResponse

from cds.engine import Engine
from cds.ledger import CallEntry
from cds.trust.smart import ReportSession
from cds.web.report_cookie import cookie_name

Json = dict[str, Any]
SMART = {"client_id": "report-under-test"}


@dataclass
class OpenReport:
    session: ReportSession
    client: FlaskClient
    card: Json

    @property
    def address(self) -> str:
        return f"/report/{self.session.rid}/"

    def get(self, part: str = "", **headers: str) -> TestResponse:
        return self.client.get(self.address + part, headers={"Accept": "text/html", **headers})

    def text(self, part: str = "", **headers: str) -> str:
        answer = self.get(part, **headers)
        assert answer.status_code == 200, answer.get_data(as_text=True)[:400]
        return answer.get_data(as_text=True)

    def post(self, part: str, form: Json, **headers: str) -> TestResponse:
        return self.client.post(self.address + part, data=form, headers={"Accept": "text/html", **headers})


@dataclass
class Reports:
    """Opens reports past the EHR's sign-in, as the door leaves them: a session and its cookie."""

    app: Flask
    prefetch: PrefetchOf

    @property
    def engine(self) -> Engine:
        found: Engine = self.app.extensions["cds"]
        return found

    def cards(
        self, story: str, service: str = "pancreas-risk", hook: str = "patient-view", language: str = "en",
        context: Json | None = None, prefetch: Json | None = None,
    ) -> list[Json]:  # fmt: skip
        body = request(hook, context or context_of(story, hook), prefetch or self.prefetch(story, service, hook))
        answer = self.app.test_client().post(
            f"/cds-services/{service}", json=body, headers={"Accept-Language": language}
        )
        assert answer.status_code == 200, answer.get_data(as_text=True)
        found: list[Json] = answer.get_json()["cards"]
        return found

    def of(self, story: str, service: str = "pancreas-risk", hook: str = "patient-view", **more: Any) -> OpenReport:
        return self.open(story, self.cards(story, service, hook, **more)[0])

    def open(self, patient: str, card: Json | None, **session: Any) -> OpenReport:
        given: Json = {"fhir_server": FHIR, "access_token": "token", "user": "Practitioner/gp", **session}
        made, secret = self.engine.reports.open("demo", patient, card_id=card["uuid"] if card else None, **given)
        client = self.app.test_client()
        client.set_cookie(
            cookie_name(self.engine.settings), secret, path=f"/report/{made.rid}", secure=True, domain="localhost"
        )
        return OpenReport(made, client, card or {})

    def call_of(self, card: Json) -> CallEntry:
        kept = self.engine.ledger.card(card["uuid"])
        assert kept is not None
        call = self.engine.ledger.call(kept.call_id)
        assert call is not None
        return call


MakeReports = Callable[..., Reports]


@pytest.fixture(scope="session")
def make_reports(make_app: MakeApp) -> MakeReports:
    def make(now: Clock | None = None, client: Json | None = None, **settings: Any) -> Reports:
        given = {**loopback(smart=SMART, **(client or {})), "public_url": "http://localhost", **settings}
        app = make_app(now=now or Clock(), **given)
        return Reports(app, prefetcher(app))

    return make


@pytest.fixture(scope="session")
def shared_reports(make_reports: MakeReports) -> Reports:
    return make_reports()


@pytest.fixture
def reports(shared_reports: Reports) -> Reports:
    return shared_reports
