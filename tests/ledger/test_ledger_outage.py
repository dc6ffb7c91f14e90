"""A database that is killed, frozen, locked or empty holds up nobody and loses nothing."""

from __future__ import annotations

import logging
import sqlite3
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

import ledger_entries as made
import psycopg
import pytest
from patience import eventually
from postgres_server import PostgresServer

from cds.errors import LedgerError
from cds.ledger import CallEntry, Ledger, migrate
from cds.ledger.spool import Spool

FIRST_S = 2.0
"""Bound for a call that finds the database gone."""
OPEN_S = 0.1
"""Bound (median) once the breaker is open: one synced file."""

OpenLedger = Callable[[str], Ledger]


@pytest.fixture
def served(postgres_database: Callable[[], str], open_ledger: OpenLedger) -> tuple[str, Ledger]:
    """An up-to-date PostgreSQL ledger and its URL."""
    url = postgres_database()
    migrate.upgrade(url)
    return url, open_ledger(url)


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _ids(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute("SELECT id FROM calls")]


@contextmanager
def _traffic(ledger: Ledger) -> Iterator[tuple[list[CallEntry], list[float]]]:
    """Four threads recording calls all the while; entries sent and seconds taken, complete after the block."""
    sent: list[CallEntry] = []
    took: list[float] = []
    stop = threading.Event()

    def client() -> None:
        while not stop.wait(0.02):
            entry = made.call()
            took.append(_seconds(partial(ledger.record_call, entry)))
            sent.append(entry)

    threads = [threading.Thread(target=client) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield sent, took
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_postgres_killed_in_mid_traffic_delays_nobody_and_loses_nothing(
    served: tuple[str, Ledger], postgres: PostgresServer
) -> None:
    url, ledger = served
    with _traffic(ledger) as (sent, took):
        time.sleep(0.5)
        postgres.kill()
        before = len(took)
        time.sleep(1.0)
        assert ledger.spooled() > 0
        after = took[before + 4 :]
        postgres.start()
        time.sleep(1.0)
    assert max(took) < FIRST_S
    assert statistics.median(after) < OPEN_S
    eventually(lambda: ledger.spooled() == 0)
    assert sorted(_ids(url)) == sorted(entry.id for entry in sent)
    assert all(ledger.call(entry.id) == entry for entry in sent[:: max(1, len(sent) // 20)])
    assert ledger.record_call(made.call()) is True


def test_a_restarted_postgres_is_used_again_at_once(served: tuple[str, Ledger], postgres: PostgresServer) -> None:
    _, ledger = served
    ledger.record_call(made.call())
    postgres.kill()
    postgres.start()
    assert ledger.record_call(made.call()) is True


def test_a_frozen_postgres_is_given_up_in_time(
    served: tuple[str, Ledger], open_ledger: OpenLedger, postgres: PostgresServer
) -> None:
    url, ledger = served
    ledger.record_call(made.call())
    newcomer = open_ledger(url)
    entries = [made.call(), made.call(), made.call()]
    postgres.freeze()
    assert _seconds(lambda: ledger.record_call(entries[0])) < FIRST_S
    assert _seconds(lambda: ledger.record_call(entries[1])) < OPEN_S * 5
    assert _seconds(lambda: newcomer.record_call(entries[2])) < FIRST_S
    assert ledger.spooled() == 3
    postgres.thaw()
    eventually(lambda: ledger.spooled() == 0 and ledger.ping())
    assert {e.id for e in entries} <= set(_ids(url))


def test_while_it_is_down_questions_fail_at_once_and_feedback_and_policies_wait(
    served: tuple[str, Ledger], postgres: PostgresServer
) -> None:
    _, ledger = served
    entry = made.call()
    ledger.record_call(entry)
    postgres.kill()
    assert ledger.ping() is False
    questions: list[Callable[[], object]] = [
        lambda: ledger.overrides(entry.patient_key, made.NOW),
        lambda: ledger.use_jti("t", made.NOW),
        lambda: ledger.card("x"),
    ]
    for question in questions:
        start = time.perf_counter()
        with pytest.raises(LedgerError, match="down"):
            question()
        assert time.perf_counter() - start < 0.05
    answer = made.feedback(entry.cards[0].id)
    assert [ledger.record_feedback([answer, answer]), ledger.record_feedback([answer])] == [0, 0]
    assert ledger.remember_policy("v", "text") is False
    with pytest.raises(LedgerError):
        ledger.drain()
    postgres.start()
    eventually(lambda: ledger.spooled() == 0 and ledger.ping())
    assert ledger.feedback_on(answer.card_id) == (answer,)
    assert ledger.policy("v") == "text"
    assert len(ledger.overrides(entry.patient_key, made.NOW - timedelta(days=1))) == 1


def test_what_cannot_be_asked_in_time_holds_up_neither_calls_nor_the_database(
    served: tuple[str, Ledger], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What was erased stands in the table of work, which another has for longer than is waited."""
    url, ledger = served
    entry = made.call()
    answer = made.feedback(entry.cards[0].id)
    Spool(tmp_path / "spool").put([entry, answer])
    with psycopg.connect(url) as other, caplog.at_level(logging.INFO, logger="cds"):
        other.execute("LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE")
        assert ledger.drain() == 1
        assert ledger.call(entry.id) == entry and ledger.feedback_on(answer.card_id) == ()
        assert ledger.spooled() == 1 and ledger.record_call(made.call())
    assert "ledger.down" not in caplog.text and "ledger.held entries=1 reason=" in caplog.text
    assert ledger.drain() == 1
    assert ledger.feedback_on(answer.card_id) == (answer,)


@pytest.mark.threat("phi-in-traces")
def test_the_outage_is_logged_once_and_names_no_patient(
    served: tuple[str, Ledger], postgres: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    _, ledger = served
    ledger.record_call(made.call())
    postgres.kill()
    with caplog.at_level(logging.INFO, logger="cds"):
        for _ in range(5):
            ledger.record_call(made.call(language="SENTINEL", patient_key="SENTINEL"))
    assert sum("ledger.down" in record.message for record in caplog.records) == 1
    assert "SENTINEL" not in caplog.text


def test_a_ledger_without_tables_makes_them_and_moves_the_first_rows_in(url: str, open_ledger: OpenLedger) -> None:
    ledger = open_ledger(url)
    entry = made.call()
    assert ledger.record_call(entry) is False
    eventually(lambda: ledger.spooled() == 0 and ledger.ping())
    assert ledger.call(entry.id) == entry


def test_prepare_makes_the_tables_or_says_that_the_database_is_down(url: str, open_ledger: OpenLedger) -> None:
    assert open_ledger(url).prepare() is True
    assert migrate.check(url) == ()
    assert open_ledger("postgresql://cds@127.0.0.1:9/none").prepare() is False


def test_a_locked_sqlite_is_given_up_in_time(tmp_path: Path, open_ledger: OpenLedger) -> None:
    path = tmp_path / "ledger.db"
    migrate.upgrade(f"sqlite:///{path}")
    ledger = open_ledger(f"sqlite:///{path}")
    entry = made.call()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    assert _seconds(lambda: ledger.record_call(entry)) < FIRST_S
    assert _seconds(lambda: ledger.record_call(made.call())) < OPEN_S * 5
    assert ledger.spooled() == 2
    other.close()
    eventually(lambda: ledger.spooled() == 0 and ledger.ping())
    assert ledger.call(entry.id) == entry
