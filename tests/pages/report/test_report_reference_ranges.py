"""How the report tells the laboratory's reference range of a result, from the ledger's row of an answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from cds.audit import prediction
from cds.cards.phrasebook import Catalogues
from cds.inference import registry
from cds.inference.prediction import NotAssessed
from cds.pages.report import words as say
from cds.pages.report.stored import Told
from cds.record.facts import Fact, ReferenceRange
from cds.record.feature import Feature
from cds.record.inputs import Reduce
from cds.record.moments import parse

ROOT = Path(__file__).parents[3]
BOOKS = Catalogues(sorted(ROOT.glob("cds/**/catalogue")))
MODEL = registry.load([ROOT / "models"])["ca19-9-response"]


def fact(usual: ReferenceRange | None, value: float = 412.0, comparator: str | None = None) -> Fact:
    original = f"{comparator or ''}{value:g} U/mL"
    when = parse("2026-11-01")
    return Fact("ca19-9", "Observation/1", when, value, "U/mL", (), original, comparator, reference_range=usual)


def told(found: Fact, language: str, reduce: Reduce = Reduce.latest) -> str:
    spec = next(i for i in MODEL.manifest.inputs if i.reduce is reduce)
    entry = prediction(
        NotAssessed(MODEL.manifest, "input-absent", {}, (Feature(spec, found.value, "found", (found,)),))
    )
    [given] = Told(MODEL, entry).inputs
    return say.reference(BOOKS.book(language), given)


@pytest.mark.parametrize(
    ("usual", "english", "dutch"),
    [
        (
            ReferenceRange(high=37, written=(None, 37)),
            "above the reference, up to 37 U/mL",
            "boven de referentie, tot 37 U/mL",
        ),
        (ReferenceRange(low=0.5, written=(0.5, None)), "reference 0.5 U/mL or more", "referentie 0,5 U/mL of meer"),
        (
            ReferenceRange(low=500, high=600, written=(500, 600)),
            "below the reference, 500 to 600 U/mL",
            "onder de referentie, 500 tot 600 U/mL",
        ),
        (ReferenceRange(low=0, high=412, written=(0, 412)), "reference 0 to 412 U/mL", "referentie 0 tot 412 U/mL"),
        (ReferenceRange(text="< 37"), "reference < 37", "referentie < 37"),
        (None, "", ""),
    ],
)
def test_a_range_is_told_in_both_languages(usual: ReferenceRange | None, english: str, dutch: str) -> None:
    assert told(fact(usual), "en") == english
    assert told(fact(usual), "nl") == dutch


def test_of_a_bound_and_of_a_change_it_is_not_said_that_they_lie_outside() -> None:
    usual = ReferenceRange(low=5, high=37, written=(5, 37))
    assert told(fact(usual, 2.0, "<"), "en") == "reference 5 to 37 U/mL"
    assert told(fact(usual), "en", Reduce.ratio) == ""
