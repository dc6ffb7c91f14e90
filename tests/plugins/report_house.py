"""Reports opened on a real port, without the way through an EHR's sign-in (that: ``smart_house``).

``reports.open("new-diabetes")`` fires a hook for the story and opens the report of the card it gave;
``opened.get()`` reads it as a browser without script does, ``opened.address`` and ``opened.cookie`` are for Chromium.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from flask import Flask
from service import FHIR, MakeApp, context_of, loopback, prefetcher
from service import request as hook_request
from smart_house import Late, listening

from cds.engine import Engine
from cds.trust.smart import ReportSession
from cds.web.report_cookie import cookie_name, report_path

Json = dict[str, Any]
USER = "Practitioner/gp"


@dataclass
class Opened:
    url: str
    session: ReportSession
    secret: str
    name: str
    path: str
    card: Json

    @property
    def address(self) -> str:
        return f"{self.url}{self.path}/"

    @property
    def cookie(self) -> Json:
        """As Playwright takes it."""
        return {"name": self.name, "value": self.secret, "domain": "127.0.0.1", "path": self.path, "httpOnly": True}

    def get(self, below: str = "", language: str = "en", **more: Any) -> requests.Response:
        return self._ask("GET", below, language, **more)

    def post(self, below: str, form: dict[str, str], language: str = "en", **more: Any) -> requests.Response:
        return self._ask("POST", below, language, data=form, **more)

    def _ask(self, method: str, below: str, language: str, **more: Any) -> requests.Response:
        return requests.request(
            method,
            f"{self.address}{below}",
            cookies={self.name: self.secret, **more.pop("cookies", {})},
            headers={"Accept": "text/html", "Accept-Language": language},
            timeout=30,
            allow_redirects=False,
            **more,
        )


@dataclass
class Reports:
    url: str
    app: Flask

    @property
    def engine(self) -> Engine:
        found: Engine = self.app.extensions["cds"]
        return found

    def cards(self, patient: str, service: str, hook: str, language: str) -> list[Json]:
        prefetch = prefetcher(self.app)(patient, service, hook)
        answer = self.app.test_client().post(
            f"/cds-services/{service}",
            json=hook_request(hook, context_of(patient, hook), prefetch),
            headers={"Accept-Language": language},
        )
        assert answer.status_code == 200, answer.get_data(as_text=True)
        found: list[Json] = answer.get_json()["cards"]
        return found

    def open(
        self,
        patient: str,
        service: str = "pancreas-risk",
        hook: str = "patient-view",
        language: str = "en",
        user: str | None = USER,
        number: int = 0,
    ) -> Opened:
        card = self.cards(patient, service, hook, language)[number]
        session, secret = self.engine.reports.open(
            "demo", patient, card_id=card["uuid"], fhir_server=FHIR, access_token="t", user=user
        )
        settings = self.engine.settings
        return Opened(self.url, session, secret, cookie_name(settings), report_path(settings, session.rid), card)

    def survival(self, patient: str = "folfirinox-falling", **more: Any) -> Opened:
        return self.open(patient, "pancreas-first-line", "order-sign", **more)


@pytest.fixture(scope="module")
def reports(make_app: MakeApp) -> Iterator[Reports]:
    with ExitStack() as open_now:
        late = Late()
        url = open_now.enter_context(listening(late))
        late.app = make_app(public_url=url, **loopback(smart={"client_id": "report"}))
        yield Reports(url, late.app)
