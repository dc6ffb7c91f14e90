"""Weighted logistic regression by Newton's method: the regression behind calibration measures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from cds.measures.estimate import Array

Matrix = NDArray[np.float64]
_STEPS, _CLOSE, _LARGEST = 60, 1e-9, 500.0


@dataclass(frozen=True)
class Fit:
    coefficients: Array
    covariance: Matrix
    """Sandwich: right under weights, and under a model that does not hold."""

    @property
    def errors(self) -> Array:
        found: Array = np.sqrt(np.diag(self.covariance))
        return found


def logistic(design: Matrix, event: Array, weight: Array, offset: Array | None = None) -> Fit | None:
    """None where no finite answer exists: the events are separated from the others, or the columns say the same."""
    moved = np.zeros(len(event)) if offset is None else offset
    coefficients = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        fitted = expit(design @ coefficients + moved)
        gradient = design.T @ (weight * (event - fitted))
        hessian = _information(design, weight * fitted * (1 - fitted))
        try:
            step = np.linalg.solve(hessian, gradient)
        except np.linalg.LinAlgError:
            return None
        # a full step may overshoot where predictions are far from what happened
        longest = float(np.abs(step).max())
        coefficients = coefficients + step * min(1.0, 4.0 / longest if longest else 1.0)
        if not np.isfinite(coefficients).all() or np.abs(coefficients).max() > _LARGEST:
            return None
        if longest < _CLOSE:
            return _finished(design, event, weight, moved, coefficients)
    return None


def _finished(design: Matrix, event: Array, weight: Array, offset: Array, coefficients: Array) -> Fit | None:
    fitted = expit(design @ coefficients + offset)
    information = _information(design, weight * fitted * (1 - fitted))
    if np.linalg.cond(information) > 1e12:
        return None
    bread = np.linalg.inv(information)
    scores = design * (weight * (event - fitted))[:, None]
    return Fit(coefficients, bread @ (scores.T @ scores) @ bread)


def _information(design: Matrix, weight: Array) -> Matrix:
    found: Matrix = (design * weight[:, None]).T @ design
    return found
