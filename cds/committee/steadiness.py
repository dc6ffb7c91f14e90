"""From what one evaluation says to a verdict that does not flicker: worse only when it is said again, better only when
it has been for a while."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from cds.committee.charter import Steadiness
from cds.committee.findings import ORDER, Finding, Level, worst
from cds.ledger.standings import Cause
from cds.ledger.verdicts import Verdict, VerdictLevel
from cds.record.moments import day_beside

BROKEN = frozenset({"unusable", "missing", "failed"})
"""Measures of failing inputs: at their floor a model is stopped at once, since waiting mends no interface."""


@dataclass(frozen=True)
class Reached:
    level: VerdictLevel
    raised: Level
    streak: int
    stop: Cause | None
    """The model is to be stopped, and for what."""


def reached(
    findings: Sequence[Finding],
    history: Iterable[Verdict],
    rule: Steadiness,
    now: datetime,
    *,
    stopped: bool,
    since: datetime | None = None,
) -> Reached:
    """``history``: earlier verdicts on this version of the model, newest first; ``since``: those before do not count
    (it was resumed then). One verdict a day counts, so asking again and again makes nothing worse."""
    raised = worst(f.level for f in findings)
    broken = any(f.level == "stop" and f.measure in BROKEN for f in findings)
    # a floor is not for failing inputs alone: what an evaluation says of it must be said again
    past = [v for v in history if since is None or v.at > since]
    said = [raised, *_a_day(past, now)]
    streak = _run(said, raised)
    if stopped:
        return Reached("stopped", raised, streak, None)
    if broken:
        return Reached("stopped", raised, streak, "input-failure")
    if _run(said, "stop") >= rule.stop:
        return Reached("stopped", raised, streak, "floor")
    before: VerdictLevel = next((v.level for v in past), "green")
    # stopped and resumed since: people have looked at it, and it is watched for a while
    held: Level = "watch" if before == "stopped" else before
    return Reached(_moved(held, said, rule), raised, streak, None)


def _moved(held: Level, said: Sequence[Level], rule: Steadiness) -> VerdictLevel:
    if _run(said, "act") >= rule.act:
        return "act"
    if held == "green":
        # what calls for action, or worse, is looked at even if it is said for the first time
        return "watch" if _run(said, "watch") >= rule.watch or _run(said, "act") else "green"
    recent = said[: rule.better]
    if len(recent) >= rule.better and all(ORDER.index(level) < ORDER.index(held) for level in recent):
        return "watch" if worst(recent) == "watch" else "green"
    return "act" if held == "act" else "watch"


def _a_day(past: Iterable[Verdict], now: datetime) -> list[Level]:
    """What was raised, one a day, the newest of each; not of today, which this evaluation speaks for."""
    days: dict[date, Level] = {}
    for verdict in past:
        day = day_beside(verdict.at, now)
        if day != now.date() and verdict.raised in ORDER:
            days.setdefault(day, ORDER[ORDER.index(verdict.raised)])
    return list(days.values())


def _run(said: Sequence[Level], level: Level) -> int:
    """How many in a row, from the newest, say ``level`` or worse."""
    count = 0
    for one in said:
        if ORDER.index(one) < ORDER.index(level):
            break
        count += 1
    return count
