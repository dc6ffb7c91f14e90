"""What goes into the ledger comes out again, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import ledger_entries as made
import pytest

from cds.errors import SettingsError
from cds.ledger import Ledger, migrate

SINCE = made.NOW - timedelta(days=30)


def test_a_call_comes_back_as_it_went_in(ledger: Ledger) -> None:
    entry = made.call(cards=2)
    assert ledger.record_call(entry) is True
    assert ledger.call(entry.id) == entry


def test_a_refused_call_with_nothing_in_it_comes_back(ledger: Ledger) -> None:
    entry = made.call(predictions=0, cards=0, suppressions=(), status="refused", error_code="CDS-412", user_key=None)
    ledger.record_call(entry)
    assert ledger.call(entry.id) == entry


def test_predictions_and_cards_are_found_by_id_with_their_call(ledger: Ledger) -> None:
    entry = made.call()
    ledger.record_call(entry)
    said, given = ledger.prediction(entry.predictions[1].id), ledger.card(entry.cards[0].id)
    assert said is not None and (said.call_id, said.at, said.entry) == (entry.id, entry.at, entry.predictions[1])
    assert given is not None and (given.call_id, given.at, given.entry) == (entry.id, entry.at, entry.cards[0])


def test_what_is_not_there_is_none(ledger: Ledger) -> None:
    found: list[object] = [ledger.call("x"), ledger.prediction("x"), ledger.card("x"), ledger.policy("x")]
    assert found == [None] * 4
    assert ledger.feedback_on("x") == ()


def test_the_same_call_twice_is_one_row(ledger: Ledger) -> None:
    entry = made.call()
    assert [ledger.record_call(entry), ledger.record_call(replace(entry, language="en"))] == [True, True]
    assert ledger.call(entry.id) == entry


def test_moments_keep_their_instant_whatever_the_time_zone(ledger: Ledger) -> None:
    at = datetime(2026, 11, 20, 11, 0, 0, 5, tzinfo=timezone(timedelta(hours=2)))
    entry = made.call(at=at)
    ledger.record_call(entry)
    kept = ledger.call(entry.id)
    assert kept is not None and kept.at == at and kept.at.tzinfo == UTC


@pytest.mark.threat("ledger-injection")
def test_a_nul_in_what_a_client_sent_does_not_cost_the_row(ledger: Ledger) -> None:
    entry = made.call(hook_instance="a\x00b", data_state={"k": {"state": "x\x00y"}})
    assert ledger.record_call(entry) is True
    kept = ledger.call(entry.id)
    assert kept is not None and kept.hook_instance == "a\ufffdb" and kept.data_state == {"k": {"state": "x\ufffdy"}}


@pytest.mark.threat("ledger-injection")
def test_a_policy_is_kept_as_first_used(ledger: Ledger) -> None:
    assert ledger.remember_policy("v1", "threshold: 3\n") is True
    assert ledger.remember_policy("v1", "another text") is True
    assert ledger.policy("v1") == "threshold: 3\n"


def test_feedback_delivered_again_is_one_row(ledger: Ledger) -> None:
    entry = made.call()
    ledger.record_call(entry)
    first = made.feedback(entry.cards[0].id)
    same_moment = replace(first, outcome_at="2026-11-20T10:25:15.250+01:00", received_at=made.NOW + timedelta(hours=1))
    later = replace(first, outcome_at=made.NOW.isoformat())
    assert ledger.record_feedback([first, first]) == 1
    assert ledger.record_feedback([same_moment]) == 0
    assert ledger.record_feedback([later, replace(first, client="south")]) == 2
    assert first in ledger.feedback_on(first.card_id)


def test_feedback_without_a_time_is_idempotent_too(ledger: Ledger) -> None:
    entry = made.feedback("a-card", outcome_at=None)
    assert [ledger.record_feedback([entry]), ledger.record_feedback([entry])] == [1, 0]


def test_feedback_on_an_unknown_card_is_kept(ledger: Ledger) -> None:
    entry = made.feedback("not/a uuid", outcome="accepted", suggestion_ids=("s1", "s2"), reason_code=None)
    assert ledger.record_feedback([entry]) == 1
    assert ledger.feedback_on("not/a uuid") == (entry,)


@pytest.mark.threat("oversized")
def test_an_enormous_card_id_is_cut_off_rather_than_refused(ledger: Ledger) -> None:
    assert ledger.record_feedback([made.feedback("é" * 100_000)]) == 1
    assert len(ledger.feedback_on("é" * 400)) == 1


def test_no_feedback_is_no_work(ledger: Ledger) -> None:
    assert ledger.record_feedback([]) == 0


def test_overrides_give_the_latest_of_each_topic(ledger: Ledger) -> None:
    first, second = made.call(), made.call(cards=0)
    plan = made.card(topic="plan")
    for entry in (first, replace(second, cards=(plan,))):
        ledger.record_call(entry)
    hours = [(made.NOW - timedelta(hours=h)).isoformat() for h in range(4)]
    ledger.record_feedback(
        [
            made.feedback(first.cards[0].id, outcome_at=hours[3], reason_code="old"),
            made.feedback(first.cards[0].id, outcome_at=hours[2], reason_code="new"),
            made.feedback(first.cards[0].id, outcome_at=hours[0], outcome="accepted", reason_code=None),
            made.feedback(plan.id, outcome_at=hours[1], reason_code=None),
        ]
    )
    found = ledger.overrides(first.patient_key, SINCE)
    assert [(o.topic, o.reason_code, o.at.isoformat()) for o in found] == [
        ("plan", None, hours[1]),
        (made.TOPIC, "new", hours[2]),
    ]
    assert ledger.overrides(first.patient_key, made.NOW - timedelta(minutes=90)) == (found[0],)
    assert ledger.overrides("another patient", SINCE) == ()


@pytest.mark.threat("other-client")
def test_another_client_cannot_override_a_card(ledger: Ledger) -> None:
    entry = made.call()
    ledger.record_call(entry)
    ledger.record_feedback([made.feedback(entry.cards[0].id, client="south")])
    assert ledger.overrides(entry.patient_key, SINCE) == ()


@pytest.mark.parametrize("sent", ["2999-01-01T00:00:00Z", "yesterday", None, "0001-01-01T00:00:00+14:00"])
def test_an_override_with_a_useless_time_counts_from_its_receipt(ledger: Ledger, sent: str | None) -> None:
    entry = made.call()
    ledger.record_call(entry)
    ledger.record_feedback([made.feedback(entry.cards[0].id, outcome_at=sent)])
    assert [o.at for o in ledger.overrides(entry.patient_key, SINCE)] == [made.NOW]


def test_cards_of_a_patient_by_topic_newest_first(ledger: Ledger) -> None:
    old, new = made.call(at=made.NOW - timedelta(days=3)), made.call()
    for entry in (old, new, made.call(patient_key="ff"), replace(made.call(), cards=(made.card(topic="plan"),))):
        ledger.record_call(entry)
    assert [c.call_id for c in ledger.cards_of(new.patient_key, made.TOPIC, SINCE)] == [new.id, old.id]
    assert [c.call_id for c in ledger.cards_of(new.patient_key, made.TOPIC, made.NOW)] == [new.id]


def test_of_a_users_day_only_the_newest_cards_on_others_are_read(ledger: Ledger) -> None:
    """A program that opens chart after chart under one name must not make each call slower than the last."""
    for n in range(6):
        ledger.record_call(made.call(patient_key=f"{n:064x}", at=made.NOW + timedelta(minutes=n)))
    user, today = "1e" * 32, made.NOW
    found = ledger.shown_cards(f"{0:064x}", made.NOW - timedelta(days=90), user, today, most=2)
    assert sorted(int(card.patient_key, 16) for card in found) == [0, 4, 5]
    assert [card.patient_key for card in ledger.shown_cards("f" * 64, made.NOW, user, today, most=0)] == []
    assert len(ledger.shown_cards("f" * 64, made.NOW, user, made.NOW + timedelta(minutes=3), most=9)) == 3


def test_a_token_can_be_used_once(ledger: Ledger) -> None:
    soon = made.NOW + timedelta(minutes=5)
    assert [ledger.use_jti("north|1", soon), ledger.use_jti("north|1", soon), ledger.use_jti("south|1", soon)] == [
        True,
        False,
        True,
    ]
    assert ledger.use_jti("x" * 1_000_000, soon) is True


@pytest.mark.threat("other-client")
def test_the_patient_key_depends_on_secret_client_and_patient(tmp_path: Path) -> None:
    def keyed(secret: bytes) -> Callable[[str, str], str]:
        return Ledger(f"sqlite:///{tmp_path}/l.db", secret, tmp_path).patient_key

    key = keyed(made.KEY)
    assert key("north", "123") == key("north", "123")
    assert len({key("north", "123"), key("south", "123"), key("north1", "23"), keyed(b"other")("north", "123")}) == 4
    assert len(key("a", "b")) == 64 and "123" not in key("north", "123")


@pytest.mark.parametrize("url", ["mysql://host/db", "sqlite://", "no url", "postgresql+asyncpg://host/db"])
def test_a_database_the_ledger_does_not_run_on_is_refused_by_name(url: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="database_url"):
        Ledger(url, made.KEY, tmp_path)


def test_a_clock_set_ahead_and_put_right_again_costs_no_used_token(url: str, tmp_path: Path) -> None:
    """The token is still good when the clock is right again, and must be known as used."""
    migrate.upgrade(url)
    at = [made.NOW]
    ledger = Ledger(url, made.KEY, tmp_path / "spool", now=lambda: at[0])
    soon = made.NOW + timedelta(minutes=5)
    assert ledger.use_jti("north|1", soon)
    at[0] += timedelta(hours=2)
    ledger.drain()  # throws away what has expired
    at[0] = made.NOW
    assert not ledger.use_jti("north|1", soon)
    ledger.close()
