"""What the monitors made of one hospital: when the fault was seen, and how often there was an alarm without one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cds.simulation.hospital import Drawn, Plan, drawn
from cds.simulation.subject import Fault, faults
from cds.simulation.watch import Watcher

YEAR_D = 365.25
LEVELS = ("green", "watch", "act", "stopped")
BEFORE_D = 30
"""Days before the fault from which a hospital is watched, so that a verdict stands when it comes."""


@dataclass(frozen=True)
class Alarm:
    """A verdict that is worse than the day before."""

    day: int
    level: str
    why: tuple[tuple[str, str], ...]
    """(measure, about) of the findings that were not green."""


@dataclass(frozen=True)
class Trial:
    plan: Plan
    watched: int
    """Days."""
    alarms: tuple[Alarm, ...]
    """All of them; those of a hospital with a fault include its own."""
    seen: int | None
    """Day on which the verdict left green for the fault; None: it did not, or there was no fault."""

    @property
    def fault(self) -> Fault | None:
        return faults()[self.plan.fault] if self.plan.fault is not None else None

    @property
    def after(self) -> int | None:
        """Days from the fault to the verdict."""
        return None if self.seen is None else self.seen - self.plan.fault_day

    @property
    def in_time(self) -> bool:
        return self.fault is not None and self.after is not None and self.after <= self.fault.within_d

    @property
    def false_alarms(self) -> int:
        """Of a hospital without a fault all, of another those before it."""
        return sum(1 for alarm in self.alarms if self.plan.fault is None or alarm.day < self.plan.fault_day)

    @property
    def reasons(self) -> Counter[str]:
        return Counter(f"{measure} {about}".strip() for alarm in self.alarms for measure, about in alarm.why)


Progress = Callable[[int], None]


def healthy(plan: Plan, outcomes_every: int = 1, progress: Progress | None = None) -> Trial:
    """From the first call on: a new site has its alarms, too."""
    return _watched(drawn(plan), 0, plan.days, outcomes_every, progress)


def injected(plan: Plan, outcomes_every: int = 1, progress: Progress | None = None) -> Trial:
    """From a month before the fault until it is seen, or for half as long again as it may take."""
    assert plan.fault is not None
    last = min(plan.days, plan.fault_day + round(1.5 * faults()[plan.fault].within_d) + 2)
    first = max(0, plan.fault_day - BEFORE_D)
    return _watched(drawn(plan), first, last, outcomes_every, progress, until_seen=True)


def _watched(
    hospital: Drawn,
    first: int,
    last: int,
    outcomes_every: int,
    progress: Progress | None = None,
    *,
    until_seen: bool = False,
) -> Trial:
    plan, watcher = hospital.plan, Watcher(hospital, outcomes_every)
    alarms: list[Alarm] = []
    seen: int | None = None
    level, day = "green", first
    for day in range(first, last):
        said = watcher.on(day).verdict
        why = tuple((f["measure"], f["about"]) for f in said.raising)
        if LEVELS.index(said.level) > LEVELS.index(level):
            alarms.append(Alarm(day, said.level, why))
        level = said.level
        if seen is None and level != "green" and _is_it(plan, day, why):
            seen = day
        if progress is not None:
            progress(day)
        if until_seen and seen is not None:
            break
    return Trial(plan, day - first + 1, tuple(alarms), seen)


def _is_it(plan: Plan, day: int, why: Any) -> bool:
    if plan.fault is None or day < plan.fault_day:
        return False
    return any(faults()[plan.fault].sees(measure, about) for measure, about in why)
