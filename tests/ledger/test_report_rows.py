"""What the report page keeps in the ledger: sealed sessions until they expire, problems for good."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import ledger_entries as made
import pytest

from cds.ledger import CardEntry, Ledger, ProblemEntry, SealedSession
from cds.ledger.spool import Spool


def session(name: str = "a", **changes: object) -> SealedSession:
    return replace(
        SealedSession(name, "north", made.NOW, made.NOW + timedelta(minutes=30), b"\x00sealed\xff"),
        **changes,  # type: ignore[arg-type]
    )


def problem(**changes: object) -> ProblemEntry:
    told = ProblemEntry("p1", made.NOW, "call", "card", "north", "1e" * 32, "wrong-data", "The weight is old.")
    return replace(told, **changes)  # type: ignore[arg-type]


def test_a_session_comes_back_as_it_was_kept(ledger: Ledger) -> None:
    ledger.put_session(session())
    ledger.put_session(session())
    assert ledger.session("a") == session()
    assert ledger.session("b") is None


def test_an_expired_session_is_not_there_and_goes_when_another_is_opened(ledger: Ledger) -> None:
    old = session("old", created_at=made.NOW - timedelta(hours=1), expires=made.NOW - timedelta(seconds=1))
    ledger.put_session(old)
    assert ledger.session("old") is None
    ledger.put_session(session())
    rows = ledger._read(lambda c: c.exec_driver_sql("SELECT id FROM report_sessions").scalars().all())
    assert rows == ["a"]


def test_a_session_left_is_gone(ledger: Ledger) -> None:
    ledger.put_session(session())
    ledger.drop_session("a")
    ledger.drop_session("a")
    assert ledger.session("a") is None


def test_problems_come_back_newest_first_and_once(ledger: Ledger) -> None:
    later = problem(
        id="p2", at=made.NOW + timedelta(minutes=1), call_id=None, card_id=None, user_key=None, text="a\x00b"
    )
    for entry in (problem(), problem(), later):
        assert ledger.record_problem(entry) is True
    assert ledger.problems() == (replace(later, text="a\ufffdb"), problem())


def test_a_problem_told_while_the_database_is_down_waits_on_the_spool(
    tmp_path: Path, open_ledger: Callable[[str], Ledger]
) -> None:
    ledger = open_ledger("postgresql://cds@127.0.0.1:9/none")
    pytest.importorskip("psycopg")
    assert ledger.record_problem(problem()) is False
    assert [Spool.read(path) for path in Spool(tmp_path / "spool").waiting()] == [problem()]


def test_what_a_card_is_about_is_kept_with_it(ledger: Ledger) -> None:
    plain, told = made.card(), made.card(about={"regimen": "regimen-x"})
    call = replace(made.call(predictions=0, cards=0, suppressions=()), cards=(plain, told))
    ledger.record_call(call)
    found = ledger.call(call.id)
    assert found is not None
    assert [card.about for card in found.cards] == [{}, {"regimen": "regimen-x"}]
    stored = ledger.card(told.id)
    assert stored is not None and stored.entry == told


def test_the_newest_card_is_the_first_of_the_newest_call_that_gave_any(ledger: Ledger) -> None:
    def call(minutes: int, *cards: CardEntry, client: str = "north") -> None:
        at = made.NOW + timedelta(minutes=minutes)
        ledger.record_call(
            replace(made.call(at=at, predictions=0, cards=0, suppressions=()), cards=cards, client=client)
        )

    old, first, second, foreign = (made.card() for _ in range(4))
    call(0, old)
    call(1, first, second)
    call(2)
    call(3, foreign, client="south")
    assert ledger.newest_card("north", "0f" * 32) == first.id
    assert ledger.newest_card("south", "0f" * 32) == foreign.id
    assert ledger.newest_card("north", "aa" * 32) is None
