"""The randomised trials, read from ``evidence/trials.yaml``: the only place a treatment effect may come from.

Cohorts and models give prognosis; what one treatment does against another stands here alone, each figure with its
publication. The file is validated as it is read: an interval that does not hold its ratio, a share above 100, a later
share above an earlier one or a trial without a source is refused.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from cds import yaml_lines
from cds.services.comparison import ComparedArm, Comparison
from hooks.regimens import Regimen

FILE = Path(__file__).parent / "evidence" / "trials.yaml"

Setting = Literal["metastatic-first-line", "adjuvant", "neoadjuvant", "maintenance"]
Outcome = Literal["overall-survival", "progression-free-survival", "disease-free-survival", "response"]
Months = Annotated[float, Field(gt=0, le=240)]
Percent = Annotated[float, Field(ge=0, le=100)]
Pair = tuple[Percent | None, Percent | None]
"""Experimental arm, control arm; None: not in the source."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Ratio(_Strict):
    """Hazard of the experimental arm against the control, with its 95% interval where one was published."""

    value: float = Field(gt=0)
    low: float | None = None
    high: float | None = None

    @model_validator(mode="after")
    def _inside_its_interval(self) -> Ratio:
        if (self.low is None) != (self.high is None):
            raise ValueError("an interval needs both ends")
        if self.low is not None and self.high is not None and not self.low <= self.value <= self.high:
            raise ValueError(f"the ratio {self.value} lies outside its interval {self.low} to {self.high}")
        return self


class TrialArm(_Strict):
    name: str
    regimen: Regimen | None = None
    n: int | None = Field(None, gt=0)
    card: bool = False
    """Shown on the first-line card."""


class Result(_Strict):
    outcome: Outcome
    report: str = ""
    """Which follow-up, where it is not the first report."""
    people: dict[str, str] = Field(default_factory=dict)
    """A subgroup, in words by language."""
    medians: tuple[Months, Months] | None = None
    hazard_ratio: Ratio | None = None
    share: dict[int, Pair] = Field(default_factory=dict)
    """Months -> percent alive (or free of the event)."""
    percent: tuple[Percent, Percent] | None = None
    """Response rate."""

    @model_validator(mode="after")
    def _says_something(self) -> Result:
        if (self.outcome == "response") != (self.percent is not None):
            raise ValueError("a response is a 'percent', and nothing else is")
        if self.medians is None and not self.share and self.percent is None:
            raise ValueError("a result needs medians, shares or a percent")
        for arm in (0, 1):
            known = [pair[arm] for _, pair in sorted(self.share.items()) if pair[arm] is not None]
            if known != sorted(known, key=lambda v: -(v or 0.0)):
                raise ValueError("fewer people are alive later, not more: the shares must not rise")
        return self


class Trial(_Strict):
    trial: str
    year: int = Field(ge=1990, le=2100)
    setting: Setting
    phase: int = 3
    people: dict[str, str] = Field(default_factory=dict)
    """Who was included, where the setting does not say it; by language."""
    n: int | None = None
    """Both arms together, where only that is known."""
    experimental: TrialArm
    control: TrialArm
    results: tuple[Result, ...] = Field(min_length=1)
    source: str = Field(pattern=r"^https://[^/]+/.")
    """Page of the trial itself: a home page is none."""
    note: str = ""

    def first(self, outcome: Outcome) -> Result | None:
        """The first report in all people randomised."""
        return next((r for r in self.results if r.outcome == outcome and not r.report and not r.people), None)

    def latest(self, outcome: Outcome) -> Result | None:
        """The newest report in all people randomised that gives medians."""
        found = [r for r in self.results if r.outcome == outcome and not r.people and r.medians is not None]
        return found[-1] if found else None


@dataclass(frozen=True)
class HazardRatio:
    """Of death, the favoured arm against the other, with its 95% interval."""

    value: float
    low: float
    high: float
    favours: Literal["arm", "other"]


@dataclass(frozen=True)
class Arm:
    """One arm of a first-line trial as the survival card shows it: its first report."""

    trial: str
    year: int
    regimen: Regimen
    arm: str
    other: str
    n: int
    median: float
    """Months."""
    other_median: float
    hazard_ratio: HazardRatio
    alive: dict[int, float]
    """Months -> percent alive."""
    source: str


def comparisons(about: Mapping[str, str]) -> tuple[Comparison, ...]:
    """First-line trials for the report: that of the card first, then others with the regimen that was ordered, then the
    other arms people may want to see, each with its own control and never across trials."""
    regimen = about.get("regimen")
    found = [c for t in of_setting("metastatic-first-line") if (c := _compared(t, regimen)) is not None]
    on_card = {arm.trial for arm in arms() if arm.regimen.value == regimen}
    return tuple(sorted(found, key=lambda c: (c.trial not in on_card, not c.of_card)))


def _compared(trial: Trial, regimen: str | None) -> Comparison | None:
    result = trial.first("overall-survival")
    if result is None or result.medians is None:
        return None
    ratio = result.hazard_ratio
    both = (trial.experimental, trial.control)
    alive = [{m: share for m, pair in result.share.items() if (share := pair[place]) is not None} for place in (0, 1)]
    arms = [ComparedArm(both[i].name, both[i].n, result.medians[i], alive[i]) for i in (0, 1)]
    return Comparison(
        trial=trial.trial,
        year=trial.year,
        people=trial.people,
        arms=(arms[0], arms[1]),
        hazard_ratio=(ratio.value, ratio.low, ratio.high) if ratio is not None else None,
        source=trial.source,
        of_card=any(arm.regimen is not None and arm.regimen.value == regimen for arm in both),
    )


_file: TypeAdapter[tuple[Trial, ...]] = TypeAdapter(tuple[Trial, ...])


def read(path: Path) -> tuple[Trial, ...]:
    """Raises pydantic's ValidationError naming trial, key and fault."""
    return _file.validate_python(yaml_lines.plain(path.read_text(encoding="utf-8")))


@functools.cache
def trials() -> tuple[Trial, ...]:
    return read(FILE)


def of_setting(setting: Setting) -> tuple[Trial, ...]:
    return tuple(t for t in trials() if t.setting == setting)


def named(name: str) -> Trial:
    """Raises KeyError for a trial that is not in the file."""
    found = next((t for t in trials() if t.trial == name), None)
    if found is None:
        raise KeyError(f"no trial '{name}'; there are: {', '.join(t.trial for t in trials())}")
    return found


@functools.cache
def arms() -> tuple[Arm, ...]:
    """The arms of first-line trials that the survival card shows."""
    return tuple(
        arm
        for trial in of_setting("metastatic-first-line")
        for place in (0, 1)
        if (arm := _shown(trial, place)) is not None
    )


def arms_of(regimen: Regimen) -> tuple[Arm, ...]:
    return tuple(arm for arm in arms() if arm.regimen is regimen)


def _shown(trial: Trial, place: int) -> Arm | None:
    both = (trial.experimental, trial.control)
    own, other = both[place], both[1 - place]
    result = trial.first("overall-survival")
    if not own.card or own.regimen is None or own.n is None or result is None or result.medians is None:
        return None
    ratio = result.hazard_ratio
    if ratio is None or ratio.low is None or ratio.high is None:
        return None
    favoured = 0 if ratio.value < 1 else 1
    return Arm(
        trial=trial.trial,
        year=trial.year,
        regimen=own.regimen,
        arm=own.name,
        other=other.name,
        n=own.n,
        median=result.medians[place],
        other_median=result.medians[1 - place],
        hazard_ratio=HazardRatio(ratio.value, ratio.low, ratio.high, "arm" if favoured == place else "other"),
        alive={months: share for months, pair in result.share.items() if (share := pair[place]) is not None},
        source=trial.source,
    )
