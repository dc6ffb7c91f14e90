"""Silence is for what was answered: a weightier or newer finding speaks in spite of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cds.cards import attention, snooze
from cds.ledger import Override
from cds.policy.blocks import Order, OverrideReason
from cds.policy.schema import Policy
from cds.record.facts import Fact, Record
from cds.record.moments import parse
from cds.services import CardDraft
from hooks import gates, risk_decision

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
POLICY = Policy.model_validate(
    {
        "name": "t",
        "author": "a",
        "approver": "b",
        "effective": "2026-01-01",
        "reason": "r",
        "orders": {"ct-pancreas": Order(system="urn:x", code="ct", display="CT")},
        "override_reasons": {"later": OverrideReason(system="urn:x", display={"en": "Later"}, snooze="30d")},
    }
)


def draft(kind: str, *stronger: str) -> CardDraft:
    return CardDraft("risk", "action", "info", "s", "d", "source", kind=kind, quieted_by=stronger)


def speaks(card: CardDraft, snoozed: str) -> bool:
    said = snooze.snoozes(POLICY, [Override(topic=snoozed, reason_code="later", at=NOW - timedelta(days=2))])
    opening = attention.Opening("key", "gp", "patient-view", NOW, NOW)
    awake, _ = attention.sort_out([card], POLICY, opening, [], said)
    return bool(awake)


def test_a_snoozed_score_does_not_silence_new_jaundice() -> None:
    assert speaks(draft("referral"), "risk/score")


def test_a_snoozed_referral_silences_the_weaker_score_too() -> None:
    assert not speaks(draft("score", "referral", "ct"), "risk/referral")
    assert not speaks(draft("referral"), "risk/referral")


def test_a_snoozed_score_does_not_silence_a_bilirubin_told_on_its_card() -> None:
    def card(kind: risk_decision.Kind, rules: tuple[str, ...] = (), *, raised: bool = False) -> CardDraft:
        weight = risk_decision.weight(kind, rules, raised=raised)
        return draft(weight, *risk_decision.quieted_by(weight))

    for score in ("endpac", "risk"):
        assert speaks(card("endpac", raised=True), f"risk/{score}")
        assert not speaks(card(score), f"risk/{score}")  # type: ignore[arg-type]  # as before
    told = f"risk/{risk_decision.RAISED}"
    assert speaks(card("endpac", raised=True), "risk/ct")
    assert not speaks(card("endpac", raised=True), told) and not speaks(card("endpac"), told)
    # whose reason says nothing of what the guideline asks for once it can be asked
    assert speaks(card("guideline", (risk_decision.REFERRAL_RULE,)), told)
    assert speaks(card("guideline", ("another",)), told) and speaks(card("bilirubin"), told)
    assert not speaks(card("endpac", raised=True), "risk/referral")


def test_another_topic_is_not_silenced() -> None:
    assert speaks(draft("referral"), "prognosis")


def fact(concept: str, days_ago: int, **more: Any) -> Fact:
    return Fact(concept, f"X/{concept}", parse((NOW - timedelta(days=days_ago)).date().isoformat()), **more)


def held(*facts: Fact, finding_days_ago: int, red_flag: bool = False) -> str | None:
    record = Record(now=NOW, patient_id="p1", birth=parse("1960-01-01"))
    for item in facts:
        record.add(item)
        if item.codes:
            record.orders.append(item)
    found = gates.judge(
        gates.standing(record, POLICY),
        ages=(40, 99),
        recent_imaging="3m",
        active_order="3m",
        modalities=("CT", "MR"),
        since_days=gates.days_between(NOW - timedelta(days=finding_days_ago), NOW),
        red_flag=red_flag,
    )
    return found.reason if found else None


CT = fact("abdomen-or-pancreas", 40, modalities=("CT",))


def test_imaging_answers_only_what_was_there_before_it() -> None:
    assert held(CT, finding_days_ago=60) == "recent-imaging"
    assert held(CT, finding_days_ago=5) is None


def test_an_ultrasound_is_no_ct_and_an_old_ct_is_old() -> None:
    assert held(fact("abdomen-or-pancreas", 10, modalities=("US",)), finding_days_ago=60) is None
    assert held(fact("abdomen-or-pancreas", 100, modalities=("CT",)), finding_days_ago=200) is None


def test_a_work_up_under_way_holds_the_card_and_a_revoked_one_is_never_read() -> None:
    assert held(fact("", 5, status="completed", codes=(("urn:x", "ct"),)), finding_days_ago=3) == "work-up-ordered"
    assert held(fact("", 200, status="active", codes=(("urn:x", "ct"),)), finding_days_ago=3) is None


def workup(status: str, days_ago: int | None) -> Fact:
    when = None if days_ago is None else parse((NOW - timedelta(days=days_ago)).date().isoformat())
    return Fact("", "ServiceRequest/x", when, status=status, codes=(("urn:x", "ct"),))


@pytest.mark.parametrize("status", ["completed", "draft"])
def test_what_was_done_or_forgotten_before_a_finding_does_not_silence_it(status: str) -> None:
    assert held(workup(status, 80), finding_days_ago=7) is None
    assert held(workup(status, None), finding_days_ago=7) is None
    assert held(workup(status, 80), finding_days_ago=85) == "work-up-ordered"


def test_a_red_flag_does_not_wait_for_a_referral_made_without_it() -> None:
    assert held(workup("active", 80), finding_days_ago=7, red_flag=True) is None
    assert held(workup("active", 80), finding_days_ago=7) == "work-up-ordered"
    assert held(workup("active", 5), finding_days_ago=7, red_flag=True) == "work-up-ordered"
    assert held(workup("active", None), finding_days_ago=7, red_flag=True) == "work-up-ordered"


def test_hospice_is_care_that_holds_now() -> None:
    assert held(fact("hospice-order", 20, status="active"), finding_days_ago=3) == "hospice-or-palliative"
    assert held(fact("hospice-order", 20, status="completed"), finding_days_ago=3) is None
    assert held(fact("hospice-order", 900, status="active"), finding_days_ago=3) is None


def test_a_suspicion_of_the_cancer_is_no_reason_to_stop_looking() -> None:
    suspected = fact("pancreatic-cancer", 5, status="active", verification="provisional")
    resolved = fact("pancreatic-cancer", 5, status="inactive", verification="provisional")
    known = fact("pancreatic-cancer", 5, status="inactive", verification="confirmed")
    assert held(suspected, finding_days_ago=3) is None
    assert held(resolved, finding_days_ago=3) is None
    assert held(known, finding_days_ago=3) == "known-cancer"
