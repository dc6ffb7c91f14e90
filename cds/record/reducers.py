"""How what a record holds of a concept becomes one value: the latest, the first, their change, how many."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial

from msgspec import structs

from cds.record import shares
from cds.record.facts import UNREADABLE, Fact, Record, Refused, taken_on
from cds.record.feature import HALF_REPORTED, Feature
from cds.record.inputs import Anchor, Input, Reduce, days, limits_of
from cds.record.lines import lines
from cds.record.moments import YEAR_DAYS, Moment


def _candidates(spec: Input, record: Record) -> list[Fact]:
    """Numeric facts of the first concept that has any inside the window: concepts are in order of preference."""
    for concept in spec.concepts:
        usable = [f for f in record.of(concept) if f.when and _number(spec, f) is not None]
        facts = [f for f in usable if _recent(f, spec, record)]
        if facts:
            return facts
    return []


def _number(spec: Input, fact: Fact) -> float | None:
    """The value, or the number the manifest gives a coded answer (a performance status sent as a code, say)."""
    if fact.comparator is not None:
        return None  # "<130" is not 130
    if fact.value is not None:
        return fact.value
    return next((spec.values[name] for name in _said(fact) if name in spec.values), None)


def _said(fact: Fact) -> tuple[str, ...]:
    """Its coded answers; of a finding, the finding itself, unless it is a suspicion."""
    return fact.answers or (() if fact.provisional else (fact.concept,))


def _recent(fact: Fact, spec: Input, record: Record) -> bool:
    if spec.within is None:
        return True
    return fact.when is not None and fact.when.days_before(record.now) <= days(spec.within)


def _absent(spec: Input, record: Record, among: Iterable[Fact] | None = None) -> Feature:
    """Missing, known as a bound only, or refused: the newest refusal of a concept is the more useful answer. ``among``:
    the facts of which a bound may stand in the way; without, all."""
    facts = record.of(*spec.concepts) if among is None else among
    bound = next((f for f in facts if f.comparator is not None), None)
    if bound is not None and not spec.is_flag:
        return Feature(spec, None, "censored", detail=bound.original)
    refused = [r for r in record.refused if r.concept in spec.concepts]
    if refused:
        return Feature(spec, None, refused[0].reason, detail=refused[0].detail)
    undated = among is None and not spec.is_flag and any(f.when is None and _number(spec, f) is not None for f in facts)
    return Feature(spec, None, "no-date" if undated else "missing")


def _from_fact(spec: Input, fact: Fact, record: Record) -> Feature:
    return Feature(spec, _number(spec, fact), "found", (fact,), fact.when.middle if fact.when else None)


def _latest(spec: Input, record: Record, before: Mapping[str, Feature]) -> Feature:
    for concept in spec.concepts:  # in order of preference; the newest that will do is enough
        for fact in record.of(concept):
            if not fact.when or not _recent(fact, spec, record):
                continue
            if fact.comparator is not None:  # an older number is not the newest
                return Feature(spec, None, "censored", (fact,), detail=fact.original)
            if _number(spec, fact) is not None:
                if newer := _unusable_since(concept, fact, record):
                    return Feature(spec, None, newer.reason, detail=newer.detail)
                return _from_fact(spec, fact, record)
    return _absent(spec, record)


def _unusable_since(concept: str, fact: Fact, record: Record) -> Refused | None:
    """A newer value that can't be read: the older one would tell of a patient as he no longer is."""
    if fact.when is None:
        return None
    later = (r for r in record.refused if r.concept == concept and r.reason in UNREADABLE and r.when is not None)
    return next((r for r in later if r.when is not None and r.when.middle > fact.when.middle), None)


def _earliest(spec: Input, record: Record, before: Mapping[str, Feature]) -> Feature:
    facts = _candidates(spec, record)
    return _from_fact(spec, facts[-1], record) if facts else _absent(spec, record)


def _near(facts: list[Fact], moment: datetime, anchor: Anchor) -> Fact | None:
    target = moment + timedelta(days=days(anchor.offset))
    inside = _inside(facts, moment, anchor)
    return min(inside, key=lambda f: abs((f.when.middle - target).total_seconds()) if f.when else 0.0, default=None)


def _inside(facts: list[Fact], moment: datetime, anchor: Anchor) -> list[Fact]:
    first, last = (moment + timedelta(days=days(d)) for d in anchor.window)
    return [f for f in facts if f.when and first <= f.when.middle <= last]


def _moment_of(spec: Input, before: Mapping[str, Feature]) -> datetime | None:
    return before[spec.anchor.input].at if spec.anchor else None


def _nearest(spec: Input, record: Record, before: Mapping[str, Feature]) -> Feature:
    moment = _moment_of(spec, before)
    if moment is None or spec.anchor is None:
        return _absent(spec, record)
    for concept in spec.concepts:
        facts = [f for f in record.of(concept) if _number(spec, f) is not None]
        if (fact := _near(facts, moment, spec.anchor)) is not None:
            return _from_fact(spec, fact, record)
    return _absent(spec, record, _inside(record.of(*spec.concepts), moment, spec.anchor))


_AROUND = Anchor(input="", window=("-6m", "6m"))


def _change_per_year(spec: Input, record: Record, before: Mapping[str, Feature]) -> Feature:
    moment = _moment_of(spec, before)
    if moment is None or spec.anchor is None:
        return _absent(spec, record)
    for concept in spec.concepts:
        facts = [f for f in record.of(concept) if f.value is not None and f.comparator is None]
        # the later value is read around the anchor itself, half a year at most on either side
        later = _near(facts, moment, _AROUND)
        earlier = _near(facts, moment, spec.anchor)
        if later is None or earlier is None or later is earlier or not later.when or not earlier.when:
            continue
        apart = (later.when.middle - earlier.when.middle).total_seconds() / 86400 / YEAR_DAYS
        if apart <= 0.25 or later.value is None or earlier.value is None:
            continue  # a change over weeks, stretched to a year, is noise
        value = (later.value - earlier.value) / apart
        return Feature(spec, value, "found", (later, earlier), later.when.middle)
    return _absent(spec, record)


def _count(spec: Input, record: Record, before: Mapping[str, Feature]) -> Feature:
    facts = [f for f in record.of(*spec.concepts) if f.status != "inactive" and _recent(f, spec, record)]
    return Feature(spec, float(len(facts)), "found", tuple(facts[:5]))


def _presence(spec: Input, record: Record, before: Mapping[str, Feature]) -> Feature:
    facts = [
        # an active entry without a date is there now, whenever it began
        f
        for f in record.of(*spec.concepts)
        if f.status != "inactive" and (_recent(f, spec, record) or (f.when is None and f.status == "active"))
    ]
    if not facts and spec.unrecorded == "unknown":
        tested = [[f for f in record.negative.get(c, ()) if _recent(f, spec, record)] for c in spec.concepts]
        if not all(tested):
            return _absent(spec, record)  # none of several is only certain when each was tested for
        newest = [facts[0] for facts in tested]
        return Feature(spec, 0.0, "found", tuple(newest[:3]), _at(newest))
    if not facts:  # reported, but of whom or what was not said: that is no "no"
        doubtful = [r for r in record.refused if r.concept in spec.concepts and r.reason in HALF_REPORTED]
        if doubtful:
            return Feature(spec, None, doubtful[0].reason, detail=doubtful[0].detail)
    return Feature(spec, float(bool(facts)), "found", tuple(facts[:3]), _at(facts))


def _new(spec: Input, record: Record, before: Mapping[str, Feature]) -> Feature:
    told = record.of(*spec.concepts)
    told = [f for f in told if not f.provisional] or told  # a suspicion is no first time of what was confirmed later
    facts = [f for f in told if f.when is not None]
    if not facts and spec.unrecorded == "unknown":
        return Feature(spec, None, "missing")
    undated = next((f for f in told if f.when is None), None)  # may be older than all the dated ones
    standing = any(f.status != "inactive" for f in facts)
    is_new = bool(facts) and standing and _recent(facts[-1], spec, record)
    if is_new:
        found = Feature(spec, 1.0, "found", tuple(facts[-1:]), _at(facts[-1:]))
        # what says the same makes it a "no", as an old entry of its own does
        known = undated or _known_before(spec, record)
        if known is not None:
            return Feature(spec, 0.0, "found", known=known, otherwise=found)
        return structs.replace(found, aside=_set_aside(spec, record))
    again = [f for f in facts if f.status != "inactive" and _recent(f, spec, record)]
    called_off = all(f.status == "inactive" for f in facts if not _recent(f, spec, record))
    if undated or not again or not called_off:
        return Feature(spec, 0.0, "found", (), _at(facts[-1:]))
    found = Feature(spec, 1.0, "found", tuple(again[-1:]), _at(again[-1:]))
    return Feature(spec, 0.0, "found", (), _at(facts[-1:]), known=facts[-1], otherwise=found)


def _at(facts: list[Fact]) -> datetime | None:
    return facts[0].when.middle if facts and facts[0].when else None


def _first_at_least(spec: Input, record: Record, before: Mapping[str, Feature]) -> Feature:
    found = _crossing(spec, record)
    known = _known_before(spec, record, risen=risen(found, record) if found is not None else None)
    if known is not None:
        return Feature(spec, None, "known-before", known=known if found else None, otherwise=found)
    if found is not None:
        return structs.replace(found, aside=_set_aside(spec, record))
    # of a bound it may not be known which side of the threshold it is on
    threshold = spec.threshold or 0.0
    open_ = (f for f in record.of(*spec.concepts) if f.reaches(threshold) is None and _recent(f, spec, record))
    return _absent(spec, record, open_)


def risen(crossed: Feature, record: Record) -> datetime | None:
    """When a first value at the threshold came after a lower one of the window: a diagnosis that was called off is none
    that a fall below the limit, and the rise after it, could be part of."""
    lower = crossed.facts[1:2]
    return crossed.at if lower and _recent(lower[0], crossed.input, record) else None


def _crossing(spec: Input, record: Record) -> Feature | None:
    for concept in spec.concepts:
        facts = _decided(spec, record, concept)
        crossing = next((i for i, f in enumerate(facts) if f.reaches(spec.threshold or 0.0)), None)
        if crossing is None:
            continue
        fact = facts[crossing]
        if fact.when is None:
            continue
        lower = [
            f
            for f in facts[:crossing]
            if spec.preceded_by is None or (f.when and f.when.days_before(fact.when.middle) <= days(spec.preceded_by))
        ]
        if (spec.preceded_by and not lower) or not _recent(fact, spec, record):
            continue
        age, told = record.age_at(fact.when.middle), (fact, *lower[-1:])
        return Feature(spec, age, "no-birth-date" if age is None else "found", told, fact.when.middle)
    return None


def _decided(spec: Input, record: Record, concept: str) -> list[Fact]:
    """Values known to be on one side of the threshold, oldest first; without a single high one from before the window
    that a lower one followed. Whether that was the disease all the same, ``unless`` says."""
    threshold = spec.threshold or 0.0
    facts = [f for f in reversed(record.of(concept)) if f.when and f.reaches(threshold) is not None]
    first = next((i for i, f in enumerate(facts) if f.reaches(threshold)), None)
    if first is None or _recent(facts[first], spec, record):
        return facts
    high = [f for f in facts if f.reaches(threshold) and not _recent(f, spec, record)]
    single = taken_on(high) == 1 and any(not f.reaches(threshold) for f in facts[first:])
    return [f for f in facts if not f.reaches(threshold) or _recent(f, spec, record)] if single else facts


def _known_before(spec: Input, record: Record, *, risen: datetime | None = None) -> Fact | None:
    """What has been on record for longer than ``within``; beside a rise, what was over before it aside."""
    limit = days(spec.within) if spec.within is not None else 0.0
    for i, known in enumerate(spec.unless):
        if known.at_least is None:
            found = record.known_for(*known.concepts, longer_than=limit, risen=risen)
        else:
            first = limits_of(spec.unless[:i])
            found = record.measured_for(*known.concepts, longer_than=limit, at_least=known.at_least, beside=first)
        if found is not None:
            return found
    return None


def _set_aside(spec: Input, record: Record) -> tuple[Fact, ...]:
    """What of ``unless`` was on record longer ago than ``within``, where none of it stands."""
    limit = days(spec.within) if spec.within is not None else 0.0
    found = (record.once_for(*one.concepts, longer_than=limit, at_least=one.at_least) for one in spec.unless)
    return tuple(fact for fact in found if fact is not None)


def _coded(spec: Input, record: Record, before: Mapping[str, Feature]) -> Feature:
    moment = _moment_of(spec, before)
    for fact in record.of(*spec.concepts):
        if moment is not None and spec.anchor is not None and fact.when and not _inside([fact], moment, spec.anchor):
            continue
        for name in _said(fact) if fact.status != "inactive" else ():
            if name in spec.values and _recent(fact, spec, record):
                return Feature(spec, spec.values[name], "found", (fact,), fact.when.middle if fact.when else None)
    return _absent(spec, record)


def _extreme(spec: Input, record: Record, before: Mapping[str, Feature], *, highest: bool) -> Feature:
    """A bound counts as its limit: a value of ``<2`` is no higher than 2, and the lowest no lower than known. Beside a
    value that nobody can have, which may stand for any, the rest is only a bound: the lowest is no higher than that."""
    moment = _moment_of(spec, before)
    if spec.anchor is not None and moment is None:
        return _absent(spec, record)
    for concept in spec.concepts:
        standing = (f for f in record.of(concept) if f.value is not None and (f.when or f.status == "active"))
        facts = [f for f in standing if _recent(f, spec, record)]
        if spec.anchor is not None and moment is not None:
            facts = _inside(facts, moment, spec.anchor)
        if facts:
            possible = [f for f in facts if _possible(spec, f)]
            found = (max if highest else min)(possible or facts, key=lambda f: f.value if f.value is not None else 0.0)
            if possible and len(possible) < len(facts):
                sign = ">=" if highest else "<="
                if found.comparator and found.comparator[0] != sign[0]:  # bounded on neither side
                    return Feature(spec, None, "censored", (), _at([found]), found.original)
                told = f"{sign}{found.original.lstrip('<>=')}"
                bound = structs.replace(found, comparator=sign)
                return Feature(spec, None, "censored", (bound,), _at([found]), told)
            return Feature(spec, found.value, "found", (found,), _at([found]))
    return _absent(spec, record)


def _possible(spec: Input, fact: Fact) -> bool:
    return spec.range is None or (fact.value is not None and spec.range[0] <= fact.value <= spec.range[1])


def _ratio(spec: Input, record: Record, before: Mapping[str, Feature]) -> Feature:
    moment = _moment_of(spec, before)
    if moment is None or spec.anchor is None:
        return _absent(spec, record)
    for concept in spec.concepts:
        dated = [f for f in record.of(concept) if f.when]
        facts = [f for f in dated if _number(spec, f) is not None]
        first = _near(facts, moment, spec.anchor)
        if dated and dated[0].comparator is not None:  # an older number is not the newest
            # where the value at the anchor is a bound as well, an older number is not what it was then
            there = _near(dated[1:], moment, spec.anchor)
            sure = there is not None and there is first and _recent(dated[0], spec, record)
            told = shares.of_bound(dated[0], first, spec.unit) if sure else ()
            return Feature(spec, None, "censored", told, detail=dated[0].original)
        newest = next((f for f in facts if _recent(f, spec, record)), None)
        if first is None or newest is None or newest.when is None:
            continue
        if newer := _unusable_since(concept, newest, record):
            return Feature(spec, None, newer.reason, detail=newer.detail)
        divisor, value = _number(spec, first), _number(spec, newest)
        # a value set against itself is no change, unless it is the very one the anchor names
        alone = newest is first and newest.when.middle != moment
        if alone or not divisor or value is None or not shares.follows(newest, first):
            continue
        share = shares.share(value, divisor, spec.unit)
        return Feature(spec, share, "found", (newest, first), newest.when.middle)
    return _absent(spec, record)


def _course(spec: Input, record: Record, before: Mapping[str, Feature]) -> Feature:
    facts = [f for f in record.of(*spec.concepts) if f.when and not spec.leaves_out(f.codes)]
    run = [f for f in facts[:1] if _recent(f, spec, record)]
    for fact in facts[1:] if run else ():
        newer = run[-1].when
        if fact.when is None or newer is None or fact.when.days_before(newer.middle) > days(spec.gap or "0d"):
            break
        run.append(fact)
    if not run or run[-1].when is None:
        return _absent(spec, record)
    began = run[-1].when
    return Feature(spec, began.days_before(record.now), "found", (run[-1],), began.middle)


def _line(spec: Input, record: Record, before: Mapping[str, Feature]) -> Feature:
    gap, since = days(spec.gap or "0d"), _moment_of(spec, before)

    def counts(when: Moment) -> bool:
        return when.days_before(record.now) <= gap or (since is not None and when.latest >= since)

    given = [f for f in record.of(*spec.concepts) if f.when and counts(f.when)]
    ordered = record.drafts.of(*spec.concepts) if record.drafts is not None else []
    found = lines(given, ordered, record.now, gap)
    if not found:
        return Feature(spec, 0.0, "found")
    first = tuple(f for f in found[-1].facts[:1] if f not in ordered)
    return Feature(spec, float(len(found)), "found", first, found[-1].began)


def _days_since(spec: Input, record: Record, before: Mapping[str, Feature]) -> Feature:
    moment = _moment_of(spec, before)
    fact = next((f for f in record.of(*spec.concepts) if f.when and f.status != "inactive"), None)
    if fact is None or fact.when is None or not _recent(fact, spec, record) or (spec.anchor and moment is None):
        return _absent(spec, record)
    since = fact.when.days_before(record.now) if moment is None else -fact.when.days_before(moment)
    return Feature(spec, since, "found", (fact,), fact.when.middle)


Reducer = Callable[[Input, Record, Mapping[str, Feature]], Feature]
"""Of an input, over a record; the features before it hold its anchor."""

REDUCERS: dict[Reduce, Reducer] = {
    Reduce.latest: _latest,
    Reduce.earliest: _earliest,
    Reduce.nearest: _nearest,
    Reduce.change_per_year: _change_per_year,
    Reduce.count: _count,
    Reduce.presence: _presence,
    Reduce.new: _new,
    Reduce.first_at_least: _first_at_least,
    Reduce.coded: _coded,
    Reduce.lowest: partial(_extreme, highest=False),
    Reduce.highest: partial(_extreme, highest=True),
    Reduce.ratio: _ratio,
    Reduce.course: _course,
    Reduce.line: _line,
    Reduce.days_since: _days_since,
}
