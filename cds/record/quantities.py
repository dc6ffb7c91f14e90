"""A FHIR Quantity, read for one concept: its value in the canonical unit, or the reason it can't be believed."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from cds.fhir.resources import Quantity
from cds.record import units
from cds.record.concepts import Concept
from cds.record.units import Linear

_COMPARATORS = frozenset({"<", "<=", ">=", ">", "ad"})
_WITHOUT_UNIT = frozenset({"1", "{score}"})
# What a unit nobody knows may still show of itself. Cards are Markdown: without brackets, dots and colons a text from
# the chart can't become a link, an image or a tag in the EHR.
_ODD = re.compile(r"[^\w/%^{}' -]|_")
_LONGEST_ODD = 20


class Reading(msgspec.Struct, frozen=True):
    original: str
    """Value and unit as sent, fit to stand on a card."""
    value: float | None = None
    """In the concept's canonical unit; None when refused."""
    refused: str = ""
    """unit-missing, unit-unknown, unit-conflict, implausible, no-value"""


def read(
    quantity: Quantity, concept: Concept, usual_unit: str | None, conversion: Callable[[str], Linear | None]
) -> Reading:
    """``usual_unit``: what the site's ConceptMap says bare numbers of this code are in.

    A unit is told twice, as text and as code. When both are known they have to agree: of 141 "mmol/L" with the code
    mg/dL one is wrong, and nobody can tell which.
    """
    if quantity.value is None or quantity.value != quantity.value:
        return Reading("", refused="no-value")
    unit = quantity.unit or quantity.code or usual_unit
    original = _shown(quantity.value, quantity.comparator, unit)
    if unit is None and concept.unit not in (None, "1"):
        return Reading(original, refused="unit-missing")
    by_code, by_text = (conversion(spelling) if spelling else None for spelling in (quantity.code, quantity.unit))
    if by_code is not None and by_text is not None and by_code != by_text:
        return Reading(f"{original} ({_plain(quantity.code or '')})", refused="unit-conflict")
    convert = by_code or by_text or conversion(unit or "1")
    if convert is None:
        return Reading(original, refused="unit-unknown")
    value = convert(quantity.value)
    if concept.plausible and not concept.plausible[0] <= value <= concept.plausible[1]:
        return Reading(original, refused="implausible")
    return Reading(original, value)


def _shown(value: float, comparator: str | None, unit: str | None) -> str:
    sign = comparator if comparator in _COMPARATORS and comparator != "ad" else ""
    return f"{sign}{value:g} {'' if unit is None or unit in _WITHOUT_UNIT else _plain(unit)}".strip()


def _plain(unit: str) -> str:
    """A known unit as written (a star is emphasis in Markdown: a caret instead); an unknown one with its teeth out."""
    if units.known(unit):
        return unit.replace("*", "^")
    return _ODD.sub("", unit)[:_LONGEST_ODD].strip()
