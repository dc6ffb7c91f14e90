"""Diabetes that has been known for years brings no card, and where that alone was in the way the ledger says so."""

from __future__ import annotations

from typing import Any

import pytest
from story_house import House, untold

SNOMED, LOINC = "http://snomed.info/sct", "http://loinc.org"
THIN, TYPE_2, DIABETES = "89362005", "44054006", "73211009"
HBA1C, FASTING, WEIGHT = "4548-4", "1558-6", "29463-7"


def problem(code: str, day: str, clinical: str = "active") -> dict[str, Any]:
    status = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": clinical}]}
    return {
        "resourceType": "Condition",
        "id": f"{code}-{day}",
        "code": {"coding": [{"system": SNOMED, "code": code}]},
        "clinicalStatus": status,
        "subject": {"reference": "Patient/p1"},
        "onsetDateTime": day,
    }


def result(code: str, value: float, day: str) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": f"{code}-{day}",
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": code}]},
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": day,
        "valueQuantity": {"value": value, "unit": {HBA1C: "%", FASTING: "mg/dL", WEIGHT: "kg"}[code]},
    }


RISE = (result(HBA1C, 5.7, "2024-05-01"), result(HBA1C, 9.1, "2026-09-28"))
NEW = (problem(THIN, "2026-10-20"), problem(TYPE_2, "2026-10-01"), *RISE)
SCORED = (
    *(result(FASTING, v, d) for v, d in ((100, "2024-11-01"), (98, "2025-05-01"), (170, "2026-09-28"))),
    *(result(WEIGHT, v, d) for v, d in ((80, "2025-09-28"), (72, "2026-09-28"))),
)


def told(house: House, *chart: dict[str, Any]) -> tuple[list[str], set[tuple[str, str]]]:
    untold(house)
    patient = {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1958-03-01"}
    cards = house.cards_for("pancreas-risk", patient, *chart)
    return [card["summary"] for card in cards], untold(house)


@pytest.mark.parametrize(
    "beside",
    [
        (),
        (result(HBA1C, 6.6, "2020-05-01"), result(HBA1C, 5.6, "2021-05-01")),
        (result(FASTING, 128, "2015-03-01"), result(HBA1C, 5.6, "2021-05-01")),
        (problem(DIABETES, "1990-03-01", "resolved"),),
    ],
)
def test_what_was_contradicted_since_silences_nothing(house: House, beside: tuple[dict[str, Any], ...]) -> None:
    cards, unsaid = told(house, *NEW, *beside)
    assert [card.partition(" at 68")[0] for card in cards] == ["Weight loss and new-onset diabetes"]
    assert unsaid == set()


@pytest.mark.parametrize(
    ("chart", "source"),
    [
        pytest.param((*NEW, result(HBA1C, 6.6, "2020-05-01")), f"Observation/{HBA1C}-2020-05-01", id="one high value"),
        pytest.param(
            (*NEW[:2], result(HBA1C, 6.6, "2020-05-01")),
            f"Observation/{HBA1C}-2020-05-01",
            id="one high value, and no rise measured",
        ),
        pytest.param(
            (problem(THIN, "2026-10-20"), *RISE, problem(DIABETES, "2010-01-01")),
            f"Condition/{DIABETES}-2010-01-01",
            id="coded long ago",
        ),
        pytest.param(
            (*NEW[:2], problem(DIABETES, "1990-03-01", "resolved")),
            f"Condition/{DIABETES}-1990-03-01",
            id="coded anew, and no rise measured",
        ),
        pytest.param(
            (*SCORED, result(HBA1C, 6.6, "2020-05-01")), f"Observation/{HBA1C}-2020-05-01", id="before the score"
        ),
    ],
)
def test_where_it_alone_is_in_the_way_the_reason_is_kept(
    house: House, chart: tuple[dict[str, Any], ...], source: str
) -> None:
    assert told(house, *chart) == ([], {("pancreas-risk", f"known-before ({source})")})


@pytest.mark.parametrize(
    "chart",
    [
        pytest.param((*RISE, problem(DIABETES, "2010-01-01")), id="no weight loss"),
        pytest.param((problem(THIN, "2026-10-20"), problem(DIABETES, "2010-01-01")), id="nothing that would be new"),
        pytest.param((*SCORED[:3], problem(DIABETES, "2010-01-01")), id="no score without the weights"),
        pytest.param(
            (*SCORED[:4], result(WEIGHT, 92, "2026-09-28"), result(HBA1C, 6.6, "2020-05-01")), id="a low score"
        ),
    ],
)
def test_where_there_was_nothing_to_say_there_is_no_reason(house: House, chart: tuple[dict[str, Any], ...]) -> None:
    assert told(house, *chart) == ([], set())
