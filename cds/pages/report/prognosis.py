"""How long people like this patient live: range and shares with their intervals, a cohort and randomised trials beside.

Never a single median alone, never a regimen chosen by what an observed cohort shows: regimens are compared only as
the trials that randomised them did.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from cds.cards.phrasebook import Phrasebook
from cds.charts import TrialPoint
from cds.pages.report import amounts, drawn
from cds.pages.report.curves import curve_of, survival_of
from cds.pages.report.stored import Opened, Told
from cds.services import ComparedArm, Comparison
from cds.survival import Curve

MILESTONES = amounts.MILESTONES


@dataclass(frozen=True)
class Line:
    """One row of the table: who, and how many of them are alive at 6, 12 and 24 months."""

    name: str
    cells: tuple[str, ...]
    kind: str = ""
    """``person``, ``cohort`` or ``trial``: said in the row's name as well."""
    note: str = ""


@dataclass(frozen=True)
class Trial:
    """The chosen trial in words."""

    number: int
    title: str
    people: str
    effect: str
    """Hazard ratio with its interval, and whom it favoured."""
    medians: str
    source: str
    note: str


@dataclass(frozen=True)
class Choice:
    """A trial that may be chosen."""

    number: int
    label: str
    chosen: bool


@dataclass(frozen=True)
class Outlook:
    """The model's estimate, with all that has to stand beside it."""

    told: Told
    sentence: str
    scenario: tuple[str, ...]
    curve: Markup | None
    people: tuple[Markup, ...]
    reach: str
    """What the interval is of, and what it is not."""


@dataclass(frozen=True)
class Prognosis:
    main: Outlook | None
    table: tuple[Line, ...]
    beside: tuple[str, ...]
    """Research models, each in one labelled line."""
    choices: tuple[Choice, ...]
    trial: Trial | None
    told: tuple[Told, ...]
    """Every model of survival the card rests on, whether it answered or not."""

    @property
    def says_something(self) -> bool:
        return self.main is not None or bool(self.choices) or any(t.prediction is not None for t in self.told)


def prognosis(opened: Opened, words: Phrasebook, trial: int | None) -> Prognosis | None:
    """``trial``: which of the trials is chosen, by its place; None or out of range: the first. None: no model of
    survival was asked."""
    told = tuple(t for t in opened.told if t.prognosis)
    compared = _compared(opened) if told else ()
    if not told:
        return None
    chosen = trial if trial is not None and 0 <= trial < len(compared) else 0
    arms = compared[chosen] if compared else None
    answered = [t for t in told if t.prediction is not None and survival_of(t.prediction) is not None]
    settled = [t for t in answered if not _on_trial(t)]
    main = settled[0] if settled else None
    outlook = _outlook(main, arms, words) if main is not None else None
    return Prognosis(
        outlook,
        tuple(_table(main, arms, words)),
        tuple(_beside(t, words) for t in answered if t is not main),
        tuple(Choice(n, _named(c, words), n == chosen) for n, c in enumerate(compared)),
        _trial(chosen, arms, words) if arms is not None else None,
        told,
    )


def _compared(opened: Opened) -> tuple[Comparison, ...]:
    """Only where the card says what it is about: a trial beside the wrong treatment would mislead."""
    if opened.service is None or opened.service.comparisons is None or not opened.card.about:
        return ()
    return opened.service.comparisons(opened.card.about)


def _on_trial(told: Told) -> bool:
    return told.model is None or told.model.manifest.status.needs_enabling


def _outlook(told: Told, arms: Comparison | None, words: Phrasebook) -> Outlook:
    assert told.prediction is not None
    prediction, spec = told.prediction, survival_of(told.prediction)
    found = curve_of(prediction)
    points = (
        tuple(TrialPoint(f"{arms.trial}: {arm.name}", m, p) for arm in arms.arms for m, p in arm.alive.items())
        if arms
        else ()
    )
    return Outlook(
        told,
        sentence(words, found),
        scenario(words, found),
        drawn.curve(words, found, points, spec.interval if spec is not None else None),
        tuple(p for m in MILESTONES if (p := drawn.people(words, found, m)) is not None),
        words("report.page.reach"),
    )


def sentence(words: Phrasebook, found: Curve) -> str:
    """In plain language: of 100 people like this patient, so many are alive after 6, 12 and 24 months."""
    shares = [
        words("report.page.plain_first" if n == 0 else "report.page.plain_point", n=alive, months=m)
        for n, m in enumerate(MILESTONES)
        if (point := found.at(m)) is not None
        for alive in [words.number(100 * point.alive, 0)]
    ]
    return words("report.page.plain", shares=words.join(shares))


def scenario(words: Phrasebook, found: Curve) -> tuple[str, ...]:
    """Typical, best and worst case as sentences."""
    marks, end = found.scenario, amounts.months(words, found.times[-1])
    lines = []
    if marks.typical_from is not None:
        low = amounts.months(words, marks.typical_from)
        if marks.typical_to is not None:
            lines.append(words("report.page.typical", low=low, high=amounts.months(words, marks.typical_to)))
        else:
            lines.append(words("report.page.typical_open", low=low, end=end))
    if marks.best is not None:
        lines.append(words("report.page.best", months=amounts.months(words, marks.best)))
    else:
        lines.append(words("report.page.best_open", end=end))
    if marks.worst is not None:
        lines.append(words("report.page.worst", months=amounts.months(words, marks.worst)))
    return tuple(lines)


def _table(main: Told | None, arms: Comparison | None, words: Phrasebook) -> Iterable[Line]:
    if main is not None and main.prediction is not None:
        found = curve_of(main.prediction)
        points = [found.at(m) for m in MILESTONES]
        name = words("report.page.people_like_this")
        yield Line(
            name,
            tuple(amounts.share(words, p, short=True) for p in points),
            "person",
            words("report.page.row.estimate"),
        )
        died = tuple(
            words.number(100 - round(100 * p.alive), 0) if p is not None else words("report.page.beyond")
            for p in points
        )
        yield Line(words("report.page.row.died"), died, "person", "")
        yield from _cohort(main.prediction.manifest.parameters.get("cohort"), words)
    for arm in arms.arms if arms is not None else ():
        assert arms is not None
        yield Line(_arm(arm, words), tuple(_percent(arm.alive.get(m), words) for m in MILESTONES), "trial",
                   words("report.page.row.trial", trial=arms.trial, year=arms.year))  # fmt: skip


def _cohort(parameters: Any, words: Phrasebook) -> Iterable[Line]:
    """What happened to the people the model was made from: real-world care, not a trial."""
    if not isinstance(parameters, Mapping) or not isinstance(parameters.get("alive"), Mapping):
        return
    alive = parameters["alive"]
    cells = (alive.get(str(m)) for m in MILESTONES)
    size = words("report.page.row.size", n=words.number(parameters["n"], 0)) if "n" in parameters else ""
    name = words("report.page.row.cohort")
    observed = tuple(_percent(None if v is None else 100 * float(v), words) for v in cells)
    yield Line(f"{name} ({size})" if size else name, observed, "cohort", words("report.page.row.observed"))


def _percent(percent: float | None, words: Phrasebook) -> str:
    return words("report.page.not_published") if percent is None else words.number(percent, 0)


def _arm(arm: ComparedArm, words: Phrasebook) -> str:
    return f"{arm.name} ({words('report.page.row.size', n=words.number(arm.n, 0))})" if arm.n else arm.name


def _named(one: Comparison, words: Phrasebook) -> str:
    first, second = one.arms
    return words("report.page.trial.named", one=first.name, other=second.name, trial=one.trial, year=one.year)


def _trial(number: int, one: Comparison, words: Phrasebook) -> Trial:
    first, second = one.arms
    medians = effect = ""
    if first.median is not None and second.median is not None:
        medians = words(
            "report.page.trial.medians",
            one=first.name,
            other=second.name,
            first=words.number(first.median, 1),
            second=words.number(second.median, 1),
        )
    if one.hazard_ratio is not None:
        value, low, high = one.hazard_ratio
        favoured = first.name if value < 1 else second.name
        between = (
            words("report.page.trial.between", low=words.number(low, 2), high=words.number(high, 2))
            if low is not None and high is not None
            else words("report.page.trial.no_interval")
        )
        effect = words("report.page.trial.effect", ratio=words.number(value, 2), between=between, favoured=favoured,
                       one=first.name, other=second.name)  # fmt: skip
        if low is not None and high is not None and low < 1 < high:
            effect += " " + words("report.page.trial.undecided")
    people = words.pick(one.people)
    return Trial(number, _named(one, words), people, effect, medians, one.source, one.note)


def _beside(told: Told, words: Phrasebook) -> str:
    assert told.prediction is not None and told.model is not None
    found, manifest = curve_of(told.prediction), told.model.manifest
    cells = words.join(
        words("report.page.curve.point", months=m, share=amounts.share(words, point))
        for m in MILESTONES
        if (point := found.at(m)) is not None
    )
    status = words.texts.get(f"engine.status.{manifest.status.value}", "")
    return words("report.page.beside", model=words.pick(manifest.words.title), cells=cells, status=status).strip()
