"""What the console's pages show, from the ledger's rows. Nothing is measured here; whoever evaluates has done it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from cds.cards.phrasebook import Phrasebook
from cds.committee.actions import stopped_now
from cds.committee.burden import Funnel, funnel
from cds.committee.charter import Charter
from cds.committee.findings import ORDER
from cds.committee.monthly import Monthly, monthly
from cds.engine import Engine
from cds.errors import NothingThere
from cds.inference.manifest import Manifest
from cds.ledger.book import Book
from cds.ledger.incidents import Incident, incidents
from cds.ledger.response import given
from cds.ledger.standings import EVERYWHERE, Stop
from cds.ledger.verdicts import Verdict, history, newest
from cds.pages.committee.groups import groups_of, of_group
from cds.pages.committee.plots import Plot, plots
from cds.pages.committee.words import GROUPS, Line, by_need, line, source
from cds.record.inputs import days


@dataclass(frozen=True)
class Row:
    """One model at one site on the first page."""

    model: str
    title: str
    site: str
    level: str
    version: str
    at: datetime
    raising: tuple[Line, ...]


@dataclass(frozen=True)
class Stopped:
    model: str
    title: str
    site: str
    stop: Stop


@dataclass(frozen=True)
class Overview:
    rows: tuple[Row, ...]
    stopped: tuple[Stopped, ...]
    waiting: int
    """Incidents nobody has looked at."""
    sites: tuple[str, ...]
    models: tuple[str, ...]
    groups: Mapping[str, str]
    """Of people whom a verdict speaks of: name -> what it is called."""


def here(engine: Engine) -> datetime:
    """Now, in the hospital's time zone: months and days are its own."""
    return engine.now().astimezone(ZoneInfo(engine.settings.timezone))


def manifest_of(engine: Engine, model: str) -> Manifest | None:
    found = engine.models.models.get(model)
    return found.manifest if found is not None and not found.refused else None


def title_of(engine: Engine, words: Phrasebook, model: str) -> str:
    manifest = manifest_of(engine, model)
    return words.pick(manifest.words.title) if manifest is not None else model


def level_of(verdict: Verdict, held: Mapping[tuple[str, str], Stop]) -> str:
    """People may have stopped or resumed it since it was evaluated."""
    if (verdict.model, verdict.site) in held or (verdict.model, EVERYWHERE) in held:
        return "stopped"
    return "watch" if verdict.level == "stopped" else verdict.level


def overview(
    engine: Engine,
    book: Book,
    charter: Charter,
    words: Phrasebook,
    *,
    site: str = "",
    model: str = "",
    level: str = "",
    group: str = "",
) -> Overview:
    """``site``, ``model``, ``level``: only those; ``group``: only what verdicts say of it; empty: all."""
    verdicts = book.read(newest)
    held = stopped_now(book, charter, here(engine))
    rows = [
        Row(
            v.model,
            title_of(engine, words, v.model),
            v.site,
            level_of(v, held),
            v.model_version,
            v.at,
            tuple(line(words, f, manifest_of(engine, v.model), charter) for f in of_group(v.raising, group)[:3]),
        )
        for v in verdicts
        if of_group(v.findings, group) or not group
    ]
    shown = [r for r in rows if site in ("", r.site) and model in ("", r.model) and level in ("", r.level)]
    order = ("stopped", "act", "watch", "green")
    shown.sort(key=lambda r: (order.index(r.level), r.title, r.site))
    return Overview(
        tuple(shown),
        tuple(Stopped(m, title_of(engine, words, m), s, stop) for (m, s), stop in sorted(held.items())),
        sum(i.state == "open" for i in book.read(incidents)),
        tuple(sorted({v.site for v in verdicts})),
        tuple(sorted({v.model for v in verdicts})),
        groups_of(words, charter, (f for v in verdicts for f in v.findings)),
    )


@dataclass(frozen=True)
class ModelView:
    model: str
    title: str
    site: str
    verdict: Verdict
    level: str
    stop: Stop | None
    sections: tuple[tuple[str, tuple[Line, ...]], ...]
    """(kind of measure, its lines)"""
    findings: tuple[Mapping[str, Any], ...]
    """Behind the lines."""
    groups: Mapping[str, str]
    followed: Mapping[str, Any] | None
    funnel: Funnel
    plots: tuple[Plot, ...]
    history: tuple[Verdict, ...]


def model_view(
    engine: Engine, book: Book, charter: Charter, words: Phrasebook, model: str, site: str, group: str = ""
) -> ModelView:
    """``group``: only measures of it; empty: all. Raises NothingThere for a model that was never judged there."""
    past = book.read(lambda c: history(c, model, site))
    if not past:
        raise NothingThere("no verdict on such a model at such a site")
    held = stopped_now(book, charter, here(engine))
    verdict, manifest = past[0], manifest_of(engine, model)
    shown = of_group(verdict.findings, group)
    now = engine.now()
    cards = book.read(lambda c: given(c, model, site, now - timedelta(days=days(charter.period)), now))
    counted = funnel(cards)
    by_site = [v for v in book.read(newest) if v.model == model]
    told = next((f.get("detail") for f in verdict.findings if f["measure"] == "followed"), None)
    return ModelView(
        model,
        title_of(engine, words, model),
        site,
        verdict,
        level_of(verdict, held),
        standing_stop(held, model, site),
        tuple(sections(words, shown, manifest, charter)),
        shown,
        groups_of(words, charter, verdict.findings),
        told,
        counted,
        tuple(plots(words, manifest, charter, model, past, by_site, counted, here(engine))),
        past,
    )


def standing_stop(held: Mapping[tuple[str, str], Stop], model: str, site: str) -> Stop | None:
    """The one that keeps a model from speaking there."""
    return held.get((model, site)) or held.get((model, EVERYWHERE))


def sections(
    words: Phrasebook, findings: Sequence[Mapping[str, Any]], manifest: Manifest | None, charter: Charter
) -> list[tuple[str, tuple[Line, ...]]]:
    """What raised something first; within one level in the order of ``GROUPS``."""
    found: list[tuple[str, tuple[Line, ...]]] = []
    for group, measures in GROUPS:
        ordered = [f for m in measures for f in by_need(f for f in findings if f["measure"] == m)]
        lines = tuple(line(words, f, manifest, charter) for f in ordered)
        if lines:
            found.append((group, lines))
    return sorted(found, key=lambda one: -max(ORDER.index(a.level) for a in one[1]))


@dataclass(frozen=True)
class MonthView:
    found: Monthly
    parts: tuple[tuple[Verdict, list[tuple[str, tuple[Line, ...]]]], ...]
    titles: dict[str, str]
    raised: dict[str, list[Line]]
    """By verdict."""


def month_view(engine: Engine, book: Book, charter: Charter, words: Phrasebook, month: str) -> MonthView:
    """Raises NothingThere."""
    found = monthly(book, charter, month, here(engine))
    named = {v.model: manifest_of(engine, v.model) for v in found.verdicts}
    return MonthView(
        found,
        tuple((v, sections(words, v.findings, named[v.model], charter)) for v in found.verdicts),
        {v.model: title_of(engine, words, v.model) for v in found.verdicts},
        {v.id: [line(words, f, named[v.model], charter) for f in v.raising] for v in found.verdicts},
    )


def rests_on(words: Phrasebook, told: Mapping[str, Any] | None) -> list[str]:
    """How outcomes came to be known, as sentences."""
    if told is None:
        return [words("committee.model.followed_none")]
    if not told["sources"]:
        return [words("committee.model.followed_no_source")]
    found = [words("committee.model.followed_sources", sources=words.join(source(words, s) for s in told["sources"]))]
    if told["through"] is not None:
        day = words.day(date.fromisoformat(told["through"]))
        found.append(words("committee.model.followed_through", day=day, maturity=words.length(told["maturity"])))
    else:
        found.append(words("committee.model.followed_contact"))
    if told["earlier"]:
        found.append(words("committee.model.followed_earlier", count=words.number(told["earlier"], 0)))
    return found + [words("committee.model.followed_fault", fault=fault) for fault in told["faults"]]


def incident(book: Book, number: str) -> Incident:
    """Raises NothingThere."""
    found = next((i for i in book.read(incidents) if i.problem.id == number), None)
    if found is None:
        raise NothingThere("no such incident")
    return found
