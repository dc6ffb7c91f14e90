"""A model's inputs and answers over a period against those before it: missing, unusable, failed, drifted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cds.committee.charter import Charter, Limits
from cds.committee.findings import Finding, rising
from cds.inference.manifest import Manifest
from cds.inference.manifest import Output as ModelOutput
from cds.ledger.cohort import PredictedRow
from cds.measures.drift import Drift, counts_in, drift, edges_of, holm
from cds.measures.estimate import Estimate, Measured, Minimum, NotEnough
from cds.measures.inputs import Change, change, input_state
from cds.measures.proportions import wilson_counts
from cds.record.inputs import Input

_FEW_VALUES = 12
"""A number that takes no more than so many different values is counted value by value."""


@dataclass
class Seen:
    """What one period holds of a model, counted once over its rows."""

    rows: int = 0
    failed: int = 0
    states: dict[str, Counter[str]] = field(default_factory=dict)
    """By input."""
    values: dict[str, list[float]] = field(default_factory=dict)
    """By input, of the first prediction of each patient."""
    answers: dict[str, list[float]] = field(default_factory=dict)
    """By output, likewise."""


def seen(rows: Iterable[PredictedRow], manifest: Manifest) -> Seen:
    found = Seen(states={i.name: Counter() for i in manifest.inputs})
    patients: set[str] = set()
    outputs = [o for o in manifest.outputs if o.kind in ("probability", "score", "category") and not o.series]
    for row in rows:
        found.rows += 1
        found.failed += row.outcome == "failed"
        fresh = row.patient_key not in patients
        patients.add(row.patient_key)
        for name, counter in found.states.items():
            snapshot = row.inputs.get(name)
            if snapshot is None:
                continue
            counter[str(snapshot.get("state", ""))] += 1
            value = snapshot.get("value")
            if fresh and isinstance(value, int | float):
                found.values.setdefault(name, []).append(float(value))
        if fresh and row.outcome == "predicted":
            for output in outputs:
                value = row.outputs.get(output.name)
                if isinstance(value, int | float):
                    found.answers.setdefault(output.name, []).append(float(value))
    return found


def failing(now: Seen, before: Seen, manifest: Manifest, charter: Charter) -> list[Finding]:
    """What may have broken since the baseline; of the shortest period, since it stops a model at once."""
    found = [_failed(now, manifest, charter)]
    specs = [spec for spec in manifest.inputs if spec.source != "constant"]
    rises = [_rise(now, before, spec, charter) for spec in specs]
    sure = holm([r.p if isinstance(r, Change) else 1.0 for r in rises], charter.chance)
    for spec, rise, certain in zip(specs, rises, sure, strict=True):
        mine = input_state(now.states[spec.name], Minimum(people=charter.minimum.share))
        limits = charter.limits_of(manifest.id, "unusable")
        found.append(rising("unusable", spec.name, _together(now, spec, charter), limits))
        found.append(
            rising("out_of_range", spec.name, mine.out_of_range, charter.limits_of(manifest.id, "out_of_range"))
        )
        found.append(_missing(spec, rise, charter.limits_of(manifest.id, "missing"), certain=certain))
    return found


def _rise(now: Seen, before: Seen, spec: Input, charter: Charter) -> Change | NotEnough:
    enough = Minimum(people=charter.minimum.share)
    return change(
        input_state(now.states[spec.name], enough).missing, input_state(before.states[spec.name], enough).missing
    )


def _missing(spec: Input, rise: Change | NotEnough, limits: Limits, *, certain: bool) -> Finding:
    if isinstance(rise, NotEnough):
        return Finding("missing", spec.name, rise)
    told = {"p": rise.p}
    if not certain:
        return Finding("missing", spec.name, rise.by, detail=told)
    return rising("missing", spec.name, rise.by, _only_required(spec, limits), **told)


def _only_required(spec: Input, limits: Limits) -> Limits:
    """A model that can do without an input is not stopped for it."""
    return limits if spec.absent.does == "abstain" else limits.model_copy(update={"stop": None})


def _failed(now: Seen, manifest: Manifest, charter: Charter) -> Finding:
    enough = charter.minimum.share
    result: Measured = (
        wilson_counts(now.failed, now.rows) if now.rows >= enough else NotEnough("people", now.rows, enough)
    )
    return rising("failed", "", result, charter.limits_of(manifest.id, "failed"))


def _together(now: Seen, spec: Input, charter: Charter) -> Measured:
    """Unusable or unread: either way the value was there and did not arrive."""
    enough = Minimum(people=charter.minimum.share)
    states = now.states[spec.name]
    mine = input_state(states, enough)
    if not isinstance(mine.unusable, Estimate) or not isinstance(mine.unread, Estimate):
        return mine.unusable
    return wilson_counts(mine.unusable.events + mine.unread.events, sum(states.values()))


def drifting(now: Seen, before: Seen, manifest: Manifest, charter: Charter) -> list[Finding]:
    """Every input's values and every answer against the baseline. All together are wrong about chance as often as one
    test would be (Holm), and a certain trifle is below the limits."""
    tested: list[tuple[str, Drift | NotEnough]] = []
    for spec in manifest.inputs:
        if spec.source != "constant":
            given = now.values.get(spec.name, []), before.values.get(spec.name, [])
            tested.append((spec.name, _compared(*given, charter.minimum.drift)))
    for name in _answers(manifest.outputs):
        given = now.answers.get(name, []), before.answers.get(name, [])
        tested.append((f"-> {name}", _compared(*given, charter.minimum.drift)))
    sure = holm([d.p if isinstance(d, Drift) else 1.0 for _, d in tested], charter.chance)
    limits = charter.limits_of(manifest.id, "drift")
    return [_drift_finding(name, found, certain, limits) for (name, found), certain in zip(tested, sure, strict=True)]


def _answers(outputs: Sequence[ModelOutput]) -> list[str]:
    return [o.name for o in outputs if o.kind in ("probability", "score", "category") and not o.series]


def _drift_finding(name: str, found: Drift | NotEnough, certain: bool, limits: Limits) -> Finding:
    if isinstance(found, NotEnough):
        return Finding("drift", name, found)
    # the index has no interval: chance is judged by its test, size by the limits
    shown = Estimate(found.index, found.index, found.index, found.n, found.m)
    told = {"p": found.p, "critical": found.critical}
    if not certain:
        return Finding("drift", name, shown, detail=told)
    return rising("drift", name, shown, limits, **told)


def _compared(now: Sequence[float], before: Sequence[float], least: int) -> Drift | NotEnough:
    if len(now) < least or len(before) < least:
        have, what = (len(now), "people") if len(now) < least else (len(before), "people in the baseline")
        return NotEnough(what, have, least)
    kinds = np.unique(np.concatenate([now, before]))
    if len(kinds) <= _FEW_VALUES:
        return drift(_each(before, kinds), _each(now, kinds), least=least)
    edges = edges_of(before)
    return drift(counts_in(before, edges), counts_in(now, edges), least=least)


def _each(values: Sequence[float], kinds: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.bincount(np.searchsorted(kinds, np.asarray(values)), minlength=len(kinds)).astype(np.int64)


def shares(found: Seen) -> Mapping[str, Mapping[str, float]]:
    """By input: the share of each state, for plots over time."""
    return {
        name: {s: n / total for s, n in c.items()} for name, c in found.states.items() if (total := sum(c.values()))
    }
