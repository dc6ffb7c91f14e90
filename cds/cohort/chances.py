"""A probability or a score against whether it happened."""

from __future__ import annotations

from typing import Any

from cds.cohort import measures as ms
from cds.cohort.answers import FEW, Answers, Mask
from cds.cohort.measures import Rows


def judged(answers: Answers) -> dict[str, Any]:
    """AUC and groups; for a probability also calibration. A score is no probability and has none."""
    value, event = answers.values, answers.event
    found = {
        "auc": answers.resampled(lambda rows: ms.auc(value[rows], event[rows])),
        "subgroups": {name: _part(answers, rows) for name, rows in answers.groups.items()},
    }
    return found | _calibration(answers) if answers.output.kind == "probability" else found


def _calibration(answers: Answers) -> dict[str, Any]:
    chance, event = answers.values, answers.event
    part = ms.parts_of(chance, 4)

    def change(name: str) -> dict[str, Any]:
        def statistic(rows: Rows) -> float:
            return float(getattr(ms.recalibration(chance[rows], event[rows]), name))

        return answers.resampled(statistic)

    return {
        "overall": ms.share_row(chance, event),
        "observed_to_expected": answers.resampled(lambda rows: float(event[rows].mean() / chance[rows].mean())),
        "intercept": change("intercept"),
        "slope": change("slope"),
        "fourths": [ms.share_row(chance[part == g], event[part == g]) for g in range(4) if (part == g).any()],
    }


def _part(answers: Answers, rows: Mask) -> dict[str, Any]:
    value, event = answers.values[rows], answers.event[rows]
    found: dict[str, Any] = {"n": int(rows.sum()), "events": int(event.sum())}
    if min(event.sum(), (1 - event).sum()) < FEW:
        found["auc"] = {"not_estimated": f"fewer than {FEW} with or without the event"}
    else:
        found["auc"] = answers.resampled(lambda drawn: ms.auc(value[drawn], event[drawn]), rows)
    return found | {"share": ms.share_row(value, event)} if answers.output.kind == "probability" else found
