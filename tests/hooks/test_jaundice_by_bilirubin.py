"""Bilirubin so high that jaundice usually shows asks somebody to look, where nobody recorded jaundice; and says that
it is a laboratory value and not the guideline's sign."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from story_house import NOW, TODAY, House

from cds.record.facts import Fact, Record
from cds.record.moments import parse
from hooks import gates, risk_decision, risk_jaundice, stories
from hooks.risk_decision import RiskParameters, RiskWeighed
from hooks.risk_jaundice import Reading

QUIET = stories.story("no-complaints")
SERUM = {"total": "14631-6", "direct": "14629-0"}


def bilirubin(value: float, days_ago: int = 5, kind: str = "total") -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": f"{kind}-{days_ago}",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": SERUM[kind]}]},
        "subject": {"reference": f"Patient/{QUIET.id}"},
        "effectiveDateTime": (TODAY - timedelta(days=days_ago)).isoformat(),
        "valueQuantity": {"value": value, "unit": "umol/L", "system": "http://unitsofmeasure.org", "code": "umol/L"},
    }


def problem(code: str, status: str = "active", days_ago: int = 400) -> dict[str, Any]:
    system = "http://hl7.org/fhir/sid/icd-10" if code[0].isalpha() else "http://snomed.info/sct"
    clinical = "http://terminology.hl7.org/CodeSystem/condition-clinical"
    return {
        "resourceType": "Condition",
        "id": f"c-{code}",
        "clinicalStatus": {"coding": [{"system": clinical, "code": status}]},
        "code": {"coding": [{"system": system, "code": code}]},
        "subject": {"reference": f"Patient/{QUIET.id}"},
        "onsetDateTime": (TODAY - timedelta(days=days_ago)).isoformat(),
    }


def cards(house: House, *beside: dict[str, Any], language: str = "en") -> list[dict[str, Any]]:
    return house.ask(QUIET, "patient-view", language, beside)["pancreas-risk"]


def test_a_high_bilirubin_without_coded_jaundice_asks_to_look_for_it(house: House) -> None:
    (card,) = cards(house, bilirubin(205))
    assert card["indicator"] == "warning"
    assert card["summary"] == (
        "Bilirubin 205 umol/L at 74, jaundice not recorded: "
        "if it shows, refer on the suspected cancer pathway (NICE NG12)"
    )
    detail = card["detail"]
    assert "**Look for jaundice. If it is there, refer" in detail
    assert "Bilirubin 205 umol/L (18 Nov 2026). No jaundice is recorded: this rests on the laboratory value" in detail
    assert "not of bilirubin; from 3 mg/dL (51 µmol/L), the limit here" in detail
    assert "have pancreatic cancer found within 2 years" not in detail  # QCancer has no term for jaundice
    assert risk_jaundice.LEVEL_URL in [link["url"] for link in card["links"]]
    assert not any(s.get("isRecommended") for s in card["suggestions"])


def test_it_says_so_in_dutch(house: House) -> None:
    (card,) = cards(house, bilirubin(205), language="nl")
    assert card["summary"].startswith("Bilirubine 205 umol/L, 74 jaar, geen geelzucht vastgelegd")
    assert "Geelzucht is niet vastgelegd: dit berust alleen op de laboratoriumwaarde." in card["detail"]
    assert len(card["summary"]) < 140


@pytest.mark.parametrize(
    "beside",
    [
        pytest.param((bilirubin(50),), id="below the limit"),
        pytest.param((bilirubin(205, 200),), id="older than bilirubin is mentioned"),
        pytest.param((bilirubin(205, 30), bilirubin(20, 2)), id="normal since"),
        pytest.param((bilirubin(60), bilirubin(8, kind="direct")), id="unconjugated"),
        pytest.param((bilirubin(60), problem("E80.4")), id="Gilbert"),
        pytest.param((bilirubin(60), problem("27503000")), id="Gilbert in SNOMED"),
        pytest.param((bilirubin(205), problem("K74.6")), id="cirrhosis"),
        pytest.param((bilirubin(205), problem("C25.0")), id="the cancer is known"),
    ],
)
def test_it_is_silent_where_the_value_is_low_old_or_explained(house: House, beside: tuple[Any, ...]) -> None:
    assert cards(house, *beside) == []


@pytest.mark.parametrize(
    "beside",
    [
        pytest.param((bilirubin(205), bilirubin(150, kind="direct")), id="conjugated"),
        pytest.param((bilirubin(60), bilirubin(8, 40, kind="direct")), id="direct of another sample"),
        pytest.param((bilirubin(205), problem("B17.1", "resolved")), id="a hepatitis of long ago"),
        pytest.param((bilirubin(52),), id="at the limit"),
    ],
)
def test_what_explains_nothing_does_not_silence_it(house: House, beside: tuple[Any, ...]) -> None:
    (card,) = cards(house, *beside)
    assert card["summary"].startswith("Bilirubin")


def test_coded_jaundice_is_the_guideline_s_own_criterion(house: House) -> None:
    (card,) = cards(house, bilirubin(205), problem("R17", days_ago=6))
    assert card["summary"].startswith("Jaundice at 74")
    assert "No jaundice is recorded" not in card["detail"]


def weighed(*readings: Reading, age: int | None = 60, imaged: float | None = None, **more: Any) -> RiskWeighed:
    seen = (gates.Seen("I/1", imaged, imaged, NOW.isoformat(), ("CT",)),) if imaged is not None else ()
    return RiskWeighed(gates.Standing(age=age, imaging=seen), bilirubin=readings, **more)


class Answered:
    def __init__(self, *rules: str) -> None:
        self.rules = rules

    def number(self, name: str) -> float:
        return 0.0


def kind(found: RiskWeighed, *rules: str, **parameters: Any) -> str | None:
    return risk_decision.kind(lambda model: Answered(*rules), found, RiskParameters(**parameters))


def test_the_policy_sets_the_limit_and_can_take_it_away() -> None:
    found = weighed(Reading(3, 2.6))
    assert kind(found) is None
    assert kind(found, bilirubin_as_jaundice=2.5) == "bilirubin"
    assert kind(weighed(Reading(3, 12)), bilirubin_as_jaundice=None) is None
    with pytest.raises(ValueError, match="greater than or equal to 2"):
        RiskParameters(bilirubin_as_jaundice=1.0)


@pytest.mark.parametrize(("age", "expected"), [(39, None), (40, "bilirubin"), (None, None)])
def test_it_refers_at_the_guideline_s_age(age: int | None, expected: str | None) -> None:
    assert kind(weighed(Reading(3, 12), age=age)) == expected


def test_it_outweighs_a_scan_and_yields_to_recorded_jaundice() -> None:
    found = weighed(Reading(3, 12))
    assert kind(found, "NG12-1.2.5") == "bilirubin"
    assert kind(found, "NG12-1.2.4") == "guideline"


def test_imaging_made_after_the_rise_has_answered_it_and_a_later_value_is_nothing_new() -> None:
    rise = (Reading(1, 14), Reading(10, 9))
    for imaged, held in ((5, "recent-imaging"), (20, None)):
        found = risk_decision.held_back(weighed(*rise, imaged=imaged), "bilirubin", RiskParameters(), refers=True)
        assert (found.reason if found is not None else None) == held
    again = (Reading(1, 14), Reading(4, 1.1), Reading(10, 9))
    assert risk_decision.held_back(weighed(*again, imaged=5), "bilirubin", RiskParameters(), refers=True) is None


def test_jaundice_coded_later_is_no_new_red_flag() -> None:
    seen = risk_decision.flags(weighed(Reading(3, 12)), RiskParameters())
    coded = risk_decision.flags(weighed(Reading(3, 12), flags=("jaundice",)), RiskParameters())
    assert seen == coded == ("jaundice",)
    assert risk_decision.flags(weighed(Reading(3, 1)), RiskParameters()) == ()


def test_a_bound_counts_for_what_it_is_at_least() -> None:
    when = parse(TODAY.isoformat())
    for comparator, many in ((">", 1), ("<", 0)):
        record = Record(now=NOW, patient_id="p")
        record.add(Fact("bilirubin-total", "O/1", when, value=30.0, comparator=comparator))
        assert len(risk_jaundice.readings(record)) == many


PATIENT = {"resourceType": "Patient", "id": QUIET.id, "gender": "female", "birthDate": "1958-03-01"}


@pytest.mark.parametrize(
    ("language", "summary", "told"),
    [
        (
            "en",
            "Bilirubin 205 umol/L: look for jaundice; not all criteria for pancreatic cancer could be assessed",
            (
                "**Look for jaundice. If it is there, refer",
                "on record could not be read",
                "(51 µmol/L), the limit here",
            ),
        ),
        (
            "nl",
            "Bilirubine 205 umol/L: kijk of er geelzucht is; niet alle criteria voor alvleesklierkanker waren te "
            "beoordelen",
            ("**Kijk of er geelzucht is.", "is vastgelegd, kon niet worden gelezen", "51 µmol/L (3 mg/dL)"),
        ),
    ],
)
def test_a_problem_list_that_was_not_read_whole_hides_no_high_bilirubin(
    house: House, language: str, summary: str, told: tuple[str, ...]
) -> None:
    """The guideline can't be asked then; that the risk could not be assessed is not what is to be said first."""
    (card,) = house.cards_for("pancreas-risk", PATIENT, bilirubin(205), language=language, cut="conditions")
    assert (card["summary"], card["indicator"]) == (summary, "info")
    assert len(card["summary"]) < 140
    assert [text for text in told if text not in card["detail"]] == []
    assert "is recorded:" not in card["detail"]  # nobody could read whether it is


@pytest.mark.parametrize(
    "beside",
    [
        pytest.param((bilirubin(50),), id="below the limit"),
        pytest.param((bilirubin(205, 200),), id="older than bilirubin is mentioned"),
        pytest.param((bilirubin(60), problem("E80.4")), id="explained by what was read"),
    ],
)
def test_no_other_bilirubin_is_told_where_the_problem_list_was_not_read_whole(
    house: House, beside: tuple[dict[str, Any], ...]
) -> None:
    (card,) = house.cards_for("pancreas-risk", PATIENT, *beside, cut="conditions")
    assert card["summary"].startswith("Pancreatic cancer risk could not be fully assessed")
    assert "Bilirubin" not in card["detail"]
    assert "meets no criterion for a card here, but that is not a low risk" in card["detail"]
