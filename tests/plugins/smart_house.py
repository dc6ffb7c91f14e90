"""A hospital with a SMART authorization server and the service beside it, both on real ports.

``house.card("new-diabetes")`` fires a hook and gives the first card; ``house.launch(card, "new-diabetes")`` is the
address an EHR opens for its link; ``house.follow(address)`` goes there as a browser does and gives the last answer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests
from flask import Flask
from service import FHIR, TODAY, Clock, MakeApp, context_of, loopback, read
from service import request as hook_request
from werkzeug.serving import make_server

from cds.demo.authorization import AuthorizationServer
from cds.demo.authorization_grants import RegisteredApp
from cds.demo.fhir_endpoint import create_fhir_app
from cds.web.launch import session_of
from hooks.stories import all_resources

Json = dict[str, Any]
APP = "report-under-test"
NAMES = {"new-diabetes": "Anna Jansen", "jaundice-head": "Bram Visser", "nobody": "Carla Smit"}
"""Patients of the picker, with names that occur nowhere else."""


class Late:
    """A WSGI application that is named after its server has a port; keeps what was asked of it."""

    def __init__(self) -> None:
        self.app: Flask | None = None
        self.asked: list[str] = []
        """Address, query and Referer of every request."""

    def __call__(self, environ: Mapping[str, Any], start: Any) -> Any:
        query = environ.get("QUERY_STRING", "")
        self.asked.append(f"{environ['PATH_INFO']}?{query} referer={environ.get('HTTP_REFERER', '')}")
        assert self.app is not None
        return self.app.wsgi_app(dict(environ), start)


@contextmanager
def listening(late: Late) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, late, threaded=True)  # type: ignore[arg-type]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class SmartHouse:
    url: str
    """Of the service."""
    fhir_base: str
    app: Flask
    server: AuthorizationServer
    clock: Clock
    asked: list[str]
    """What was asked of service and hospital."""
    browser: requests.Session = field(default_factory=requests.Session)

    def card(
        self, patient: str, language: str = "en", service_id: str = "pancreas-risk", hook: str = "patient-view"
    ) -> Json:
        """The first card of opening this patient's chart, or of signing the orders that wait in it."""
        described = self.app.test_client().get("/cds-services").get_json()["services"]
        service = next(s for s in described if s["id"] == service_id and s["hook"] == hook)
        prefetch = {
            key: read(patient, template.replace("{{context.patientId}}", patient))
            for key, template in service["prefetch"].items()
        }
        body = hook_request(hook, context_of(patient, hook), prefetch)
        answer = self.app.test_client().post(
            f"/cds-services/{service_id}", json=body, headers={"Accept-Language": language}
        )
        found: Json = answer.get_json()["cards"][0]
        return found

    def launch(self, card: Json, patient: str, **changes: Any) -> str:
        """The address an EHR opens for the card's report; ``app_context`` may be another than the card's."""
        link = card["links"][0]
        usual = {"app_context": link["appContext"], "encounter": "enc-1"}
        return self.server.launch_url(link["url"], patient=patient, **{**usual, **changes})

    def follow(self, address: str, **headers: str) -> requests.Response:
        return self.browser.get(address, timeout=20, headers={"Accept": "text/html", **headers})

    def app_get(self, address: str, cookies: Any) -> requests.Response:
        """As the same browser asks from another thread."""
        return requests.get(address, cookies=cookies, timeout=20, headers={"Accept": "text/html"})

    def opened(self, patient: str, **changes: Any) -> requests.Response:
        """From card to report."""
        return self.follow(self.launch(self.card(patient), patient, **changes))


def register_tiny_page(app: Flask) -> None:
    """Stands for the report: says whose it is, which the real one never does in these words."""

    def whose(rid: str) -> str:
        from flask import request

        session = session_of(request)
        return f"patient={session.patient_id} card={session.card_id} user={session.user} rid={session.rid}"

    app.add_url_rule("/report/<rid>/whose", "whose", whose, methods=["GET", "POST"])
    if not any(rule.rule == "/report/<rid>/" for rule in app.url_map.iter_rules()):
        app.add_url_rule("/report/<rid>/", "tiny_page", whose)


MakeHouse = Callable[..., SmartHouse]


@pytest.fixture(scope="module")
def make_house(make_app: MakeApp) -> Iterator[MakeHouse]:
    """Call it for a house of its own; ``smart`` are further keys of the client's block, ``registered`` of the app as
    the hospital has it, ``server`` the class of the authorization server, ``client`` further keys of the client,
    ``names`` the patients there."""
    with ExitStack() as open_now:

        def make(
            smart: Json | None = None,
            registered: Json | None = None,
            server: type[AuthorizationServer] = AuthorizationServer,
            algorithm: Any = "ES384",
            client: Json | None = None,
            names: Mapping[str, str] = NAMES,
            **settings: Any,
        ) -> SmartHouse:
            service, hospital, clock = Late(), Late(), Clock()
            url, place = open_now.enter_context(listening(service)), open_now.enter_context(listening(hospital))
            base = f"{place}/fhir"
            made = server(
                base,
                [RegisteredApp(APP, (f"{url}/report/callback",), **(registered or {}))],
                names.items,
                algorithm=algorithm,
                now=lambda: clock().timestamp(),
            )
            hospital.app = create_fhir_app(r for r in all_resources(TODAY) if r["id"].startswith(tuple(names)))
            hospital.app.register_blueprint(made.blueprint())
            block = {"client_id": APP, **(smart or {})}
            given = loopback(fhir_servers=[base, FHIR], smart=block, **(client or {}))
            app = make_app(now=clock, public_url=url, **{**given, **settings})
            register_tiny_page(app)
            service.app = app
            house = SmartHouse(url, base, app, made, clock, [])
            service.asked = hospital.asked = house.asked
            open_now.callback(house.browser.close)
            return house

        yield make


@pytest.fixture(scope="module")
def shared_house(make_house: MakeHouse) -> SmartHouse:
    return make_house()


@pytest.fixture
def house(shared_house: SmartHouse) -> SmartHouse:
    """One for a file's tests, with a browser that has been nowhere."""
    shared_house.browser.cookies.clear()
    shared_house.asked.clear()
    shared_house.clock.now = Clock().now
    return shared_house
