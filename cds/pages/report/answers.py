"""What one model answered, as a part of the page: figures, whom they are compared with, what contributed, what is
missing; of rules, which criteria held; of none, why."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace

from markupsafe import Markup

from cds import charts
from cds.cards import wording
from cds.cards.phrasebook import Phrasebook
from cds.errors import ModelError
from cds.inference import rules
from cds.inference.explain import Explanation, explain, headline
from cds.inference.manifest import Condition, Output, Rule
from cds.inference.prediction import Prediction
from cds.pages.report import amounts, drawn
from cds.pages.report.amounts import Given
from cds.pages.report.curves import curve_of, survival_of
from cds.pages.report.stored import Told
from cds.record.features import Feature
from cds.record.inputs import Reduce

_log = logging.getLogger("cds.pages.report")
_SHOWN = ("probability", "score", "category")
_YEAR = 12
_PER = (100, 1_000, 10_000, 100_000)


@dataclass(frozen=True)
class Figure:
    label: str
    value: str
    within: str = ""
    """The interval, where there is one."""
    horizon: str = ""


@dataclass(frozen=True)
class Contribution:
    given: Given
    share: str
    raises: bool


@dataclass(frozen=True)
class Contributions:
    rows: tuple[Contribution, ...]
    chart: Markup | None
    scale: str
    method: str
    """How the shares were worked out."""


@dataclass(frozen=True)
class Missing:
    label: str
    why: str
    assumed: str
    spread: str
    """Between what and what the answer would lie, were it known."""


@dataclass(frozen=True)
class Criterion:
    text: str
    fact: str
    held: bool | None


@dataclass(frozen=True)
class RuleShown:
    id: str
    label: str
    says: str
    held: bool | None
    """None: cannot be decided without what is missing."""
    tests: tuple[Criterion, ...]
    needs: str


@dataclass(frozen=True)
class Answer:
    told: Told
    title: str
    summary: str
    status: str
    """What a research or demonstration model is; empty for an established one."""
    figures: tuple[Figure, ...]
    peers: Markup | None
    peers_said: str
    contributions: Contributions | None
    missing: tuple[Missing, ...]
    rules: tuple[RuleShown, ...]
    spoke: str
    """Which kinds of evidence had something to say."""
    performance: str
    why_not: tuple[str, ...]
    """Why there is no answer, in words."""
    changed: str
    """That the model is not the one that answered."""


def answer(told: Told, words: Phrasebook) -> Answer:
    manifest = told.model.manifest if told.model is not None else None
    said = told.prediction
    return Answer(
        told,
        words.pick(manifest.words.title) if manifest is not None else told.id,
        words.pick(manifest.words.summary) if manifest is not None else "",
        words.texts.get(f"engine.status.{manifest.status.value}", "") if manifest is not None else "",
        tuple(_figures(said, words)) if said is not None else tuple(_kept(told, words)),
        *(_peers(said, words) if said is not None else (None, "")),
        _contributions(told, said, words) if said is not None else None,
        tuple(_missing(said, words)) if said is not None else (),
        tuple(_rules(told, words)),
        _spoke(said, words),
        wording.capital(wording.performance(words, manifest)) if manifest is not None else "",
        tuple(_why_not(told, words)),
        _changed(told, words),
    )


def _figures(said: Prediction, words: Phrasebook) -> Iterable[Figure]:
    for output in said.manifest.outputs:
        if not output.shown or output.kind not in _SHOWN or output.series:
            continue
        yield Figure(
            amounts.label_of(words, output),
            amounts.result(words, output, said.number(output.name)),
            _within(said, output, words),
            words("report.page.within", period=period(words, output.horizon)) if output.horizon else "",
        )


def _within(said: Prediction, output: Output, words: Phrasebook) -> str:
    if output.lower is None or output.upper is None or {output.lower, output.upper} - said.outputs.keys():
        return ""
    low, high = (said.number(name) for name in (output.lower, output.upper))
    if output.kind == "probability":
        return wording.between(words, low, high)
    return words("report.page.between", low=words.number(low, 2), high=words.number(high, 2))


def period(words: Phrasebook, horizon: str) -> str:
    """``2y`` -> two years, as people say it."""
    count, unit = int(horizon[:-1]), horizon[-1]
    if unit == "m" and count % 12 == 0:
        count, unit = count // 12, "y"
    return words(f"report.page.period.{unit}{'1' if count == 1 else 'n'}", n=count)


def _kept(told: Told, words: Phrasebook) -> Iterable[Figure]:
    """Of a model that is not the same any more: the plain numbers, under the names it had."""
    if told.entry.outcome != "predicted":
        return
    labels = {o.name: o for o in told.model.manifest.outputs} if told.model is not None else {}
    for name, number in told.entry.outputs.items():
        if isinstance(number, int | float):
            output = labels.get(name)
            if output is not None and (not output.shown or output.kind == "bound"):
                continue
            label = amounts.label_of(words, output) if output is not None else name
            yield Figure(
                label, amounts.result(words, output, number) if output is not None else words.number(number, 3)
            )


def _peers(said: Prediction, words: Phrasebook) -> tuple[Markup | None, str]:
    """Against the same age and sex: only where the model itself gives that figure."""
    main = next((o for o in said.manifest.outputs if o.kind == "probability" and not o.series), None)
    other = next(
        (o for o in said.manifest.outputs if main and o.kind == "comparator" and o.horizon == main.horizon), None
    )
    if main is None or other is None:
        return None, ""
    own, theirs = said.number(main.name), said.number(other.name)
    per = next((p for p in _PER if min(own, theirs) * p >= 0.95), _PER[-1])
    low, high = (said.number(n) * per if n else None for n in (main.lower, main.upper))
    rows = (
        charts.RiskRow(words("report.page.peers.own"), own * per, low, high, wording.chance(words, own)),
        charts.RiskRow(amounts.label_of(words, other), theirs * per, None, None, wording.chance(words, theirs)),
    )
    times = own / theirs if theirs else 0.0
    said_so = words("report.page.peers.said", own=wording.chance(words, own), other=wording.chance(words, theirs))
    if times >= 1.5:
        said_so += " " + words("report.page.peers.times", times=words.significant(times, 2))
    return drawn.peers(words, rows, per), said_so


def _contributions(told: Told, said: Prediction, words: Phrasebook) -> Contributions | None:
    assert told.model is not None
    try:
        found = explain(told.model, said) if told.repeatable else None
    except ModelError as error:
        _log.error("report.unexplained model=%s error=%s", told.id, error)
        return None
    if found is None:
        return None
    telling = tuple(s for s in found.shares if round(s.value, 2))
    found = replace(found, shares=telling)
    rows = tuple(
        Contribution(amounts.given(words, s.feature), drawn.signed(words, s.value), s.value > 0) for s in found.shares
    )
    scale = _scale(told, said, found, words)
    method = words(f"report.page.method.{found.method}")
    return Contributions(rows, drawn.shares(words, found, scale), scale, method)


def _scale(told: Told, said: Prediction, found: Explanation, words: Phrasebook) -> str:
    output = next(o for o in said.manifest.outputs if o.name == found.scale)
    return amounts.label_of(words, output)


def _missing(said: Prediction, words: Phrasebook) -> Iterable[Missing]:
    spreads = dict(_spreads(said, words))
    for feature in said.absent:
        yield Missing(
            wording.capital(amounts.label(words, feature.input)),
            words(f"engine.absent.{feature.state}", detail=feature.detail),
            amounts.assumed(words, feature),
            spreads.get(feature.input.name, ""),
        )


def _spreads(said: Prediction, words: Phrasebook) -> Iterable[tuple[str, str]]:
    """(input, sentence): between what and what the answer would lie, were it known. Of survival, those alive after a
    year."""
    if survival_of(said) is not None:
        base, found = curve_of(said).at(_YEAR), dict[str, list[float]]()
        for alternative in said.what_if:
            point = curve_of(said, alternative.outputs).at(_YEAR)
            if point is not None and base is not None:
                found.setdefault(alternative.feature.input.name, [base.alive]).append(point.alive)
        for name, values in found.items():
            low, high = (words.number(100 * v, 0) for v in (min(values), max(values)))
            yield name, words("report.page.spread_survival", months=_YEAR, low=low, high=high)
        return
    main = headline(said)
    if main is None or not said.what_if:
        return
    for name, (_, lower, upper) in wording.spreads(said.what_if, main.name, said.number(main.name)).items():
        low, high = amounts.result(words, main, lower), amounts.result(words, main, upper)
        yield name, words("report.page.spread", label=words.pick(main.label), low=low, high=high)


def _rules(told: Told, words: Phrasebook) -> Iterable[RuleShown]:
    if told.model is None or not told.features or not told.model.manifest.runtime.rules:
        return
    by_name = {f.input.name: f for f in told.features}
    fired = set(told.prediction.rules) if told.prediction is not None else set()
    shown = [_rule(rule, by_name, fired, words) for rule in told.model.manifest.runtime.rules]
    # those that held, then those that can't be decided, each in the guideline's own order
    yield from sorted(shown, key=lambda r: {True: 0, None: 1, False: 2}[r.held])


def _rule(rule: Rule, by_name: dict[str, Feature], fired: set[str], words: Phrasebook) -> RuleShown:
    held: bool | None = rule.id in fired
    if not held and rules.almost(rule, by_name):
        held = None
    tests = tuple(_criterion(c, by_name, words) for c in (*rule.all, *rule.any))
    needs = ""
    if rule.any and len(rule.any) > 1:
        with_all = "_and" if rule.all else ""
        needs = words(f"report.page.rule.needs{with_all}", all=len(rule.all), n=rule.needs, of=len(rule.any))
    return RuleShown(rule.id, wording.capital(words.pick(rule.label)), words.pick(rule.says), held, tests, needs)


def _criterion(test: Condition, by_name: dict[str, Feature], words: Phrasebook) -> Criterion:
    feature = by_name[test.input]
    spec = feature.input
    name = amounts.label(words, spec)
    if test.minus is not None:
        name = words("report.page.rule.minus", one=name, other=words.pick(by_name[test.minus].input.label))
    if test.present is not None:
        text = name if test.present else words("report.page.rule.absent", label=name)
    elif spec.reduce is Reduce.first_at_least and not test.at_least:
        text = name  # that it was ever reached is the test
    else:
        key = next(k for k in ("at_least", "at_most", "below", "above") if getattr(test, k) is not None)
        limit = float(getattr(test, key))
        said = (
            amounts.with_unit(words, words.number(limit, 2), spec.unit)
            if test.minus is not None
            else amounts.of_input(words, spec, limit)
        )
        text = words(f"report.page.rule.{key}", label=name, limit=said)
    row = amounts.given(words, feature)
    fact = words("report.page.dated", value=row.value, day=row.day) if row.day else row.value
    return Criterion(wording.capital(text), fact, rules.holds(test, by_name))


def _spoke(said: Prediction | None, words: Phrasebook) -> str:
    if said is None or not said.modalities:
        return ""
    return words("engine.spoke", modalities=words.join(words(f"engine.modality.{m.value}") for m in said.modalities))


def _why_not(told: Told, words: Phrasebook) -> Iterable[str]:
    entry = told.entry
    if entry.outcome == "predicted":
        return
    if told.abstained is not None and told.abstained.lacking:
        for feature in told.abstained.lacking:
            yield words("report.page.lacks", item=wording.absence(words, feature))
        return
    if told.abstained is not None and told.abstained.says:
        yield words.pick(told.abstained.says)
        return
    reason = "failed" if entry.outcome == "failed" else entry.reason
    yield words.texts.get(f"engine.abstained.{reason}") or words("report.page.no_answer", code=entry.reason or "-")


def _changed(told: Told, words: Phrasebook) -> str:
    if told.state == "gone":
        return words("report.page.gone", version=told.entry.model_version)
    if told.state == "changed":
        assert told.model is not None
        return words("report.page.changed", then=told.entry.model_version, now=told.model.manifest.version)
    if (
        told.prediction is not None
        and told.model is not None
        and told.model.manifest.runtime.kind != "volume"
        and not told.repeatable
    ):
        return words("report.page.unrepeatable")
    return ""
