"""From record to a model's inputs: each value with where it came from, or why it is not there."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from msgspec import structs

from cds.record.facts import Record
from cds.record.feature import Feature, Kinds
from cds.record.inputs import Input, Reduce
from cds.record.reducers import REDUCERS

__all__ = ["Already", "Feature", "Kinds", "extract", "product"]


Already = dict[tuple[int, int], Feature]
"""What models of one call have read of one record; inputs that are the same in several are read once."""


def extract(
    inputs: Iterable[Input], record: Record, kinds: Kinds, already: Already | None = None
) -> tuple[Feature, ...]:
    """One feature an input, in order. Never raises: what can't be had says why. ``already``: filled in, and asked, for
    inputs that are one object; of one record, unchanged."""
    features: dict[str, Feature] = {}
    for spec in inputs:
        features[spec.name] = _read(spec, record, kinds, features, already)
    return tuple(features.values())


def _read(spec: Input, record: Record, kinds: Kinds, before: Mapping[str, Feature], already: Already | None) -> Feature:
    anchor = before[spec.anchor.input] if spec.anchor is not None else None
    if already is None or spec.powers or (anchor is not None and anchor.input.powers):
        return _if_read(_in_range(_one(spec, record, before)), record, kinds)
    # an anchor's feature is in ``already`` too, so its id is its own
    key = (id(spec), id(anchor))
    found = already.get(key)
    if found is None:
        found = already[key] = _if_read(_in_range(_one(spec, record, before)), record, kinds)
    return found


def _if_read(feature: Feature, record: Record, kinds: Kinds) -> Feature:
    """What was not found in a source that could not be read is unknown: a flag must not turn into a "no"."""
    if not record.unread or (feature.found and feature.input.source != "record"):
        return feature
    # of lines, what was not read may be an earlier one: only a second is certain
    certain = (feature.value or 0.0) > 1.0 if feature.input.reduce is Reduce.line else bool(feature.facts)
    if certain:
        return _unsure(feature, record, kinds)
    if any(kinds.get(concept) in record.unread for concept in feature.input.concepts):
        lost = {kinds.get(concept) for concept in feature.input.concepts} & record.unread
        return Feature(feature.input, None, "unsupported" if lost <= record.unsupported else "unread")
    return feature


def _unsure(feature: Feature, record: Record, kinds: Kinds) -> Feature:
    """Found, and perhaps not for the first time: what would make it old may be in what was not read."""
    if not feature.value or not feature.input.unless:
        return feature
    lost = record.unread.intersection(kinds.get(concept, "") for concept in feature.input.reads)
    return structs.replace(feature, unsure=lost) if lost else feature


def _in_range(feature: Feature) -> Feature:
    spec = feature.input
    if feature.value is None or spec.range is None or spec.range[0] <= feature.value <= spec.range[1]:
        return feature
    if spec.reduce in (Reduce.change_per_year, Reduce.ratio):  # what was sent is not what lies outside
        original = f"{feature.value:.0f} {spec.unit}"
    else:
        original = feature.facts[0].original if feature.facts else f"{feature.value:g}"
    return Feature(spec, None, "out-of-range", feature.facts, feature.at, original)


def _one(spec: Input, record: Record, before: Mapping[str, Feature]) -> Feature:
    if spec.source == "constant":
        return Feature(spec, spec.constant, "found")
    if spec.source == "patient.age":
        age = record.age
        return Feature(spec, None if age is None else float(age), "missing" if age is None else "found")
    if spec.source == "patient.male":
        return Feature(spec, None if record.male is None else float(record.male), _state(record.male))
    if spec.source == "drafts":
        return _drafted(spec, record.drafts)
    if spec.source == "inputs":
        return product(spec, before)
    return REDUCERS[spec.reduce or Reduce.latest](spec, record, before)


def product(spec: Input, before: Mapping[str, Feature]) -> Feature:
    """What ``powers`` make of other inputs; absent for the reason that the first absent one of them is."""
    parts = [before[name] for name in spec.powers]
    if lacking := next((p for p in parts if p.value is None), None):
        return Feature(spec, None, lacking.state, detail=lacking.detail)
    try:
        value = math.prod((p.value or 0.0) ** power for p, power in zip(parts, spec.powers.values(), strict=True))
    except (OverflowError, ZeroDivisionError):
        value = math.inf
    if not math.isfinite(value):
        return Feature(spec, None, "no-value")
    return _in_range(Feature(spec, value, "found"))


def _drafted(spec: Input, drafts: Record | None) -> Feature:
    if drafts is None:
        return Feature(spec, 0.0, "found")
    found = REDUCERS[spec.reduce or Reduce.presence](spec, drafts, {})
    lost = drafts.lost
    if spec.named_in_text and not found.value:
        written = tuple(fact for fact in drafts.written if fact.concept in spec.concepts)
        found = Feature(spec, 1.0, "found", written) if written else found
        lost -= len({fact.source for fact in drafts.unrecognised} & {fact.source for fact in drafts.written})
        # a code alone, of a system of which only the ingredients are known here, may be of any drug
        lost += sum(not (fact.texts or fact.title) for fact in drafts.untold)
    # an order that could not be understood may be the one asked for
    return Feature(spec, None, "unread") if lost and not found.value else found


def _state(value: object) -> str:
    return "missing" if value is None else "found"
