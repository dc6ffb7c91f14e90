"""A finding in one line, as it stands among a card's reasons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cds.cards import wording
from cds.cards.phrasebook import Catalogues
from cds.record.facts import Fact
from cds.record.feature import Feature
from cds.record.inputs import Input
from cds.record.moments import parse

BOOKS = Catalogues(sorted((Path(__file__).parents[2] / "cds").glob("**/catalogue")))
NOW = Fact("marker", "Observation/2", parse("2026-11-19"), value=410.0, original="410 U/mL")
START = Fact("marker", "Observation/1", parse("2026-09-24"), value=2140.0, original="2140 U/mL")


def spec(**more: Any) -> Input:
    given = {"name": "x", "label": {"en": "marker now as a share", "nl": "marker nu als deel"}, "concepts": ["marker"]}
    return Input.model_validate(given | more)


@pytest.mark.parametrize(
    ("language", "line"),
    [
        ("en", "Marker now as a share: 19%, from 410 U/mL (19 Nov 2026) and 2,140 U/mL (24 Sep 2026)"),
        ("nl", "Marker nu als deel: 19%, uit 410 U/mL (19 nov 2026) en 2.140 U/mL (24 sep 2026)"),
    ],
)
def test_a_share_is_told_as_the_share_it_is(language: str, line: str) -> None:
    share = spec(reduce="ratio", anchor={"input": "start"}, unit="%")
    assert wording.reason(BOOKS.book(language), Feature(share, 19.16, "found", (NOW, START))) == line


@pytest.mark.parametrize(
    ("original", "told"),
    [
        ("<0.004 ug/L", "<0,004 ug/L"),  # and not <0
        (">0.996 mg/L", ">0,996 mg/L"),  # and not >1
        (">1234567 U/mL", ">1.234.567 U/mL"),
        ("0.996 mg/L", "1 mg/L"),
    ],
)
def test_a_bound_is_told_as_it_was_sent(original: str, told: str) -> None:
    assert wording.as_written(BOOKS.book("nl"), original) == told


def test_an_order_in_the_making_has_not_begun() -> None:
    drafted = spec(label={"en": "drug being ordered"}, source="drafts", reduce="presence")
    fact = Fact("drug", "draft/1", parse("2026-11-23"), status="active")
    assert wording.reason(BOOKS.book("en"), Feature(drafted, 1.0, "found", (fact,))) == "Drug being ordered"
    on_record = spec(label={"en": "drug on record"}, reduce="presence")
    assert wording.reason(BOOKS.book("en"), Feature(on_record, 1.0, "found", (fact,))).endswith(", since 23 Nov 2026")


@pytest.mark.parametrize(
    ("language", "bound", "line"),
    [
        ("en", None, "Age of the youngest: 55 years"),
        ("en", "<=", "Age of the youngest: 55 years or less"),
        ("nl", None, "Leeftijd van de jongste: 55 jaar"),
        ("nl", "<=", "Leeftijd van de jongste: 55 jaar of jonger"),
    ],
)
def test_the_age_of_a_relative_is_told_in_years_and_has_no_date(language: str, bound: Any, line: str) -> None:
    fact = Fact(
        "x", "FamilyMemberHistory/1", None, value=55.0, unit="a", original=f"{bound or ''}55 a", comparator=bound
    )
    youngest = spec(label={"en": "age of the youngest", "nl": "leeftijd van de jongste"}, reduce="lowest", unit="a")
    assert wording.reason(BOOKS.book(language), Feature(youngest, 55.0, "found", (fact,))) == line
