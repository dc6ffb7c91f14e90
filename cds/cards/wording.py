"""The parts of a card's text that are the same whatever the disease: chances, reasons, gaps, provenance."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date

from cds.cards.phrasebook import Phrasebook
from cds.fhir.evidence import Evidence
from cds.guidelines import currency
from cds.inference.horizon import unsaid
from cds.inference.manifest import Manifest, Output
from cds.inference.prediction import Assessment
from cds.policy.schema import Policy
from cds.record.facts import Fact, Record, Refused
from cds.record.features import Feature
from cds.record.inputs import Reduce

_MOST_WRITTEN = 1e15
"""No result is as large: what is, was sent wrongly, and a language has no way to write it out."""
_NUMBER = re.compile(r"^[<>]?=?-?\d+(?:\.\d+)?(?= |$)")
ONE = 0.995
"""What reads as 1 with two digits: "0.96 in 100" is 10 in 1,000."""
_YEAR = re.compile(r"\b(?:19|20)\d\d\b")


def chance(words: Phrasebook, probability: float) -> str:
    """``about 3 in 100``: two significant digits at most, the denominator chosen so that the count is readable."""
    for denominator in (100, 1_000, 10_000, 100_000):
        count = probability * denominator
        if count >= ONE or denominator == 100_000:
            break
    if probability * 100_000 < ONE:
        return words("engine.chance.rare")
    return words("engine.chance.about", count=_count(words, count), total=words.number(denominator, 0))


def _count(words: Phrasebook, count: float) -> str:
    return words.significant(round(count) if count >= 9.5 else count, 1 if 3 <= count < 9.5 else 2)


def per(*chances: float) -> int:
    """Of how many people chances that stand beside each other are told, so that the smallest can still be counted: read
    quickly, "4 in 1,000" and "4 in 10,000" are the same."""
    return next((total for total in (100, 1_000, 10_000) if min(chances) * total >= ONE), 100_000)


def beside(words: Phrasebook, probability: float, total: int) -> str:
    """A chance, of as many people as the one beside it: two significant digits at most."""
    if probability * 100_000 < ONE:
        return words("engine.chance.rare")
    return words("engine.chance.about", count=_count(words, probability * total), total=words.number(total, 0))


def chances(words: Phrasebook, *several: float) -> tuple[str, ...]:
    """Chances that stand beside each other, each of as many people."""
    total = per(*several)
    return tuple(beside(words, one, total) for one in several)


def between(words: Phrasebook, low: float, high: float) -> str:
    """``between about 2 in 100 and about 5 in 100``"""
    least, most = chances(words, low, high)
    return words("engine.chance.between", low=least, high=most)


def lifetime(words: Phrasebook, months: float, *, open_ended: bool = False) -> str:
    """``16 months``, whole from three on, since the data know no finer; ``60 months or more`` where they end there."""
    count = words.number(months, 0 if months >= 3 else 1)
    if open_ended:
        return words("engine.months.open", count=count)
    return words("engine.months.one" if round(months, 1) == 1 else "engine.months.more", count=count)


def fact_text(words: Phrasebook, fact: Fact) -> str:
    """Value and unit as the hospital wrote them, or the coded answer; and the date."""
    if fact.unit == "a" and fact.value is not None:  # of a relative: when it was written down says nothing of it
        return words("engine.age.at_most" if fact.comparator else "engine.age.exact", years=words.number(fact.value, 0))
    value = as_written(words, fact.original) or (words.concept(fact.answers[0]) if fact.answers else "")
    day = words.day(fact.when)
    return f"{value} ({day})" if value else day


def as_written(words: Phrasebook, original: str) -> str:
    """A value as the hospital wrote it, its number as this language writes numbers."""
    number, _, unit = original.partition(" ")
    plain = number.lstrip("<>=")
    try:
        value = float(plain)
    except ValueError:
        return original
    if not abs(value) < _MOST_WRITTEN:
        return original
    sign = number.removesuffix(plain)
    told = words.figure(value) if sign else words.number(value, 2)  # a bound that is rounded may no longer hold
    return f"{sign}{told} {unit}".strip()


def reason(words: Phrasebook, feature: Feature) -> str:
    """One line of "why": what, how much, when; for a change, both values."""
    label = capital(words.pick(feature.input.label))
    facts = [f for f in feature.facts if f.when is not None or f.original]
    if feature.input.reduce in _COUNTED and feature.value is not None:
        return words("engine.reason.value", label=label, value=counted(words, feature))
    if not facts or feature.input.source == "drafts":  # an order in the making has begun nowhere yet
        return label
    if facts[0].answers:
        answer = next((a for a in facts[0].answers if a in feature.input.values), facts[0].answers[0])
        return words("engine.reason.value", label=label, value=f"{words.concept(answer)} ({words.day(facts[0].when)})")
    if len(facts) >= 2 and facts[0].original and facts[1].original and not feature.input.is_flag:
        if feature.input.reduce is Reduce.ratio and feature.value is not None:
            share = _share(words, feature.value, feature.input.unit)
            newest, base = (fact_text(words, fact) for fact in facts[:2])
            return words("engine.reason.share", label=label, share=share, newest=newest, base=base)
        return words(
            "engine.reason.change",
            label=label,
            later=fact_text(words, facts[0]),
            earlier=fact_text(words, facts[1]),
        )
    if facts[0].original:
        return words("engine.reason.value", label=label, value=fact_text(words, facts[0]))
    return words("engine.reason.since", label=label, day=words.day(facts[0].when))


def _share(words: Phrasebook, value: float, unit: str) -> str:
    return f"{words.significant(value, 2)}%" if unit == "%" else words.significant(value, 2)


def by_text(words: Phrasebook, features: Iterable[Feature]) -> list[str]:
    """That a drug was read from the text of an order, as one sentence; none where codes tell it."""
    named = dict.fromkeys(words.concept(f.concept) for feature in features for f in feature.facts if f.in_words)
    return [words("engine.reason.by_text", drugs=words.join(named))] if named else []


_COUNTED = (Reduce.count, Reduce.course, Reduce.days_since, Reduce.line)


def counted(words: Phrasebook, feature: Feature) -> str:
    """A count of records or lines, or of days; with the day they run from or to."""
    count = round(feature.value or 0.0)
    number = words.number(count, 0)
    if feature.input.reduce is Reduce.count:
        return number
    days = number if feature.input.reduce is Reduce.line else words.counted("engine.days", count)
    return f"{days} ({words.day(feature.facts[0].when)})" if feature.facts else days


_OWN_SPELLING = re.compile(r"[a-z]{1,3}[A-Z]|[cgmnp]\.[\d(A-Z*-]|rs\d")
"""eGFR, pT3, mFOLFIRINOX, c.1905+1G>A, rs3918290: another first letter means something else."""


def capital(text: str) -> str:
    return text if _OWN_SPELLING.match(text) else text[:1].upper() + text[1:]


def output_label(words: Phrasebook, output: Output) -> str:
    """What an answer is called, with the time a chance holds for once: the label's own, else put behind it. A score
    holds for no time; what it meant over one is the manifest's sentence."""
    label = words.pick(output.label) or output.name.replace("_", " ")
    if output.horizon is None or output.kind not in ("probability", "comparator"):
        return label
    length = unsaid(label, output.horizon, words.length)
    return label if length is None else words("engine.within", label=label, length=length)


def absence(words: Phrasebook, feature: Feature) -> str:
    """``smoking (not recorded)``, ``HbA1c (sent as 65 g/L: not a unit for it)``."""
    return _without(words, words.pick(feature.input.label), feature.state, feature.detail)


def refusal(words: Phrasebook, refused: Refused) -> str:
    """As ``absence``, for a value of the record that no model asked for."""
    return _without(words, words.concept(refused.concept), refused.reason, refused.detail)


def _without(words: Phrasebook, label: str, state: str, detail: str) -> str:
    return words("engine.absent.item", label=label, why=why_absent(words, state, detail))


def why_absent(words: Phrasebook, state: str, detail: str) -> str:
    """``sent as 7.6 g/L, which is not a unit for it``: a number as this language writes it, all its digits kept."""
    # only its marks: what was sent may be no number that can be rounded, such as 1e+300
    told = _NUMBER.sub(lambda number: words.written(number[0]), detail)
    return words(f"engine.absent.{state}", detail=told)


def gaps(words: Phrasebook, evidence: Evidence, record: Record) -> list[str]:
    """What could not be had, each as a sentence; nothing when everything was."""
    lines = []
    for key in evidence.gaps:
        state = evidence.states[key]
        name = words(f"engine.sources.{key}")
        sentence = "partly" if state.state == "partly" else "unread"
        why = state.error or words("engine.gaps.not_sent" if state.state == "missing" else "engine.gaps.incomplete")
        lines.append(words(f"engine.gaps.{sentence}", source=name, code=why))
    if record.foreign:
        lines.append(words.counted("engine.gaps.foreign", record.foreign))
    if record.malformed:
        lines.append(words.counted("engine.gaps.malformed", record.malformed))
    if record.unnamed:
        lines.append(words.counted("engine.gaps.unnamed", record.unnamed))
    if record.uncoded:
        lines.append(words.counted("engine.gaps.uncoded", record.uncoded))
    return lines


def rests_on(
    words: Phrasebook,
    assessments: Sequence[Assessment],
    policy: Policy,
    record: Record,
    newest: str | None = None,
    beside: Sequence[Fact] = (),
) -> str:
    """Models with versions, policy version, how old the data is, and that nobody has yet validated it here. ``beside``:
    facts that the card tells of and no model read."""
    told = words(
        "engine.rests_on" if assessments else "engine.rests_on_nothing",
        models=words.join(_model(words, a.manifest) for a in assessments),
        policy=policy.version,
        day=words.day(record.today),
        newest=newest or _newest(words, assessments, record, beside),
    )
    old = (overdue(words, a.manifest, policy, record.today) for a in assessments)
    return " ".join((told, *filter(None, old)))


def overdue(words: Phrasebook, manifest: Manifest, policy: Policy, today: date) -> str:
    """That nobody has looked at a guideline again in time, and since when; empty for all others."""
    found = currency(manifest, policy, today)
    if found is None or not found.overdue:
        return ""
    return words("engine.overdue", title=words.pick(found.title), day=words.day(found.review_by))


def _model(words: Phrasebook, manifest: Manifest) -> str:
    """Title, the year of what it was made from, and its version here, which is not the publication's."""
    published = next((s.published for s in manifest.sources.values() if s.published), None) or ""
    year = _YEAR.search(published)
    title = words.pick(manifest.words.title)
    if year is None or year[0] in title:
        return words("engine.model.plain", title=title, version=manifest.version)
    return words("engine.model.dated", title=title, year=year[0], version=manifest.version)


def _newest(words: Phrasebook, assessments: Sequence[Assessment], record: Record, beside: Sequence[Fact] = ()) -> str:
    """Of the data the card tells of: what else an EHR sends along says nothing of how fresh its answer is. An order in
    the making counts only where nothing else was read."""
    features = [feature for a in assessments for feature in a.features]
    for chosen in ((f for f in features if f.input.source != "drafts"), features):
        moments = [fact.when for feature in chosen for fact in feature.facts if fact.when is not None]
        moments += [fact.when for fact in beside if fact.when is not None]
        if moments:
            return words.day(max(moments, key=lambda m: m.middle))
    moments = [facts[0].when for facts in record.facts.values() if facts and facts[0].when]
    return words.day(max(moments, key=lambda m: m.middle)) if moments else words("engine.newest_undated")


def performance(words: Phrasebook, manifest: Manifest) -> str:
    """How well the model told patients apart, best external evidence first, with n and interval."""
    order = {"external-validation": 0, "internal-validation": 1, "derivation": 2}
    items = sorted((e for e in manifest.evidence if e.value is not None), key=lambda e: order[e.stage])
    if not items:
        noted = next((e for e in manifest.evidence if words.pick(e.note)), None)
        if noted is None:
            return words("engine.performance.none")
        # a guideline has no discrimination, yet it can be said what it rests on
        return words("engine.performance.noted", cohort=words.pick(noted.cohort), note=words.pick(noted.note))
    item = items[0]
    interval = ""
    if item.interval:  # the blank before it is ours: catalogues are stripped
        interval = " " + words(
            "engine.performance.interval", low=words.number(item.interval[0], 2), high=words.number(item.interval[1], 2)
        )
    return words(
        "engine.performance.one",
        metric=words.pick(item.metric) if isinstance(item.metric, dict) else item.metric,
        value=words.number(item.value or 0.0, 2),
        interval=interval,
        stage=words(f"engine.stage.{item.stage}"),
        cohort=capital(words.pick(item.cohort)),
        size=words("engine.performance.size", n=words.number(item.n, 0)) + " " if item.n else "",
    )


def bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def paragraphs(*parts: str) -> str:
    """GitHub-flavoured Markdown, as every EHR that renders ``detail`` takes it."""
    return "\n\n".join(part for part in parts if part)
