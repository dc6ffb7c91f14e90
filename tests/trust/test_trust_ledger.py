"""Used tokens in the service's own ledger: one use, whichever process sees the token, whatever the database does."""

from __future__ import annotations

import multiprocessing
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cds.ledger import Ledger
from cds.ledger.migrate import upgrade
from cds.trust import ReplayGuard

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SOON = NOW + timedelta(minutes=5)
ISSUER = "https://ehr.example"
TOKENS = 25


def guard_of(folder: Path, host: str = "host") -> tuple[Ledger, ReplayGuard]:
    """As the application wires it: ledger in the data folder, files beside it."""
    ledger = Ledger(f"sqlite:///{folder / 'ledger.db'}", b"k" * 32, folder / host / "spool", now=lambda: NOW)
    return ledger, ReplayGuard(ledger.use_jti, folder / host / "jti", now=lambda: NOW)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    upgrade(f"sqlite:///{tmp_path / 'ledger.db'}")
    return tmp_path


def take_all(folder: Path, host: str, start: Any, won: Any) -> None:
    ledger, guard = guard_of(folder, host)
    start.wait(60)
    won.put([jti for jti in range(TOKENS) if guard(ISSUER, str(jti), SOON)])
    ledger.close()


@pytest.mark.parametrize("hosts", [("one", "one"), ("one", "two")])
def test_of_two_processes_one_gets_the_token(folder: Path, hosts: tuple[str, str]) -> None:
    spawn = multiprocessing.get_context("spawn")
    start, won = spawn.Barrier(2), spawn.Queue()
    racers = [spawn.Process(target=take_all, args=(folder, host, start, won)) for host in hosts]
    for racer in racers:
        racer.start()
    found = won.get(timeout=60) + won.get(timeout=60)
    for racer in racers:
        racer.join(timeout=60)
    assert sorted(found) == list(range(TOKENS))


@pytest.mark.threat("ledger-injection")
def test_tokens_of_two_issuers_with_one_jti_are_two_tokens(folder: Path) -> None:
    ledger, guard = guard_of(folder)
    assert guard(ISSUER, "one", SOON) and guard("https://other.example", "one", SOON)
    assert not guard(ISSUER, "one", SOON)
    ledger.close()


def test_a_database_that_is_locked_opens_no_door(folder: Path) -> None:
    """A worker that finds it locked gives up on it for a while, and is then sent a used token."""
    ledger, guard = guard_of(folder)
    assert guard(ISSUER, "before", SOON)
    blocker = sqlite3.connect(folder / "ledger.db", isolation_level=None)
    try:
        blocker.execute("BEGIN EXCLUSIVE")
        assert not guard(ISSUER, "before", SOON)
        assert guard(ISSUER, "during", SOON)
        assert not guard(ISSUER, "during", SOON)
    finally:
        blocker.close()
    assert not guard(ISSUER, "during", SOON)
    ledger.close()


def test_the_ledger_holds_no_jti_and_no_issuer(folder: Path) -> None:
    ledger, guard = guard_of(folder)
    assert guard(ISSUER, "Jane-Roe", SOON)
    ledger.close()
    held = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert b"Jane-Roe" not in held and ISSUER.encode() not in held
