"""The graph: takes and gives what the manifest says, and no nonsense anywhere in the valid range."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cds.errors import ModelError
from cds.inference.manifest import Input, Reduce
from cds.modelcheck.subject import Finding, Subject

ROWS, SEED = 512, 7
_LIMITS = {
    Reduce.first_at_least: (0.0, 110.0),
    Reduce.course: (0.0, 3650.0),
    Reduce.days_since: (0.0, 3650.0),
    Reduce.count: (0.0, 5.0),
    Reduce.line: (0.0, 5.0),
}
"""Values a reducer can give where neither the manifest nor the concept says."""


def findings(subject: Subject) -> Iterator[Finding]:
    model = subject.model
    if model.graph is None or subject.manifest.runtime.kind != "onnx":
        return
    try:
        model.warm()
        extra = model.graph.outputs() - {o.name for o in subject.manifest.outputs}
        for name in sorted(extra):
            yield subject.finding(f"the graph gives '{name}', which the manifest does not list", "outputs")
        results = model.score(valid_rows(subject))
    except ModelError as error:
        yield subject.finding(str(error), "runtime", "file")
        return
    for name, values in results.items():
        if values.dtype != np.float64:
            yield subject.finding(f"output '{name}' is {values.dtype}, a graph gives float64", "outputs")


def valid_rows(subject: Subject) -> NDArray[np.float64]:
    """[n, inputs]: random patients inside every limit, then each limit by itself."""
    rng = np.random.default_rng(SEED)
    specs = subject.manifest.inputs
    rows = np.stack([_column(s, subject, rng, ROWS) for s in specs], axis=1)
    edges: list[NDArray[np.float64]] = []
    for position, spec in enumerate(specs):
        for limit in limits(spec, subject):
            edge = rows[len(edges) % ROWS].copy()
            edge[position] = limit
            edges.append(edge)
    return np.concatenate([rows, np.asarray(edges)])


def _column(spec: Input, subject: Subject, rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    if spec.source == "constant":
        return np.full(n, spec.constant)
    if spec.reduce in (Reduce.presence, Reduce.new) or spec.source == "patient.male":
        assumed = [spec.absent.value] if spec.absent.value is not None else []
        return rng.choice(np.asarray([0.0, 1.0, *assumed]), n)
    if spec.values and (spec.reduce is Reduce.coded or spec.range is None):
        return rng.choice(np.asarray(sorted(set(spec.values.values()))), n)
    low, high = limits(spec, subject)
    drawn = rng.uniform(low, high, n)
    return np.rint(drawn) if _whole(spec, low, high) else drawn


def _whole(spec: Input, low: float, high: float) -> bool:
    """Counted rather than measured: years, copies of a gene, a performance status."""
    few = spec.unit == "1" and high - low <= 10 and low == int(low) and high == int(high)
    return spec.reduce is Reduce.count or spec.source == "patient.age" or (few and spec.range is not None)


def limits(spec: Input, subject: Subject) -> tuple[float, float]:
    if spec.range is not None:
        return spec.range
    if spec.source == "constant":
        return (spec.constant or 0.0, spec.constant or 0.0)
    if spec.source == "patient.age":
        return (0.0, 110.0)
    if spec.reduce in (Reduce.presence, Reduce.new) or spec.source == "patient.male":
        return (0.0, 1.0)
    if spec.values:
        return (min(spec.values.values()), max(spec.values.values()))
    if spec.reduce is Reduce.ratio:
        return (0.01, 1000.0) if spec.unit == "%" else (0.0001, 10.0)
    if spec.reduce in _LIMITS:
        return _LIMITS[spec.reduce]
    plausible = [c.plausible for n in spec.concepts if (c := subject.concepts.get(n)) is not None and c.plausible]
    low, high = min((p[0] for p in plausible), default=0.0), max((p[1] for p in plausible), default=1.0)
    if spec.reduce is Reduce.change_per_year:
        return (-(high - low) / 4, (high - low) / 4)
    return (low, high)
