"""Guessing slows down the guesser and nobody else; who has signed out is out, whoever holds a copy of the cookie."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

import pytest
import sqlalchemy as sa
from console_house import MEMBER, PASSWORD, VIEWER, Console
from flask import Flask
from flask.testing import FlaskClient
from service import MakeApp, loopback

from cds.committee.accounts import Accounts
from cds.ledger.book import Book
from cds.ledger.committee_tables import sign_in_attempts
from cds.ledger.migrate import upgrade
from cds.ledger.turn import Turn
from cds.pages.committee.attempts import Attempts, counted

OUTSIDER, INSIDER = "203.0.113.9", "10.1.2.3"
HERE = {**loopback(), "public_url": "http://127.0.0.1:8080"}


@pytest.fixture
def accounts(tmp_path: Path) -> Path:
    path = tmp_path / "accounts.yaml"
    for name in (MEMBER, VIEWER):
        Accounts(path).put(name, PASSWORD, "member")
    return path


@pytest.fixture
def app(make_app: MakeApp, accounts: Path) -> Flask:
    """Behind a proxy on this machine, which the settings name."""
    console = {"accounts_file": accounts, "trusted_proxies": ["127.0.0.0/8"]}
    return make_app(**HERE, committee={"console": console})


def attempt(browser: FlaskClient, name: str, password: str, source: str) -> int:
    headers = {"X-Forwarded-For": source}
    return browser.post("/committee/sign-in", data={"name": name, "password": password}, headers=headers).status_code


def guess(app: Flask, name: str, times: int, source: str = OUTSIDER) -> list[int]:
    return [attempt(app.test_client(), name, "wrong", source) for _ in range(times)]


def test_who_guesses_waits_and_others_behind_the_same_proxy_do_not(app: Flask) -> None:
    assert guess(app, VIEWER, 7) == [403] * 5 + [429] * 2
    assert attempt(app.test_client(), VIEWER, PASSWORD, OUTSIDER) == 429
    assert attempt(app.test_client(), VIEWER, PASSWORD, INSIDER) == 303
    assert attempt(app.test_client(), MEMBER, PASSWORD, INSIDER) == 303


def test_a_made_up_address_does_not_help_the_guesser(app: Flask) -> None:
    made_up = [f"198.51.100.{n}, {OUTSIDER}" for n in range(7)]
    assert [attempt(app.test_client(), VIEWER, "wrong", told) for told in made_up] == [403] * 5 + [429] * 2


def test_behind_a_proxy_that_is_not_named_nobody_waits_long(
    make_app: MakeApp, accounts: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_app(**HERE, committee={"console": {"accounts_file": accounts}})
    assert guess(app, VIEWER, 7) == [403] * 7
    assert attempt(app.test_client(), VIEWER, PASSWORD, INSIDER) == 303
    assert caplog.text.count("committee.unknown_source") == 1


def test_a_browser_that_has_signed_in_before_is_not_kept_out_by_guesses_from_many_addresses(app: Flask) -> None:
    owner = app.test_client()
    assert attempt(owner, VIEWER, PASSWORD, INSIDER) == 303
    for n in range(21):
        guess(app, VIEWER, 1, f"203.0.113.{n}")
    assert attempt(app.test_client(), VIEWER, PASSWORD, "198.51.100.5") == 429  # for five seconds
    assert attempt(owner, VIEWER, PASSWORD, "198.51.100.5") == 303
    # and what it is known for is that name alone
    assert guess(app, MEMBER, 6)[-1] == 429
    assert attempt(owner, MEMBER, PASSWORD, OUTSIDER) == 429


@pytest.fixture
def ledger_url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    upgrade(url)
    return url


def attempts_of(url: str, now: Callable[[], float]) -> Attempts:
    return Attempts(url, b"0123456789abcdef-sign-in-tests-xyz", lambda: datetime.fromtimestamp(now(), UTC))


def test_the_wait_grows_ends_and_does_not_grow_while_it_lasts(ledger_url: str) -> None:
    now = 1000.0
    attempts = attempts_of(ledger_url, lambda: now)
    counts = counted("X", OUTSIDER, None)
    waits = []
    for _ in range(12):
        while (wait := attempts.begin(counts).wait_s) > 0:
            waits.append(wait)
            now += wait
    assert waits == [30.0, 60.0, 120.0, 240.0, 480.0, 900.0, 900.0]
    now += 900.0
    attempts.succeeded(attempts.begin(counts))
    assert [attempts.begin(counts).wait_s for _ in range(5)] == [0.0] * 5


def test_every_worker_counts_the_same_attempts_and_the_ledger_does_not_say_whose(ledger_url: str) -> None:
    """Workers and hosts share the ledger: guessing at another one is no new beginning."""
    workers = [attempts_of(ledger_url, lambda: 1000.0) for _ in range(5)]
    for worker in workers:
        assert worker.begin(counted("B. Ee", OUTSIDER, None)).wait_s == 0.0
    assert {worker.begin(counted("B. Ee", OUTSIDER, None)).wait_s for worker in workers} == {30.0}
    with Book(ledger_url) as book:
        rows = book.read(lambda c: c.execute(sa.select(sign_in_attempts)).all())
    assert len(rows) == 3
    assert not any(told in str(rows).lower() for told in ("b. ee", OUTSIDER))


def test_of_many_attempts_at_once_no_more_are_looked_at_than_one_after_the_other(ledger_url: str) -> None:
    """A password takes its time to be looked at; whoever sends a hundred meanwhile must not have a hundred tried."""
    counts, looked_at = counted("X", OUTSIDER, None), list[bool]()

    def send() -> None:
        looked_at.append(attempts_of(ledger_url, lambda: 1000.0).begin(counts).wait_s == 0.0)

    senders = [Thread(target=send) for _ in range(12)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert (sum(looked_at), len(looked_at)) == (5, 12)


def test_who_has_to_wait_keeps_no_writer_waiting(ledger_url: str, tmp_path: Path) -> None:
    """Whoever sends guesses without end is told to wait, and rows of calls go on being written meanwhile."""
    attempts, counts = attempts_of(ledger_url, lambda: 1000.0), counted("X", OUTSIDER, None)
    for _ in range(5):
        attempts.begin(counts)
    with Turn(tmp_path / "ledger.db", 1.0).hold():
        assert attempts.begin(counts).wait_s == 30.0


def test_right_ones_leave_what_others_share_as_it_was(ledger_url: str) -> None:
    """A hospital behind one address signs in all day, and one wrong password among that is one."""
    attempts = attempts_of(ledger_url, lambda: 1000.0)
    for n in range(25):
        right = attempts.begin(counted(f"Nurse {n}", INSIDER, None))
        wrong = attempts.begin(counted(f"Other {n}", INSIDER, None)) if n < 3 else None
        assert right.wait_s == 0.0 and (wrong is None or wrong.wait_s == 0.0)
        attempts.succeeded(right)
    with Book(ledger_url) as book:
        rows = book.read(lambda c: c.execute(sa.select(sign_in_attempts.c.wrong)).scalars().all())
    assert sorted(rows) == [1] * 6 + [3], "of the address three, of each wrong name its own two"


def test_whoever_has_one_address_of_ipv6_has_its_whole_network(ledger_url: str) -> None:
    attempts = attempts_of(ledger_url, lambda: 1000.0)
    waits = [attempts.begin(counted("X", f"2001:db8:0:1::{n}", None)).wait_s for n in range(6)]
    assert waits == [0.0] * 5 + [30.0]
    assert attempts.begin(counted("X", "2001:db8:0:2::1", None)).wait_s == 0.0
    assert attempts.begin(counted("X", "192.0.2.1", None)).wait_s == 0.0


def test_what_others_share_costs_seconds_and_is_forgotten_in_an_hour(ledger_url: str) -> None:
    now = 1000.0
    attempts = attempts_of(ledger_url, lambda: now)
    for n in range(30):
        while (wait := attempts.begin(counted("X", f"203.0.113.{n}", None)).wait_s) > 0:
            assert wait == 5.0
            now += wait
    assert attempts.begin(counted("X", INSIDER, None)).wait_s == 5.0
    assert attempts.begin(counted("Y", INSIDER, None)).wait_s == 0.0
    now += 3700.0
    assert [attempts.begin(counted("X", OUTSIDER, None)).wait_s for _ in range(5)] == [0.0] * 5


def test_a_copied_cookie_opens_nothing_after_its_owner_signed_out(open_console: Callable[..., Console]) -> None:
    house = open_console(filled=False)
    owner, thief, other = house.client(VIEWER), house.client(None), house.client(VIEWER)
    cookie = owner.get_cookie("cds_committee")
    assert cookie is not None
    thief.set_cookie("cds_committee", cookie.value)
    assert thief.get("/committee/").status_code == 200
    assert owner.post("/committee/sign-out").status_code == 303
    assert thief.get("/committee/").status_code == 303
    # the same person's session elsewhere goes on
    assert other.get("/committee/").status_code == 200


def in_another_process(app: Flask, cookie: str) -> int:
    browser = app.test_client()
    browser.set_cookie("cds_committee", cookie)
    return browser.get("/committee/").status_code


def test_another_worker_knows_of_it(app: Flask) -> None:
    browser = app.test_client()
    assert attempt(browser, VIEWER, PASSWORD, INSIDER) == 303
    cookie = browser.get_cookie("cds_committee")
    assert cookie is not None
    context = multiprocessing.get_context("fork")
    told: multiprocessing.SimpleQueue[int] = context.SimpleQueue()
    go = context.Event()

    def worker() -> None:
        told.put(in_another_process(app, cookie.value))
        go.wait(30)
        told.put(in_another_process(app, cookie.value))

    process = context.Process(target=worker)
    process.start()
    assert told.get() == 200
    assert browser.post("/committee/sign-out").status_code == 303
    go.set()
    assert told.get() == 303
    process.join(30)


@pytest.mark.parametrize("text", ["10.0.0.0/33", "proxy.example", "10.0.0.1/8"])
def test_what_is_no_address_of_a_proxy_is_refused_in_words(text: str) -> None:
    from cds.committee_settings import ConsoleSettings

    with pytest.raises(ValueError, match="is no address or range"):
        ConsoleSettings.model_validate({"trusted_proxies": [text]})
