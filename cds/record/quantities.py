"""A FHIR Quantity, read for one concept: its value in the canonical unit, or the reason it can't be believed."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from cds.fhir.resources import Component, Observation, Quantity
from cds.record import units
from cds.record.concepts import Concept
from cds.record.units import Linear

_COMPARATORS = frozenset({"<", "<=", ">=", ">", "ad"})
_WITHOUT_UNIT = frozenset({"1", "{score}", "{#}"})
# What a unit nobody knows may still show of itself. Cards are Markdown: without brackets, dots and colons a text from
# the chart can't become a link, an image or a tag in the EHR.
_ODD = re.compile(r"[^\w/%^{}' -]|_")
_LONGEST_ODD = 20


# A laboratory's text that is a number and nothing else: "> 12 000 U/mL", "<0,5". Whatever more it says is no number.
_GROUPED = r"\d{1,3}(?: \d{3})+"
_TEXT = re.compile(
    rf"(<=?|>=?|≤|≥)? *({_GROUPED}|\d{{1,15}})(?:[.,](\d{{1,9}}))?( *[^\s\d].{{0,30}}| \S.{{0,30}})?", re.ASCII
)
_SIGNS = {"≤": "<=", "≥": ">="}
_THOUSANDS = 3
_LONGEST = 100
"""Characters of a text that may be a value alone."""


class Reading(msgspec.Struct, frozen=True):
    original: str
    """Value and unit as sent, fit to stand on a card."""
    value: float | None = None
    """In the concept's canonical unit; None when refused."""
    refused: str = ""
    """unit-missing, unit-unknown, unit-conflict, implausible, no-value"""
    highest: float | None = None
    """Without a known unit: the most it can be, in the units its concept is measured in; None where nobody knows."""


class Spelling(msgspec.Struct, frozen=True):
    """What a unit, as sent, means for one concept: the same for every value, so found out once."""

    convert: Linear | None
    refused: str
    """Why there is no honest way from it; empty when there is."""
    shown: str
    """The unit fit to stand on a card behind a value; empty when there is none to show."""
    detail: str = ""
    """The other unit of a conflict."""
    possible: tuple[Linear, ...] = ()
    """Without a known unit: those its concept is measured in."""


# behind a value, how the laboratory judged it; no L, which is a litre after a blank
_FLAG = re.compile(r"(?<!/)(?<!/ )\s+\(?(?:HH?|high|hoog|verhoogd|\*)\)?$", re.IGNORECASE)
_BEGINS = re.compile(r"[<>≤≥=]{0,2} *\d[\d.,]*")


def begins(text: str) -> str:
    """Of a text that could not be read: the number it begins with, for showing; empty where it begins with none."""
    found = _BEGINS.match(text[:40].strip())
    return found[0] if found else ""


def sent(part: Observation | Component, concept: Concept) -> Quantity | None:
    """The value of a result, also where it was sent as a text; None where that is no number, or no measurement."""
    if part.valueQuantity is not None:
        return part.valueQuantity
    if part.valueInteger is not None:
        return Quantity(value=part.valueInteger, unit=concept.unit)
    return _of_text(part.valueString) if part.valueString and concept.unit is not None else None


def _of_text(text: str) -> Quantity | None:
    """None, too, for ``12,000``: twelve in one country, and twelve thousand in another."""
    if len(text) > _LONGEST:
        return None
    found = _TEXT.fullmatch(_FLAG.sub("", " ".join(text.split())))
    if found is None:
        return None
    sign, whole, decimals, behind = found.groups()
    digits, unit = whole.replace(" ", ""), (behind or "").strip() or None
    if decimals is not None and len(decimals) == _THOUSANDS >= len(digits) and int(digits):
        return None
    if unit is not None and (unit in _WITHOUT_UNIT or not units.known(unit)):
        return None
    return Quantity(value=float(f"{digits}.{decimals or 0}"), comparator=_SIGNS.get(sign, sign), unit=unit)


def spelling(
    text: str | None, code: str | None, usual: str | None, concept: Concept, conversion: Callable[[str], Linear | None]
) -> Spelling:
    """``usual``: what the site's ConceptMap says bare numbers of this code are in.

    A unit is told twice, as text and as code. When both are known they have to agree: of 141 "mmol/L" with the code
    mg/dL one is wrong, and nobody can tell which.
    """
    unit = text or code or usual
    shown = "" if unit is None or unit in _WITHOUT_UNIT else _plain(unit)
    molar = ("mmol/L",) if concept.molar_mass else ()
    usually = map(conversion, (concept.unit or "1", *molar, *(c.unit for c in concept.conversions)))
    possible = tuple(known for known in usually if known is not None)
    if unit is None and concept.unit not in (None, "1"):
        return Spelling(None, "unit-missing", shown, possible=possible)
    by_code, by_text = (conversion(spelt) if spelt else None for spelt in (code, text))
    if by_code is not None and by_text is not None and by_code != by_text:
        return Spelling(None, "unit-conflict", shown, _plain(code or ""))
    convert = by_code or by_text or conversion(unit or "1")
    # an unknown one is as good as none, unless it is known for another quantity: then it may be of any value
    strange = convert is None and not any(units.known(spelt) for spelt in (text, code) if spelt)
    return Spelling(convert, "" if convert is not None else "unit-unknown", shown, possible=possible if strange else ())


def read(quantity: Quantity, spelt: Spelling, plausible: tuple[float, float] | None) -> Reading:
    value = quantity.value
    if value is None or value != value:
        return Reading("", refused="no-value")
    original = _shown(value, quantity.comparator, spelt.shown)
    if spelt.convert is None:
        detail = f"{original} ({spelt.detail})" if spelt.detail else original
        return Reading(detail, refused=spelt.refused, highest=_highest(quantity, spelt, plausible))
    value = spelt.convert(value)
    if plausible and not plausible[0] <= value <= plausible[1]:
        return Reading(original, refused="implausible")
    return Reading(original, value)


def _highest(quantity: Quantity, spelt: Spelling, plausible: tuple[float, float] | None) -> float | None:
    if quantity.value is None or plausible is None or quantity.comparator in (">", ">=", "ad"):
        return None
    values = (convert(quantity.value) for convert in spelt.possible)
    return max((value for value in values if plausible[0] <= value <= plausible[1]), default=None)


def _shown(value: float, comparator: str | None, unit: str) -> str:
    sign = comparator if comparator in _COMPARATORS and comparator != "ad" else ""
    number = f"{value:.15g}" if sign else f"{value:g}"  # a bound that is rounded may no longer hold
    return f"{sign}{number} {unit}" if unit else f"{sign}{number}"


def _plain(unit: str) -> str:
    """A known unit as written (a star is emphasis in Markdown: a caret instead), less what it is annotated with; an
    unknown one with its teeth out."""
    if units.known(unit):
        return units.unannotated(unit).replace("*", "^")
    return _ODD.sub("", unit)[:_LONGEST_ODD].strip()
