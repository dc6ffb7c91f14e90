"""One of something is said in the singular, in every sentence of every language that counts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cds.cards.phrasebook import Catalogues, Phrasebook, fields_of
from cds.errors import ServiceError

ROOT = Path(__file__).parents[2]
BOOKS = Catalogues([*sorted(ROOT.glob("cds/**/catalogue")), ROOT / "hooks" / "catalogue"])
COUNTED = {
    "en": "answers calls cards characters clinicians days entries events findings groups hours lines minutes months "
    "patients people records seconds times weeks years",
    "nl": "aanroepen antwoorden bevindingen dagen gegevens gevallen groepen kaarten maanden mensen minuten onderdelen "
    "patiënten regels seconden tekens weken zorgverleners",
}
"""What the sentences count."""
NO_COUNT = {
    "risk.likely.guideline",  # "about 3 in 100" patients
    "report.compared.axis",  # of 100 or 1,000 people
    "committee.calls.looks",  # the newest 20,000 calls
}


def of_one(words: Phrasebook, key: str) -> str:
    """The sentence with 1 in every field."""
    return words(key, **dict.fromkeys(fields_of(words.texts[key]), "1"))


def plurals(words: Phrasebook, key: str) -> list[str]:
    several = "|".join(COUNTED[words.language].split())
    return re.findall(rf"(?<![\d.,])1 (?:past |eerdere )?({several})\b", of_one(words, key))


@pytest.mark.parametrize("language", ["en", "nl"])
def test_one_is_singular_wherever_a_sentence_counts(language: str) -> None:
    words = BOOKS.book(language)
    # the other half of a pair is never said of one
    keys = [key for key in words.texts if not (key.endswith(".more") and f"{key[:-5]}.one" in words.texts)]
    counting = [key for key in keys if fields_of(words.texts[key]) and key not in NO_COUNT]
    assert len(counting) > 300
    assert {key: found for key in counting if (found := plurals(words, key))} == {}


def test_a_sentence_with_several_counts_minds_each(tmp_path: Path) -> None:
    for language in ("en", "nl"):
        (tmp_path / f"{language}.yaml").write_text(
            "x: '{a:call|calls} of {b:patient|patients}, {c}.'", encoding="utf-8"
        )
    words = Catalogues([tmp_path]).book("en")
    assert words("x", a=1, b="1,200", c="a|b") == "1 call of 1,200 patients, a|b."
    assert words("x", a="0", b="1", c=1) == "0 calls of 1 patient, 1."


@pytest.mark.parametrize("text", ["{n:months}", "{n:|months}", "{n:.2f}", "{n:a|b|c}"])
def test_what_is_no_pair_is_refused_at_the_start(text: str) -> None:
    with pytest.raises(ValueError, match="one thing and several"):
        fields_of(text)


@pytest.mark.parametrize("text", ["{calls!s:call|calls}", "{calls:{calls}|x}", "{{calls:call|calls}} {calls}"])
def test_a_sentence_that_would_break_when_it_is_said_is_refused_at_the_start(tmp_path: Path, text: str) -> None:
    for language in ("en", "nl"):
        (tmp_path / f"{language}.yaml").write_text(f"x: '{text}'", encoding="utf-8")
    with pytest.raises(ServiceError, match="'x'"):
        Catalogues([tmp_path])
