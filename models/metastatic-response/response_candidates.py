"""The candidates for response in metastatic disease, in two rounds; see ``CANDIDATES``.

What "stated beforehand" means here
-----------------------------------
Each round was written down before any candidate of that round was tried. There was no registry outside this repository.
The first round's list and its results came in one commit; the second was committed before it was run, but by people who
had seen the results of the first, so its figures are a little more at risk of optimism.

Complete or partial response against stable or progressive disease, from the inputs of the survival model. Measure: AUC,
10 times 5-fold cross-validation. Candidates stand from the simplest to the most elaborate; shipped is the simplest
within one standard error of the best, over both rounds. The regimen is in none: chosen by doctors, its term would be no
effect; the response rates of the randomised trials stand beside the estimate instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from lifelines import CoxPHFitter
from scipy.optimize import minimize

from models import evaluation as ev
from models.learners import restricted_cubic

SEED = 20261125
REPEATS, FOLDS = 10, 5
FUNCTION = ("ecog1", "ecog2", "cacs", "log_siri")
SITES = ("age10", "male", "liver", "peritoneum", "lung")
IMAGING = ("diameters_over_5", "not_measurable")
REGIMEN = ("gnp", "gemcitabine", "other")
ALL = (*FUNCTION, *SITES, *IMAGING)
WIDE = (*ALL, "age_curve", "siri_curve", "ecog_siri", "cacs_siri", "liver_siri")

Chances = Callable[[pd.DataFrame, pd.DataFrame], np.ndarray]
"""(to fit on, to try on) -> chance of response of the second."""


def widened(data: pd.DataFrame) -> pd.DataFrame:
    return data.assign(
        age_curve=restricted_cubic(data.age10, (-1.4, 0.1, 1.4)),
        siri_curve=restricted_cubic(data.log_siri, (-0.5, 0.7, 2.2)),
        ecog_siri=(data.ecog1 + data.ecog2) * data.log_siri,
        cacs_siri=data.cacs * data.log_siri,
        liver_siri=data.liver * data.log_siri,
    )


def logistic(*names: str) -> Chances:
    def tried(fit_on: pd.DataFrame, held: pd.DataFrame) -> np.ndarray:
        columns = list(names)
        beta, _ = ev.logistic(fit_on[columns].to_numpy(), fit_on.responded.to_numpy())
        return np.asarray(1 / (1 + np.exp(-(beta[0] + held[columns].to_numpy() @ beta[1:]))))

    return tried


def by_outlook(fit_on: pd.DataFrame, held: pd.DataFrame) -> np.ndarray:
    """Logistic on one number, the log hazard of death learned from the survival of those fitted on."""
    columns = [*FUNCTION, *SITES]
    beta = CoxPHFitter().fit(fit_on[[*columns, "months", "died"]], "months", "died").params_[columns].to_numpy()
    own, score = (rows[columns].to_numpy() @ beta for rows in (fit_on, held))
    line, _ = ev.logistic(own[:, None], fit_on.responded.to_numpy())
    return np.asarray(1 / (1 + np.exp(-(line[0] + line[1] * score))))


def proportional_odds(*names: str) -> Chances:
    """Progressive, stable, response as three steps of one scale: the middle is told from the bottom, too."""

    def tried(fit_on: pd.DataFrame, held: pd.DataFrame) -> np.ndarray:
        columns = list(names)
        x, step = fit_on[columns].to_numpy(), fit_on.step.to_numpy().astype(int)

        def loss(weights: np.ndarray) -> float:
            first, second = weights[0], weights[0] + np.exp(weights[1])
            score = x @ weights[2:]
            edges = np.column_stack(
                [np.zeros(len(x)), *(1 / (1 + np.exp(score - t)) for t in (first, second)), np.ones(len(x))]
            )
            rows = np.arange(len(x))
            return -float(np.log(np.maximum(edges[rows, step + 1] - edges[rows, step], 1e-12)).sum())

        found = minimize(loss, np.zeros(2 + len(columns)), method="BFGS").x
        return np.asarray(1 / (1 + np.exp(found[0] + np.exp(found[1]) - held[columns].to_numpy() @ found[2:])))

    return tried


def _sklearn(make: Callable[[], Any], names: Sequence[str]) -> Chances:
    def tried(fit_on: pd.DataFrame, held: pd.DataFrame) -> np.ndarray:
        columns = list(names)
        mean, spread = fit_on[columns].mean(), fit_on[columns].std().replace(0, 1)
        own, other = (((rows[columns] - mean) / spread).to_numpy() for rows in (fit_on, held))
        return np.asarray(make().fit(own, fit_on.responded.to_numpy()).predict_proba(other)[:, 1])

    return tried


def _ridge() -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=0.05, max_iter=1000)


def _forest() -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(200, min_samples_leaf=15, max_features=3, random_state=SEED, n_jobs=1)


def _neural() -> Any:
    from sklearn.neural_network import MLPClassifier

    return MLPClassifier((6,), "tanh", solver="lbfgs", alpha=10.0, max_iter=300, random_state=SEED)


def boosted(fit_on: pd.DataFrame, held: pd.DataFrame) -> np.ndarray:
    from sklearn.ensemble import GradientBoostingClassifier

    columns = list(ALL)
    made = GradientBoostingClassifier(
        n_estimators=80, learning_rate=0.05, max_depth=2, subsample=0.7, min_samples_leaf=20, random_state=SEED
    )
    made.fit(fit_on[columns].to_numpy(), fit_on.responded.to_numpy())
    return np.asarray(made.predict_proba(held[columns].to_numpy())[:, 1])


def mean_of(*members: Chances) -> Chances:
    """Equal weights: nothing is fitted on the folds they are tried on."""
    return lambda fit_on, held: np.asarray(np.mean([member(fit_on, held) for member in members], axis=0))


CANDIDATES: dict[str, Chances] = {
    "logistic: ECOG, decline, log SIRI": logistic(*FUNCTION),
    "logistic: the same and imaging": logistic(*FUNCTION, *IMAGING),
    "proportional odds: ECOG, decline, log SIRI": proportional_odds(*FUNCTION),
    "proportional odds: the same and imaging": proportional_odds(*FUNCTION, *IMAGING),
    "logistic: the same, age, sex and sites": logistic(*FUNCTION, *SITES),
    "logistic: outlook of the survival model": by_outlook,
    "logistic: all and imaging": logistic(*ALL),
    "logistic, ridge: all, imaging, splines and interactions": _sklearn(_ridge, WIDE),
    "random forest, all and imaging": _sklearn(_forest, ALL),
    "boosted trees, all and imaging": boosted,
    "neural, 6 hidden units, all and imaging": _sklearn(_neural, ALL),
    "stack: proportional odds with imaging, ridge, random forest, neural": mean_of(
        proportional_odds(*FUNCTION, *IMAGING), _sklearn(_ridge, WIDE), _sklearn(_forest, ALL), _sklearn(_neural, ALL)
    ),
}
SECOND_ROUND = frozenset(
    {
        "logistic: outlook of the survival model",
        "proportional odds: ECOG, decline, log SIRI",
        "proportional odds: the same and imaging",
        "logistic, ridge: all, imaging, splines and interactions",
        "random forest, all and imaging",
        "neural, 6 hidden units, all and imaging",
        "stack: proportional odds with imaging, ridge, random forest, neural",
    }
)
"""The rest is the first round."""
SHIPPED = "logistic: ECOG, decline, log SIRI"
"""What the rule chose; a test compares it with the measured table."""
TERMS = FUNCTION
WITH_REGIMEN = logistic(*ALL, *REGIMEN)


def out_of_fold(data: pd.DataFrame, candidate: Chances) -> np.ndarray:
    """[repeats, n]"""
    rows = widened(data)
    found = np.empty((REPEATS, len(rows)))
    for repeat, fit_on, held in ev.folds(len(rows), FOLDS, REPEATS, SEED):
        found[repeat, held] = candidate(rows.iloc[fit_on], rows.iloc[held])
    return found


__all__ = ["CANDIDATES", "IMAGING", "REGIMEN", "SECOND_ROUND", "SHIPPED", "TERMS", "WITH_REGIMEN", "Chances"]
