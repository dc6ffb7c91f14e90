"""What the monitors made of one hospital: when the fault was seen, and how often there was an alarm without one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

from cds.simulation.hospital import Drawn, Plan, drawn
from cds.simulation.subject import Fault, faults
from cds.simulation.watch import Watcher

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
    seen_by: tuple[str, ...] = ()
    """Measures that told of it that day."""

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


def span(plan: Plan) -> tuple[int, int]:
    """First day and the one after the last. Without a fault from the first call on: a new site has its alarms, too.
    With one from a month before it for half as long again as it may take."""
    if plan.fault is None:
        return 0, plan.days
    return max(0, plan.fault_day - BEFORE_D), plan.fault_day + round(1.5 * faults()[plan.fault].within_d) + 2


def reaching(plan: Plan) -> Plan:
    """As many days as are watched."""
    return replace(plan, days=span(plan)[1])


def healthy(plan: Plan, outcomes_every: int = 1, progress: Progress | None = None) -> Trial:
    return _watched(drawn(plan), outcomes_every, progress)


def injected(plan: Plan, outcomes_every: int = 1, progress: Progress | None = None) -> Trial:
    """Until the fault is seen, or the span is over."""
    assert plan.fault is not None
    return _watched(drawn(reaching(plan)), outcomes_every, progress)


def _watched(hospital: Drawn, outcomes_every: int, progress: Progress | None) -> Trial:
    plan, watcher = hospital.plan, Watcher(hospital, outcomes_every)
    alarms: list[Alarm] = []
    seen: int | None = None
    by: tuple[str, ...] = ()
    (first, last), level = span(plan), "green"
    day = first
    for day in range(first, last):
        said = watcher.on(day).verdict
        why = tuple((f["measure"], f["about"]) for f in said.raising)
        if LEVELS.index(said.level) > LEVELS.index(level):
            alarms.append(Alarm(day, said.level, why))
        level = said.level
        if progress is not None:
            progress(day)
        if level != "green" and (by := _of_it(plan, day, why)):
            seen = day
            break
    return Trial(plan, day - first + 1, tuple(alarms), seen, by)


def _of_it(plan: Plan, day: int, why: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    """Measures that tell of the fault."""
    if plan.fault is None or day < plan.fault_day:
        return ()
    return tuple(measure for measure, about in why if faults()[plan.fault].sees(measure, about))
