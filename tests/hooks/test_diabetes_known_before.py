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


PATIENT = {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1958-03-01"}


def told(house: House, *chart: dict[str, Any]) -> tuple[list[str], set[tuple[str, str]]]:
    untold(house)
    cards = house.cards_for("pancreas-risk", PATIENT, *chart)
    return [card["summary"] for card in cards], untold(house)


ONCE_HIGH = "HbA1c {} (1 May 2020), lower since: diabetes may be older."
RESOLVED = "Diabetes of {} is on record as resolved: this may be the same."


@pytest.mark.parametrize(
    ("beside", "doubt"),
    [
        ((), ""),
        ((result(HBA1C, 6.6, "2020-05-01"), result(HBA1C, 5.6, "2021-05-01")), ONCE_HIGH.format("6.6 %")),
        (
            (result(FASTING, 128, "2015-03-01"), result(HBA1C, 5.6, "2021-05-01")),
            "Fasting glucose 128 mg/dL (1 Mar 2015), lower since: diabetes may be older.",
        ),
        ((problem(DIABETES, "1990-03-01", "resolved"),), RESOLVED.format(1990)),
    ],
)
@pytest.mark.parametrize(
    ("chart", "headline"), [(NEW, "Weight loss and {} diabetes at 68"), (SCORED, "{} diabetes with END-PAC score")]
)
def test_what_was_contradicted_since_silences_nothing_and_the_card_tells_of_it(
    house: House, chart: tuple[dict[str, Any], ...], headline: str, beside: tuple[dict[str, Any], ...], doubt: str
) -> None:
    untold(house)
    (card,) = house.cards_for("pancreas-risk", PATIENT, *chart, *beside)
    expected = headline.format("possibly new" if doubt else "new-onset")
    assert card["summary"].startswith(expected[0].upper() + expected[1:])
    why = card["detail"].partition("**How likely**")[0]
    assert [line for line in why.splitlines() if "may be" in line] == ([f"- {doubt}"] if doubt else [])
    assert untold(house) == set()


BARELY = (result(HBA1C, 6.2, "2022-05-01"), result(HBA1C, 6.3, "2024-12-01"), result(HBA1C, 6.8, "2026-09-28"))
OVER = problem(DIABETES, "2012-03-01", "resolved")


@pytest.mark.parametrize("rise", [(problem(THIN, "2026-10-20"), *BARELY), SCORED])
@pytest.mark.parametrize(
    "entries",
    [
        pytest.param((problem(DIABETES, "2012-03-01", "remission"),), id="in remission"),
        pytest.param((OVER, problem(TYPE_2, "2025-06-01")), id="coded anew before the rise"),
    ],
)
def test_diabetes_that_was_coded_anew_or_is_in_remission_was_never_over(
    house: House, rise: tuple[dict[str, Any], ...], entries: tuple[dict[str, Any], ...]
) -> None:
    assert told(house, *rise, *entries) == ([], {("pancreas-risk", f"known-before (Condition/{DIABETES}-2012-03-01)")})


@pytest.mark.parametrize(
    ("beside", "doubt"),
    [
        ((OVER,), RESOLVED.format(2012)),
        ((OVER, problem(TYPE_2, "2026-09-28")), RESOLVED.format(2012)),  # what the rise itself was coded as
        ((result(HBA1C, 9.8, "2020-05-01"),), ONCE_HIGH.format("9.8 %")),
    ],
)
def test_diabetes_that_may_have_been_over_or_well_treated_is_possibly_new(
    house: House, beside: tuple[dict[str, Any], ...], doubt: str
) -> None:
    (card,) = house.cards_for("pancreas-risk", PATIENT, problem(THIN, "2026-10-20"), *BARELY, *beside)
    assert card["summary"].startswith("Weight loss and possibly new diabetes at 68")
    assert f"- {doubt}\n" in card["detail"].partition("**How likely**")[0]


def test_where_no_rise_is_measured_one_high_value_of_long_ago_makes_a_new_entry_possibly_new(house: House) -> None:
    contradicted = (result(HBA1C, 6.6, "2020-05-01"), result(HBA1C, 5.6, "2021-05-01"))
    (card,) = house.cards_for("pancreas-risk", PATIENT, *NEW[:2], *contradicted)
    assert card["summary"].startswith("Weight loss and possibly new diabetes at 68")
    assert f"- {ONCE_HIGH.format('6.6 %')}\n" in card["detail"]


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


LIST = "the problem list was not read whole"
LABORATORY = "not all laboratory results could be read"


@pytest.mark.parametrize(("cut", "where"), [("conditions", LIST), ("observations", LABORATORY)])
@pytest.mark.parametrize(
    ("chart", "new"),
    [((NEW[0], *RISE), "Weight loss and {} at 68"), (NEW[:2], "Weight loss and {} at 68"), (SCORED, "{} with END-PAC")],
)
def test_what_was_not_read_may_hold_older_diabetes_and_the_card_says_so(
    house: House, chart: tuple[dict[str, Any], ...], new: str, cut: str, where: str
) -> None:
    for missing, word in (("", "new-onset"), (cut, "possibly new")):
        (card,) = house.cards_for("pancreas-risk", PATIENT, *chart, cut=missing)
        headline = new.format(f"{word} diabetes")
        assert card["summary"].startswith(headline[0].upper() + headline[1:])
        said = f"- Older diabetes could not be ruled out: {where}." in card["detail"].partition("**How likely**")[0]
        assert said is bool(missing)


def test_it_is_said_in_dutch_and_only_of_diabetes(house: House) -> None:
    (card,) = house.cards_for("pancreas-risk", PATIENT, *NEW, cut="conditions", language="nl")
    assert card["summary"].startswith("Gewichtsverlies en mogelijk nieuwe diabetes")
    assert "Dat er al langer diabetes is, kon niet worden uitgesloten: de probleemlijst is niet" in card["detail"]
    (once,) = house.cards_for(
        "pancreas-risk", PATIENT, *NEW, OVER, *BARELY[:1], result(HBA1C, 9.8, "2020-05-01"), language="nl"
    )
    assert "- Diabetes van 2012 staat vastgelegd als niet meer actueel: mogelijk is dit dezelfde" in once["detail"]
    assert "- HbA1c 9,8 % (1 mei 2020), daarna lager: mogelijk al langer diabetes.\n" in once["detail"]
    (other,) = house.cards_for("pancreas-risk", PATIENT, NEW[0], problem("161891005", "2026-10-20"), cut="conditions")
    assert other["summary"].startswith("Weight loss and back pain")
    assert "lder diabetes" not in other["detail"]
    (yellow,) = house.cards_for("pancreas-risk", PATIENT, problem("18165001", "2026-11-10"), *RISE, cut="conditions")
    assert yellow["summary"].startswith("Jaundice at 68")
    assert "Older diabetes" not in yellow["detail"], "what the card rests on is no diabetes"


@pytest.mark.parametrize("order", [1, -1], ids=["the patient first", "the patient last"])
def test_an_age_at_onset_is_heard_whatever_day_the_entry_was_made(house: House, order: int) -> None:
    entry = problem(TYPE_2, "2026-10-01") | {"recordedDate": "2026-10-01"}
    del entry["onsetDateTime"]
    since_45 = entry | {"onsetAge": {"value": 45, "code": "a", "system": "http://unitsofmeasure.org"}}
    thin = problem(THIN, "2026-10-20")
    (card,) = house.cards_for("pancreas-risk", PATIENT, thin, entry)
    assert "new-onset diabetes" in card["summary"]
    assert house.cards_for("pancreas-risk", *(PATIENT, thin, since_45)[::order]) == []
