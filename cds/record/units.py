"""Units as hospitals write them, brought to one canonical unit a concept.

Each accepted spelling is a row: dimension and factor to that dimension's base. UCUM codes are taken from the UCUM
specification 2.2; the other spellings are those HL7 v2 laboratories send (``10^9/L``, ``K/uL``, ``umol/l``, ``gr/dL``).
Arithmetic inside a dimension is plain; mass <-> substance needs the analyte's molar mass; what is neither (HbA1c's
mmol/mol to NGSP %) is a conversion declared on the concept with its source. Anything else is refused: a value in a
unit we can't place is no value.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

_TABLE: dict[str, tuple[tuple[float, tuple[str, ...]], ...]] = {
    # base: g/L
    "mass-concentration": (
        (1.0, ("g/L", "mg/mL", "gr/L")),
        (10.0, ("g/dL", "gr/dL", "g%", "g/100mL")),
        (0.01, ("mg/dL", "mg%", "mg/100mL")),
        (0.001, ("mg/L", "ug/mL", "mcg/mL")),
        (1e-5, ("ug/dL", "mcg/dL")),
        (1e-6, ("ug/L", "mcg/L", "ng/mL")),
    ),
    # base: mol/L
    "substance-concentration": (
        (1.0, ("mol/L",)),
        (1e-3, ("mmol/L", "mM")),
        (1e-6, ("umol/L", "mcmol/L", "micromol/L", "micromole/L", "micromoles/L", "nmol/mL", "uM")),
        (1e-9, ("nmol/L",)),
    ),
    # base: U/mL (arbitrary and international units count alike here: an assay's unit, not an amount)
    "arbitrary-concentration": (
        (1.0, ("U/mL", "[U]/mL", "[arb'U]/mL", "[IU]/mL", "[iU]/mL", "IU/mL", "kU/L", "k[U]/L", "k[arb'U]/L",
               "k[IU]/L", "k[iU]/L", "kIU/L", "E/mL", "kE/L", "IE/mL", "kIE/L", "unit/mL", "units/mL", "Units/mL")),
        (1e-3, ("U/L", "[U]/L", "[IU]/L", "[iU]/L", "IU/L", "[arb'U]/L", "mU/mL", "E/L", "IE/L", "units/L")),
        (1e3, ("kU/mL", "k[IU]/mL", "k[iU]/mL", "U/uL")),
    ),
    # base: 10*9/L
    "number-concentration": (
        (1.0, ("10*9/L", "10^9/L", "10E9/L", "x10E9/L", "x10^9/L", "x10*9/L", "10*3/uL", "10^3/uL", "10*3/mm3",
               "x10E3/uL", "x10^3/uL", "10E3/uL", "K/uL", "k/uL", "G/L", "Gpt/L", "thou/uL", "/nL", "10*6/mL",
               "10⁹/L", "x10⁹/L", "10e9/L", "x10e9/L", "10(9)/L", "x10(9)/L", "10e3/uL", "x10e3/uL", "10^3/mm3",
               "x10^3/mm3", "10e3/mm3", "x10e3/mm3", "K/mm3", "k/mm3", "giga/L", "Giga/L", "thousand/uL",
               "Thousand/uL", "THOUSAND/uL", "thousand/mm3", "Thousand/mm3", "thou/mm3", "Thou/mm3", "Thou/uL",
               "THOU/uL", "THOU/mm3")),
        (1e-3, ("/uL", "/mm3", "{cells}/uL", "cells/uL", "cells/mm3", "10*6/L", "10^6/L")),
    ),
    # base: 1
    "fraction": (
        (1.0, ("1", "{ratio}", "{score}", "{#}", "ratio", "score", "L/L")),
        # "% of total Hgb": HbA1c as on Quest's reports, taken for % in public queries of US records
        (0.01, ("%", "%{Hb}", "% Hb", "%Hb", "{%}", "% Hgb", "% of total Hgb", "% of total hgb", "% OF TOTAL HGB",
                "% NGSP", "% (NGSP)", "percent", "Percent", "PERCENT")),
    ),
    # base: kg
    "mass": (
        (1.0, ("kg", "Kg", "KG", "kgs", "kilogram", "kilograms", "Kilogram", "Kilograms")),
        (1e-3, ("g", "gram", "grams", "Gram", "Grams")),
        (0.45359237, ("[lb_av]", "lb_av", "lb", "lbs", "LB", "LBS", "pound", "pounds", "Pound", "Pounds")),
        (0.028349523125, ("[oz_av]", "oz_av", "oz", "OZ", "ounce", "ounces", "Ounces")),
        (6.35029318, ("[stone_av]", "stone", "stones")),
    ),
    # base: cm
    "length": (
        (1.0, ("cm", "Cm", "CM", "centimeter", "centimeters")), (100.0, ("m", "meter", "meters")), (0.1, ("mm",)),
        (2.54, ("[in_i]", "in_i", "in", "inch", "inches")), (30.48, ("[ft_i]", "ft_i", "ft", "feet")),
    ),
    # base: kg/m2
    "body-mass-index": ((1.0, ("kg/m2", "kg/m^2", "kg/m²", "Kg/m2", "KG/M2", "kg/M2", "kg/sqm")),),
    # base: mm[Hg]
    "pressure": ((1.0, ("mm[Hg]", "mmHg")),),
    # base: 1/min
    "frequency": ((1.0, ("/min", "{beats}/min", "bpm", "1/min", "{breaths}/min")), (60.0, ("Hz", "/s"))),
    # base: Cel (Fahrenheit has an offset: a concept that expects it declares the conversion)
    "temperature": ((1.0, ("Cel", "°C", "degC", "C")),),
    # base: mol/L of nothing in particular: hydrogen ions, osmoles and equivalents stay with themselves
    "equivalents": ((1.0, ("meq/L", "mEq/L")),),
    # base: transcripts per million
    "expression": ((1.0, ("{TPM}", "TPM", "tpm")),),
    # base: a
    "time": (
        (1.0, ("a", "year", "years", "yr")), (1 / 12, ("mo", "month", "months")), (1 / 365.25, ("d", "day", "days")),
    ),
}  # fmt: skip


def _fold(unit: str) -> str:
    """Spelling variants that carry no meaning: micro and multiplication signs, blanks, ``l`` for litre, capitals."""
    text = unit.strip().replace("μ", "u").replace("µ", "u").replace(" ", "").replace("**", "^").replace("×", "x")
    head, slash, tail = text.partition("/")
    if slash:
        litre = {
            "l": "L",
            "ml": "mL",
            "dl": "dL",
            "ul": "uL",
            "ML": "mL",
            "DL": "dL",
            "UL": "uL",
            "mcl": "uL",
            "mcL": "uL",
            "nl": "nL",
        }
        tail = litre.get(tail, tail)
        head = {
            "MG": "mg",
            "G": "g",
            "MMOL": "mmol",
            "UMOL": "umol",
            "gm": "g",
            "u": "U",
            "iu": "IU",
            "ku": "kU",
            "KU": "kU",
        }.get(head, head)
    return head + slash + tail


@dataclass(frozen=True, slots=True)
class _Unit:
    dimension: str
    factor: float


def _index() -> dict[str, _Unit]:
    index: dict[str, _Unit] = {}
    for dimension, rows in _TABLE.items():
        for factor, spellings in rows:
            for spelling in spellings:
                index[spelling] = _Unit(dimension, factor)
                index.setdefault(_fold(spelling), _Unit(dimension, factor))
    return index


_UNITS = _index()


# of a count; elsewhere it may be grams, written in capitals
_GIGA, _COUNTS = re.compile(r"\s*G\s*/\s*[Ll]\s*"), "number-concentration"


_ANNOTATION = re.compile(r"\{[^{}]*\}")


def known(unit: str) -> bool:
    return _find(unit) is not None


def unannotated(unit: str) -> str:
    """Without what stands in braces, which says of what it is and changes nothing (UCUM 12): ``%{total}``. A unit with
    nothing beside them stays as it is, and so does one that is known with them."""
    bare = _ANNOTATION.sub("", unit).strip()
    return unit if not bare or _listed(unit) is not None else bare


def _find(unit: str) -> _Unit | None:
    return _listed(unannotated(unit))


def _listed(unit: str) -> _Unit | None:
    exact = _UNITS.get(unit)
    return exact if exact is not None else _UNITS.get(_fold(unit))


@dataclass(frozen=True, slots=True)
class Linear:
    """``canonical = value * factor + offset``"""

    factor: float
    offset: float = 0.0

    def __call__(self, value: float) -> float:
        return value * self.factor + self.offset

    def back(self, canonical: float) -> float:
        return (canonical - self.offset) / self.factor


@lru_cache(maxsize=4096)
def conversion(
    unit: str,
    canonical: str,
    molar_mass: float | None = None,
    declared: Sequence[tuple[str, float, float]] = (),
) -> Linear | None:
    """How to bring ``unit`` to ``canonical``; None when there is no honest way.

    ``molar_mass`` is in g/mol. ``declared`` are the concept's own (unit, factor, offset) rows, which win.
    """
    folded = _fold(unannotated(unit))
    for name, factor, offset in declared:
        if unit == name or folded == _fold(name):
            return Linear(factor, offset)
    source, target = _find(unit), _find(canonical)
    if source is None or target is None:
        return None
    if target.dimension == _COUNTS and _GIGA.fullmatch(unannotated(unit)):
        source = _UNITS["G/L"]
    if source.dimension == target.dimension:
        return Linear(source.factor / target.factor)
    if molar_mass:
        if (source.dimension, target.dimension) == ("substance-concentration", "mass-concentration"):
            return Linear(source.factor * molar_mass / target.factor)
        if (source.dimension, target.dimension) == ("mass-concentration", "substance-concentration"):
            return Linear(source.factor / molar_mass / target.factor)
    return None
