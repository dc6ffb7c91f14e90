"""Attempts to sign in that come at once, on a real PostgreSQL: each is counted, and none waits for ever for another."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from cds.ledger import sign_in_attempts as attempts
from cds.ledger.book import Book, put
from cds.ledger.committee_tables import sign_in_attempts
from cds.ledger.migrate import upgrade
from cds.ledger.sign_in_attempts import Counted
from cds.pages.committee.attempts import Attempts, counted

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@pytest.fixture
def url(postgres_database: Callable[[], str]) -> str:
    made = postgres_database()
    upgrade(made)
    return made


@pytest.fixture
def book(url: str) -> Iterator[Book]:
    with Book(url) as opened:
        yield opened


@pytest.fixture
def at_once() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as threads:
        yield threads


def more(held: Counted) -> Counted:
    return held[0] + 1, NOW


def kept(book: Book, *ids: str) -> dict[str, int]:
    return {one: wrong for one, (wrong, _) in book.read(lambda c: attempts.of(c, ids)).items()}


def store(book: Book, **until: datetime) -> None:
    """One wrong attempt of each, which may be tried again from then on."""
    rows = [{"id": one, "wrong": 1, "until": then} for one, then in until.items()]
    book.write(lambda c: put(c, sign_in_attempts, rows))


@contextmanager
def held(url: str, one: str) -> Iterator[Callable[[], None]]:
    """Somebody writes this row; call it for the end of that."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        kept = connection.execute(sa.select(sign_in_attempts).where(sign_in_attempts.c.id == one).with_for_update())
        if kept.first() is None:
            connection.execute(sa.insert(sign_in_attempts).values(id=one, wrong=1, until=NOW))
        yield connection.rollback
    engine.dispose()


def waits(book: Book, count: int) -> None:
    """Until so many transactions wait for a row."""
    question = sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    ends = time.monotonic() + 20
    while time.monotonic() < ends:
        if book.read(lambda c: c.execute(question).scalar_one()) >= count:
            return
        time.sleep(0.02)
    pytest.fail(f"{count} transactions should wait by now")


def test_an_attempt_is_counted_though_its_row_is_swept_out_meanwhile(
    url: str, book: Book, at_once: ThreadPoolExecutor
) -> None:
    """One whose clock goes a little before the other's takes for long past what the other counts on."""
    store(book, a=NOW - HOUR)
    with held(url, "b") as let_go:
        first = at_once.submit(
            book.write, lambda c: attempts.begin(c, {"a": more, "b": more}, NOW, NOW - HOUR - MINUTE)
        )
        waits(book, 1)
        second = at_once.submit(book.write, lambda c: attempts.begin(c, {"c": more}, NOW + MINUTE, NOW - HOUR + MINUTE))
        second.result(20)
        let_go()
        assert first.result(20)[0] == NOW
    assert kept(book, "a", "b", "c") == {"a": 2, "b": 1, "c": 1}


def test_under_a_flood_of_names_two_that_make_room_do_not_wait_for_each_other(
    book: Book, at_once: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "_MOST", 20)
    # the two that are counted now were the oldest until then
    store(book, a=NOW - 2 * MINUTE, b=NOW - 2 * MINUTE, **{f"f{n}": NOW - MINUTE for n in range(20)})
    both = threading.Barrier(2, timeout=20)

    def counting(held: Counted) -> Counted:
        both.wait()  # each holds its own row now, and is about to make room
        return more(held)

    def attempt(one: str) -> object:
        return book.write(lambda c: attempts.begin(c, {one: counting}, NOW, NOW - HOUR))

    for future in [at_once.submit(attempt, one) for one in ("a", "b")]:
        future.result(20)
    assert kept(book, "a", "b") == {"a": 2, "b": 2}
    assert book.read(lambda c: c.execute(sa.select(sa.func.count()).select_from(sign_in_attempts)).scalar_one()) <= 20


def test_one_that_succeeds_and_one_that_begins_do_not_wait_for_each_other(
    url: str, book: Book, at_once: ThreadPoolExecutor
) -> None:
    """Both need the same three rows: the guesser's own comes last by its id, and was once forgotten first."""
    console = Attempts(url, b"k" * 32, lambda: NOW)
    names = (counted(f"N. {n}", "192.0.2.7", None) for n in range(200))
    given, (low, middle, _) = next(
        (one, sorted(ids)) for one in names if (ids := [console._id(c) for c in one])[2] == max(ids)
    )
    right = console.begin(given)
    with held(url, middle) as let_go:
        begins = at_once.submit(console.begin, given)
        waits(book, 1)
        succeeds = at_once.submit(console.succeeded, right)
        waits(book, 2)
        let_go()
        assert begins.result(20).wait_s == 0.0
        succeeds.result(20)
    assert kept(book, low, middle) == {low: 1, middle: 1}


def test_of_many_at_once_under_the_same_name_every_one_is_counted(book: Book, at_once: ThreadPoolExecutor) -> None:
    def attempt(n: int) -> object:
        counting = {"name": more, f"guess{n}": more}
        return book.write(lambda c: attempts.begin(c, counting, NOW, NOW - HOUR))

    for future in [at_once.submit(attempt, n) for n in range(40)]:
        future.result(30)
    assert kept(book, "name") == {"name": 40}
