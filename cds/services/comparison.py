"""What randomised trials found, as a service hands it to the report: the only place a treatment effect comes from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class ComparedArm:
    name: str
    n: int | None
    median: float | None
    """Months."""
    alive: Mapping[int, float]
    """Months -> percent alive, as published."""


@dataclass(frozen=True)
class Comparison:
    """One randomised trial."""

    trial: str
    year: int
    people: Mapping[str, str]
    """Who was included, by language; empty: as the setting says."""
    arms: tuple[ComparedArm, ComparedArm]
    """Experimental, control."""
    hazard_ratio: tuple[float, float | None, float | None] | None
    """Of death, experimental against control, with its 95% interval where one was published."""
    source: str
    of_card: bool
    """It has an arm of the regimen the card is about."""


Comparisons = Callable[[Mapping[str, str]], tuple[Comparison, ...]]
"""From what a card is about (``CardDraft.about``) to the trials that may stand beside it; those of the card first."""
