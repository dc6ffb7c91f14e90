"""Survival graphs from a fitted proportional hazards model: the curve, its interval and what each input contributes.

Used by the ``build.py`` of the fitted models; not needed to run a model. A fit is the mapping in ``fit.json``:
``covariates``, ``means``, ``beta`` (k), ``times`` (months, from 0), ``cumulative_hazard`` (at the means), and
``covariance`` with ``beta`` [k, k], ``cross`` [k, T - 1] and ``log_hazard`` [T - 1] of (beta, log H(t)), t > 0.
``fusion`` holds terms from elsewhere: name -> log hazard ratio, standard error and share, independent of the rest.
``between_cohorts`` (optional) is the standard deviation of the log hazard from one hospital to another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import spox.opset.ai.onnx.v17 as op
from spox import Var

Z95 = 1.959963984540054


def number(value: float | Sequence[Any] | np.ndarray) -> Var:
    return op.const(np.asarray(value, dtype=np.float64))


def column(x: Var, at: int) -> Var:
    """[n]"""
    return op.gather(x, op.const(np.int64(at)), axis=1)


def upright(value: Var) -> Var:
    """[n] -> [n, 1]"""
    return op.unsqueeze(value, op.const(np.array([1])))


def between(value: Var, low: float, high: float | None = None) -> Var:
    """1.0 where low <= value < high."""
    inside = op.greater_or_equal(value, number(low))
    if high is not None:
        inside = op.and_(inside, op.less(value, number(high)))
    return op.cast(inside, to=np.float64)


def terms(fit: Mapping[str, Any]) -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Names, means, beta, covariance of beta, and of beta with log H: the fit's own terms, then the fused ones."""
    fused = fit.get("fusion", {})
    own = len(fit["beta"])
    size = own + len(fused)
    within = np.zeros((size, size))
    within[:own, :own] = fit["covariance"]["beta"]
    for at, term in enumerate(fused.values(), start=own):
        within[at, at] = term["standard_error"] ** 2
    cross = np.vstack([fit["covariance"]["cross"], np.zeros((len(fused), len(fit["times"]) - 1))])
    names = [*fit["covariates"], *fused]
    means = np.array([*fit["means"], *(t["share"] for t in fused.values())])
    beta = np.array([*fit["beta"], *(t["log_hazard_ratio"] for t in fused.values())])
    return names, means, beta, within, cross


def centred(values: Mapping[str, Var], fit: Mapping[str, Any]) -> Var:
    """[n, k]: each covariate against the cohort's mean."""
    names, means, *_ = terms(fit)
    return op.sub(op.concat([upright(values[n]) for n in names], axis=1), number(means))


def survival(z: Var, fit: Mapping[str, Any]) -> tuple[Var, Var, Var, Var]:
    """Log hazard [n], then survival with its 95% bounds [n, T], symmetric on the scale of log H.

    The variance at t is z'Vz + 2 z'c(t) + v(t), plus that between cohorts; at month 0 everybody is alive.
    """
    _, _, beta, within, cross = terms(fit)
    score = op.matmul(z, number(beta[:, None]))
    log_hazard = op.add(score, number(np.log(np.array([fit["cumulative_hazard"][1:]]))))
    spread = np.array([fit["covariance"]["log_hazard"]]) + fit.get("between_cohorts", {}).get("sd", 0.0) ** 2
    quadratic = op.reduce_sum(op.mul(op.matmul(z, number(within)), z), op.const(np.array([1])), keepdims=1)
    variance = op.add(op.add(quadratic, op.mul(number(2.0), op.matmul(z, number(cross)))), number(spread))
    reach = op.mul(number(Z95), op.sqrt(op.max([variance, number(0.0)])))
    start = op.add(op.mul(score, number(0.0)), number(1.0))
    alive, lower, upper = (
        op.concat([start, op.exp(op.neg(op.exp(g)))], axis=1)
        for g in (log_hazard, op.add(log_hazard, reach), op.sub(log_hazard, reach))
    )
    return op.squeeze(score, op.const(np.array([1]))), alive, lower, upper


def contributions(z: Var, fit: Mapping[str, Any], inputs: Sequence[str], belongs: Mapping[str, str]) -> Var:
    """[n, inputs]: log hazard against the mean patient; ``belongs``: covariate -> input, where the names differ."""
    names, _, beta, *_ = terms(fit)
    weights = np.zeros((len(names), len(inputs)))
    for at, name in enumerate(names):
        weights[at, list(inputs).index(belongs.get(name, name))] = beta[at]
    return op.matmul(z, number(weights))


def expected(values: np.ndarray, fit: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The same by plain numpy: covariates [n, k], uncentred, in the order of ``terms``; for tests and vectors."""
    _, means, beta, within, cross = terms(fit)
    z = values - means
    score = z @ beta
    log_hazard = score[:, None] + np.log(fit["cumulative_hazard"][1:])[None, :]
    spread = np.array(fit["covariance"]["log_hazard"]) + fit.get("between_cohorts", {}).get("sd", 0.0) ** 2
    variance = ((z @ within) * z).sum(axis=1)[:, None] + 2 * z @ cross + spread[None, :]
    reach = Z95 * np.sqrt(np.maximum(variance, 0))
    ones = np.ones((len(z), 1))
    alive, lower, upper = (
        np.hstack([ones, np.exp(-np.exp(g))]) for g in (log_hazard, log_hazard + reach, log_hazard - reach)
    )
    return {"lp": score, "survival": alive, "survival_lower": lower, "survival_upper": upper}
