"""Problem lists hold narrower codes: pain in one quadrant, weight loss told as unintentional, complicated diabetes."""

from __future__ import annotations

from typing import Any

import pytest
from story_house import House
from test_diabetes_known_before import PATIENT, RISE, THIN, problem, told

PAIN = "21522001"


def entry(code: str) -> dict[str, Any]:
    made = problem(code, "2026-10-20")
    if code[0].isalpha():
        made["code"]["coding"][0]["system"] = "http://hl7.org/fhir/sid/icd-10-cm"
    return made


def summary(house: House, *codes: str) -> str:
    (card,) = house.cards_for("pancreas-risk", PATIENT, *map(entry, codes))
    return str(card["summary"])


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("448765001", id="unintentional"),
        pytest.param("422868009", id="unexplained"),
        pytest.param("161832001", id="weight decreasing"),
    ],
)
def test_weight_loss_is_read_under_its_narrower_codes(house: House, code: str) -> None:
    assert summary(house, code, PAIN).startswith("Weight loss and abdominal pain at 68: consider CT")


@pytest.mark.parametrize(
    ("code", "told_as"),
    [
        ("83132003", "abdominal pain"),
        ("301717006", "abdominal pain"),
        ("111985007", "abdominal pain"),
        ("278860009", "back pain"),
        ("16932000", "vomiting"),
        ("236071009", "diarrhoea"),
        ("236069009", "constipation"),
        ("M54.41", "back pain"),
        ("M54.89", "back pain"),
    ],
)
def test_so_is_what_counts_beside_it(house: House, code: str, told_as: str) -> None:
    assert told_as in summary(house, THIN, code).partition(":")[0]


def test_a_pain_in_the_back_of_the_head_is_none_in_the_back(house: House) -> None:
    assert told(house, entry(THIN), entry("M54.81")) == ([], set())


@pytest.mark.parametrize("code", ["162740002", "267030001", "66789005", "197452009"])
def test_so_is_jaundice(house: House, code: str) -> None:
    assert summary(house, code).startswith("Jaundice at 68: refer")


def test_a_history_of_jaundice_is_no_jaundice(house: House) -> None:
    assert told(house, problem("161536006", "2026-10-20")) == ([], set())


@pytest.mark.parametrize("code", ["313436004", "368051000119109", "111552007", "190447002"])
def test_new_diabetes_is_read_under_its_narrower_codes(house: House, code: str) -> None:
    assert "new-onset diabetes" in summary(house, THIN, code)


@pytest.mark.parametrize("code", ["313436004", "422034002", "127013003", "313435000"])
def test_old_diabetes_under_one_of_them_is_not_new(house: House, code: str) -> None:
    chart = (problem(THIN, "2026-10-20"), *RISE, problem(code, "2018-02-01"))
    cards, kept = told(house, *chart)
    assert cards == [] and {reason.split(" ")[0] for _, reason in kept} == {"known-before"}
