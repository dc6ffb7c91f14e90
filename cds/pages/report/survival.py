"""The outlook: curve with its interval, worst, typical and best case, and what trials and the real world saw."""

from __future__ import annotations

from dataclasses import dataclass

from cds.cards import wording
from cds.cards.answers import likeness
from cds.cards.phrasebook import Phrasebook
from cds.charts import Svg
from cds.inference.manifest import Output
from cds.pages.report import outlook_charts, shares
from cds.pages.report import words as say
from cds.pages.report.risk import Line, lines_of
from cds.pages.report.stored import Told
from cds.services.comparison import ComparedArm, Comparison
from cds.survival import Curve
from cds.survival.curve import Milestone

MILESTONES = outlook_charts.MILESTONES


@dataclass(frozen=True)
class Row:
    """One line of the table: cells by milestone, empty where nothing is known."""

    name: str
    cells: tuple[str, ...]
    own: bool = False


@dataclass(frozen=True)
class Outlook:
    title: str
    status: str
    """What the model is, where it is not an established one."""
    plain: tuple[str, ...]
    """Sentences: typical, best, worst case."""
    curve: tuple[Svg, Svg] | None
    people: tuple[Svg, ...]
    """After 6, 12 and 24 months."""
    bars: tuple[Svg, Svg] | None
    """What each finding contributes."""
    method: str
    """How to read the contributions; empty where there are none."""
    rows: tuple[Row, ...]
    beside: tuple[str, ...]
    """Other models' estimates, each a line that says what it is."""
    trial: Comparison | None
    """Chosen, of ``trials``."""
    trials: tuple[Comparison, ...]
    ratio: str
    performance: str
    lines: tuple[Line, ...]
    """What the leading estimate was read from."""
    missing: tuple[tuple[str, str, str, str], ...]
    """(input, why it is missing, lowest and highest share alive at 12 months); the last two empty where not varied"""


def outlook(
    words: Phrasebook, answers: tuple[Told, ...], trials: tuple[Comparison, ...], chosen: str
) -> Outlook | None:
    """``chosen``: name of the trial shown; else the first. None where no model gave a survival function."""
    lead = leading(answers)
    spec = lead.of_kind("survival") if lead is not None else None
    if lead is None or spec is None:
        return None
    curve = _curve(lead, spec)
    trial = next((t for t in trials if t.trial == chosen), trials[0] if trials else None)
    plain = tuple(_plain(words, curve))
    return Outlook(
        title=words.pick(lead.manifest.words.title),
        status=words.texts.get(f"engine.status.{lead.manifest.status.value}", ""),
        plain=plain,
        curve=outlook_charts.curve(words, lead, curve, trial, " ".join(plain)),
        people=outlook_charts.people(words, curve),
        bars=outlook_charts.bars(words, lead),
        method=shares.method(words, lead),
        rows=tuple(_rows(words, lead, curve, trial)),
        beside=tuple(_beside(words, t) for t in _estimates(answers)[1:]),
        trial=trial,
        trials=trials,
        ratio=_ratio(words, trial),
        performance=wording.performance(words, lead.manifest),
        lines=lines_of(words, lead, shared=True),
        missing=tuple(_missing(words, lead, spec)),
    )


def leading(answers: tuple[Told, ...]) -> Told | None:
    """Whose estimate is shown: an established or own model; a research model stands beside it."""
    own = _estimates(answers)
    return own[0] if own else None


def _estimates(answers: tuple[Told, ...]) -> list[Told]:
    own = [t for t in answers if t.entry.outcome == "predicted" and t.of_kind("survival") is not None]
    return sorted(own, key=lambda t: t.manifest.status.needs_enabling)


def _curve(told: Told, spec: Output) -> Curve:
    alive = told.series(spec.name) or ()
    lower = told.series(spec.lower or spec.name) or alive
    upper = told.series(spec.upper or spec.name) or alive
    return Curve(spec.times, alive, lower, upper)


def _months(words: Phrasebook, months: float) -> str:
    """Whole months from three on: the data know no finer."""
    return words.number(months, 0 if months >= 3 else 1)


def _span(words: Phrasebook, months: float) -> str:
    """With the word for months."""
    written = _months(words, months)
    return words(f"report.survival.span.{'one' if written == '1' else 'more'}", count=written)


def _plain(words: Phrasebook, curve: Curve) -> list[str]:
    found, end = curve.scenario, _months(words, curve.times[-1])
    lines = []
    if found.typical_from is not None:
        late = words("report.survival.later", months=end)
        high = _months(words, found.typical_to) if found.typical_to is not None else late
        lines.append(words("report.survival.typical", low=_months(words, found.typical_from), high=high))
    best, open_end = found.best, "best" if found.best is not None else "best_open"
    lines.append(
        words(f"report.survival.{open_end}", months=_span(words, best if best is not None else curve.times[-1]))
    )
    if found.worst is not None:
        lines.append(words("report.survival.worst", months=_span(words, found.worst)))
    return lines


def _rows(words: Phrasebook, told: Told, curve: Curve, trial: Comparison | None) -> list[Row]:
    points = [curve.at(m) for m in MILESTONES]
    own = tuple(_cell(words, p) for p in points)
    died = tuple(_of(words, 100 - round(100 * p.alive)) if p is not None else "" for p in points)
    rows = [Row(words("report.survival.row.own"), own, own=True), Row(words("report.survival.row.died"), died)]
    rows += _ordinary(words, told)
    cohort = told.manifest.parameters.get("cohort", {}).get("alive", {})
    if cohort:
        seen = tuple(_of(words, 100 * float(cohort[str(m)])) if str(m) in cohort else "" for m in MILESTONES)
        rows.append(Row(words("report.survival.row.real_world"), seen))
    for arm in (a for a in trial.arms if any(m in a.alive for m in MILESTONES)) if trial is not None else ():
        assert trial is not None
        rows.append(Row(words("report.survival.row.trial", trial=trial.trial, arm=arm.name), _arm(words, arm)))
    return rows


def _ordinary(words: Phrasebook, told: Told) -> list[Row]:
    """Patients of the same age and sex, otherwise as the cohort was."""
    spec, again = told.of_kind("survival"), told.again
    if spec is None or again is None or again.ordinary is None:
        return []
    alive = again.ordinary[spec.name]
    curve = Curve(spec.times, alive, alive, alive) if isinstance(alive, tuple) else None
    points = [curve.at(m) if curve is not None else None for m in MILESTONES]
    cells = tuple(_of(words, 100 * p.alive) if p is not None else "" for p in points)
    return [Row(words(f"report.survival.row.ordinary.{likeness(again)}"), cells)]


def _cell(words: Phrasebook, point: Milestone | None) -> str:
    if point is None:
        return ""
    value, low, high = (_hundred(words, share) for share in (point.alive, point.lower, point.upper))
    return words("report.survival.cell", value=value, low=low, high=high)


def _arm(words: Phrasebook, arm: ComparedArm) -> tuple[str, ...]:
    return tuple(_of(words, arm.alive[m]) if m in arm.alive else "" for m in MILESTONES)


def _hundred(words: Phrasebook, share: float) -> str:
    return words.number(100 * share, 0)


def _of(words: Phrasebook, percent: float) -> str:
    return words("report.survival.of_hundred", value=words.number(percent, 0))


def _ratio(words: Phrasebook, trial: Comparison | None) -> str:
    """The randomised comparison in a sentence: both medians and the ratio, of those two arms alone."""
    if trial is None or trial.hazard_ratio is None:
        return ""
    value, low, high = trial.hazard_ratio
    first, second = trial.arms
    interval = "" if low is None or high is None else words(
        "report.survival.interval", low=words.number(low, 2), high=words.number(high, 2)
    )  # fmt: skip
    return words(
        "report.survival.ratio",
        trial=trial.trial,
        year=trial.year,
        first=first.name,
        second=second.name,
        first_median=words.number(first.median or 0.0, 1),
        second_median=words.number(second.median or 0.0, 1),
        ratio=words.number(value, 2),
        interval=f" {interval}" if interval else "",
    )


def _missing(words: Phrasebook, told: Told, spec: Output) -> list[tuple[str, str, str, str]]:
    """Survival at 12 months over the values that a missing input might have had; the widest first."""
    varied: dict[str, list[float]] = {}
    base = _curve(told, spec).at(12)
    for one in told.again.what_if if told.again is not None else ():
        alive = one.outputs[spec.name]
        point = Curve(spec.times, alive, alive, alive).at(12) if isinstance(alive, tuple) else None
        if point is not None and base is not None:
            varied.setdefault(one.feature.input.name, [base.alive]).append(point.alive)
    found = []
    for given in (i for i in told.inputs if i.wanting):
        shares = varied.get(given.spec.name, [])
        low, high = (_of(words, 100 * bound(shares)) if shares else "" for bound in (min, max))
        width = max(shares) - min(shares) if shares else -1.0
        found.append((width, (say.label(words, given.spec), say.absence(words, given), low, high)))
    return [row for _, row in sorted(found, key=lambda pair: -pair[0])]


def _beside(words: Phrasebook, told: Told) -> str:
    spec = told.of_kind("survival")
    assert spec is not None
    curve = _curve(told, spec)
    shares = [_hundred(words, p.alive) for m in MILESTONES if (p := curve.at(m)) is not None]
    status = told.manifest.status.value
    return words(
        "report.survival.beside",
        model=words.pick(told.manifest.words.title),
        status=words(f"engine.status.short.{status}") if f"engine.status.short.{status}" in words.texts else status,
        shares=words.join(shares),
    )
