"""Follow-up: what silence means, what comes late, who had it before, and what is assumed is said."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
import yaml
from committee_room import CHARTER, NOW, ago

from cds.committee.charter import Charter
from cds.committee.follow import MONTH_DAYS, FollowUp, follow
from cds.ledger.outcomes import OutcomeEvent, Sweep

BASE = Charter.model_validate(yaml.safe_load(CHARTER))


def event(patient: str, days_ago: float, kind: str = "event", outcome: str = "cancer") -> OutcomeEvent:
    return OutcomeEvent("north", patient, kind, outcome, ago(days_ago).date(), "fhir", None)  # type: ignore[arg-type]


TODAY = NOW.date()


def sweep(through: date | None = TODAY, **changes: object) -> Sweep:
    found = Sweep("s", NOW, "north", "fhir", "", None, ("cancer", "death"), None, through)
    return replace(found, **changes)  # type: ignore[arg-type]


def followed(events: list[OutcomeEvent], sweeps: list[Sweep], who: dict[str, float], **more: object) -> FollowUp:
    """``who``: patient -> days ago of the prediction."""
    charter = BASE.model_copy(update=more)
    people = [(patient, ago(days)) for patient, days in who.items()]
    return follow(people, "cancer", charter, events, sweeps, {}, NOW)


def test_an_event_ends_follow_up_and_silence_lasts_until_the_sweep_less_its_maturity() -> None:
    found = followed([event("a", 700)], [sweep()], {"a": 1000, "b": 1000})
    assert found.people.event.tolist() == [True, False]
    assert found.people.months[0] == pytest.approx(300 / MONTH_DAYS, abs=0.05)
    assert found.people.months[1] == pytest.approx((1000 - 91) / MONTH_DAYS, abs=0.05)
    assert found.ascertainment.through == NOW.date() - timedelta(days=91.3125)


def test_what_is_younger_than_the_maturity_lag_does_not_count_yet_either_way() -> None:
    """Half of last month's cancers are not in the record yet: counting those that are would bend the time to them."""
    found = followed([event("a", 20)], [sweep()], {"a": 400, "b": 30})
    assert found.people.event.tolist() == [False, False]
    assert found.people.months[1] == 0


def test_who_had_it_before_is_left_out_and_counted() -> None:
    found = followed([event("a", 1000), event("b", 1001)], [sweep()], {"a": 1000, "b": 900, "c": 900})
    assert found.kept.tolist() == [False, False, True]
    assert len(found.people) == 1
    assert found.ascertainment.earlier == 2
    assert "2 people had it before" in " ".join(found.ascertainment.told)


def test_without_a_complete_source_people_are_followed_to_the_day_they_were_last_seen() -> None:
    contact = event("a", 500, "contact", "")
    found = followed([contact], [sweep(None)], {"a": 1000, "b": 1000})
    assert found.people.months[0] == pytest.approx(500 / MONTH_DAYS, abs=0.05)
    assert found.people.months[1] == 0
    assert "no source is complete" in found.ascertainment.told[0]


def test_a_sweep_that_could_not_ask_for_it_proves_nothing_about_it() -> None:
    found = followed([], [sweep(outcomes=("death",))], {"a": 1000})
    assert found.ascertainment.through is None
    assert found.people.months.tolist() == [0]


def test_by_contact_who_died_of_something_else_is_known_never_to_get_it() -> None:
    events = [event("a", 600, outcome="death"), event("b", 600, "contact", "")]
    found = followed(events, [sweep()], {"a": 1000, "b": 1000}, follow="contact")
    assert found.people.months[0] == pytest.approx((1000 - 91) / MONTH_DAYS, abs=0.05)
    assert found.people.months[1] == pytest.approx(400 / MONTH_DAYS, abs=0.05)
    assert found.people.event.tolist() == [False, False]


def test_by_contact_an_event_is_a_contact_too() -> None:
    found = followed([event("a", 600)], [sweep()], {"a": 1000}, follow="contact")
    assert found.people.event.tolist() == [True]


def test_who_was_looked_at_is_known_and_an_earlier_look_is_none() -> None:
    events = [event("a", 900, "looked"), event("b", 1100, "looked"), event("c", 800)]
    found = followed(events, [sweep()], {"a": 1000, "b": 1000, "c": 1000})
    assert found.looked.tolist() == [True, False, True]


def test_what_could_not_be_asked_is_told_with_the_numbers_of_the_newest_sweep_of_each_source() -> None:
    newest = sweep(faults=("Patient: CDS-601: no answer",))
    older = sweep(faults=("Condition: gone",))
    registry = sweep(source="registry", name="national", faults=())
    found = followed([], [newest, registry, older], {"a": 1000})
    assert found.ascertainment.sources == ("fhir", "registry:national")
    assert "could not be asked: Patient: CDS-601: no answer" in found.ascertainment.told
    assert not any("gone" in line for line in found.ascertainment.told)
