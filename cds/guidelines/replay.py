"""What other rules would have made of last month's patients: the answers in the ledger, given again.

Counts leave this file, never a patient. Each patient counts once, by the newest answer. Of whom the guideline is for,
only what its inputs say is decided again; what else made it silent then is taken as it was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cds.inference.model import Model
from cds.inference.prediction import NotAssessed, Prediction
from cds.inference.rules import reads
from cds.ledger.kept_answers import KeptAnswer
from cds.record.feature import Feature

LEAST = 5
"""Smallest count of people that is told: who is one of four can be found out."""
UNDECIDED = "undecided"


@dataclass(frozen=True)
class Count:
    value: int
    """Not for telling where it is hidden."""
    about: bool = False
    """Rounded, so that a hidden count can't be worked out from this one."""

    @property
    def hidden(self) -> bool:
        return 0 < self.value < LEAST

    @property
    def json(self) -> dict[str, Any]:
        if self.hidden:
            return {"count": None, "below": LEAST}
        told = round(self.value / LEAST) * LEAST if self.about else self.value
        return {"count": told} | ({"about": True} if self.about else {})

    def __str__(self) -> str:
        told = self.json
        if told["count"] is None:
            return f"fewer than {LEAST}"
        return f"about {told['count']}" if self.about else str(told["count"])


@dataclass
class Tally:
    """Of patients."""

    read: int = 0
    tried: int = 0
    """Decided under both."""
    outside: int = 0
    """The guideline was not for them, or could not say so, then: nothing changes."""
    left: Counter[str] = field(default_factory=Counter)
    """Not decided again, by why."""
    newly: int = 0
    """A rule holds now, where none did."""
    no_longer: int = 0
    otherwise: int = 0
    """Rules held and hold, and the conclusion is another."""
    before: int = 0
    """Of whom a rule holds as in force."""
    after: int = 0
    by_rule: dict[str, list[int]] = field(default_factory=dict)
    """Rule: [as in force, under the update]."""
    undecided: list[int] = field(default_factory=lambda: [0, 0])
    """Of whom no rule holds and one can't be decided: [as in force, under the update]."""


def replayed(now: Model, then: Model, kept: Iterable[KeptAnswer]) -> Tally:
    """``now``: the rules in force; ``then``: those of the update."""
    tally = Tally(by_rule={r.id: [0, 0] for m in (now, then) for r in m.manifest.runtime.rules})
    for answer in kept:
        tally.read += 1
        if answer.outcome == "not-assessed" and answer.reason != "input-absent":
            tally.outside += 1
            continue
        why, features = _features(now, then, answer)
        if features is None:
            tally.left[why] += 1
            continue
        one, other = now.again(features), then.again(features)
        if answer.version == now.manifest.version and not _same(one, answer):
            tally.left["the rules in force do not give the answer that was kept"] += 1
            continue
        _take(tally, one, other)
    return tally


def _features(now: Model, then: Model, answer: KeptAnswer) -> tuple[str, tuple[Feature, ...] | None]:
    """(why not, or the inputs as they were read)"""
    if answer.outcome == "failed":
        return "the guideline could not run then", None
    return as_read((now, then), answer.inputs)


def as_read(models: Sequence[Model], inputs: Mapping[str, Mapping[str, Any]]) -> tuple[str, tuple[Feature, ...] | None]:
    """(why not, or the inputs as they were read) of editions of one guideline, which read the same."""
    tested = {n for m in models for r in m.manifest.runtime.rules for c in (*r.all, *r.any) for n in reads(c)}
    found = []
    for spec in models[0].manifest.inputs:
        snapshot = inputs.get(spec.name)
        if snapshot is None:
            return "the guideline did not read all of its inputs then", None
        state = str(snapshot.get("state", ""))
        if state == "censored" and spec.name in tested:
            return "a value is known as a bound only, which is not kept as a number", None
        found.append(Feature(spec, snapshot.get("value"), state, detail=str(snapshot.get("sent", ""))))
    return "", tuple(found)


def _same(found: object, answer: KeptAnswer) -> bool:
    if isinstance(found, Prediction):
        return answer.outcome == "predicted" and list(found.rules) == list(answer.outputs.get("rules", ()))
    return isinstance(found, NotAssessed) and answer.outcome == "not-assessed"


def _take(tally: Tally, one: object, other: object) -> None:
    tally.tried += 1
    held = [found.rules if isinstance(found, Prediction) else () for found in (one, other)]
    for column, found in enumerate((one, other)):
        for rule in held[column]:
            tally.by_rule[rule][column] += 1
        tally.undecided[column] += isinstance(found, NotAssessed) and found.reason == "input-absent"
    tally.before += bool(held[0])
    tally.after += bool(held[1])
    tally.newly += bool(held[1]) and not held[0]
    tally.no_longer += bool(held[0]) and not held[1]
    if held[0] and held[1] and _concluded(one, held[0]) != _concluded(other, held[1]):
        tally.otherwise += 1


def _concluded(found: object, held: tuple[str, ...]) -> str:
    """What the first of the rules that hold gives."""
    rules = found.manifest.runtime.rules if isinstance(found, Prediction) else ()
    return next((rule.gives for rule in rules if rule.id in held), UNDECIDED)


def told(tally: Tally) -> dict[str, Any]:
    """For a page, a file or a terminal: small counts hidden, and then no whole from which they could be worked out."""
    parts = {"newly": tally.newly, "noLonger": tally.no_longer, "otherwise": tally.otherwise}
    wholes = {"before": tally.before, "after": tally.after}
    rows = {rule: {"before": pair[0], "after": pair[1]} for rule, pair in tally.by_rule.items()}
    changes = [abs(pair[0] - pair[1]) for pair in (*tally.by_rule.values(), tally.undecided)]
    hide = any(Count(n).hidden for n in (*parts.values(), *changes, tally.outside, *tally.left.values()))
    return {
        "leastCount": LEAST,
        "patients": Count(tally.read, hide).json,
        "tried": Count(tally.tried, hide).json,
        "outside": Count(tally.outside).json,
        "notTried": {why: Count(n).json for why, n in sorted(tally.left.items())},
        **{name: Count(n).json for name, n in parts.items()},
        **{name: Count(n, hide).json for name, n in wholes.items()},
        "rules": {rule: {name: Count(n, hide).json for name, n in row.items()} for rule, row in rows.items()},
        "undecided": {name: Count(n, hide).json for name, n in zip(("before", "after"), tally.undecided, strict=True)},
    }
