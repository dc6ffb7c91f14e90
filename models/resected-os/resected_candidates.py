"""The candidates for survival after resection, in two rounds; see ``CANDIDATES``.

What "stated beforehand" means here
-----------------------------------
Each round was written down before any candidate of that round was tried. There was no registry outside this repository.
The first round's list and its results came in one commit; the second was committed before it was run, but by people who
had seen the results of the first, so its figures are a little more at risk of optimism.

Measure: C-index, leaving one cohort out, pairs within a cohort only, pooled over cohorts; bootstrap of patients within
cohorts. Candidates stand from the simplest to the most elaborate; shipped is the simplest within one standard error of
the best, over both rounds. Gene expression is in none: it is scaled within a cohort, which one patient can't be, and
the genes at hand were probably picked on some of these cohorts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from lifelines import CoxPHFitter, LogNormalAFTFitter, WeibullAFTFitter

from models import learners
from models.learners import restricted_cubic

SEED = 20261124
BASE = ("n1", "g3", "t34", "age10", "male")
STEPS = ("n1", "grade_step", "t_step", "age10", "male")
"""T and grade as 1 to 4 in place of high against low."""
UNKNOWN = ("n1_unknown", "g3_unknown", "t34_unknown", "male_unknown")
MAY_LACK = (*BASE, "grade_step", "t_step")
_KNOTS = (-1.6, 0.0, 1.4)
"""Of age, in decades from 66: 50, 66 and 80 years."""

Score = Callable[[pd.DataFrame, pd.DataFrame], np.ndarray]
"""(to fit on, to try on) -> log hazard of the second, or another score that rises with it."""


def filled(data: pd.DataFrame, means: pd.Series) -> pd.DataFrame:
    """With what a cohort lacks at ``means``, and what was lacking as columns of its own."""
    marked = {f"{name}_unknown": data[name].isna().astype(float) for name in ("n1", "g3", "t34", "male")}
    return data.fillna({name: means[name] for name in means.index}).assign(**marked)


def means_of(data: pd.DataFrame) -> pd.Series:
    return data[[name for name in MAY_LACK if name in data]].mean()


def widened(data: pd.DataFrame) -> pd.DataFrame:
    curve = restricted_cubic(data.age10, _KNOTS)
    return data.assign(age_curve=curve, n1_g3=data.n1 * data.g3, n1_age=data.n1 * data.age10)


def cox(data: pd.DataFrame, names: Sequence[str] = BASE, penalizer: float = 0.0) -> pd.Series:
    """Coefficients, each cohort with a baseline of its own; 0 for a column that does not vary."""
    vary = [name for name in names if data[name].nunique() > 1]
    columns = data[[*vary, "months", "died", "cohort"]]
    fitted = CoxPHFitter(penalizer=penalizer).fit(columns, "months", "died", strata="cohort")
    return fitted.params_.reindex(list(names), fill_value=0.0)


def by_cox(names: Sequence[str], penalizer: float = 0.0) -> Score:
    return lambda fit_on, held: (widened(held)[list(names)] @ cox(widened(fit_on), names, penalizer)).to_numpy()


def by_weibull(fit_on: pd.DataFrame, held: pd.DataFrame) -> np.ndarray:
    fitted = WeibullAFTFitter().fit(fit_on[[*BASE, "months", "died"]], "months", "died")
    return -np.asarray(fitted.predict_median(held[list(BASE)]), dtype=float)


def by_forest(fit_on: pd.DataFrame, held: pd.DataFrame) -> np.ndarray:
    from sksurv.ensemble import RandomSurvivalForest
    from sksurv.util import Surv

    outcome = Surv.from_arrays(fit_on.died.astype(bool), fit_on.months)
    forest = RandomSurvivalForest(300, min_samples_leaf=20, random_state=SEED, n_jobs=1)
    return np.asarray(forest.fit(fit_on[list(BASE)].to_numpy(), outcome).predict(held[list(BASE)].to_numpy()))


def by_curve(candidate: learners.Candidate) -> Score:
    """The share not alive, mean over months 1-24; one baseline for all cohorts."""
    return lambda fit_on, held: -candidate(widened(fit_on), widened(held)).mean(axis=1)


def by_mean(*candidates: learners.Candidate) -> Score:
    """The mean of curves, equal weights."""
    return lambda fit_on, held: np.asarray(np.mean([by_curve(c)(fit_on, held) for c in candidates], axis=0))


WIDE = (*STEPS, *UNKNOWN, "age_curve", "n1_g3", "n1_age")
CANDIDATES: dict[str, Score] = {
    "Cox: nodes, grade": by_cox(("n1", "g3")),
    "Cox: nodes, grade, T, age, sex": by_cox(BASE),
    "the same, ridge 0.1": by_cox(BASE, 0.1),
    "Cox, grade and T in steps": by_cox(STEPS),
    "Weibull accelerated failure time": by_weibull,
    "log-normal accelerated failure time": by_curve(learners.accelerated(LogNormalAFTFitter, BASE)),
    "Cox with a spline of age": by_cox((*BASE, "age_curve")),
    "Cox, what is not known as terms of their own, ridge 0.1": by_cox((*BASE, *UNKNOWN), 0.1),
    "Cox with nodes x grade and nodes x age, ridge 0.1": by_cox((*BASE, "n1_g3", "n1_age"), 0.1),
    "componentwise boosted Cox, all of these terms": by_curve(learners.componentwise(WIDE)),
    "random survival forest": by_forest,
    "extremely randomised survival trees, grade and T in steps": by_curve(learners.extra_trees(STEPS)),
    "boosted survival trees, grade and T in steps": by_curve(learners.boosted(STEPS)),
    "neural Cox, 8 hidden units, grade and T in steps": by_curve(learners.neural(STEPS)),
    "stack: Cox, log-normal, random survival forest, neural Cox": by_mean(
        learners.cox(BASE),
        learners.accelerated(LogNormalAFTFitter, BASE),
        learners.forest(BASE, features=2),
        learners.neural(STEPS),
    ),
}
SECOND_ROUND = frozenset(
    {
        "Cox, grade and T in steps",
        "log-normal accelerated failure time",
        "Cox, what is not known as terms of their own, ridge 0.1",
        "componentwise boosted Cox, all of these terms",
        "extremely randomised survival trees, grade and T in steps",
        "boosted survival trees, grade and T in steps",
        "neural Cox, 8 hidden units, grade and T in steps",
        "stack: Cox, log-normal, random survival forest, neural Cox",
    }
)
"""The rest is the first round."""
SHIPPED = "Cox: nodes, grade, T, age, sex"
"""What the rule chose; ``evaluation.md`` names the rule's choice beside it, and a test compares the two."""


def left_out(data: pd.DataFrame, score: Score) -> np.ndarray:
    """Scores [n], each cohort's from a fit on the others."""
    found = np.empty(len(data))
    for cohort in data.cohort.unique():
        held = (data.cohort == cohort).to_numpy()
        ready = filled(data, means_of(data[~held]))
        found[held] = score(ready[~held].reset_index(drop=True), ready[held])
    return found


__all__ = ["BASE", "CANDIDATES", "SECOND_ROUND", "SHIPPED", "Score", "cox", "filled", "left_out", "means_of"]
