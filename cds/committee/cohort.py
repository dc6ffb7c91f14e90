"""A model's predictions at one site as a cohort: one row a patient, its numbers as arrays, its groups as flags."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from cds.committee.charter import Charter, Subgroup, Watch
from cds.committee.scanner_makers import one_spelling
from cds.inference.manifest import Manifest, Output
from cds.ledger.cohort import SCANNER, PredictedRow
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


UNKNOWN = ""
"""The group of those of whom it is not known which they belong to: told how many they are, and compared with nobody."""
OTHER = "other"
"""The group of those whose own is too small to be named."""


def groups(charter: Charter, manifest: Manifest, rows: Sequence[PredictedRow]) -> Mapping[str, Mapping[str, Flags]]:
    """Subgroup -> group -> who is in it; only subgroups the model's own inputs, its images or its calls tell."""
    found: dict[str, Mapping[str, Flags]] = {}
    for name, subgroup in charter.subgroups.items():
        divided = _divide(subgroup, manifest, rows, charter.minimum.cell)
        if divided:
            nowhere = ~np.any([*divided.values()], axis=0)
            found[name] = {**divided, UNKNOWN: nowhere} if nowhere.any() else divided
    return found


def own_group(subgroup: Subgroup, manifest: Manifest | None, row: PredictedRow) -> str:
    """Which group one prediction's patient is in by himself, however few are in it. ``UNKNOWN`` where the prediction
    does not tell, nor anything of its inputs without its model's ``manifest``."""
    if subgroup.source == "call.language":
        return row.language.split("-")[0]
    if subgroup.source == "patient.language":
        return row.patient_language or UNKNOWN
    if subgroup.source == "study.scanner":
        return _scanner(row)
    named = _input(subgroup, manifest) if manifest is not None else None
    if named is None:
        return UNKNOWN
    parts = _by_number(subgroup, np.asarray([_value(row, named)], dtype=np.float64))
    return next((group for group, flags in parts.items() if flags[0]), UNKNOWN)


def _divide(subgroup: Subgroup, manifest: Manifest, rows: Sequence[PredictedRow], cell: int) -> Mapping[str, Flags]:
    if subgroup.source in ("call.language", "patient.language", "study.scanner"):
        if subgroup.source == "study.scanner" and manifest.runtime.kind != "volume":
            return {}
        named = _by_name([own_group(subgroup, manifest, row) for row in rows], cell)
        return named if subgroup.source != "call.language" or len(named) > 1 else {}
    told_by = _input(subgroup, manifest)
    if told_by is None:
        return {}
    return _by_number(subgroup, np.asarray([_value(row, told_by) for row in rows], dtype=np.float64))


def _by_number(subgroup: Subgroup, values: Array) -> Mapping[str, Flags]:
    if subgroup.source == "patient.age":
        return bands(values, subgroup.bands)
    yes, no = ("male", "female") if subgroup.source == "patient.male" else ("yes", "no")
    return {yes: values == 1, no: values == 0}


def _by_name(values: Sequence[str], cell: int) -> Mapping[str, Flags]:
    """A group each, by name; those of fewer than ``cell`` people together, since their name alone would tell of them.
    Of nobody known, the group of those who are not."""
    told = np.asarray(values, dtype=object)
    sizes = Counter(value for value in values if value != UNKNOWN)
    rare = {name for name, size in sizes.items() if size < cell}
    found: dict[str, Flags] = {name: told == name for name in sorted(sizes.keys() - rare)}
    if rare:
        found[OTHER] = np.asarray([value in rare for value in values], dtype=bool)
    return found or {UNKNOWN: np.ones(len(values), dtype=bool)}


def _scanner(row: PredictedRow) -> str:
    found = row.inputs.get(SCANNER, {}).get("value")
    return one_spelling(found) if isinstance(found, str) else UNKNOWN


def _input(subgroup: Subgroup, manifest: Manifest) -> str | None:
    """Of a model's inputs, the one that tells who is in which group."""
    return next((i.name for i in manifest.inputs if _tells(subgroup, i.source, i.concepts, i.is_flag)), None)


def _tells(subgroup: Subgroup, source: str, concepts: Sequence[str], flag: bool) -> bool:
    if subgroup.source == "concept":
        return flag and subgroup.concept in concepts
    return source == subgroup.source


def _value(row: PredictedRow, name: str) -> float:
    found = row.inputs.get(name, {}).get("value")
    return float(found) if isinstance(found, int | float) else math.nan
