"""Where nobody recorded the performance status, the estimate is the cohort's average over it, and the table says so."""

from __future__ import annotations

import re
from typing import Any

from story_house import TODAY, House

from hooks import stories

STORY = stories.story("msi-high")


def row(house: House, *beside: dict[str, Any]) -> tuple[str, list[str]]:
    """(name, shares alive) of the estimate's row."""
    cards = [card for found in house.ask(STORY, "order-sign", beside=beside).values() for card in found]
    (detail,) = [card["detail"] for card in cards if "**Alive after**" in card["detail"]]
    line = next(one for one in detail.splitlines() if one.startswith("| This estimate") and "alive" in one)
    name, *cells = [cell.strip() for cell in line.strip("|").split("|")]
    return name, [re.sub(r" of 100.*", "", cell) for cell in cells]


def ecog(grade: int) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": f"ecog-{grade}",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "89247-1"}]},
        "subject": {"reference": f"Patient/{STORY.id}"},
        "effectiveDateTime": TODAY.isoformat(),
        "valueInteger": grade,
    }


def test_the_average_is_not_called_that_of_ecog_1(house: House) -> None:
    name, average = row(house)
    assert "ECOG averaged over its cohort" in name
    known, of_one = row(house, ecog(1))
    assert "ECOG" not in known
    assert average == ["69", "36", "15"]
    assert of_one == ["69", "35", "13"]


def test_a_grade_in_a_code_of_snomed_ct_is_that_grade(house: House) -> None:
    """As the average patient, one who is in bed most of the day would have an estimate that was made without such."""
    codes = {0: "425389002", 1: "422512005", 2: "422894000", 3: "423053003", 4: "423237006"}
    for grade, code in codes.items():
        sent = ecog(grade) | {"valueCodeableConcept": {"coding": [{"system": "http://snomed.info/sct", "code": code}]}}
        del sent["valueInteger"]
        if grade < 3:
            assert row(house, sent) == row(house, ecog(grade))
            continue
        (card,) = house.ask(STORY, "order-sign", beside=(sent,))["pancreas-first-line"]
        assert card["summary"].startswith("No survival estimate: the patient is outside the models' population")


def karnofsky(score: int, on: str = TODAY.isoformat()) -> dict[str, Any]:
    code = {"coding": [{"system": "http://loinc.org", "code": "89243-0"}]}
    return ecog(0) | {"id": "karnofsky", "code": code, "valueInteger": score, "effectiveDateTime": on}


def test_a_karnofsky_status_of_who_is_in_bed_is_no_unknown_one(house: House) -> None:
    """The models read ECOG alone: as the average patient, their estimate would be much too long."""
    (card,) = house.ask(STORY, "order-sign", beside=(karnofsky(40),))["pancreas-first-line"]
    assert card["summary"].startswith("No survival estimate: the performance status is too low for the models")
    assert "40 (23 Nov 2026)" in card["detail"] and "Alive after" not in card["detail"]
    (card,) = house.ask(STORY, "order-sign", "nl", beside=(karnofsky(30),))["pancreas-first-line"]
    assert "te laag voor de modellen" in card["summary"] and "30 (23 nov 2026)" in card["detail"]
    newer = ecog(1) | {"effectiveDateTime": "2026-11-22"}
    for beside in ((karnofsky(50),), (karnofsky(40, "2026-06-01"),), (karnofsky(40, "2026-11-20"), newer)):
        assert row(house, *beside)
