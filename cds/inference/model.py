"""One model folder, ready to be asked."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cds.errors import ModelError
from cds.inference import eligibility, marginal, ordinary, rules, sanity
from cds.inference.attributes import Attributes
from cds.inference.manifest import Manifest
from cds.inference.prediction import Assessment, Failed, NotAssessed, Prediction, Value, WhatIf
from cds.inference.runtime import OnnxGraph
from cds.record.facts import Record
from cds.record.features import Already, Feature, Kinds, extract, product
from cds.record.inputs import Input

_log = logging.getLogger("cds.inference")

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Question:
    """What a graph is asked for one patient."""

    features: tuple[Feature, ...]
    assumed: list[float]
    """A value an input: its own, or the one its absence assumes."""
    variants: list[tuple[int, float]]
    """(column, value): what a missing input without shares might have been; the answers show how much it matters."""
    mixed: marginal.Mixture | None
    rows: Array
    """[1 + variants + combinations of the mixture, inputs]"""


@dataclass(frozen=True)
class Model:
    manifest: Manifest
    folder: Path
    graph: OnnxGraph | None
    kinds: Kinds = field(default_factory=dict)
    """Resource type of each concept it reads; filled in by the registry."""
    shared: Attributes = field(default_factory=lambda: Attributes.model_validate({}))
    """Source attributes common to all models of its folder."""
    refused: str = ""
    """Why the folder could not be loaded; the manifest is then a stand-in, and every question fails."""
    of_volumes: bool = False
    """The folder that could not be loaded was to read scans."""
    _ordinary: dict[tuple[float | None, ...], Mapping[str, Value] | None] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )
    """By age and sex: what it says of an ordinary patient."""

    def assess(self, record: Record, already: Already | None = None) -> Assessment:
        """Never raises: a model that can't run yields ``Failed``, one that must not, ``NotAssessed``. ``already``: what
        other models asked about this record in the same call have read of it."""
        asked = self.ask(record, already)
        return self.answered(asked) if isinstance(asked, Question) else asked

    def ask(self, record: Record, already: Already | None = None) -> Question | Assessment:
        """The rows the graph has to be run on for this patient; or the answer, where that takes no graph."""
        if self.refused:
            return Failed(self.manifest, self.refused)
        if self.manifest.runtime.kind == "volume":
            return NotAssessed(self.manifest, "no-study", {}, ())
        features = extract(self.manifest.inputs, record, self.kinds, already)
        by_name = {f.input.name: f for f in features}
        tests = self.manifest.population.eligibility
        for test in tests:
            if not eligibility.holds(test, by_name, record, tests):
                # a diagnosis not found in a problem list that could not be read is unknown, not absent
                wanted = {c for need in test.needs if need.present is True for c in need.concepts}
                unknown = any(self.kinds.get(c) in record.unread for c in wanted)
                reason = "eligibility-unread" if unknown else "not-eligible"
                return NotAssessed(
                    self.manifest, reason, test.says, features, otherwise=self._otherwise(features, by_name, record)
                )
        features = eligibility.possibly_older(tests, features, record, self.kinds)
        if self.graph is None:
            return self._by_rules(features, {f.input.name: f for f in features})
        if lacking := _lacking(features):
            return NotAssessed(self.manifest, "input-absent", {}, features, lacking, self._by_sex(features, lacking))
        return _question(features)

    def answered(self, asked: Question) -> Prediction | Failed:
        """The graph's answer for one patient."""
        try:
            return self.told(asked, self.run(asked.rows), slice(None))
        except ModelError as error:
            _log.error("model.failed model=%s error=%s", self.manifest.id, error)
            return Failed(self.manifest, str(error), asked.features)

    def answer(self, values: Mapping[str, float]) -> Prediction:
        """What it says to plain numbers by input name, in the inputs' units, population and ranges unchecked. Inputs
        not named take what their absence assumes, flags 0. Raises ModelError."""
        features = _worked_out(tuple(_given(i, values) for i in self.manifest.inputs))
        if self.graph is None:
            answer = self._by_rules(features, {f.input.name: f for f in features})
            if isinstance(answer, Prediction):
                return answer
            raise ModelError(f"{self.manifest.id}: undecided without {', '.join(f.input.name for f in answer.lacking)}")
        if lacking := [f.input.name for f in features if f.value is None and f.input.graph]:
            raise ModelError(f"{self.manifest.id}: cannot answer without {', '.join(lacking)}")
        asked = _question(features)
        return self.told(asked, self.run(asked.rows), slice(None))

    def again(self, features: tuple[Feature, ...]) -> Prediction | NotAssessed | Failed:
        """The answer to inputs read before, or supposed, in the order of the manifest. Of whom it is for, only what the
        inputs say is tested again: the record is not at hand. Never raises."""
        if self.refused:
            return Failed(self.manifest, self.refused)
        features = _worked_out(features)
        by_name = {f.input.name: f for f in features}
        for test in self.manifest.population.eligibility:
            if not eligibility.holds(test, by_name, None):
                return NotAssessed(self.manifest, "not-eligible", test.says, features)
        if self.graph is None:
            return self._by_rules(features, by_name)
        if lacking := _lacking(features):
            return NotAssessed(self.manifest, "input-absent", {}, features, lacking)
        return self.answered(_question(features))

    def _by_sex(self, features: tuple[Feature, ...], lacking: tuple[Feature, ...]) -> tuple[Prediction, ...]:
        if [f.input.source for f in lacking] != ["patient.male"]:
            return ()
        sexes = [Feature(lacking[0].input, sex, "found") for sex in (0.0, 1.0)]
        told = [self.again(tuple(sex if f is lacking[0] else f for f in features)) for sex in sexes]
        found = tuple(one for one in told if isinstance(one, Prediction))
        return found if len(found) == len(sexes) else ()

    def _otherwise(
        self, features: tuple[Feature, ...], by_name: Mapping[str, Feature], record: Record
    ) -> Prediction | None:
        """Of a risk alone: there "not for this patient" may be taken for safety."""
        if self.manifest.task != "risk":
            return None
        tests = self.manifest.population.eligibility
        failed = (t for t in tests if not eligibility.holds(t, by_name, record, tests))
        if any(not eligibility.of_age(test) for test in failed):
            return None
        found = self.again(features)
        return found if isinstance(found, Prediction) else None

    def score(self, x: Array) -> dict[str, Array]:
        """Many rows at once. ``x``: [n, inputs] in the inputs' units, never NaN; results [n] or [n, k] by output, found
        possible. Raises ModelError, also for a rules model, which has no graph."""
        results = self.run(x)
        return results | self._averaging.reading(results)

    def run(self, x: Array) -> dict[str, Array]:
        """As ``score``, without what is read off the curves."""
        if self.graph is None:
            raise ModelError(f"{self.manifest.id} has no graph")
        columns = self.manifest.columns
        whole = len(columns) == len(self.manifest.inputs)
        results = self.graph.run(x if whole else x[:, columns], self._names)
        sanity.require(self.manifest, results, len(x))
        if not whole:
            results |= {o.name: self._spread(results[o.name]) for o in self.manifest.outputs if o.per_input}
        return results

    @cached_property
    def _averaging(self) -> marginal.Averaging:
        return marginal.averaging(self.manifest.outputs)

    def _spread(self, values: Array) -> Array:
        """[n, columns of the graph] -> [n, inputs]: what the graph does not read contributes nothing."""
        every = np.zeros((len(values), len(self.manifest.inputs)))
        every[:, self.manifest.columns] = values
        return every

    def warm(self) -> None:
        """Open the session now, so that the first patient doesn't wait for it, and see that the graph is the one its
        manifest describes. Raises ModelError."""
        if self.refused:
            raise ModelError(self.refused)
        if self.graph is not None:
            self.graph.require(self._names)

    @cached_property
    def _names(self) -> tuple[str, ...]:
        """Of what the graph gives; the rest is read off its curves."""
        return tuple(o.name for o in self.manifest.outputs if o.curve is None)

    def _by_rules(self, features: tuple[Feature, ...], by_name: Mapping[str, Feature]) -> Prediction | NotAssessed:
        runtime = self.manifest.runtime
        fired = [r for r in runtime.rules if rules.fires(r, by_name)]
        undecided = {n for r in runtime.rules for n in rules.almost(r, by_name)}
        if not fired and undecided:
            lacking = tuple(f for f in features if f.input.name in undecided)
            return NotAssessed(self.manifest, "input-absent", {}, features, lacking)
        decided = fired[0].gives if fired else runtime.otherwise
        outputs: dict[str, Value] = {}
        for output in self.manifest.outputs:
            if output.kind == "category":
                outputs[output.name] = next(
                    (float(n) for n, name in output.categories.items() if name == decided), -1.0
                )
            else:
                outputs[output.name] = float(len(fired))
        return Prediction(self.manifest, outputs, features, rules=tuple(r.id for r in fired))

    def told(self, asked: Question, results: Mapping[str, Array], rows: slice) -> Prediction:
        """The prediction out of a ``run`` in which this patient's rows are ``rows``."""
        mine = {name: values[rows] for name, values in results.items()}
        own = 1 + len(asked.variants)
        first, what_if = self._plainly(asked, {name: values[:own] for name, values in mine.items()})
        if asked.mixed is not None:
            combined = {name: values[own:] for name, values in mine.items()}
            mixed = _rows(self._mixed(combined, asked.mixed))
            first |= {name: value for name, value in mixed[0].items() if name not in self._categories}
            known = zip(asked.mixed.known, mixed[1:], strict=True)
            what_if += [WhatIf(asked.features[c], asked.assumed[c], value, row) for (c, value), row in known]
        return Prediction(
            self.manifest, first, asked.features, tuple(what_if), ordinary=self._of_ordinary(asked.features)
        )

    def _plainly(self, asked: Question, own: dict[str, Array]) -> tuple[dict[str, Value], list[WhatIf]]:
        """The answer to the first row, and those to the variants after it. What is integrated over takes the place of
        the first, so nothing has to be read off its curves."""
        if asked.mixed is None or asked.variants:
            own |= self._averaging.reading(own)
        first, *others = _rows(own)
        pairs = zip(asked.variants, others, strict=True)
        return first, [WhatIf(asked.features[c], asked.assumed[c], value, row) for (c, value), row in pairs]

    def _of_ordinary(self, features: tuple[Feature, ...]) -> Mapping[str, Value] | None:
        """What it says of patients of the same age and sex, otherwise as the cohort was. Only of survival: a risk has
        its comparator among its outputs or in its explanation."""
        if not any(o.kind == "survival" for o in self.manifest.outputs):
            return None
        own = tuple(f.value if f.input.source in ordinary.OWN else None for f in features)
        if own not in self._ordinary:
            made = ordinary.rows(self.manifest.inputs, own)
            self._ordinary[own] = None if made is None else self._averaged(*made)
        return self._ordinary[own]

    def _averaged(self, x: Array, weights: Array) -> Mapping[str, Value] | None:
        try:
            found = self._averaging(self.run(x), weights[None])
        except ModelError as error:
            _log.error("model.ordinary-failed model=%s error=%s", self.manifest.id, error)
            return None
        return _rows(found)[0]

    def _mixed(self, combined: Mapping[str, Array], mixed: marginal.Mixture) -> dict[str, Array]:
        """By output, a row for each of ``mixed.weights``; of a category, that of the likeliest combination."""
        found = self._averaging(combined, mixed.weights)
        if self._categories:
            likeliest = mixed.weights.argmax(axis=1)
            found |= {name: combined[name][likeliest] for name in self._categories}
        return found

    @cached_property
    def _categories(self) -> tuple[str, ...]:
        return tuple(o.name for o in self.manifest.outputs if o.kind == "category")


def _question(features: tuple[Feature, ...]) -> Question:
    assumed = [f.value if f.value is not None else float(f.input.absent.value or 0.0) for f in features]
    mixed = marginal.mixture(features, assumed) if any(not f.found for f in features) else None
    mixed_in = {column for column, _ in mixed.known} if mixed is not None else set()
    missing = [i for i, f in enumerate(features) if not f.found and i not in mixed_in]
    variants = [(i, v) for i in missing for v in features[i].input.absent.vary if v != assumed[i]]
    rows = np.array([assumed] * (1 + len(variants)), dtype=np.float64)
    for row, (column, value) in enumerate(variants, start=1):
        rows[row, column] = value
    if mixed is not None:
        rows = np.concatenate([rows, mixed.rows])
    return Question(features, assumed, variants, mixed, rows)


def _lacking(features: tuple[Feature, ...]) -> tuple[Feature, ...]:
    """Absent, and without it there is no answer."""
    own = (f for f in features if f.input.source != "inputs")
    return tuple(f for f in own if not f.found and f.input.absent.does == "abstain")


def _worked_out(features: tuple[Feature, ...]) -> tuple[Feature, ...]:
    """The same, with what is worked out from others worked out anew."""
    found: dict[str, Feature] = {}
    for feature in features:
        found[feature.input.name] = product(feature.input, found) if feature.input.powers else feature
    return tuple(found.values())


def _given(spec: Input, values: Mapping[str, float]) -> Feature:
    value = values.get(spec.name)
    if value is None:
        value = spec.absent.value if spec.absent.value is not None else spec.constant
    if value is None and spec.is_flag:
        value = 0.0
    return Feature(spec, value, "missing" if value is None else "found")


def _rows(results: Mapping[str, Array]) -> list[dict[str, Value]]:
    """Row by row, plain numbers and tuples."""
    names = tuple(results)
    columns = [
        values.tolist() if values.ndim == 1 else [tuple(row) for row in values.tolist()] for values in results.values()
    ]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
