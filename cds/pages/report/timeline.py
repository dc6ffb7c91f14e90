"""The course on one axis of time: measurements, treatments, scans and genomic results, and the same as tables.

``timeline(engine, session, words)`` reads the patient's record now, with the reader's own token. What could not be read
is named; what could not be believed stands in the tables with its reason.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from babel.dates import get_month_names

from cds import charts
from cds.cards.phrasebook import Phrasebook
from cds.charts import EventLane, Lane, Svg, TimelineWords
from cds.engine import Engine
from cds.errors import ChartsUnavailable, ForeignServer, SourceError
from cds.inference.registry import concepts_of
from cds.pages.report import courses
from cds.pages.report import words as say
from cds.pages.report.charted import Charted, Gap, charted
from cds.pages.report.display import Display, Genomics, Measured, Procedures, Treatments, display
from cds.pages.report.display import Timeline as Plan
from cds.pages.report.doubt import changes, periods, shown_in
from cds.pages.report.studied import Studied, studied
from cds.record.facts import Fact, Refused
from cds.record.moments import Moment
from cds.record.vocabulary import Vocabulary
from cds.trust.smart import ReportSession

__all__ = ["Gap", "Row", "Table", "Timeline", "timeline"]

_MONTH = timedelta(days=30.4)


@dataclass(frozen=True)
class Row:
    """One entry of a lane, as text."""

    day: str
    value: str
    unit: str
    original: str
    """As sent, where that differs from what is shown."""
    source: str
    """``Type/id`` of the resource."""
    note: str = ""
    """Why it is not in the drawing, or what to know of it."""


@dataclass(frozen=True)
class Table:
    """A lane's entries, the newest first."""

    label: str
    rows: tuple[Row, ...]
    limits: str = ""
    """What is usual, and where that comes from."""
    doubts: tuple[str, ...] = ()
    """Shaded periods, as sentences."""
    marks: tuple[str, ...] = ()
    """Marks, as sentences."""


@dataclass(frozen=True)
class Timeline:
    svg: Svg | None
    narrow: Svg | None
    """The same for a phone. Both None: nothing to draw, or ``undrawn``."""
    tables: tuple[Table, ...]
    gaps: tuple[Gap, ...]
    lost: int = 0
    """Resources that were sent and could not be used."""
    undrawn: str = ""
    """Why there is no drawing, for the reader."""
    read: datetime | None = None
    """When the record was read."""

    @property
    def empty(self) -> bool:
        return not any(table.rows for table in self.tables)


@dataclass(frozen=True)
class _Reading:
    engine: Engine
    words: Phrasebook
    found: Charted
    client: str

    def nothing(self, *kinds: str) -> str:
        """What an empty lane says where one of these sources is unread: not that there is nothing."""
        return self.words("report.timeline.unread") if self.found.record.unread & set(kinds) else ""

    def rows(self, facts: Iterable[Fact], value: str = "") -> tuple[Row, ...]:
        return tuple(
            Row(self.words.day(f.when), value or self.words.concept(f.concept), "", "", f.source) for f in facts
        )


def timeline(engine: Engine, session: ReportSession, words: Phrasebook) -> Timeline:
    """Never raises for a source: a fault is a gap of the timeline. Raises ServiceError for a ``report.yaml`` that
    can't be used (which ``display(engine)``, asked at the start, finds first)."""
    plan = display(engine)
    if plan is None:
        return Timeline(None, None, (), (), undrawn=words("report.timeline.unplanned"))
    try:
        found = charted(engine, session, words, _concepts(engine, plan))
    except (SourceError, ForeignServer) as error:
        why = words(f"report.fault.{error.code}")
        return Timeline(None, None, (), (Gap("record", words("report.source_gap.all", why=why), error.code),))
    reading = _Reading(engine, words, found, session.client)
    lanes = [_measured(reading, lane) for lane in plan.timeline.lanes]
    events = _events(reading, plan.timeline, session)
    tables = tuple(table for _lane, table in (*lanes, *events))
    drawn = _draw(reading, plan.timeline, [lane for lane, _ in lanes], [event for event, _ in events])
    return Timeline(*drawn[:2], tables, found.gaps, found.record.lost, drawn[2], found.record.now)


def _concepts(engine: Engine, plan: Display) -> frozenset[str]:
    models = (engine.models[id] for id in plan.timeline.models)
    read = {c for m in models if not m.refused for c in concepts_of(m.manifest, fetched=True)}
    return plan.timeline.concepts | read


def _draw(
    reading: _Reading, plan: Plan, lanes: list[Lane], events: list[EventLane]
) -> tuple[Svg | None, Svg | None, str]:
    words, now = reading.words, reading.found.record.now
    dates = [w for lane in lanes for w, _v, _t in lane.points]
    dates += [w for e in events for w, _e, _l in e.spans] + [w for e in events for w, _l in e.ticks]
    known = [w for w in dates if isinstance(w, datetime) and w <= now]
    if not known:
        return None, None, words("report.timeline.nothing_read" if reading.found.gaps else "report.timeline.nothing")
    start = max(min(known), now - plan.months_back * _MONTH)
    happened = [begin for e in events for begin, _end, _l in e.spans] + [w for e in events for w, _l in e.ticks]
    if happened := [w for w in happened if isinstance(w, datetime) and start <= w <= now]:
        # the course, with what led up to it
        start = max(start, min(min(happened) - plan.lead_months * _MONTH, now - 2 * plan.lead_months * _MONTH))
    margin = max((now - start) / 40, timedelta(days=2))
    if not any(w >= start for w in known):
        return None, None, words("report.timeline.old", months=plan.months_back)
    zone = ZoneInfo(reading.engine.settings.timezone)
    names = get_month_names("abbreviated", locale=words.language)
    said = TimelineWords(
        tuple(names[n].rstrip(".") for n in range(1, 13)),
        words("report.timeline.none"),
        words("report.timeline.limit"),
        zone,
        words("report.timeline.older"),
        lambda value: words.number(value, 2),
    )
    title = words("report.timeline.title")
    named = [lane.label for lane in lanes] + [event.label for event in events]
    described = words("report.timeline.described", lanes=words.join(named))
    try:
        wide, narrow = (
            charts.timeline(
                tuple(lanes), tuple(events), start - margin, now + margin, said, title, described, narrow=narrow
            )
            for narrow in (False, True)
        )
    except ChartsUnavailable:
        return None, None, words("report.timeline.undrawn")
    return wide, narrow, ""


def _measured(reading: _Reading, lane: Measured) -> tuple[Lane, Table]:
    words, record, vocabulary = reading.words, reading.found.record, reading.engine.models.vocabulary
    facts = [f for f in record.of(*lane.concepts) if f.value is not None and f.when is not None]
    points: list[tuple[datetime, float, str]] = []
    rows: list[tuple[Moment | None, Row]] = []
    for fact in facts:
        value = shown_in(fact, lane.unit, vocabulary)
        assert value is not None and fact.when is not None  # the file's units were checked at the start
        text = f"{fact.comparator or ''}{words.number(value, lane.digits)}"
        points.append((fact.when.middle, value, text))
        original = "" if _plain(fact.original) == _plain(f"{text} {lane.unit}") else fact.original
        rows.append((fact.when, Row(words.day(fact.when), text, lane.unit, original, fact.source)))
    refused = [r for r in record.refused if r.concept in lane.concepts]
    rows += [(r.when, _refusal(r, words)) for r in refused]
    shaded = periods(record, lane, vocabulary, words)
    marks = _marks(reading, lane, facts)
    limits = lane.limits
    drawn = Lane(
        words.pick(lane.label),
        lane.unit,
        tuple(points),
        lane.scale == "log",
        (limits.low, limits.high) if limits is not None else None,
        shaded if facts else (),
        marks,
        reading.nothing("Observation"),
        words("report.timeline.threshold") if limits is not None and limits.kind == "threshold" else "",
    )
    table = Table(
        drawn.label,
        _newest(rows),
        " ".join(filter(None, [_limits(lane, words), _reference(lane, facts, vocabulary, words)])),
        tuple(
            words("report.timeline.doubt", what=label, begin=words.day(begin), end=words.day(end))
            for begin, end, label in shaded
        ),
        tuple(words("report.timeline.mark", what=label, day=words.day(at)) for at, label in marks),
    )
    return drawn, table


def _plain(text: str) -> str:
    return "".join(text.split()).replace(",", ".").replace("µ", "u").lower()


def _refusal(refused: Refused, words: Phrasebook) -> Row:
    why = words(f"engine.absent.{refused.reason}", detail=refused.detail)
    return Row(
        words.day(refused.when), "–", "", refused.detail, refused.source, words("report.timeline.unused", why=why)
    )


def _newest(rows: list[tuple[Moment | None, Row]]) -> tuple[Row, ...]:
    ordered = sorted(rows, key=lambda pair: pair[0].stamp if pair[0] is not None else float("-inf"), reverse=True)
    return tuple(row for _when, row in ordered)


def _limits(lane: Measured, words: Phrasebook) -> str:
    if lane.limits is None:
        return ""
    alone = lane.limits.kind == "threshold"  # what lies on which side of it the source says
    ends = [
        words(f"report.timeline.{'at' if alone else side}", value=words.number(value, 2), unit=lane.unit)
        for side, value in (("from", lane.limits.low), ("to", lane.limits.high))
        if value is not None
    ]
    source = lane.limits.source
    told = source if isinstance(source, str) else words.pick(source)
    return words(f"report.timeline.limits.{lane.limits.kind}", limits=" ".join(ends), source=told)


def _reference(lane: Measured, facts: list[Fact], vocabulary: Vocabulary, words: Phrasebook) -> str:
    """What the laboratory calls usual, of the newest value with which it sent limits."""
    fact = next((f for f in facts if f.reference_range and f.reference_range.written != (None, None)), None)
    there = vocabulary.conversion(fact.concept, lane.unit) if fact is not None else None
    if fact is None or fact.reference_range is None or there is None:
        return ""
    sent = (fact.reference_range.low, fact.reference_range.high)
    low, high = ((end - there.offset) / there.factor if end is not None else None for end in sent)
    limits = say.between(words, low, high, lane.unit, lane.digits)
    return words("report.timeline.limits.laboratory", limits=limits, day=words.day(fact.when))


def _marks(reading: _Reading, lane: Measured, facts: list[Fact]) -> tuple[tuple[datetime, str], ...]:
    """A research model is silent here, too, until the policy enables it by name."""
    if lane.response is None:
        return ()
    model = reading.engine.models[lane.response.model]
    needs = model.manifest.status.needs_enabling
    policy = reading.engine.policies.current(reading.client)
    if not policy.model_enabled(lane.response.model, needs_enabling=needs):
        return ()
    return changes(reading.found.record, facts, lane.response, model, reading.words)


def _events(reading: _Reading, plan: Plan, session: ReportSession) -> list[tuple[EventLane, Table]]:
    found = []
    if plan.treatments is not None:
        found.append(_treatments(reading, plan.treatments))
    if plan.procedures is not None:
        found.append(_procedures(reading, plan.procedures))
    if plan.scans is not None:
        settings = reading.engine.settings
        evidence, zone = reading.found.evidence, ZoneInfo(settings.timezone)
        seen = studied(evidence.resources, session.patient_id, zone, reading.words, settings.language)
        found.append(_scans(reading, reading.words.pick(plan.scans.label), seen))
    if plan.genomics is not None:
        found.append(_genomics(reading, plan.genomics))
    return found


def _treatments(reading: _Reading, part: Treatments) -> tuple[EventLane, Table]:
    words, record = reading.words, reading.found.record
    given = courses.doses(record, part)
    spans = courses.courses(given, part, record.now, words)
    label = words.pick(part.label)
    rows = tuple(
        Row(
            words.day(dose.fact.when),
            courses.name_of(dose, part, words),
            "",
            dose.fact.title if dose.fact.title.lower() != courses.name_of(dose, part, words).lower() else "",
            dose.fact.source,
            words(
                "report.timeline.given" if dose.fact.source.startswith("MedicationAdm") else "report.timeline.ordered"
            ),
        )
        for dose in reversed(given)
    )
    return EventLane(label, tuple((c.begin, c.end, c.label) for c in spans), (), reading.nothing("Medication")), Table(
        label, rows
    )


def _procedures(reading: _Reading, part: Procedures) -> tuple[EventLane, Table]:
    label = reading.words.pick(part.label)
    facts = reading.found.record.of(*part.concepts)
    ticks = tuple((f.when.middle, reading.words.concept(f.concept)) for f in facts if f.when is not None)
    return EventLane(label, (), ticks, reading.nothing("Procedure")), Table(label, reading.rows(facts))


def _scans(reading: _Reading, label: str, seen: tuple[Studied, ...]) -> tuple[EventLane, Table]:
    ticks = tuple((s.when.middle, s.title) for s in seen if s.when is not None)
    rows = tuple(Row(reading.words.day(s.when), s.title, "", "", s.source) for s in seen)
    return EventLane(label, (), ticks, reading.nothing("ImagingStudy")), Table(label, rows)


def _genomics(reading: _Reading, part: Genomics) -> tuple[EventLane, Table]:
    """Found ones are named; the rest of what was tested on a day is one tick, and by name in the table."""
    words, record = reading.words, reading.found.record
    label = words.pick(part.label)
    ticks: list[tuple[datetime, str]] = []
    rows: list[tuple[Moment | None, Row]] = []
    absent: dict[str, tuple[datetime, int]] = {}
    for concept in part.concepts:
        for fact in record.of(concept):
            text = _found(reading, fact)
            rows.append((fact.when, Row(words.day(fact.when), text, "", "", fact.source)))
            if fact.when is not None and fact.value != 0:
                ticks.append((fact.when.middle, text))
        for fact in record.negative.get(concept, ()):
            text = words("report.timeline.absent", what=words.concept(concept))
            rows.append((fact.when, Row(words.day(fact.when), text, "", "", fact.source)))
            if fact.when is not None:
                at, count = absent.get(fact.when.text, (fact.when.middle, 0))
                absent[fact.when.text] = (at, count + 1)
        rows += [(r.when, _refusal(r, words)) for r in record.refused if r.concept == concept]
    ticks += [(at, words("report.timeline.tested", count=count)) for at, count in absent.values()]
    unique = list(dict.fromkeys(rows))  # a diplotype tells of every allele that is asked for, and is one result
    return EventLane(label, (), tuple(sorted(ticks)), reading.nothing("Observation")), Table(label, _newest(unique))


def _found(reading: _Reading, fact: Fact) -> str:
    words = reading.words
    name = words.concept(fact.concept)
    if fact.answers:
        return f"{name}: {words.join([words.concept(answer) for answer in fact.answers])}"
    variant = reading.engine.models.vocabulary.variants.get(fact.concept)
    if variant is not None and variant.gives == "copies" and fact.original:  # alleles as reported say it all
        return fact.original
    return f"{name}: {fact.original}" if fact.original else name
