"""One model folder, ready to be asked."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cds.errors import ModelError
from cds.inference import rules
from cds.inference.manifest import Eligibility, Manifest, Output, days
from cds.inference.prediction import Assessment, Failed, NotAssessed, Prediction, Value, WhatIf
from cds.inference.runtime import OnnxGraph
from cds.record.facts import Record
from cds.record.features import Feature, Kinds, extract

_log = logging.getLogger("cds.inference")


@dataclass(frozen=True)
class Model:
    manifest: Manifest
    folder: Path
    graph: OnnxGraph | None
    kinds: Kinds = field(default_factory=dict)
    """Resource type of each concept it reads; filled in by the registry."""

    def assess(self, record: Record) -> Assessment:
        """Never raises: a model that can't run yields ``Failed``, one that must not, ``NotAssessed``."""
        features = extract(self.manifest.inputs, record, self.kinds)
        by_name = {f.input.name: f for f in features}
        for test in self.manifest.population.eligibility:
            if not _eligible(test, by_name, record):
                return NotAssessed(self.manifest, "not-eligible", test.says, features)
        lacking = tuple(f for f in features if not f.found and f.input.absent.does == "abstain")
        if self.graph is None:
            return self._by_rules(features, by_name)
        if lacking:
            return NotAssessed(self.manifest, "input-absent", {}, features, lacking)
        try:
            return self._by_graph(features)
        except ModelError as error:
            _log.error("model.failed model=%s error=%s", self.manifest.id, error)
            return Failed(self.manifest, str(error), features)

    def warm(self) -> None:
        """Open the session now, so that the first patient doesn't wait for it. Raises ModelError."""
        if self.graph is not None:
            x = np.zeros((1, len(self.manifest.inputs)), dtype=np.float64)
            self.graph.run(x, tuple(o.name for o in self.manifest.outputs))

    def _by_rules(self, features: tuple[Feature, ...], by_name: Mapping[str, Feature]) -> Assessment:
        fired = [r for r in self.manifest.runtime.rules if rules.fires(r, by_name)]
        undecided = {n for r in self.manifest.runtime.rules for n in rules.almost(r, by_name)}
        if not fired and undecided:
            lacking = tuple(f for f in features if f.input.name in undecided)
            return NotAssessed(self.manifest, "input-absent", {}, features, lacking)
        outputs: dict[str, Value] = {self.manifest.outputs[0].name: float(len(fired))}
        return Prediction(self.manifest, outputs, features, rules=tuple(r.id for r in fired))

    def _by_graph(self, features: tuple[Feature, ...]) -> Prediction:
        assumed = [f.value if f.value is not None else float(f.input.absent.value or 0.0) for f in features]
        variants: list[tuple[int, float]] = [
            (i, v) for i, f in enumerate(features) if not f.found for v in f.input.absent.vary if v != assumed[i]
        ]
        x = np.tile(np.asarray(assumed, dtype=np.float64), (1 + len(variants), 1))
        for row, (column, value) in enumerate(variants, start=1):
            x[row, column] = value
        if self.graph is None:  # narrowing for the type checker; assess() has seen to it
            raise ModelError(f"{self.manifest.id} has no graph")
        names = tuple(o.name for o in self.manifest.outputs)
        results = self.graph.run(x, names)
        if not all(np.isfinite(results[name][0]).all() for name in names):
            raise ModelError(f"{self.manifest.id}: the graph gave a value that is not finite")
        rows = [_row(self.manifest.outputs, results, i) for i in range(len(x))]
        what_if = tuple(
            WhatIf(features[column], assumed[column], value, rows[row])
            for row, (column, value) in enumerate(variants, start=1)
        )
        return Prediction(self.manifest, rows[0], features, what_if)


def _row(outputs: tuple[Output, ...], results: Mapping[str, np.ndarray], row: int) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for output in outputs:
        value = results[output.name][row].tolist()
        values[output.name] = tuple(value) if isinstance(value, list) else value
    return values


def _eligible(test: Eligibility, features: Mapping[str, Feature], record: Record) -> bool:
    if test.input is None:
        # a suspicion neither makes a patient eligible nor rules one out
        facts = [f for f in record.of(*test.concepts) if not f.provisional]
        if test.older_than is not None:
            limit = days(test.older_than)
            facts = [f for f in facts if f.when is not None and f.when.days_before(record.now) > limit]
        return bool(facts) is test.present
    value = features[test.input].value
    if value is None:
        # an absent input is not a failed test: what its absence does is declared with the input
        return features[test.input].state != "out-of-range"
    if test.at_least is not None and value < test.at_least:
        return False
    if test.at_most is not None and value > test.at_most:
        return False
    return test.present is None or bool(value) is test.present
