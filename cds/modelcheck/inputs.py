"""Inputs: concepts known, a unit that is the concept's, and limits for every number."""

from __future__ import annotations

from collections.abc import Iterator

from cds.inference.manifest import Input, Reduce
from cds.modelcheck.subject import Finding, Subject
from cds.record import units
from cds.record.concepts import Concept

READ_AS_IS = (Reduce.latest, Reduce.earliest, Reduce.nearest, Reduce.lowest, Reduce.highest)
"""Reducers that hand over a value in its concept's own unit."""

_FIXED_UNIT = {
    Reduce.first_at_least: ("a",),
    Reduce.course: ("d",),
    Reduce.days_since: ("d",),
    Reduce.line: ("1",),
    Reduce.ratio: ("1", "%"),
}


def findings(subject: Subject) -> Iterator[Finding]:
    for position, spec in enumerate(subject.manifest.inputs):
        concepts = [subject.concepts[name] for name in spec.concepts if name in subject.concepts]
        for name in sorted({*spec.reads, *spec.values} - set(subject.concepts)):
            yield subject.finding(f"no vocabulary defines the concept '{name}'", "inputs", position, "concepts")
        if _measured(spec, concepts):
            yield from _measure(subject, spec, concepts, position)
        elif spec.reduce in _FIXED_UNIT and spec.unit not in _FIXED_UNIT[spec.reduce]:
            wanted = " or ".join(_FIXED_UNIT[spec.reduce])
            yield subject.finding(
                f"{spec.name}: the unit of {spec.reduce.value} is {wanted}", "inputs", position, "unit"
            )
        if spec.range is None and _a_number(spec, concepts):
            yield subject.finding(
                f"{spec.name}: give 'range', the least and most it can be in {spec.unit}: other values are left out",
                "inputs",
                position,
            )


def _measured(spec: Input, concepts: list[Concept]) -> bool:
    """A number with a unit, rather than a flag, a code or a score given by ``values`` alone."""
    return spec.reduce in (*READ_AS_IS, Reduce.change_per_year) and any(c.unit for c in concepts)


def _a_number(spec: Input, concepts: list[Concept]) -> bool:
    """A number that may be typed or dated wrongly. Not a flag, a code, what the service counts (facts, lines, days),
    nor what it multiplies from inputs that have ranges of their own."""
    if spec.source == "patient.age" or spec.reduce in (Reduce.ratio, Reduce.first_at_least):
        return True
    if spec.reduce not in (*READ_AS_IS, Reduce.change_per_year):
        return False
    return not spec.values or any(c.unit for c in concepts)


def _measure(subject: Subject, spec: Input, concepts: list[Concept], position: int) -> Iterator[Finding]:
    where = ("inputs", position)
    per_year = spec.reduce is Reduce.change_per_year
    base = spec.unit.removesuffix("/a") if per_year else spec.unit
    if not units.known(base):
        yield subject.finding(f"{spec.name}: '{spec.unit}' is not a unit this service knows", *where, "unit")
    for concept in concepts:
        wanted = f"{concept.unit}/a" if per_year else concept.unit
        if concept.unit and spec.unit != wanted:
            yield subject.finding(
                f"{spec.name}: the record gives this concept in {wanted}, the input says {spec.unit}", *where, "unit"
            )
