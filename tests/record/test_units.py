"""A value in a unit we can't place is no value; one we can is exact."""

from __future__ import annotations

import pytest

from cds.record.concepts import Concept
from cds.record.quantities import spelling
from cds.record.units import conversion, known

GLUCOSE, BILIRUBIN = 180.156, 584.66
HBA1C = (("mmol/mol", 0.09148, 2.152),)


@pytest.mark.parametrize(
    ("value", "unit", "canonical", "molar_mass", "expected"),
    [
        (7.0, "mmol/L", "mg/dL", GLUCOSE, 126.1),
        (126, "mg/dL", "mmol/L", GLUCOSE, 6.99),
        (20, "umol/L", "mg/dL", BILIRUBIN, 1.169),
        (20, "µmol/l", "mg/dL", BILIRUBIN, 1.169),
        (1.2, "mg/dl", "mg/dL", BILIRUBIN, 1.2),
        (37, "U/mL", "U/mL", None, 37),
        (37, "[arb'U]/mL", "U/mL", None, 37),
        (37, "k[IU]/L", "U/mL", None, 37),
        (37, "kU/L", "U/mL", None, 37),
        (37000, "U/L", "U/mL", None, 37),
        *[(37, unit, "U/mL", None, 37) for unit in ("[iU]/mL", "k[iU]/L", "k[arb'U]/L", "KU/L", "units/mL", "IE/ml")],
        *[(4.2, unit, "10*9/L", None, 4.2) for unit in ("10⁹/L", "×10^9/l", "x10(9)/L", "/nl", "K/mm3", "x10^3/mcL")],
        (3.8, "g/dL", "g/L", None, 38),
        *[(38, unit, "g/L", None, 38) for unit in ("g/l", "G/l")],
        (4.2, "10*9/L", "10*9/L", None, 4.2),
        (4.2, "10^9/L", "10*9/L", None, 4.2),
        (4.2, "K/uL", "10*9/L", None, 4.2),
        (4200, "/uL", "10*9/L", None, 4.2),
        (4.2, "G/L", "10*9/L", None, 4.2),
        *[(4.2, unit, "10*9/L", None, 4.2) for unit in ("G/l", "G / L", "G/l{WBC}", "giga/L", "Giga/l")],
        *[(4.2, unit, "10*9/L", None, 4.2) for unit in ("x 10e9/L", "10e9/L", "x 10e9/l", "x10e3/uL", "10e3/mcL")],
        *[(4.2, unit, "10*9/L", None, 4.2) for unit in ("Thousand/uL", "thousand/µL", "THOUSAND/UL", "thou/mm3")],
        *[(4.2, unit, "10*9/L", None, 4.2) for unit in ("10*9/L{cells}", "10*9{cells}/L", "10*3/uL {WBC}")],
        *[(6.5, unit, "%", None, 6.5) for unit in ("%{total}", "% {HbA1c}", "{HbA1c}%", "%{[x](http://y)}")],
        (7.0, "mmol{glucose}/l", "mg/dL", GLUCOSE, 126.1),
        (80, "{pulse}/min", "/min", None, 80),
        *[(6.5, unit, "%", None, 6.5) for unit in ("% (NGSP)", "percent")],
        *[(205, unit, "mg/dL", BILIRUBIN, 11.986) for unit in ("micromol/L", "µM")],
        (180, "[lb_av]", "kg", None, 81.6466266),
        *[(180, unit, "kg", None, 81.6466266) for unit in ("lb_av", "LBS", "pounds")],
        *[(82, unit, "kg", None, 82) for unit in ("Kg", "KG", "kgs", "kilogram")],
        *[(13, unit, "kg", None, 82.554) for unit in ("[stone_av]", "stone")],
        (1.75, "m", "cm", None, 175),
        *[(69, unit, "cm", None, 175.26) for unit in ("[in_i]", "inches")],
        *[(27, unit, "kg/m2", None, 27) for unit in ("kg/m²", "Kg/m2", "KG/M2")],
    ],
)
def test_a_known_unit_is_converted(
    value: float, unit: str, canonical: str, molar_mass: float | None, expected: float
) -> None:
    convert = conversion(unit, canonical, molar_mass)
    assert convert is not None
    assert convert(value) == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize(
    ("unit", "canonical"),
    [("g/L", "10*9/L"), ("g/l", "10*9/L"), ("10*9/L", "g/L"), ("G/L", "mmol/L"), ("G/dL", "10*9/L")],
)
def test_only_a_capital_g_per_litre_is_giga(unit: str, canonical: str) -> None:
    assert conversion(unit, canonical) is None


@pytest.mark.parametrize(("ifcc", "ngsp"), [(20, 3.98), (42, 5.99), (48, 6.54), (86, 10.02)])
def test_hba1c_follows_the_master_equation(ifcc: float, ngsp: float) -> None:
    convert = conversion("mmol/mol", "%", None, HBA1C)
    assert convert is not None
    assert convert(ifcc) == pytest.approx(ngsp, abs=0.01)
    assert conversion("mmol/mol{HbA}", "%", None, HBA1C) == convert


def test_an_annotation_alone_is_no_unit_and_none_is_shown() -> None:
    assert not known("{total}") and known("{TPM}") and conversion("%{total}", "10*9/L") is None
    concept = Concept.model_construct(unit="%", molar_mass=None, conversions=[])
    for sent, shown in (("%{[x](http://y)}", "%"), ("10*9/L{cells}", "10^9/L"), ("{beats}/min", "{beats}/min")):
        assert spelling(sent, None, None, concept, lambda unit: conversion(unit, "%")).shown == shown


def test_hba1c_in_mmol_per_mol_is_never_taken_for_a_plain_fraction() -> None:
    assert conversion("mmol/mol", "%") is None


@pytest.mark.parametrize(
    ("unit", "canonical", "molar_mass"),
    [
        ("g/L", "%", None),  # HbA1c sent as a concentration
        ("mmol/L", "mg/dL", None),  # no molar mass: no guess
        ("U/mL", "mg/dL", None),
        ("furlong", "cm", None),
        ("", "mg/dL", None),
        ("G/L", "g/L", None),  # giga a litre is a cell count, never grams
    ],
)
def test_a_wrong_unit_has_no_conversion(unit: str, canonical: str, molar_mass: float | None) -> None:
    assert conversion(unit, canonical, molar_mass) is None
