"""Cards of this patient that were ready and were not shown: why, how often, until when, and word for word."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from cds.cards.attention import memory_needed
from cds.cards.phrasebook import Phrasebook
from cds.engine import Engine
from cds.ledger import CardEntry, HeldCard
from cds.trust.smart import ReportSession


@dataclass(frozen=True)
class Held:
    """One topic held back for one reason."""

    label: str
    summary: str
    why: str
    times: int
    last: datetime
    until: date | None
    """When it may come again, if nothing changes; None where that is not known."""
    detail: str
    """Markdown, of the newest."""
    language: str


def held(engine: Engine, session: ReportSession, words: Phrasebook) -> tuple[Held, ...]:
    """Newest first; of the time over which cards are remembered. Not for who may be the patient: what stands in a card
    was written for a clinician, and a prognosis may be among it."""
    if session.patient_facing:
        return ()
    found: dict[tuple[str, str], list[HeldCard]] = {}
    for one in _rows(engine, session):
        found.setdefault((one.topic, one.reason), []).append(one)
    reasons = engine.policies.current(session.client).override_reasons
    said = {code: words.pick(reason.display) for code, reason in reasons.items()}
    return tuple(_told(words, rows, said) for rows in found.values())


def newest(engine: Engine, session: ReportSession) -> tuple[str, CardEntry] | None:
    """(call, card) of the newest card that was held back, for a patient of whom no card was ever shown."""
    rows = () if session.patient_facing else _rows(engine, session)
    if not rows:
        return None
    row = rows[0]
    body = row.body
    return row.call_id, CardEntry(body["uuid"], row.topic, body["indicator"], body, row.prediction_ids)


def _rows(engine: Engine, session: ReportSession) -> tuple[HeldCard, ...]:
    key = engine.ledger.patient_key(session.client, session.patient_id)
    since = engine.now() - memory_needed(engine.policies.current(session.client))
    return engine.ledger.held_cards(session.client, key, since)


def _told(words: Phrasebook, rows: list[HeldCard], said: Mapping[str, str]) -> Held:
    last = rows[0]
    kind, _, code = last.reason.partition(":")
    return Held(
        label=last.body["source"]["topic"]["display"],
        summary=last.body["summary"],
        why=words(f"report.held.why.{kind}", reason=said.get(code, code)),
        times=len(rows),
        last=last.at,
        until=last.until,
        detail=last.body.get("detail") or "",
        language=last.language,
    )
