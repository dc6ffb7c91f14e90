"""A simulated hospital as rows of a ledger, by the same statements that store a real one's.

For whoever wants to look at it with the product's own commands, and for the test that the quick watch says what the
committee's evaluation of those rows does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Any

import sqlalchemy as sa

from cds.ids import new_id
from cds.ledger.book import Book
from cds.ledger.committee_tables import outcome_events, outcome_sweeps
from cds.ledger.database import store_within
from cds.ledger.entries import CallEntry, CardEntry, FeedbackEntry, PredictionEntry
from cds.ledger.outcomes import OutcomeEvent, Sweep
from cds.ledger.patient_hash import person
from cds.simulation.hospital import FOUND, STATES, SWEEP_D, Drawn
from cds.simulation.subject import manifest
from cds.simulation.watch import SITE

_AT_ONCE = 2000
_KEYS = (b"simulated people have no secrets",)
OUTCOME = "event"
_MORNING = 6
"""Hour of the sweeps, so that an evaluation at noon knows of the day's."""


def write(hospital: Drawn, book: Book, until: int, progress: Callable[[int], None] | None = None) -> int:
    """Everything up to noon of the day ``until``: calls with cards and feedback, sweeps, and the outcomes they found.
    How many calls that was. Raises LedgerError."""
    keys = [person(_KEYS, SITE, str(n)) for n in range(hospital.people)]
    midnight = datetime.combine(hospital.plan.start, time(), UTC)
    count = int((hospital.at < until + 0.5).sum())
    for begin in range(0, count, _AT_ONCE):
        some = range(begin, min(begin + _AT_ONCE, count))
        book.write(lambda c, some=some: _store(c, _entries(hospital, some, keys, midnight)))  # type: ignore[misc]
        if progress is not None:
            progress(len(some))
    _outcomes(hospital, book, until, keys, midnight)
    return count


def _store(connection: sa.Connection, entries: Iterator[CallEntry | FeedbackEntry]) -> None:
    for entry in entries:
        store_within(connection, entry)


def _entries(hospital: Drawn, rows: range, keys: list[str], midnight: datetime) -> Iterator[CallEntry | FeedbackEntry]:
    model = manifest()
    names = [spec.name for spec in model.inputs]
    for row in rows:
        at = midnight + timedelta(days=float(hospital.at[row]))
        answered = bool(hospital.answered[row])
        said = PredictionEntry(
            id=new_id(),
            model=model.id,
            model_version=model.version,
            model_sha256=model.fingerprint,
            outcome="predicted" if answered else "not-assessed",
            reason=None if answered else "missing-input",
            inputs=_inputs(hospital, row, names),
            outputs={model.outputs[0].name: float(hospital.risk[row])} if answered else {},
        )
        cards = (CardEntry(new_id(), "risk", "info", {"summary": "simulated"}, (said.id,)),)
        clinician = person(_KEYS, SITE, f"clinician {hospital.clinician[row]}")
        yield CallEntry(
            id=new_id(), at=at, client=SITE, service="simulated", hook="patient-view", hook_instance=str(row),
            patient_key=keys[hospital.person[row]], user_key=clinician, policy_version="simulated",
            service_version="simulated", language="en", data_state={},
            patient_language="nl" if hospital.dutch[row] else "en", status="answered",
            error_code=None, duration_ms=1.0, timings={}, predictions=(said,),
            cards=cards if hospital.carded[row] else (),
        )  # fmt: skip
        if hospital.accepted[row] or hospital.overridden[row]:
            outcome = "accepted" if hospital.accepted[row] else "overridden"
            yield FeedbackEntry(
                card_id=cards[0].id, outcome=outcome, suggestion_ids=(), reason_code=None, reason_system=None,
                comment_present=False, client=SITE, service="simulated", outcome_at=at.isoformat(), received_at=at,
                reason_display=None,
            )  # fmt: skip


def _inputs(hospital: Drawn, row: int, names: list[str]) -> dict[str, Any]:
    states, values = hospital.states[row].tolist(), hospital.values[row].tolist()
    return {
        name: {"state": "found", "value": value} if state == FOUND else {"state": STATES[state]}
        for name, state, value in zip(names, states, values, strict=True)
    }


def _outcomes(hospital: Drawn, book: Book, until: int, keys: list[str], midnight: datetime) -> None:
    found: dict[int, list[OutcomeEvent]] = {}
    told = zip(hospital.event_person.tolist(), hospital.event_day.tolist(), hospital.event_known.tolist(), strict=True)
    for who, day, known in told:
        if known <= until:
            on = hospital.plan.start + timedelta(days=day)
            found.setdefault(known, []).append(OutcomeEvent(SITE, keys[who], "event", OUTCOME, on, "fhir", None))
    sweeps, events = [], []
    for day in range(0, until + 1, SWEEP_D):
        at = midnight + timedelta(days=day, hours=_MORNING)
        mine = found.get(day, [])
        sweep = Sweep(
            new_id(), at, SITE, "fhir", "", None, (OUTCOME,), hospital.plan.start, at.date(), {"events": len(mine)}
        )
        sweeps.append(sweep.row)
        events += [event.row(sweep.id, at) for event in mine]
    # events first: a sweep says that silence means something
    for table, rows in ((outcome_events, events), (outcome_sweeps, sweeps)):
        if rows:
            book.write(lambda c, table=table, rows=rows: c.execute(sa.insert(table), rows))  # type: ignore[misc]
