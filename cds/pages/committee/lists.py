"""What members leaf through: single calls of a model, and incidents; of some days, and of one group of people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cds.cards.phrasebook import Phrasebook
from cds.committee.charter import Charter
from cds.engine import Engine
from cds.inference.manifest import Output
from cds.ledger.book import Book
from cds.ledger.cohort import Newest, PredictedRow, newest_predicted, of_calls
from cds.ledger.incidents import Incident, incidents
from cds.ledger.verdicts import history, newest
from cds.pages.committee.days import Days
from cds.pages.committee.groups import groups_of, holds, kind_of, named, placed
from cds.pages.committee.view import manifest_of

PAGE = 50
"""Calls on a page."""
LOOKS = 20_000
"""Calls that are looked at for those of a group, the newest."""


@dataclass(frozen=True)
class CallRow:
    """One prediction, its patient a pseudonym: the beginning of the keyed hash."""

    call: str
    at: datetime
    pseudonym: str
    outcome: str
    answer: str
    carded: bool


@dataclass(frozen=True)
class Calls:
    rows: tuple[CallRow, ...]
    groups: Mapping[str, str]
    """Of people whom the newest verdict speaks of: name -> what it is called."""
    looks: int | None
    """At so many of the newest was looked and at none of the earlier ones; None: at all."""


def call_list(
    engine: Engine,
    book: Book,
    charter: Charter,
    words: Phrasebook,
    model: str,
    site: str,
    page: int,
    *,
    carded: bool,
    days: Days,
    group: str = "",
    most: int = PAGE + 1,
) -> Calls:
    """Newest first, ``PAGE`` on a page and one more where there is a next. ``carded``: only those with a card.
    ``group``: only those of people in it; empty: all."""
    manifest = manifest_of(engine, model)
    shown = [o for o in manifest.outputs if o.shown and not o.series] if manifest is not None else []
    findings = [f for verdict in book.read(lambda c: history(c, model, site, most=1)) for f in verdict.findings]
    told = named(charter, findings)
    found = Newest((), cut=False)
    if not group or group in told:
        found = book.read(
            lambda c: newest_predicted(
                c, model, site, page * PAGE, most, carded=carded, since=days.since, until=days.until,
                only=(lambda row: holds(group, row, manifest, charter, told)) if group else None, looks=LOOKS,
            )
        )  # fmt: skip
    return Calls(
        tuple(
            CallRow(r.call_id, r.at, r.patient_key[:8], r.outcome, answer(words, shown, r), r.carded)
            for r in found.rows
        ),
        groups_of(words, charter, findings),
        LOOKS if found.cut else None,
    )


def answer(words: Phrasebook, shown: Sequence[Output], row: PredictedRow) -> str:
    """The first of these outputs that it has, a category as people call it; or why it has none."""
    told = next((o for o in shown if isinstance(row.outputs.get(o.name), int | float)), None)
    if told is None:
        return why(words, row.reason)
    value = float(row.outputs[told.name])
    name = told.categories.get(f"{value:g}", "")
    return words.pick(told.category_labels.get(name, {})) or name or words.significant(value, 3)


def why(words: Phrasebook, reason: str | None) -> str:
    """A reason for no answer in words; a code that no catalogue knows, as it is."""
    return words.texts.get(f"engine.abstained.{reason}") or reason or ""


@dataclass(frozen=True)
class Incidents:
    rows: tuple[Incident, ...]
    groups: Mapping[str, str]
    """Of people whom a verdict speaks of: name -> what it is called."""
    without_call: int
    """Of those days: they are of nobody, as long as they are joined to no call."""
    untold: int
    """Of those days: their call is gone, or nothing tells which of such groups it is of."""


def incident_list(
    engine: Engine, book: Book, charter: Charter, words: Phrasebook, days: Days, group: str = ""
) -> Incidents:
    """Reported in these days, newest first. ``group``: only those whose call is of somebody in it; empty: all."""
    found = [i for i in book.read(incidents) if days.hold(i.problem.at)]
    verdicts = book.read(newest)
    groups = groups_of(words, charter, (f for v in verdicts for f in v.findings))
    rows, untold = found, 0
    if group:
        told = {
            site: named(charter, (f for v in verdicts if v.site == site for f in v.findings))
            for site in {v.site for v in verdicts}
        }
        calls = sorted({i.call_id for i in found if i.call_id is not None})
        predicted = book.read(lambda c: of_calls(c, calls))
        kind, nowhere = kind_of(group), frozenset[str]()
        places = {
            i.problem.id: {
                placed(kind, row, manifest_of(engine, model), charter, told.get(i.problem.client, nowhere))
                for model, row in predicted.get(i.call_id or "", ())
            }
            for i in found
        }
        rows = [i for i in found if group in places[i.problem.id]]
        untold = sum(i.call_id is not None and places[i.problem.id] <= {None} for i in found)
    return Incidents(tuple(rows), groups, sum(i.call_id is None for i in found), untold)
