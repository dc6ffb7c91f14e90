"""What a randomised trial found, two arms side by side: the only place a treatment effect on a report comes from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class ComparedArm:
    code: str
    """What ``about`` of a card names, such as a regimen; empty where the service has no name for it."""
    name: str
    """As the trial calls it."""
    n: int | None
    median: float | None
    """Months."""
    alive: Mapping[int, float]
    """Months -> percent alive; only what was published."""


@dataclass(frozen=True)
class Comparison:
    """One randomised trial."""

    trial: str
    year: int
    people: Mapping[str, str]
    """Who was included, by language; empty where the setting says it."""
    arms: tuple[ComparedArm, ComparedArm]
    """Experimental, control."""
    hazard_ratio: tuple[float, float | None, float | None] | None
    """Of death, experimental against control, with its 95% interval where one was published."""
    source: str
    """Address of the publication."""
    note: str
    """What a reader must know of the source; in English."""


Comparisons = Callable[[Mapping[str, str]], tuple[Comparison, ...]]
"""From what a card is ``about`` to the trials that may stand beside it, those of its own regimen first."""

__all__ = ["ComparedArm", "Comparison", "Comparisons"]
