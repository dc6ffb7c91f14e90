"""A stored answer made to speak again: the ledger's row, the model's manifest, and the inputs as they were read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from cds.errors import ModelError
from cds.inference.explain import Explanation, explain
from cds.inference.manifest import Manifest, Output, Task
from cds.inference.model import Model
from cds.inference.prediction import Failed, NotAssessed, Prediction, Value
from cds.ledger import PredictionEntry
from cds.record.features import Feature
from cds.record.inputs import Input


@dataclass(frozen=True)
class StoredInput:
    spec: Input
    state: str
    value: float | None
    """In the input's unit."""
    sources: tuple[str, ...]
    """``Type/id`` of the resources it was read from."""
    date: str
    """As recorded; empty where there is none."""
    sent: str
    """As sent, where it could not be used."""
    written: str = ""
    """Number and unit as the hospital wrote them; empty in rows of earlier versions."""
    reference: Mapping[str, Any] = field(default_factory=dict)
    """The laboratory's reference range in that unit: ``low``, ``high``, or its ``text``, and the ``side`` (``above``,
    ``below``) on which the value lies outside; empty where it sent none that is plainly the patient's."""
    older: tuple[str, ...] = ()
    """Concepts of what may be older, where this takes it for a first time; empty in rows of earlier versions."""

    @property
    def found(self) -> bool:
        return self.state == "found"

    @property
    def wanting(self) -> bool:
        """Absent, and worth naming."""
        return self.feature.wanting

    @property
    def told(self) -> bool:
        """It was read from the record; a flag that is nowhere in it was not."""
        return self.found and (bool(self.sources) or self.spec.source.startswith("patient"))

    @property
    def feature(self) -> Feature:
        return Feature(self.spec, self.value, self.state, detail=self.sent)


@dataclass(frozen=True)
class Told:
    """What one model said in the call, or why it said nothing."""

    model: Model
    entry: PredictionEntry

    @property
    def manifest(self) -> Manifest:
        return self.model.manifest

    @property
    def same_model(self) -> bool:
        """The model here is the one that answered; else only what is stored can be shown."""
        found = self.manifest
        # rules had no fingerprint in rows of earlier versions of the product
        prints = (found.fingerprint, found.runtime.fingerprint)
        return found.version == self.entry.model_version and self.entry.model_sha256 in prints

    @cached_property
    def inputs(self) -> tuple[StoredInput, ...]:
        """In the manifest's order; those the row does not know (another version's) are left out."""
        rows = self.entry.inputs
        return tuple(_input(spec, rows[spec.name]) for spec in self.manifest.inputs if spec.name in rows)

    @cached_property
    def again(self) -> Prediction | None:
        """The prediction, computed anew from the stored inputs; None for another version of the model, or where it gave
        none."""
        if not self.same_model or self.entry.outcome != "predicted" or len(self.inputs) != len(self.manifest.inputs):
            return None
        found = self.model.again(tuple(i.feature for i in self.inputs)) if self.inputs else None
        return found if isinstance(found, Prediction) and self._says_the_same(found) else None

    def _says_the_same(self, found: Prediction) -> bool:
        """What is explained must be what was said: an answer that can't be had again is shown without reasons."""
        return all(
            np.shape(found.outputs[name]) == np.shape(value)
            and np.allclose(found.outputs[name], value, rtol=1e-6, atol=1e-9)
            for name, value in self.entry.outputs.items()
            if name in found.outputs
        )

    @cached_property
    def explanation(self) -> Explanation | None:
        try:
            return explain(self.model, self.again) if self.again is not None else None
        except ModelError:
            return None

    def output(self, name: str) -> Value | None:
        value = self.entry.outputs.get(name)
        return tuple(value) if isinstance(value, list) else value

    def series(self, name: str) -> tuple[float, ...] | None:
        value = self.output(name)
        return value if isinstance(value, tuple) or value is None else (value,)

    def of_kind(self, *kinds: str) -> Output | None:
        """The first shown output of these kinds that has an answer."""
        found = (o for o in self.manifest.outputs if o.kind in kinds and o.shown and o.name in self.entry.outputs)
        return next(found, None)

    @property
    def headline(self) -> Output | None:
        """What the model is asked for: the first chance, score or category of its manifest that has an answer."""
        return self.of_kind("probability", "score", "category")

    @property
    def rules(self) -> tuple[str, ...]:
        return tuple(self.entry.outputs.get("rules", ()))

    @property
    def lacking(self) -> tuple[StoredInput, ...]:
        """What stood in the way of an answer."""
        own = (i for i in self.inputs if i.spec.source != "inputs")
        return tuple(i for i in own if not i.found and i.spec.absent.does == "abstain")

    @property
    def askable(self) -> bool:
        """It can be asked what it would say to other values: the same model, on inputs it could be told."""
        return self.same_model and bool(self.inputs) and len(self.inputs) == len(self.manifest.inputs)

    @property
    def foretells_life(self) -> bool:
        """It says how long somebody may live; also a score of it is shown only to who opens it."""
        return self.manifest.task is Task.survival or any(o.kind == "survival" for o in self.manifest.outputs)

    def changed(self, values: Mapping[str, float]) -> Prediction | NotAssessed | Failed:
        """What it would say had these inputs these values. Only for one that is ``askable``."""
        features = tuple(
            Feature(i.spec, values[i.spec.name], "found") if i.spec.name in values else i.feature for i in self.inputs
        )
        return self.model.again(features)


def told(
    entries: Iterable[PredictionEntry], models: Mapping[str, Model]
) -> tuple[tuple[Told, ...], tuple[PredictionEntry, ...]]:
    """(answers of models that are installed, answers of those that are not any more or can't be loaded)"""
    kept, gone = [], []
    for entry in entries:
        model = models.get(entry.model)
        if model is None or model.refused:
            gone.append(entry)
        else:
            kept.append(Told(model, entry))
    return tuple(kept), tuple(gone)


def _input(spec: Input, row: Mapping[str, Any]) -> StoredInput:
    return StoredInput(
        spec=spec,
        state=str(row.get("state", "missing")),
        value=row.get("value"),
        sources=tuple(row.get("from", ())),
        date=str(row.get("date", "")),
        sent=str(row.get("sent", "")),
        written=str(row.get("written", "")),
        reference=row.get("reference", {}),
        older=tuple(row.get("older", ())),
    )
