"""One report as its page shows it, put together from one stored call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from cds.cards import wording
from cds.cards.phrasebook import Phrasebook
from cds.engine import Engine
from cds.errors import NoCards, UnknownCard
from cds.inference.manifest import Manifest, Task
from cds.ledger import CallEntry, CardEntry, PredictionEntry
from cds.pages.report import held, here, provenance, survival, what_if
from cds.pages.report.section import Glance, Section, glance, section
from cds.pages.report.stored import Told, told
from cds.services.comparison import Comparison
from cds.trust.smart import ReportSession


@dataclass(frozen=True)
class Report:
    call: CallEntry
    card: CardEntry
    body: dict[str, Any]
    """The card as it went out."""
    at: datetime
    """In the hospital's time zone, by which days are told."""
    sections: tuple[Section, ...]
    glance: tuple[Glance, ...]
    """What each section says, in a few words."""
    folded: tuple[Section, ...]
    """Scores of how long people live: behind the same fold as the outlook."""
    foretold: bool
    """Something of the card is about how long people live, so its text belongs behind that fold, too."""
    gone: tuple[tuple[str, str, str], ...]
    """(model, version, outcome) of answers whose model is not installed any more."""
    outlook: survival.Outlook | None
    outlook_fields: tuple[what_if.Field, ...]
    outlook_model: str
    withheld: bool
    """Something of an outlook was left out, because the reader may be a patient."""
    models: tuple[provenance.ModelRow, ...]
    here: tuple[here.Here, ...]
    """What was measured of them at this hospital; empty where nothing was."""
    data: tuple[provenance.DataRow, ...]
    gaps: tuple[provenance.Gap, ...]
    held: tuple[held.Held, ...]
    """Cards that were ready and were not shown."""

    @property
    def of_scans(self) -> bool:
        """It is about what a network saw, so the pictures come before the course."""
        return any(section.reading is not None for section in self.sections)


def stored_call(engine: Engine, session: ReportSession) -> tuple[CallEntry, CardEntry]:
    """The session's card and its call. Raises NoCards where the patient never got a card, UnknownCard where its
    row is not there (yet), LedgerError."""
    card_id = session.card_id or engine.ledger.newest_card(
        session.client, engine.ledger.patient_key(session.client, session.patient_id)
    )
    if card_id is None:
        return _held_call(engine, session)
    card = engine.ledger.card(card_id)
    call = engine.ledger.call(card.call_id) if card is not None else None
    # asked anew on every request: a session is no permission for another patient's call
    if card is None or call is None or not engine.reports.may_see(session, call):
        raise UnknownCard("the card of this session is not in the ledger, or not this patient's")
    return call, card.entry


def _held_call(engine: Engine, session: ReportSession) -> tuple[CallEntry, CardEntry]:
    """Of a patient of whom every card was held back."""
    found = held.newest(engine, session)
    call = engine.ledger.call(found[0]) if found is not None else None
    if found is None or call is None or not engine.reports.may_see(session, call):
        raise NoCards("no card was ever given for this patient")
    return call, found[1]


def answers(
    engine: Engine, session: ReportSession, call: CallEntry, card: CardEntry
) -> tuple[tuple[Told, ...], tuple[PredictionEntry, ...]]:
    """What the card rests on, and nothing else of its call: a service leaves an answer out for a reason, such as a low
    risk from a model that does not know the finding it refers for. The second: answers of models not here any more."""
    own = {p.id: p for p in call.predictions}
    known = own | _earlier(engine, session, [id for id in card.prediction_ids if id not in own])
    kept = [known[id] for id in card.prediction_ids if id in known]
    policy = engine.policies.current(session.client, call.service)
    models = {p.model: engine.edition(p.model, policy) for p in kept if p.model in engine.models.models}
    # a guideline's answer is told by the edition that gave it: the one in force, or the one that is installed
    answered = {p.model: models[p.model].manifest.version == p.model_version for p in kept if p.model in models}
    return told(kept, {id: model if answered[id] else engine.models[id] for id, model in models.items()})


def _overdue(engine: Engine, session: ReportSession, call: CallEntry, words: Phrasebook) -> Callable[[Manifest], str]:
    """Says of a guideline that it is overdue, as of today and under the policy in force."""
    policy = engine.policies.current(session.client, call.service)
    return lambda manifest: wording.overdue(words, manifest, policy, engine.today())


def _earlier(engine: Engine, session: ReportSession, ids: Sequence[str]) -> dict[str, PredictionEntry]:
    """Readings that study jobs stored, of this patient: all in one question."""
    key = engine.ledger.patient_key(session.client, session.patient_id)
    return engine.ledger.predictions_of(session.client, key, ids)


def compose(engine: Engine, session: ReportSession, words: Phrasebook, chosen: str = "") -> Report:
    """Raises as ``stored_call``."""
    call, card = stored_call(engine, session)
    every, gone = answers(engine, session, call, card)
    # to who may be a patient nothing of an outlook is shown: no curve, no score, no evidence that names it
    found = tuple(t for t in every if not (session.patient_facing and foretells(t)))
    outlook = survival.outlook(words, found, _trials(engine, call, card), chosen)
    lead = survival.leading(found)
    shown = [t for t in found if t.of_kind("survival") is None]
    folded = [t for t in shown if t.foretells_life and t.entry.outcome == "predicted"]
    foretold = any(t.foretells_life and t.entry.outcome == "predicted" for t in found)
    sections = tuple(section(words, t) for t in shown if t not in folded)
    return Report(
        call=call,
        card=card,
        body=card.body,
        at=call.at.astimezone(ZoneInfo(engine.settings.timezone)),
        sections=sections,
        glance=tuple(glance(words, one) for one in sections),
        folded=tuple(section(words, t) for t in folded),
        outlook=outlook,
        foretold=foretold,
        outlook_fields=what_if.fields(words, lead) if lead is not None else (),
        outlook_model=lead.manifest.id if lead is not None else "",
        withheld=len(found) < len(every) or (session.patient_facing and bool(gone)),
        # of one that is not here nobody knows whether it foretold: to a patient it is not named
        gone=() if session.patient_facing else tuple((p.model, p.model_version, p.outcome) for p in gone),
        models=provenance.models(words, found, _overdue(engine, session, call, words)),
        here=here.here(engine, session.client, words, found),
        data=provenance.data(words, found, card.beside),
        gaps=provenance.gaps(words, call),
        held=held.held(engine, session, words),
    )


def foretells(told: Told) -> bool:
    """It says how long somebody may live, or how a treatment may go."""
    return told.foretells_life or told.manifest.task is Task.response


def _trials(engine: Engine, call: CallEntry, card: CardEntry) -> tuple[Comparison, ...]:
    service = engine.services.services.get((call.service, call.hook))
    return service.comparisons(card.about) if service is not None and service.comparisons is not None else ()
