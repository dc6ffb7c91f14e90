"""One report as its page shows it, put together from one stored call."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cds.cards.phrasebook import Phrasebook
from cds.engine import Engine
from cds.errors import NoCards, UnknownCard
from cds.inference.manifest import Task
from cds.ledger import CallEntry, CardEntry
from cds.pages.report import provenance, risk, survival, what_if
from cds.pages.report import words as say
from cds.pages.report.stored import Told, told
from cds.services.comparison import Comparison
from cds.trust.smart import ReportSession


@dataclass(frozen=True)
class Section:
    """One model's part of the page."""

    id: str
    """The model's, for anchors and forms."""
    title: str
    kind: str
    """``answer``, ``criteria``, ``category``, ``silent`` (it said nothing, and why)"""
    research: str
    """What it is that is not established; empty otherwise."""
    answer: risk.Answer | None = None
    category: str = ""
    criteria: tuple[tuple[str, str, bool], ...] = ()
    lines: tuple[risk.Line, ...] = ()
    why: str = ""
    lacking: tuple[tuple[str, str], ...] = ()
    """(input, why it is missing)"""
    fields: tuple[what_if.Field, ...] = ()
    changed: bool = False


@dataclass(frozen=True)
class Report:
    call: CallEntry
    card: CardEntry
    body: dict[str, Any]
    """The card as it went out."""
    at: datetime
    sections: tuple[Section, ...]
    outlook: survival.Outlook | None
    outlook_fields: tuple[what_if.Field, ...]
    outlook_model: str
    withheld: bool
    """Something of an outlook was left out, because the reader may be a patient."""
    models: tuple[provenance.ModelRow, ...]
    data: tuple[provenance.DataRow, ...]
    gaps: tuple[provenance.Gap, ...]


def stored_call(engine: Engine, session: ReportSession) -> tuple[CallEntry, CardEntry]:
    """The session's card and its call. Raises NoCards where the patient never got a card, UnknownCard where its
    row is not there (yet), LedgerError."""
    card_id = session.card_id or engine.ledger.newest_card(
        session.client, engine.ledger.patient_key(session.client, session.patient_id)
    )
    if card_id is None:
        raise NoCards("no card was ever given for this patient")
    card = engine.ledger.card(card_id)
    call = engine.ledger.call(card.call_id) if card is not None else None
    # asked anew on every request: a session is no permission for another patient's call
    if card is None or call is None or not engine.reports.may_see(session, call):
        raise UnknownCard("the card of this session is not in the ledger, or not this patient's")
    return call, card.entry


def answers(engine: Engine, call: CallEntry, card: CardEntry) -> tuple[Told, ...]:
    """The card's own models first. A card may rest on readings that an earlier job stored."""
    own = told(call, engine.models, card.prediction_ids)
    known = {t.entry.id for t in own}
    earlier = [engine.ledger.prediction(id) for id in card.prediction_ids if id not in known]
    more = [Told(engine.models[p.entry.model], p.entry) for p in earlier if p and p.entry.model in engine.models.models]
    return (*own, *more)


def compose(engine: Engine, session: ReportSession, words: Phrasebook, chosen: str = "", month: int = 12) -> Report:
    """Raises as ``stored_call``."""
    call, card = stored_call(engine, session)
    every = answers(engine, call, card)
    # to who may be a patient nothing of an outlook is shown: no curve, no score, no evidence that names it
    found = tuple(t for t in every if not (session.patient_facing and foretells(t)))
    lead = next((t for t in found if t.entry.outcome == "predicted" and t.of_kind("survival")), None)
    shown = [t for t in found if t.of_kind("survival") is None or t.entry.outcome != "predicted"]
    return Report(
        call=call,
        card=card,
        body=card.body,
        at=call.at,
        sections=tuple(_section(words, t) for t in shown),
        outlook=survival.outlook(words, found, _trials(engine, call, card), chosen, month),
        outlook_fields=what_if.fields(words, lead) if lead is not None else (),
        outlook_model=lead.manifest.id if lead is not None else "",
        withheld=len(found) < len(every),
        models=provenance.models(words, found),
        data=provenance.data(words, found),
        gaps=provenance.gaps(words, call),
    )


def foretells(told: Told) -> bool:
    """It says how long somebody may live, or how a treatment may go."""
    return told.manifest.task in (Task.survival, Task.response) or told.of_kind("survival") is not None


def _trials(engine: Engine, call: CallEntry, card: CardEntry) -> tuple[Comparison, ...]:
    service = engine.services.services.get((call.service, call.hook))
    return service.comparisons(card.about) if service is not None and service.comparisons is not None else ()


def _section(words: Phrasebook, told: Told) -> Section:
    found, status = told.manifest, told.manifest.status
    title = words.pick(found.words.title)
    research = words(f"engine.status.{status.value}") if status.needs_enabling else ""
    if told.entry.outcome != "predicted":
        reason = told.entry.reason or "failed"
        key = f"engine.abstained.{'failed' if told.entry.outcome == 'failed' else reason}"
        why = words(key) if key in words.texts else reason
        lacking = tuple((say.label(words, i.spec), say.absence(words, i)) for i in told.lacking)
        return Section(found.id, title, "silent", research, why=why, lacking=lacking)
    fields, lines = what_if.fields(words, told), risk.lines_of(words, told)
    if found.runtime.rules:
        category = _category(words, told)
        return Section(
            found.id, title, "criteria", research, category=category, criteria=provenance.criteria(words, told),
            lines=lines, changed=not told.same_model,
        )  # fmt: skip
    answer = risk.answer(words, told)
    if answer is not None:
        return Section(found.id, title, "answer", research, answer, fields=fields, changed=not told.same_model)
    return Section(
        found.id, title, "category", research, category=_category(words, told), lines=lines, fields=fields,
        changed=not told.same_model,
    )  # fmt: skip


def _category(words: Phrasebook, told: Told) -> str:
    output = told.of_kind("category")
    number = told.output(output.name) if output is not None else None
    return say.answer(words, output, number) if output is not None and isinstance(number, int | float) else ""
