"""A survival curve against what came of each patient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from lifelines import KaplanMeierFitter

from cds.cohort import measures as ms
from cds.cohort.answers import FEW, SEED, Answers, Mask, or_why
from cds.cohort.measures import Array, Rows
from cds.errors import CohortError

_LONG, _SHORT = 5.0, 0.02
"""Half of the patients followed longer or shorter than this, in curves: the unit of time is taken for wrong."""


def judged(answers: Answers, horizons: Sequence[float]) -> dict[str, Any]:
    """C-index, slope, calibration at each horizon, coverage and groups. Raises CohortError for an impossible unit."""
    times, alive, died = answers.output.times, answers.values, answers.event
    assert answers.months is not None
    months = answers.months
    _require_plausible(months, times[-1])
    score = -alive[:, 1:].mean(axis=1)
    at_horizon = {at: _alive_at(times, alive, at) for at in horizons if 0 < at <= times[-1]}
    if not at_horizon:
        raise CohortError(f"the model's curve ends at {times[-1]:g} months: none of 'outcome.horizons' lies on it")
    middle = list(at_horizon)[(len(at_horizon) - 1) // 2]
    log_hazard = np.log(-np.log(np.clip(at_horizon[middle], 1e-9, 1 - 1e-9)))
    return {
        "median_follow_up": _follow_up(months, died),
        "c_index": answers.resampled(ms.concordance(months, died, score)),
        "slope": or_why(lambda: ms.slope(months, died, log_hazard)),
        "horizons": {f"{at:g}": _horizon(answers, months, share, at) for at, share in at_horizon.items()},
        "fourths": {
            f"{at:g}": or_why(lambda at=at, share=share: {"rows": ms.by_groups(months, died, score, share, at, 4)})  # type: ignore[misc]
            for at, share in at_horizon.items()
        },
        "ranges": or_why(lambda: dict(ms.coverage(months, died, times, alive, draws=answers.draws, seed=SEED))),
        "subgroups_at": middle,
        "subgroups": {
            name: _part(answers, months, score, at_horizon[middle], middle, rows)
            for name, rows in answers.groups.items()
        },
    }


def _require_plausible(months: Array, last: float) -> None:
    typical = float(np.median(months))
    for wrong, how in ((typical > _LONG * last, "longer"), (typical < _SHORT * last, "shorter")):
        if wrong:
            raise CohortError(
                f"half of the patients are followed {how} than {typical:.2g} months, and the model's curve ends at "
                f"{last:g}: is the unit of 'outcome.time' right?"
            )


def _alive_at(times: Sequence[float], alive: Array, at: float) -> Array:
    return np.array([np.interp(at, times, curve) for curve in alive])


def _follow_up(months: Array, died: Array) -> float | None:
    """Median, months, of those who would be followed if nobody died (reverse Kaplan-Meier)."""
    median = float(KaplanMeierFitter().fit(months, 1 - died).median_survival_time_)
    return ms.r4(median) if np.isfinite(median) else None


def _horizon(answers: Answers, months: Array, alive: Array, at: float) -> dict[str, Any]:
    died = answers.event

    def found() -> dict[str, Any]:
        row: dict[str, Any] = ms.calibration_row(months, died, alive, at)
        expected = 1 - row["predicted"]
        row["observed_to_expected"] = {
            "value": ms.r4((1 - row["observed"]) / expected),
            "lower": ms.r4((1 - row["upper"]) / expected),
            "upper": ms.r4((1 - row["lower"]) / expected),
        }
        return row

    def change(name: str) -> dict[str, Any]:
        def statistic(rows: Rows) -> float:
            dead, weight = ms.known_by(months[rows], died[rows], at)
            return float(getattr(ms.recalibration(1 - alive[rows], dead, weight), name))

        return answers.resampled(statistic)

    row = or_why(found)
    return row if "not_estimated" in row else row | {name: change(name) for name in ("intercept", "slope")}


def _part(answers: Answers, months: Array, score: Array, alive: Array, at: float, rows: Mask) -> dict[str, Any]:
    died = answers.event[rows]
    found: dict[str, Any] = {"n": int(rows.sum()), "events": int(died.sum())}
    if died.sum() < FEW:
        found["c_index"] = {"not_estimated": f"fewer than {FEW} deaths"}
    else:
        found["c_index"] = answers.resampled(ms.concordance(months[rows], died, score[rows]), rows)
    return found | {"alive": or_why(lambda: dict(ms.calibration_row(months[rows], died, alive[rows], at)))}
