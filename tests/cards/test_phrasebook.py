"""Words in the reader's language: complete, and written as that language writes numbers and dates."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from cds.cards.phrasebook import Catalogues
from cds.cards.wording import between, chance, chances
from cds.errors import ServiceError
from cds.record.moments import parse

BUILT_IN = Path(__file__).parents[2] / "hooks" / "catalogue"


@pytest.fixture(scope="module")
def catalogues() -> Catalogues:
    return Catalogues([BUILT_IN])


@pytest.mark.parametrize(
    ("wishes", "language"),
    [
        (("nl",), "nl"),
        (("nl-BE",), "nl"),
        (("nl_NL",), "nl"),
        (("de, nl;q=0.8, en;q=0.9",), "en"),
        (("fr-FR",), "en"),
        ((None, "nl"), "nl"),
        (("*", None), "en"),
        (("nl;q=x",), "en"),
        (("",), "en"),
    ],
)
def test_the_first_wish_that_can_be_met_is(
    catalogues: Catalogues, wishes: tuple[str | None, ...], language: str
) -> None:
    assert catalogues.book(*wishes).language == language


@pytest.mark.parametrize(
    ("probability", "english", "dutch"),
    [
        (0.0754, "about 8 in 100", "ongeveer 8 op de 100"),
        (0.0231, "about 2.3 in 100", "ongeveer 2,3 op de 100"),
        (0.0096, "about 10 in 1,000", "ongeveer 10 op de 1.000"),
        (0.00997, "about 1 in 100", "ongeveer 1 op de 100"),
        (0.207, "about 21 in 100", "ongeveer 21 op de 100"),
        (0.00066, "about 7 in 10,000", "ongeveer 7 op de 10.000"),
        (0.0000001, "fewer than 1 in 100,000", "minder dan 1 op de 100.000"),
    ],
)
def test_a_chance_is_a_count_of_at_most_two_digits(
    catalogues: Catalogues, probability: float, english: str, dutch: str
) -> None:
    assert chance(catalogues.book("en"), probability) == english
    assert chance(catalogues.book("nl"), probability) == dutch


@pytest.mark.parametrize(
    ("several", "told"),
    [
        ((0.0042, 0.0004), ("about 42 in 10,000", "about 4 in 10,000")),
        ((0.0364, 0.0005), ("about 360 in 10,000", "about 5 in 10,000")),
        ((0.24, 0.38), ("about 24 in 100", "about 38 in 100")),
        ((0.0021, 0.00000001), ("about 210 in 100,000", "fewer than 1 in 100,000")),
    ],
)
def test_chances_beside_each_other_are_of_as_many_people(
    catalogues: Catalogues, several: tuple[float, ...], told: tuple[str, ...]
) -> None:
    assert chances(catalogues.book("en"), *several) == told
    low, high = sorted(several)
    expected = f"between {told[several.index(low)]} and {told[several.index(high)]}"
    assert between(catalogues.book("en"), low, high) == expected


def test_dates_keep_their_precision_in_both_languages(catalogues: Catalogues) -> None:
    english, dutch = catalogues.book("en"), catalogues.book("nl")
    assert english.day(date(2026, 3, 1)) == "1 Mar 2026"
    assert dutch.day(date(2026, 3, 1)) == "1 mrt 2026"
    assert english.day(parse("2021-03")) == "Mar 2021"
    assert dutch.day(parse("2021-03")) == "mrt 2021"
    assert dutch.day(parse("2021")) == "2021"
    assert english.day(None) == "no date"


def test_a_language_that_lacks_a_sentence_is_a_start_up_error(tmp_path: Path) -> None:
    (tmp_path / "en.yaml").write_text("a: {b: 'x {y}', c: z}\n", encoding="utf-8")
    (tmp_path / "nl.yaml").write_text("a: {b: 'x {y}'}\n", encoding="utf-8")
    with pytest.raises(ServiceError, match=r"a\.c"):
        Catalogues([tmp_path])


def test_a_translation_with_other_fields_is_a_start_up_error(tmp_path: Path) -> None:
    (tmp_path / "en.yaml").write_text("a: 'x {y}'\n", encoding="utf-8")
    (tmp_path / "nl.yaml").write_text("a: 'x {z}'\n", encoding="utf-8")
    with pytest.raises(ServiceError, match="other fields"):
        Catalogues([tmp_path])


@pytest.mark.parametrize(
    ("value", "en", "nl"), [(-1234.5, "−1,234.5", "−1.234,5"), (-0.04, "0", "0"), (-0.0, "0", "0"), (2.5, "2.5", "2,5")]
)
def test_a_negative_number_has_a_minus_and_no_hyphen(catalogues: Catalogues, value: float, en: str, nl: str) -> None:
    assert catalogues.book("en").number(value) == en
    assert catalogues.book("nl").number(value) == nl


def test_a_change_a_mark_of_an_axis_and_a_number_as_it_was_sent_have_it_too(catalogues: Catalogues) -> None:
    words = catalogues.book("nl")
    assert [words.signed(v) for v in (-12, 12)] == ["−12", "+12"]
    assert [words.figure(v) for v in (-0.1, 0.30000000000000004, 1e-6)] == ["−0,1", "0,3", "0,000001"]
    assert words.written("-7.60") == "−7,60"
    assert words.significant(-0.0123) == "−0,012"
