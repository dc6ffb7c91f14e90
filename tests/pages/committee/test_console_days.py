"""Lists from one day to another, days of the hospital; and one incident on paper."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from committee_room import NOW
from console_house import MODEL, SITE, VIEWER, Console

from cds.ledger import ProblemEntry
from cds.ledger.book import Book
from cds.ledger.committee_tables import incident_events
from cds.ledger.incidents import IncidentEvent
from cds.ledger.tables import problems
from cds.pages.committee.days import days_of

PAGE = f"/committee/models/{MODEL}/{SITE}"


def csv_days(console: Console, address: str) -> set[str]:
    lines = console.client().get(address).text.splitlines()[1:]
    return {re.search(r"\d{4}-\d{2}-\d{2}", line)[0] for line in lines}  # type: ignore[index]


def test_calls_are_listed_from_one_day_to_another(console: Console) -> None:
    every = csv_days(console, f"{PAGE}/calls.csv")
    first, last = (NOW - timedelta(days=20)).date().isoformat(), (NOW - timedelta(days=10)).date().isoformat()
    found = csv_days(console, f"{PAGE}/calls.csv?from={first}&to={last}")
    before = (NOW - timedelta(days=21)).date().isoformat()  # an evening in UTC is the next day here
    assert found and found < every and all(before <= day <= last for day in found)
    text = console.client().get(f"{PAGE}/calls?from={first}&to={last}&carded=1").text
    assert f'name="from" type="date" value="{first}"' in text and 'name="carded" value="1"' in text
    assert "There are none." in console.client().get(f"{PAGE}/calls?from=2031-01-01").text
    # leafing through keeps the days
    leafing = console.client().get(f"{PAGE}/calls?to={last}").text
    assert re.search(rf"calls\?page=1&amp;to={last}", leafing)


@pytest.mark.parametrize("asked", ["from=yesterday", "to=2026-02-30", "from=2026-03-02&to=2026-03-01", "to=9999-12-31"])
def test_what_is_no_day_is_refused_in_words(console: Console, asked: str) -> None:
    for address in (f"{PAGE}/calls", "/committee/incidents"):
        assert console.client().get(f"{address}?{asked}").status_code == 404


def test_a_day_is_the_hospital_s_and_its_last_is_in_it() -> None:
    days = days_of({"from": "2026-03-28", "to": "2026-03-29"}, "Europe/Amsterdam")
    assert days.since == datetime(2026, 3, 27, 23, tzinfo=UTC)
    # the night in which the clock goes forward
    assert days.until == datetime(2026, 3, 29, 22, tzinfo=UTC)
    assert days.hold(datetime(2026, 3, 29, 21, 59, tzinfo=UTC)) and not days.hold(days.until)


@pytest.fixture(scope="module")
def reported(open_console: Callable[..., Console]) -> Console:
    """Two incidents; the first was looked at."""
    house = open_console(filled=False)
    told = [("one-0001", datetime(2026, 3, 1, 12, tzinfo=UTC)), ("two-0002", datetime(2026, 3, 5, 12, tzinfo=UTC))]
    entries = [ProblemEntry(id, at, None, None, SITE, None, "wrong-data", f"text of {id}") for id, at in told]
    event = IncidentEvent("e", told[0][1], "one-0001", "triage", "A. Bee", "minor", None, "žluč – bilirubin of March")
    with Book(house.app.extensions["cds"].settings.ledger_url) as book:
        book.put_all(problems, [dict(e.__dict__) for e in entries])
        book.put_all(incident_events, [dict(event.__dict__)])
    return house


def test_incidents_are_listed_from_one_day_to_another(reported: Console) -> None:
    text = reported.client().get("/committee/incidents?from=2026-03-02&to=2026-03-05").text
    assert "text of two-0002" in text and "text of one-0001" not in text
    assert csv_days(reported, "/committee/incidents.csv?to=2026-03-04") == {"2026-03-01"}


def test_what_nobody_has_looked_at_leads_members_to_where_one_looks(reported: Console) -> None:
    told = "Incidents that nobody has looked at: 1"
    assert f'<a href="/committee/incidents">{told}</a>' in reported.client().get("/committee/").text
    assert f'<p class="notice">{told}</p>' in reported.client(VIEWER).get("/committee/").text


def test_an_incident_is_a_paper_for_members(reported: Console) -> None:
    browser = reported.client()
    for number in ("one-0001", "two-0002"):
        assert f"/committee/incidents/{number}.pdf" in browser.get("/committee/incidents").text
        for language in ("en", "nl"):
            answer = browser.get(f"/committee/incidents/{number}.pdf", headers={"Accept-Language": language})
            assert answer.mimetype == "application/pdf" and answer.data.startswith(b"%PDF-")
    assert browser.get("/committee/incidents/three.pdf").status_code == 404
    assert reported.client(VIEWER).get("/committee/incidents/one-0001.pdf").status_code == 403
