"""Verification bias: who got a card was looked at, so more of them are found to have the disease.

Counting the unverified as free of it makes sensitivity too high. Where it is known who was looked at, the share is
corrected as if those looked at stood for all with the same card (Begg 1983, Biometrics 39:207). That assumes that,
among people with the same card or lack of one, looking did not depend on anything else that foretells the disease.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cds.measures.estimate import SHARE, Array, Estimate, Flags, Measured, Minimum, NotEstimable, Z
from cds.measures.proportions import difference, wilson


@dataclass(frozen=True)
class Verification:
    """How many were looked at, with and without a card."""

    flagged: Measured
    others: Measured
    gap: Measured
    """Flagged less others: above 0, the naive sensitivity is too high."""
    sensitivity: Measured
    """Corrected."""
    specificity: Measured


def verification(flag: Flags, looked: Flags, event: Flags, minimum: Minimum = SHARE) -> Verification:
    """``looked``: somebody knows whether the disease is there; ``event`` of the others is not used."""
    ones = np.ones(len(flag))
    shares: list[Measured] = []
    for group in (flag, ~flag):
        lacking = minimum.lacking(int(group.sum()), 0)
        shares.append(lacking or wilson(looked[group], ones[group]))
    flagged, others = shares
    gap = (
        difference(flagged, others)
        if isinstance(flagged, Estimate) and isinstance(others, Estimate)
        else _first(shares)
    )
    corrected = [_corrected(flag, looked, event, ones, minimum, of) for of in ("sensitivity", "specificity")]
    return Verification(flagged, others, gap, *corrected)


def _first(shares: list[Measured]) -> Measured:
    return next(s for s in shares if not isinstance(s, Estimate))


def _corrected(flag: Flags, looked: Flags, event: Flags, ones: Array, minimum: Minimum, of: str) -> Measured:
    for group in (flag & looked, ~flag & looked):
        if lacking := minimum.lacking(int(group.sum()), 0):
            return lacking
    wanted = event if of == "sensitivity" else ~event
    side = flag if of == "sensitivity" else ~flag
    n = len(flag)
    with_side, against = float(side.mean()), float((~side).mean())
    a, b = (float(wanted[group & looked].mean()) for group in (side, ~side))
    top, rest = with_side * a, against * b
    if top + rest == 0 or a in (0.0, 1.0) or b in (0.0, 1.0) or not 0 < with_side < 1:
        return NotEstimable("too few of those looked at had each outcome")
    value = top / (top + rest)
    # delta method on the logit: log of the ratio of the two sides (Begg 1983, equation 6)
    counts = int((side & looked).sum()), int((~side & looked).sum())
    variance = 1 / (n * with_side * against) + (1 - a) / (a * counts[0]) + (1 - b) / (b * counts[1])
    centre, half = math.log(top / rest), Z * math.sqrt(variance)
    lower, upper = (1 / (1 + math.exp(-x)) for x in (centre - half, centre + half))
    return Estimate(value, lower, upper, sum(counts), int((event & looked).sum()))
