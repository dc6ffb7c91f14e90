"""What a model said for one patient at one moment, or why it said nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from cds.ids import new_id
from cds.inference.manifest import Manifest
from cds.record.features import Feature
from cds.record.inputs import Modality

Value = float | tuple[float, ...]


@dataclass(frozen=True)
class WhatIf:
    """What the answer would be if an absent input were known to have this value. What else is missing stays as it was:
    integrated over, where the manifest gives shares, else assumed."""

    feature: Feature
    assumed: float
    value: float
    outputs: Mapping[str, Value]


@dataclass(frozen=True)
class Prediction:
    manifest: Manifest
    outputs: Mapping[str, Value]
    """By output name; float64, or a tuple for survival functions and contributions."""
    features: tuple[Feature, ...]
    what_if: tuple[WhatIf, ...] = ()
    rules: tuple[str, ...] = ()
    """Ids of the declarative rules that held."""
    ordinary: Mapping[str, Value] | None = None
    """Of survival: the same outputs for patients of the same age and sex who are otherwise as the cohort was; None
    where the manifest does not say how that was."""
    stored: bool = False
    """It is in the ledger already, under this id: a study job made it, not this call."""
    id: str = field(default_factory=new_id)

    def number(self, name: str) -> float:
        value = self.outputs[name]
        if isinstance(value, tuple):
            raise TypeError(f"output '{name}' is a series")
        return value

    def series(self, name: str) -> tuple[float, ...]:
        value = self.outputs[name]
        return value if isinstance(value, tuple) else (value,)

    def category(self, name: str) -> str | None:
        """Name of a category output; None for one its manifest does not name."""
        output = next(o for o in self.manifest.outputs if o.name == name)
        return output.categories.get(f"{self.number(name):g}")

    def open_ended(self, name: str) -> bool:
        """A time read off a curve that ends before the share is reached: its last month stands for that or more."""
        output = next(o for o in self.manifest.outputs if o.name == name)
        if output.until is None or output.curve is None:
            return False
        return self.series(output.curve)[-1] > output.until

    def feature(self, name: str) -> Feature:
        return self._by_name[name]

    def value_of(self, name: str) -> float | None:
        """An input's value; None when absent."""
        return self._by_name[name].value

    @cached_property
    def _by_name(self) -> dict[str, Feature]:
        return {f.input.name: f for f in self.features}

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """Kinds of evidence that spoke, in the order the manifest lists them."""
        read = (f for f in self.features if f.found and (f.facts or f.input.source.startswith("patient")))
        return tuple(dict.fromkeys(f.input.modality for f in read if f.input.graph))

    @property
    def silent(self) -> tuple[Modality, ...]:
        """Kinds of evidence that the model reads and of which nothing is known. A finding that nobody recorded is
        known: it was read as absent."""
        read = [f for f in self.features if f.input.graph]
        known = {f.input.modality for f in read if f.found}
        return tuple(m for m in dict.fromkeys(f.input.modality for f in read) if m not in known)

    @property
    def absent(self) -> tuple[Feature, ...]:
        return tuple(f for f in self.features if f.wanting)


@dataclass(frozen=True)
class NotAssessed:
    """Abstention: a result, not an error and not a zero."""

    manifest: Manifest
    reason: str
    """``not-eligible``, ``eligibility-unread`` (its source could not be had), ``input-absent`` or ``no-study``"""
    says: Mapping[str, str]
    """Why, by language (for ``not-eligible``)."""
    features: tuple[Feature, ...]
    lacking: tuple[Feature, ...] = ()
    by_sex: tuple[Prediction, ...] = ()
    """Where nothing but the patient's sex is lacking: what it would say of a woman, and of a man. Neither is the
    patient's answer."""
    otherwise: Prediction | None = None
    """What a risk would have been, where nothing stands against it but that something has been known for longer. It is
    shown to nobody."""
    id: str = field(default_factory=new_id)


@dataclass(frozen=True)
class Failed:
    """The model could not run. Never silence: the card says so."""

    manifest: Manifest
    error: str
    features: tuple[Feature, ...] = ()
    id: str = field(default_factory=new_id)


Assessment = Prediction | NotAssessed | Failed
