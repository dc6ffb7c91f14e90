"""What was said before is not said again at each opening; what is new, and what would do harm unsaid, always is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cds.cards.attention import OVER_CLINICIAN, OVER_PATIENT, SHOWN_BEFORE, Opening, Shown, Snoozes, sort_out
from cds.policy.schema import Policy
from cds.services import CardDraft

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HEAD = {"name": "t", "author": "a", "approver": "b", "effective": "2026-01-01", "reason": "r"}


def policy(repeats: dict[str, Any] | None = None, budget: dict[str, Any] | None = None) -> Policy:
    return Policy.model_validate({**HEAD, "repeats": repeats or {}, "budget": budget or {}})


def draft(topic: str = "risk", kind: str = "score", **more: Any) -> CardDraft:
    """``referral`` outweighs ``score``."""
    given: dict[str, Any] = {"quieted_by": {"score": ("referral", "score")}.get(kind, (kind,)), **more}
    rank, indicator = given.pop("rank", "action"), given.pop("indicator", "info")
    return CardDraft(topic=topic, kind=kind, rank=rank, indicator=indicator, summary="s", detail="d",
                     source_label="x", **given)  # fmt: skip


def shown(ago: timedelta, memory: str = "risk/score", user: str | None = "gp", **more: Any) -> Shown:
    return Shown(
        more.pop("patient", "p"), memory, NOW - ago, user, more.get("band", 0), frozenset(more.get("flags", ()))
    )


def opening(user: str | None = "gp", hook: str = "patient-view", patient: str = "p") -> Opening:
    return Opening(patient, user, hook, NOW, NOW.replace(hour=0))


def reason(
    card: CardDraft,
    *before: Shown,
    by: Policy | None = None,
    snoozes: Snoozes | None = None,
    at: Opening | None = None,
) -> str | None:
    """Why the card is held back; None when it speaks."""
    awake, held = sort_out([card], by or policy(), at or opening(), before, snoozes or {})
    assert len(awake) + len(held) == 1
    return held[0].reason if held else None


DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.mark.parametrize("ago", [DAY, 89 * DAY, 2 * HOUR])
def test_the_same_card_is_not_shown_twice_to_the_same_clinician(ago: timedelta) -> None:
    assert reason(draft(), shown(ago)) == SHOWN_BEFORE


def test_it_speaks_again_after_ninety_days() -> None:
    assert reason(draft(), shown(91 * DAY)) is None


def test_a_third_opening_is_measured_from_what_was_shown_not_from_what_was_held() -> None:
    _, held = sort_out([draft()], policy(), opening(), [shown(40 * DAY)], {})
    assert held[0].until == NOW + 50 * DAY


def test_within_a_visit_the_card_stands_and_a_visit_is_counted_from_the_first_showing() -> None:
    assert reason(draft(), shown(HOUR / 2)) is None
    assert reason(draft(), shown(1.5 * HOUR), shown(HOUR / 2)) == SHOWN_BEFORE


def test_another_clinician_has_not_seen_it() -> None:
    assert reason(draft(), shown(DAY, user="other")) is None


@pytest.mark.parametrize("user", [None, "gp"])
def test_who_is_not_known_is_shown_it(user: str | None) -> None:
    assert reason(draft(), shown(DAY, user=None), at=opening(user)) is None


def test_another_patients_card_is_another_card() -> None:
    assert reason(draft(), shown(DAY, patient="q")) is None


def test_a_higher_band_speaks_a_lower_or_equal_one_does_not() -> None:
    assert reason(draft(band=2), shown(DAY, band=1)) is None
    assert reason(draft(band=1), shown(DAY, band=1)) == SHOWN_BEFORE
    assert reason(draft(band=0), shown(DAY, band=1)) == SHOWN_BEFORE


def test_a_heavier_kind_speaks_and_silences_the_lighter_whatever_its_band() -> None:
    assert reason(draft(kind="referral"), shown(DAY)) is None
    assert reason(draft(band=3), shown(DAY, "risk/referral")) == SHOWN_BEFORE


def test_a_new_red_flag_speaks_and_one_that_is_gone_does_not() -> None:
    assert reason(draft(flags=("pain", "jaundice")), shown(DAY, flags=("pain",))) is None
    assert reason(draft(flags=("pain",)), shown(DAY, flags=("pain", "jaundice"))) == SHOWN_BEFORE
    # one that a lighter card of the topic had is not new
    assert reason(draft(flags=("pain",)), shown(DAY, flags=("pain",)), shown(2 * DAY)) == SHOWN_BEFORE


def test_on_a_hook_that_answers_an_act_the_card_comes_each_time() -> None:
    assert reason(draft(), shown(DAY), at=opening(hook="order-sign")) is None
    everywhere = policy({"hooks": ["patient-view", "order-sign"]})
    assert reason(draft(), shown(DAY), by=everywhere, at=opening(hook="order-sign")) == SHOWN_BEFORE


def test_safety_and_what_can_not_be_said_now_are_said_each_time() -> None:
    assert reason(draft(rank="safety"), shown(DAY)) is None
    assert reason(draft(repeat="each-time"), shown(DAY)) is None
    assert reason(draft(repeat="always"), shown(DAY)) is None


def test_the_clinical_lead_may_let_warnings_come_again_sooner() -> None:
    fortnight = policy({"warnings_silent_for": "14d"})
    assert reason(draft(indicator="warning"), shown(15 * DAY), by=fortnight) is None
    assert reason(draft(), shown(15 * DAY), by=fortnight) == SHOWN_BEFORE


def test_no_time_means_that_cards_are_repeated() -> None:
    assert reason(draft(), shown(2 * HOUR), by=policy({"silent_for": "0d"})) is None


def test_a_reason_given_sets_its_own_time_and_then_the_card_speaks() -> None:
    """ "Will do later" is a week, not ninety days."""
    assert reason(draft(), shown(8 * DAY), snoozes={"risk/score": ("later", NOW + HOUR)}) == "snoozed:later"
    assert reason(draft(), shown(8 * DAY), snoozes={"risk/score": ("later", NOW - HOUR)}) is None
    # and what was shown since counts anew
    ended = {"risk/score": ("later", NOW - 3 * DAY)}
    assert reason(draft(), shown(10 * DAY), shown(2 * DAY), snoozes=ended) == SHOWN_BEFORE


# ---- one patient, whoever looks


def test_a_patients_topic_is_shown_so_often_and_no_more() -> None:
    six = [shown(n * DAY, user=f"doctor {n}") for n in range(1, 7)]
    assert reason(draft(), *six[:5]) is None
    assert reason(draft(), *six) == OVER_PATIENT
    assert reason(draft(topic="other"), *six) is None
    assert reason(draft(band=1), *six) is None
    assert reason(draft(flags=("jaundice",)), *six) is None
    assert reason(draft(indicator="warning"), *six) is None


def test_a_clinician_counts_once_a_day() -> None:
    often = [shown(DAY + n * HOUR / 10, user="colleague") for n in range(9)]
    assert reason(draft(), *often) is None


def test_the_end_is_when_the_oldest_that_counts_has_aged() -> None:
    six = [shown(n * DAY, user=f"doctor {n}") for n in range(1, 8)]
    _, held = sort_out([draft()], policy(), opening(), six, {})
    assert held[0].until == NOW + 84 * DAY


# ---- one clinician, one day


def day(cards: int) -> list[Shown]:
    return [shown(HOUR, patient=f"patient {n}") for n in range(cards)]


def test_a_clinicians_day_has_an_end_and_warnings_go_out_regardless() -> None:
    two = policy(budget={"per_clinician_day": 2})
    assert reason(draft(), *day(1), by=two) is None
    assert reason(draft(), *day(2), by=two) == OVER_CLINICIAN
    assert reason(draft(indicator="warning"), *day(2), by=two) is None
    assert reason(draft(rank="safety"), *day(2), by=two) is None
    assert reason(draft(repeat="always"), *day(2), by=two) is None
    assert reason(draft(repeat="each-time"), *day(2), by=two) == OVER_CLINICIAN


def test_yesterdays_cards_and_other_peoples_are_not_this_clinicians_day() -> None:
    one = policy(budget={"per_clinician_day": 1})
    assert reason(draft(), shown(13 * HOUR, patient="q"), by=one) is None
    assert reason(draft(), shown(HOUR, patient="q", user="other"), by=one) is None
    assert reason(draft(), shown(11 * HOUR, patient="q"), by=one) == OVER_CLINICIAN


def test_the_same_card_within_a_visit_costs_nothing_more() -> None:
    one = policy(budget={"per_clinician_day": 1})
    assert reason(draft(), shown(HOUR / 2), by=one) is None


def test_of_several_cards_the_most_important_get_what_is_left() -> None:
    one = policy(budget={"per_clinician_day": 1})
    cards = [draft("first"), draft("second")]
    awake, held = sort_out(cards, one, opening(), [], {})
    assert [c.topic for c in awake] == ["first"]
    assert [(h.draft.topic, h.reason, h.until) for h in held] == [("second", OVER_CLINICIAN, NOW.replace(hour=0) + DAY)]


def test_no_number_is_no_limit() -> None:
    none = policy(budget={"per_clinician_day": None, "per_patient_topic": None})
    assert reason(draft(), *day(400), by=none) is None
    assert reason(draft(), *[shown(n * DAY, user=f"doctor {n}") for n in range(1, 60)], by=none) is None
