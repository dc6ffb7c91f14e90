"""Codes with words: every code speaks every language, and no two mean the same."""

from __future__ import annotations

import re
from importlib import resources

import pytest
import yaml

from cds.imaging.reasons import LANGUAGES, Evidence, Note, Reason, Unusable, words

CODES = [*Reason, *Note, *Evidence]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("code", CODES, ids=str)
def test_every_code_has_words_in_every_language(code: Reason | Note | Evidence, language: str) -> None:
    said = words(code, language)
    assert len(said) > 8
    if not isinstance(code, Evidence):
        assert re.fullmatch(r"[A-Z].*[^.]\.", said), "a sentence"


def test_no_words_are_left_without_a_code() -> None:
    text = resources.files("cds.imaging").joinpath("reasons.yaml").read_text(encoding="utf-8")
    assert set(yaml.safe_load(text)) == {code.value for code in CODES}


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_two_codes_say_the_same(language: str) -> None:
    said = [words(code, language) for code in CODES]
    assert len(set(said)) == len(said)


def test_english_and_dutch_differ() -> None:
    assert [code for code in CODES if words(code, "en") == words(code, "nl")] == []


def test_an_unknown_language_gets_english() -> None:
    assert words(Reason.GAP, "xx") == words(Reason.GAP, "en")


def test_what_is_unusable_says_why_and_keeps_the_code() -> None:
    error = Unusable(Reason.GAP, "(14 mm)")
    assert error.reason is Reason.GAP
    assert str(error) == f"{words(Reason.GAP)} (14 mm)"
