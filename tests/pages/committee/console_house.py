"""A running service with the console, a model that was judged for five weeks, and calls that can be made again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from committee_room import CHARTER, NOW, Room, Said, ago
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Browser, Page
from service import MakeApp, StoryCalls, loopback, prefetcher
from werkzeug.serving import make_server

from cds.committee.accounts import Accounts
from cds.committee.charter_file import read_charter
from cds.committee.evaluate import Evaluator, keep_charter
from cds.ids import new_id
from cds.ledger.book import Book
from cds.ledger.committee_tables import outcome_events, outcome_sweeps
from cds.ledger.outcomes import OutcomeEvent, Sweep

MODEL, SITE = "qcancer-2013-pancreas", "demo"
MEMBER, OTHER, VIEWER, PASSWORD = "A. Bee", "E. Eff", "V. Iewer", "correct-horse-battery"
GROUPS = """
subgroups:
  sex: {label: {en: sex, nl: geslacht}, source: patient.male}
  patient-language: {label: {en: "patient's language", nl: taal van de patiënt}, source: patient.language}
"""


@dataclass(frozen=True)
class Console:
    app: Flask
    address: str
    folder: Path
    call: str
    """A call with a card that can be made again."""

    def client(self, name: str | None = MEMBER) -> FlaskClient:
        """Somebody's browser, signed in; None: nobody's."""
        made = self.app.test_client()
        if name is not None:
            answer = made.post("/committee/sign-in", data={"name": name, "password": PASSWORD})
            assert answer.status_code == 303, answer.text
        return made


SIGN_IN = {"en-GB": ("Name", "Password", "Sign in"), "nl-NL": ("Naam", "Wachtwoord", "Aanmelden")}


def signed_in(browser: Browser, house: Console, name: str = MEMBER, *, locale: str = "en-GB", **context: Any) -> Page:
    """In a window of its own, as narrow as a phone unless ``context`` says otherwise."""
    page = browser.new_context(locale=locale, **{"viewport": {"width": 390, "height": 900}, **context}).new_page()
    enter(page, house, name, locale)
    return page


def enter(page: Page, house: Console, name: str = MEMBER, locale: str = "en-GB") -> None:
    called, password, button = SIGN_IN[locale]
    page.goto(f"{house.address}/committee/")
    page.get_by_label(called).fill(name)
    page.get_by_label(password).fill(PASSWORD)
    page.get_by_role("button", name=button).click()


@pytest.fixture(scope="session")
def open_console(make_app: MakeApp, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Console]]:
    servers = []

    def make(*, filled: bool = True) -> Console:
        folder = tmp_path_factory.mktemp("console")
        charter = folder / "committee.yaml"
        charter.write_text(CHARTER + GROUPS, encoding="utf-8")
        accounts = Accounts(folder / "accounts.yaml")
        accounts.put(MEMBER, PASSWORD, "member")
        accounts.put(OTHER, PASSWORD, "member")
        accounts.put(VIEWER, PASSWORD, "viewer")
        held: dict[str, Flask] = {}

        def serve(environ: Any, start: Any) -> Any:
            return held["app"](environ, start)

        server = make_server("127.0.0.1", 0, serve, threaded=True)
        address = f"http://127.0.0.1:{server.server_port}"
        console = {"accounts_file": folder / "accounts.yaml"}
        settings = {**loopback(), "public_url": address, "committee": {"charter_file": charter, "console": console}}
        app = held["app"] = make_app(**settings)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        call = fill(app, charter) if filled else ""
        return Console(app, address, folder, call)

    yield make
    for server in servers:
        server.shutdown()


@pytest.fixture(scope="session")
def console(open_console: Callable[..., Console]) -> Console:
    return open_console()


def fill(app: Flask, charter_file: Path) -> str:
    engine = app.extensions["cds"]
    url = engine.settings.ledger_url
    fire = StoryCalls(app.test_client(), prefetcher(app))
    answer = fire("new-diabetes")
    assert answer.json is not None and answer.json["cards"]
    with Book(url) as book:
        room = Room(url, engine.ledger, book, charter_file.parent)
        version = engine.models[MODEL].manifest.version
        random = np.random.default_rng(7)
        cohort(room, random, version)
        before = [Said(f"b{n}", ago(100 + n / 4), {"risk": 0.01}, snapshot(random, 0)) for n in range(400)]
        room.tell(before, version=version, client=SITE)
        for week in range(5):
            said = [
                Said(f"w{week}-{n}", ago(33 - 7 * week + n / 40), {"risk": 0.01}, snapshot(random, week), carded=n < 6)
                for n in range(120)
            ]
            room.tell(said, version=version, client=SITE)
        charter, text = read_charter(charter_file, engine.models)
        keep_charter(book, charter, text, NOW)
        for week in range(5):
            at = NOW - timedelta(days=28 - 7 * week)
            policies = engine.policies.current
            [_] = Evaluator(book, engine.models, policies, charter, at).all(MODEL, SITE)
        import sqlalchemy as sa

        from cds.ledger.tables import calls

        found = sa.select(calls.c.id).where(calls.c.service == "pancreas-risk")
        return str(book.read(lambda c: c.execute(found).scalars().first()))


def cohort(room: Room, random: np.random.Generator, version: str) -> None:
    """1200 patients predicted three years ago; of some the outcome is known, of most what they speak."""
    spoken = ("tr", "nl", "nl", None)
    truth = random.normal(-1.2, 1.1, 1200)
    happens = random.random(1200) < 1 / (1 + np.exp(-truth))
    said = [
        Said(
            f"c{n}",
            ago(1100),
            {"risk": float(1 / (1 + np.exp(-t)))},
            snapshot(random, 0),
            carded=bool(t > -1),
            speaks=spoken[n % 4],
        )
        for n, t in enumerate(truth)
    ]
    room.tell(said, version=version, client=SITE)
    events = [
        OutcomeEvent(SITE, room.key(f"c{n}", SITE), "event", "cancer", ago(900).date(), "registry", None)
        for n in np.flatnonzero(happens)
    ]
    room.book.put_all(outcome_events, [e.row("s", NOW) for e in events])
    sweep = Sweep(new_id(), NOW, SITE, "registry", "national", None, ("cancer", "death"), None, NOW.date())
    room.book.put_all(outcome_sweeps, [sweep.row])


def snapshot(random: np.random.Generator, week: int) -> dict[str, Any]:
    """Inputs of one call; those of later weeks are of older patients."""
    return {
        "age": {"state": "found", "value": float(random.normal(60 + 2 * week, 8))},
        "male": {"state": "found", "value": float(random.random() < 0.5)},
    }
