"""Do those who die sooner have the higher predicted risk? C-indices for times that may be censored.

Harrell's C (1996, Stat Med 15:361) depends on how long people were followed; Uno's (2011, Stat Med 30:1105) does not,
up to ``tau``. Intervals from each person's influence on the share of concordant pairs; Uno's weights are taken as
known.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cds.measures.censoring import Followed, at_horizon, censored_share
from cds.measures.discrimination import auc
from cds.measures.estimate import (
    VALIDATION,
    Array,
    Estimate,
    Flags,
    Measured,
    Minimum,
    NotEstimable,
    as_floats,
    logit_interval,
)

_EVENTS = Minimum(events=VALIDATION.events)
_ROWS = 256
"""People taken at a time, so that ten thousand of them need 20 MB and not 800."""


def harrell_c(risk: Any, people: Followed, minimum: Minimum = _EVENTS) -> Measured:
    """``risk``: the higher, the sooner the event; the negative of a predicted time or chance to live will do."""
    return _concordance(as_floats(risk), people, np.ones(len(people)), math.inf, minimum)


def uno_c(risk: Any, people: Followed, tau: float, minimum: Minimum = _EVENTS) -> Measured:
    """Over events before ``tau`` months, which must lie within follow-up."""
    staying = censored_share(people).before(people.months)
    early = people.event & (people.months < tau)
    if (staying[early] <= 0).any():
        return NotEstimable(f"nobody was followed for {tau:g} months")
    weight = np.zeros(len(people))
    weight[early] = 1 / np.square(staying[early])
    return _concordance(as_floats(risk), people, weight, tau, minimum)


def auc_at(risk: Any, people: Followed, months: float, minimum: Minimum = VALIDATION) -> Measured:
    """Cumulative/dynamic AUC: those with the event by ``months`` against those free of it then."""
    return auc(at_horizon(risk, people, months), minimum)


def _concordance(risk: Array, people: Followed, weight: Array, tau: float, minimum: Minimum) -> Measured:
    counted = people.event & (people.months < tau)
    if lacking := minimum.lacking(len(people), int(counted.sum())):
        return lacking
    agreed, comparable = _pairs(risk, people, weight, np.flatnonzero(counted))
    pairs = float(comparable.sum()) / 2
    if pairs == 0:
        return NotEstimable("no two people can be compared")
    value = float(agreed.sum()) / 2 / pairs
    # a ratio of two U-statistics; each person's influence is that of all pairs he is in
    error = math.sqrt(float(np.square(agreed - value * comparable).sum())) / pairs
    n, events = len(people), int(counted.sum())
    if error == 0 or not 0 < value < 1:
        return Estimate(value, value, value, n, events) if 0 < value < 1 else _separated(value, n, events)
    return logit_interval(value, error, n, events)


def _separated(value: float, n: int, events: int) -> Estimate:
    room = 1 - 0.025 ** (1 / max(1, min(events, n - 1)))
    return Estimate(value, max(0.0, value - room), min(1.0, value + room), n, events)


def compared(risk: Array, people: Followed, rows: Any) -> tuple[Flags, Array]:
    """[rows, people]: whether the pair can be compared; 1 where the one whose event came first had the higher risk,
    ties half.

    ``rows``: who had the event. Each is compared with all who were seen longer, and with those lost at that very time,
    who were still free of it.
    """
    mine, his = people.months[rows, None], risk[rows, None]
    later: Flags = (people.months[None, :] > mine) | ((people.months[None, :] == mine) & ~people.event[None, :])
    return later, (his > risk[None, :]) + 0.5 * (his == risk[None, :])


def _pairs(risk: Array, people: Followed, weight: Array, counted: Any) -> tuple[Array, Array]:
    """By person: the weight of agreeing and of all comparable pairs he is in, as the earlier or as the later one."""
    agreed, comparable = np.zeros(len(risk)), np.zeros(len(risk))
    for start in range(0, len(counted), _ROWS):
        rows = counted[start : start + _ROWS]
        later, agrees = compared(risk, people, rows)
        pair = later * weight[rows, None]
        concordant = pair * agrees
        agreed[rows] += concordant.sum(axis=1)
        comparable[rows] += pair.sum(axis=1)
        agreed += concordant.sum(axis=0)
        comparable += pair.sum(axis=0)
    return agreed, comparable
