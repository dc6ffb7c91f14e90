"""Months and days are the hospital's, not UTC's: what happens in its evening belongs to its day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from committee_room import Room

from cds.committee.charter import Charter, Steadiness
from cds.committee.findings import Finding
from cds.committee.measure_report import bundle
from cds.committee.monthly import month_of, monthly
from cds.committee.steadiness import reached
from cds.inference.registry import Registry
from cds.ledger.verdicts import Verdict
from cds.measures.estimate import Estimate
from cds.preview.export_outcomes import outcomes
from cds.record.moments import day_at

EVENING = datetime(2026, 12, 1, 3, tzinfo=UTC)
HERE = EVENING.astimezone(ZoneInfo("America/Los_Angeles"))
"""The 30th of November, 7 pm."""


def test_a_month_is_the_hospitals(room: Room) -> None:
    charter = Charter(name="x", author="a", approver="b", effective=date(2026, 1, 1))  # type: ignore[call-arg]
    found = monthly(room.book, charter, month_of(HERE), HERE)
    assert found.month == "2026-11"
    assert found.since == datetime(2026, 11, 1, 7, tzinfo=UTC), "midnight there, still with summer time"
    assert found.until == datetime(2026, 12, 1, 8, tzinfo=UTC)
    assert (found.last_day, found.before, found.after) == (date(2026, 11, 30), "2026-10", "2026-12")
    assert bundle(found, "here")["timestamp"] == "2026-12-01T00:00:00-08:00"


def test_asking_again_on_one_of_its_days_makes_nothing_worse() -> None:
    at = EVENING - timedelta(hours=5)
    afternoon = Verdict("v", at, "m", "s", "1", "c", at, at, "watch", "act", 1, ())
    said = [Finding("auc", "", Estimate(0.5, 0.4, 0.6, 100, 10), "act")]
    levels = [reached(said, [afternoon], Steadiness(), now, stopped=False).level for now in (HERE, EVENING)]  # type: ignore[call-arg]
    assert levels == ["watch", "act"]


def test_what_became_of_a_patient_is_dated_as_the_call_is(models: Registry) -> None:
    """Else a death of the evening of the call would lie a day after it, and be taken for one that was foretold."""
    patient = b'{"resourceType": "Patient", "id": "p1", "deceasedDateTime": "2026-12-01T03:00:00Z"}'
    charter = Charter.model_validate(
        {
            "name": "x",
            "author": "a",
            "approver": "b",
            "effective": "2026-01-01",
            "outcomes": {"death": {"label": {"en": "death"}, "death": True}},
        }
    )
    found = outcomes({"p1": [patient]}, models.vocabulary, charter, date(2026, 12, 31), ZoneInfo("America/Los_Angeles"))
    [event] = [event for became in found.became.values() for event in became.events]
    assert event.day == date(2026, 11, 30) == day_at(EVENING, ZoneInfo("America/Los_Angeles"))
