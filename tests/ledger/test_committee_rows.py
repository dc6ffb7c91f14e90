"""The committee's rows go in and come out the same on both databases."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import date, timedelta

import ledger_entries
import pytest
from ledger_entries import NOW

from cds.ledger import Ledger, ProblemEntry
from cds.ledger.book import Book
from cds.ledger.cohort import last_contacts, predicted, sites
from cds.ledger.committee_tables import (
    incident_events,
    outcome_events,
    outcome_sweeps,
    standings,
    verdicts,
)
from cds.ledger.incidents import IncidentEvent, incidents
from cds.ledger.outcomes import OutcomeEvent, Sweep, counted, events, predicted_patients, sweeps
from cds.ledger.response import given
from cds.ledger.standings import Standing, every
from cds.ledger.verdicts import Verdict, history, newest


@pytest.fixture
def book(url: str, ledger: Ledger) -> Iterator[Book]:
    with Book(url) as opened:
        yield opened


def number() -> str:
    return str(uuid.uuid4())


def test_decisions_come_back_in_their_order(book: Book, ledger: Ledger) -> None:
    made = [
        Standing(number(), NOW + timedelta(seconds=n), "m", "*", action, "manual", "why", "A", "B", None)  # type: ignore[arg-type]
        for n, action in enumerate(("stop", "resume", "stop"))
    ]
    book.put_all(standings, [dict(s.__dict__) for s in made])
    assert book.put_all(standings, [dict(s.__dict__) for s in made]) == 0
    assert book.read(every) == ledger.standings() == tuple(made)


def test_the_newest_verdict_of_each_model_and_site(book: Book) -> None:
    findings = ({"measure": "auc", "about": "", "level": "watch", "value": 0.61, "upper": None},)

    def verdict(site: str, days: int) -> Verdict:
        at = NOW - timedelta(days=days)
        return Verdict(number(), at, "m", site, "1.0.0", "c", at, at, "watch", "watch", 1, findings)

    made = [verdict("north", 2), verdict("north", 1), verdict("south", 3)]
    book.put_all(verdicts, [v.row for v in made])
    assert book.read(newest) == (made[1], made[2])
    assert book.read(lambda c: history(c, "m", "north")) == (made[1], made[0])


def test_outcomes_are_stored_once_and_counted_by_patient(book: Book) -> None:
    sweep = Sweep(
        number(), NOW, "north", "registry", "national", "A", ("cancer",), date(2020, 1, 1), NOW.date(), {"n": 1}, ("x",)
    )
    found = [OutcomeEvent("north", "k1", "event", "cancer", date(2026, 5, d), "fhir", "Condition/1") for d in (1, 2)]
    other = OutcomeEvent("south", "k1", "event", "cancer", date(2026, 5, 1), "fhir", None)
    rows = [e.row(sweep.id, NOW) for e in (*found, other)]
    assert (book.put_all(outcome_events, rows), book.put_all(outcome_events, rows)) == (3, 0)
    book.put_all(outcome_sweeps, [sweep.row])
    assert book.read(lambda c: events(c, "north", ["cancer"])) == tuple(found)
    assert book.read(sweeps) == (sweep,)
    assert book.read(counted)[0] == ("north", "event", "cancer", 1, date(2026, 5, 1), date(2026, 5, 2))


def test_a_model_s_predictions_and_what_became_of_their_cards(book: Book, ledger: Ledger) -> None:
    call = ledger_entries.call()
    ledger.record_call(call)
    ledger.record_opening(number(), call.cards[0].id, call.client)
    ledger.record_feedback([ledger_entries.feedback(call.cards[0].id, client=call.client)])
    model = call.predictions[0].model
    since, until = NOW - timedelta(days=1), NOW + timedelta(days=1)
    [row] = [
        r
        for r in book.read(lambda c: list(predicted(c, model, call.client, since, until)))
        if r.id == call.predictions[0].id
    ]
    assert (row.patient_key, row.carded, row.inputs) == (call.patient_key, True, call.predictions[0].inputs)
    assert book.read(lambda c: sites(c, model)) == (call.client,)
    assert book.read(lambda c: predicted_patients(c, call.client)) == {call.patient_key}
    assert set(book.read(lambda c: last_contacts(c, call.client))) == {call.patient_key}
    cards = book.read(lambda c: given(c, model, call.client, since, until))
    assert [(c.opened, c.outcome, c.reason) for c in cards if c.id == call.cards[0].id] == [
        (True, "overridden", "already-known")
    ]


def test_feedback_of_another_client_is_no_answer(book: Book, ledger: Ledger) -> None:
    call = ledger_entries.call()
    ledger.record_call(call)
    ledger.record_feedback([ledger_entries.feedback(call.cards[0].id, client="somebody-else")])
    cards = book.read(
        lambda c: given(c, call.predictions[0].model, call.client, NOW - timedelta(days=1), NOW + timedelta(days=1))
    )
    assert {c.outcome for c in cards} == {None}


def test_an_incident_s_state_is_what_its_last_event_says(book: Book, ledger: Ledger) -> None:
    problem = ProblemEntry(number(), NOW, None, None, "north", None, "other", "typed")
    ledger.record_problem(problem)
    steps = [("triage", "minor"), ("note", None), ("close", None)]
    for n, (action, severity) in enumerate(steps):
        event = IncidentEvent(number(), NOW + timedelta(minutes=n), problem.id, action, "A", severity, None, "text")  # type: ignore[arg-type]
        book.put_all(incident_events, [dict(event.__dict__)])
    [found] = book.read(incidents)
    assert (found.state, found.severity, [e.action for e in found.events]) == (
        "closed",
        "minor",
        ["triage", "note", "close"],
    )
