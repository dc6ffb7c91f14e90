"""Random-effects meta-analysis of hospitals' estimates.

Between-hospital variance by Paule and Mandel (1982); the mean's interval by Hartung and Knapp (2001) with the t
distribution, never narrower than the plain one; the prediction interval, for the next hospital, by Higgins, Thompson
and Spiegelhalter (2009). Checked against published results for the BCG vaccine trials.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.stats import chi2, t

from cds.validation.pooling.measures import Estimate

FEWEST_FOR_NEXT = 3
"""Hospitals that a prediction interval needs."""


@dataclass(frozen=True)
class Meta:
    """All on the scale of the estimates."""

    hospitals: int
    value: float
    low: float
    high: float
    """The mean's 95 % interval."""
    next_low: float | None
    next_high: float | None
    """Where the next hospital's value lies with 95 % confidence; None below three hospitals."""
    tau: float
    """Standard deviation between hospitals."""
    i2: float
    """Share of the variation that is between hospitals, 0 to 1."""
    q: float
    p: float
    """Cochran's test of no difference between hospitals."""


def analysed(estimates: Sequence[Estimate]) -> Meta | None:
    """None below two hospitals: there is nothing to pool."""
    k = len(estimates)
    if k < 2:
        return None
    y = np.array([e.value for e in estimates])
    v = np.array([e.error for e in estimates]) ** 2
    q = _q(y, v, 0.0)
    tau2 = _tau2(y, v)
    w = 1 / (v + tau2)
    mean = float(np.sum(w * y) / np.sum(w))
    plain = 1 / math.sqrt(float(np.sum(w)))
    scale = math.sqrt(max(_q(y, v, tau2) / (k - 1), 1.0))
    half = float(t.ppf(0.975, k - 1)) * plain * scale
    following = None
    if k >= FEWEST_FOR_NEXT:
        following = float(t.ppf(0.975, k - 2)) * math.sqrt(tau2 + (plain * scale) ** 2)
    # I2 from tau2 and the typical variance within (Higgins and Thompson 2002)
    fixed = 1 / v
    typical = (k - 1) * float(np.sum(fixed)) / float(np.sum(fixed) ** 2 - np.sum(fixed**2))
    return Meta(
        hospitals=k,
        value=mean,
        low=mean - half,
        high=mean + half,
        next_low=None if following is None else mean - following,
        next_high=None if following is None else mean + following,
        tau=math.sqrt(tau2),
        i2=tau2 / (tau2 + typical),
        q=q,
        p=float(chi2.sf(q, k - 1)),
    )


def _q(y: np.ndarray, v: np.ndarray, tau2: float) -> float:
    w = 1 / (v + tau2)
    return float(np.sum(w * (y - np.sum(w * y) / np.sum(w)) ** 2))


def _tau2(y: np.ndarray, v: np.ndarray) -> float:
    excess = len(y) - 1
    if _q(y, v, 0.0) <= excess:
        return 0.0
    most = float(np.var(y)) * 10 + float(np.max(v))
    while _q(y, v, most) > excess:
        most *= 2
    return float(brentq(lambda tau2: _q(y, v, tau2) - excess, 0.0, most, xtol=1e-12))
