"""Does a model work as well for some as for others? Gaps between a group and everybody else, with intervals."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from cds.measures.calibration import observed_expected
from cds.measures.discrimination import auc, expected_auc
from cds.measures.estimate import CELL, Estimate, Flags, Measured, Minimum, NotEnough, NotEstimable
from cds.measures.proportions import difference, ratio
from cds.measures.scored import Scored
from cds.measures.usefulness import at_threshold

_FEW = Minimum(events=20, others=20)
"""Within a group: fewer than for the whole, since its interval is shown and says how little is known."""


@dataclass(frozen=True)
class GroupGap:
    """One group beside all others. ``n`` is told only from the smallest cell on."""

    group: str
    n: int | None
    measures: Mapping[str, Measured]
    """alert-rate, ppv, sensitivity, auc, observed-expected."""
    gaps: Mapping[str, Measured]
    """The group less the others; of observed over expected their ratio."""
    explained: Mapping[str, float] = field(default_factory=dict)
    """Of sensitivity, ppv and auc: the gap there would be if everybody's chance were right. A group at lower risk is
    flagged less and more of its events are missed, however fair the model (Simoiu 2017, Ann Appl Stat 11:1193), and one
    whose risks are alike is ranked worse (van Klaveren 2016, Stat Med 35:4136)."""


def gaps(
    people: Scored, groups: Mapping[str, Flags], threshold: float, *, cell: int = CELL, chance: bool = True
) -> tuple[GroupGap, ...]:
    """``groups``: who belongs to each; people may belong to several or none. A group of fewer than ``cell`` people
    shows nothing, and neither does one that leaves fewer than that outside. ``chance``: what is predicted is a chance,
    so its calibration can be compared, too."""
    found = []
    for name, inside in groups.items():
        mine, others = people.where(inside).known, people.where(~inside).known
        if min(mine.n, others.n) < cell:
            few = NotEstimable(f"fewer than {cell} people")
            nothing = dict.fromkeys(_measures(chance), few)
            found.append(GroupGap(name, None, nothing, nothing))
            continue
        own, rest = _measured(mine, threshold, chance), _measured(others, threshold, chance)
        explained = _explained(mine, others, threshold) if chance else {}
        found.append(GroupGap(name, mine.n, own, {m: _gap(m, own[m], rest[m]) for m in own}, explained))
    return tuple(found)


def _measures(chance: bool) -> tuple[str, ...]:
    always = ("alert-rate", "ppv", "sensitivity", "auc")
    return (*always, "observed-expected") if chance else always


def _measured(people: Scored, threshold: float, chance: bool) -> dict[str, Measured]:
    found = at_threshold(people, threshold, benefits=False)
    told = {
        "alert-rate": found.flagged,
        "ppv": found.ppv,
        "sensitivity": found.sensitivity,
        "auc": auc(people, _FEW),
    }
    return told | ({"observed-expected": observed_expected(people, _FEW)} if chance else {})


def _explained(mine: Scored, others: Scored, threshold: float) -> dict[str, float]:
    own, rest = (_promised(people, threshold) for people in (mine, others))
    return {name: own[name] - rest[name] for name in own if name in rest}


def _promised(people: Scored, threshold: float) -> dict[str, float]:
    """Sensitivity, ppv and auc as the chances themselves foretell them."""
    flag, expected = people.risk >= threshold, people.weight * people.risk
    found = {}
    if expected.sum() > 0:
        found["sensitivity"] = float(expected[flag].sum() / expected.sum())
        found["auc"] = expected_auc(people)
    if people.weight[flag].sum() > 0:
        found["ppv"] = float(expected[flag].sum() / people.weight[flag].sum())
    return found


def _gap(measure: str, own: Measured, rest: Measured) -> Measured:
    if not isinstance(own, Estimate):
        return own
    if not isinstance(rest, Estimate):
        return rest
    if measure == "observed-expected":
        return ratio(own, rest) or NotEnough("events", min(own.events, rest.events), 1)
    return difference(own, rest)


def bands(values: np.ndarray, edges: tuple[float, ...], unit: str = "") -> dict[str, Flags]:
    """Groups by a number: below the first edge, between edges, from the last on; nan is in none."""
    names = [f"<{edges[0]:g}{unit}"]
    names += [f"{low:g} to <{high:g}{unit}" for low, high in itertools.pairwise(edges)]
    names += [f">={edges[-1]:g}{unit}"]
    known = ~np.isnan(values)
    place = np.searchsorted(np.asarray(edges), np.where(known, values, 0.0), side="right")
    return {name: known & (place == i) for i, name in enumerate(names)}
