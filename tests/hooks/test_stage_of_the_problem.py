"""The stage that the diagnosis carries itself is read where no observation tells it."""

from __future__ import annotations

from typing import Any

import pytest
from story_house import House
from test_orders_as_sent import FOLFIRINOX, SNOMED, sign
from test_stage_that_could_not_be_read import CANCER, STAGE_II, STORY, staged

from cds.errors import VocabularyError
from cds.record.concepts import Concept
from cds.record.vocabulary import Vocabulary

NO_DAY = {name: value for name, value in CANCER.items() if name != "onsetDateTime"}


def carrying(*summaries: dict[str, Any], cancer: dict[str, Any] = CANCER) -> dict[str, Any]:
    return cancer | {"stage": [{"summary": summary} for summary in summaries]}


def coded(code: str) -> dict[str, Any]:
    return {"coding": [{"system": SNOMED, "code": code}]}


IV, II, CM1 = coded("258228008"), coded("258219007"), coded("1229903009")


def card(house: House, *beside: dict[str, Any], language: str = "en") -> dict[str, Any]:
    (found,) = sign(house, *FOLFIRINOX, beside=beside, story=STORY, language=language)
    return found


@pytest.mark.parametrize("summary", [IV, CM1], ids=["stage IV", "cM1"])
@pytest.mark.parametrize("cancer", [CANCER, NO_DAY], ids=["dated", "undated"])
def test_spread_on_the_problem_is_known_as_such(house: House, summary: dict[str, Any], cancer: dict[str, Any]) -> None:
    found = card(house, carrying(summary, cancer=cancer))
    assert found["summary"] == "No survival estimate: needed data is missing (FOLFIRINOX ordered)"  # no blood counts


def test_without_spread_it_is_named(house: House) -> None:
    found = card(house, carrying(II))
    assert "the models here are for metastatic disease" in found["summary"]
    assert "(stage II (1 Oct 2026))" in found["detail"]


def test_an_observation_is_asked_first_whatever_its_day(house: House) -> None:
    found = card(house, carrying(IV), staged("2026-09-20", **STAGE_II))
    assert "(stage II (20 Sep 2026))" in found["detail"]


@pytest.mark.parametrize("summary", [{"text": "Stage IV"}, coded("1")], ids=str)
def test_in_words_it_is_no_stage_and_is_told_of(house: House, summary: dict[str, Any]) -> None:
    found = card(house, carrying(summary))
    assert found["summary"] == "No survival estimate: the newest staging could not be read (FOLFIRINOX ordered)"


@pytest.mark.parametrize("stage", ["IV", [{"summary": "IV"}], [{}], [], 4], ids=str)
def test_what_is_ill_written_there_costs_no_diagnosis(house: House, stage: Any) -> None:
    found = card(house, CANCER | {"stage": stage})
    assert found["summary"] == "No survival estimate: the stage is not recorded (FOLFIRINOX ordered)"


@pytest.mark.parametrize(
    "other",
    [
        {"code": {"coding": [{"system": SNOMED, "code": "254837009"}]}},  # of the breast
        {"clinicalStatus": {"coding": [{"code": "resolved"}]}},
        {"verificationStatus": {"coding": [{"code": "refuted"}]}},
    ],
    ids=["another cancer", "over", "refuted"],
)
def test_the_stage_of_another_problem_is_none_of_this_one(house: House, other: dict[str, Any]) -> None:
    found = card(house, CANCER, carrying(IV) | {"id": "other"} | other)
    assert found["summary"].startswith("No survival estimate: the stage is not recorded")


def test_a_vocabulary_names_a_problem_that_there_is() -> None:
    carried = {"by": "no-such-problem", "answers": []}
    asked = Concept.model_validate({"resource": "Observation", "label": {"en": "stage"}, "carried": carried})
    with pytest.raises(VocabularyError, match="no-such-problem"):
        Vocabulary({"stage": asked})
