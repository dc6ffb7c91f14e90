"""A model's predictions at one site as a cohort: one row a patient, its numbers as arrays, its groups as flags."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from cds.committee.charter import Charter, Subgroup, Watch
from cds.inference.manifest import Manifest, Output
from cds.ledger.cohort import PredictedRow
from cds.measures.estimate import Array, Flags
from cds.measures.fairness import bands
from cds.policy.schema import Policy
from cds.record.inputs import DAYS, days


@dataclass(frozen=True)
class Target:
    """What of a model is compared with what happened."""

    output: Output
    months: float | None
    """Horizon; None for a survival function, which has every one."""
    threshold: float | None

    @property
    def survival(self) -> bool:
        return self.output.kind == "survival"

    @property
    def chance(self) -> bool:
        """Its numbers are chances, so calibration is a question; of a score only ranking is."""
        return self.output.kind in ("probability", "survival")


def target(manifest: Manifest, watch: Watch, policy: Policy) -> Target | None:
    """None where nothing of the model foretells an outcome by a known time."""
    named = [o for o in manifest.outputs if o.name == watch.output]
    kinds = ("survival", "probability", "score")
    chosen = named or sorted(
        (o for o in manifest.outputs if o.kind in kinds and o.shown), key=lambda o: kinds.index(o.kind)
    )
    if watch.outcome is None or not chosen:
        return None
    output = chosen[0]
    horizon = watch.horizon or output.horizon
    if output.kind != "survival" and horizon is None:
        return None
    months = None if output.kind == "survival" or horizon is None else days(horizon) / DAYS["m"]
    return Target(output, months, threshold_of(watch, policy, manifest))


def service_of(watch: Watch) -> str:
    """The service whose policy has the threshold; empty where it is no service's."""
    kind, _, rest = watch.threshold.partition(".") if isinstance(watch.threshold, str) else ("", "", "")
    return rest.partition(".")[0] if kind == "services" else ""


def threshold_of(watch: Watch, policy: Policy, manifest: Manifest) -> float | None:
    """As the charter gives it, or from where the policy has it; None where neither says."""
    wanted = watch.threshold
    if not isinstance(wanted, str):
        return wanted
    kind, name, key = wanted.split(".")
    if kind == "models":
        packaged = manifest.card.thresholds if manifest.card is not None else {}
        found: object = policy.thresholds(name).get(key, packaged[key].value if key in packaged else None)
    else:
        found = policy.service(name).parameters.get(key)
    return float(found) if isinstance(found, int | float) else None


@dataclass(frozen=True)
class Cohort:
    """The first prediction of each patient."""

    rows: tuple[PredictedRow, ...]
    values: Array
    """The output that is compared, [n]; [n, times] of a survival function. Higher is riskier, but for survival."""
    carded: Flags

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def who(self) -> list[tuple[str, datetime]]:
        return [(row.patient_key, row.at) for row in self.rows]


def cohort(rows: Iterable[PredictedRow], output: str) -> Cohort:
    """Of predictions that gave this output; a patient's later ones are his again and say nothing new."""
    first: dict[str, PredictedRow] = {}
    for row in rows:
        if row.outcome == "predicted" and row.patient_key not in first and _usable(row.outputs.get(output)):
            first[row.patient_key] = row
    kept = tuple(first.values())
    values = np.asarray([row.outputs[output] for row in kept], dtype=np.float64)
    return Cohort(kept, values, np.asarray([row.carded for row in kept], dtype=bool))


def _usable(value: object) -> bool:
    numbers = value if isinstance(value, list | tuple) else [value]
    return all(isinstance(v, int | float) and math.isfinite(v) for v in numbers)


def alive_at(cohort_values: Array, times: Sequence[float], months: float) -> Array | None:
    """Each one's predicted chance to live ``months``; None where the curves don't reach so far."""
    if not times or months > times[-1]:
        return None
    grid = np.asarray(times, dtype=np.float64)
    found: Array = np.asarray([np.interp(months, grid, row) for row in cohort_values], dtype=np.float64)
    return found


def groups(
    charter: Charter, manifest: Manifest, rows: Sequence[PredictedRow], language: str = "en"
) -> Mapping[str, Mapping[str, Flags]]:
    """Subgroup -> group -> who is in it; only subgroups the model's own inputs or its calls tell."""
    found: dict[str, Mapping[str, Flags]] = {}
    for name, subgroup in charter.subgroups.items():
        divided = _divide(subgroup, manifest, rows)
        if divided:
            found[name] = divided
    return found


def _divide(subgroup: Subgroup, manifest: Manifest, rows: Sequence[PredictedRow]) -> Mapping[str, Flags]:
    if subgroup.source == "call.language":
        spoken = np.asarray([row.language.split("-")[0] for row in rows])
        names = [str(n) for n in np.unique(spoken) if n]
        return {name: spoken == name for name in names} if len(names) > 1 else {}
    named = next((i.name for i in manifest.inputs if _tells(subgroup, i.source, i.concepts, i.is_flag)), None)
    if named is None:
        return {}
    values = np.asarray([_value(row, named) for row in rows], dtype=np.float64)
    if subgroup.source == "patient.age":
        return bands(values, subgroup.bands)
    yes, no = ("male", "female") if subgroup.source == "patient.male" else ("yes", "no")
    return {yes: values == 1, no: values == 0}


def _tells(subgroup: Subgroup, source: str, concepts: Sequence[str], flag: bool) -> bool:
    if subgroup.source == "concept":
        return flag and subgroup.concept in concepts
    return source == subgroup.source


def _value(row: PredictedRow, name: str) -> float:
    found = row.inputs.get(name, {}).get("value")
    return float(found) if isinstance(found, int | float) else math.nan
