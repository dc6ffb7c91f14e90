"""A shipped model on a cohort: its graph as it is, patient by patient, and what came of each patient.

A model with a survival curve is judged by C-index, calibration at each horizon and coverage of the patient's own range;
one with a probability by AUC and calibration; one with a score by AUC alone. What the cohort can't tell is left out
with the reason, never guessed.
"""

from __future__ import annotations

from typing import Any

from cds.cohort import chances, survival
from cds.cohort.answers import Answers, ask
from cds.cohort.reading import Cohort
from cds.errors import CohortError
from cds.inference.manifest import Output
from cds.inference.model import Model

ENOUGH = 100
"""Outcomes; for a yes or no as many without (Collins, Ogundimu and Altman 2016, Stat Med 35:214)."""
LEAST = 10
"""Fewer say nothing at all, whoever asks."""


def measured_by(model: Model) -> Output:
    """The output that is judged. Raises CohortError for a model that has none."""
    for kind in ("survival", "probability", "score"):
        for output in model.manifest.outputs:
            if output.kind == kind and model.graph is not None:
                return output
    raise CohortError(f"{model.manifest.id} gives neither a survival curve nor a probability nor a score to judge")


def judge(model: Model, cohort: Cohort, *, least_events: int = ENOUGH, draws: int = 300) -> dict[str, Any]:
    """All figures, plain enough for JSON; no patient's row is among them. Raises CohortError, also for too few
    outcomes."""
    output = measured_by(model)
    _require_outcome(model, output, cohort)
    answers = ask(model, output, cohort, draws)
    outcomes = _require_enough(answers, max(least_events, LEAST))
    return {
        "model": model.manifest.id,
        "version": model.manifest.version,
        "graph": model.manifest.fingerprint,
        "output": output.name,
        "kind": output.kind,
        "n": len(answers.event),
        "events": int(answers.event.sum()),
        "without_outcome": cohort.without_outcome,
        "left_out": answers.left_out,
        "never_known": list(cohort.never_known),
        "unknown": answers.unknown,
        "few": outcomes < ENOUGH,
        "draws": draws,
        **(survival.judged(answers, cohort.horizons) if output.kind == "survival" else chances.judged(answers)),
    }


def _require_outcome(model: Model, output: Output, cohort: Cohort) -> None:
    if output.kind == "survival" and cohort.months is None:
        raise CohortError(f"{model.manifest.id} predicts survival: the form needs 'outcome.time'")
    if output.kind != "survival" and cohort.months is not None:
        within = f" within {output.horizon}" if output.horizon else ""
        raise CohortError(
            f"{model.manifest.id} says whether it happens{within}, not when: leave out 'outcome.time', and "
            "the patients of whom that is not known"
        )


def _require_enough(answers: Answers, least: int) -> int:
    """The rarer of the two outcomes that count."""
    events, others = int(answers.event.sum()), int((1 - answers.event).sum())
    both = answers.output.kind != "survival"
    short = [f"{events} events"] if events < least else []
    short += [f"{others} without the event"] if both and others < least else []
    if short:
        raise CohortError(
            f"not enough data: {' and '.join(short)}, {least} needed (of {len(answers.event)} patients the model "
            "answers for). --least-events goes on with fewer, and the page then says that it proves nothing"
        )
    return min(events, others) if both else events
