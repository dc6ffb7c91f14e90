"""Where the record gives neither female nor male as the sex, the two-year risk is not worked out and none is guessed;
that it would reach the limit with either, or with one, is said all the same."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from story_house import House, untold

from cds.services import Past
from hooks import risk_decision
from hooks.gates import Standing
from hooks.risk_decision import NOT_ASSESSED, RiskParameters, RiskWeighed

PAIN, THIN, NO_APPETITE, BACK = "21522001", "89362005", "64379006", "161891005"


def cards(
    house: House,
    gender: str | None,
    *findings: str,
    born: str = "1969-01-01",
    language: str = "en",
    beside: tuple[dict[str, Any], ...] = (),
) -> list[dict[str, Any]]:
    patient: dict[str, Any] = {"resourceType": "Patient", "id": "p1", "birthDate": born}
    if gender is not None:
        patient["gender"] = gender
    problems = [
        {
            "resourceType": "Condition",
            "id": f"c{code}",
            "code": {"coding": [{"system": "http://snomed.info/sct", "code": code}]},
            "subject": {"reference": "Patient/p1"},
            "recordedDate": "2026-11-01",
        }
        for code in findings
    ]
    return house.cards_for("pancreas-risk", patient, *problems, *beside, language=language)


def labels(card: dict[str, Any]) -> list[str]:
    return [suggestion["label"] for suggestion in card.get("suggestions", [])]


def share(told: str) -> float:
    found = re.search(r"([\d.]+) in ([\d,]+)", told)
    assert found is not None
    return float(found[1]) / float(found[2].replace(",", ""))


def why(card: dict[str, Any]) -> list[str]:
    """The findings it names."""
    return str(card["detail"]).partition("**Why**\n")[2].partition("\n\n")[0].splitlines()


@pytest.mark.parametrize("gender", ["other", "unknown", None])
def test_a_risk_that_is_high_with_either_sex_is_no_silence(house: House, gender: str | None) -> None:
    (card,) = cards(house, gender, PAIN, THIN, NO_APPETITE)
    assert (card["indicator"], card["detail"].partition("\n")[0]) == ("info", "**Consider a CT of the pancreas.**")
    assert "the record gives neither as the sex" in card["detail"]
    for sex, chance in (("female", "{} in a woman"), ("male", "{} in a man")):
        (known,) = cards(house, sex, PAIN, THIN, NO_APPETITE)
        told = re.search(chance.format(r"about ([\d.]+ in [\d,]+)"), card["detail"])
        # beside that of the same age and sex it is told of more people
        assert told is not None and share(told[1]) == pytest.approx(share(known["summary"]), abs=0.005)
        assert labels(card) == labels(known)
        assert why(card) == why(known)
        assert len(why(card)) == 3
        if sex == "female":  # the lower of the two
            assert card["summary"] == (
                f"Pancreatic cancer risk at least about {told[1]} over 2 years, sex not on record: "
                "consider CT of the pancreas"
            )
    assert "with either, a CT of the pancreas is proposed here (from about 2 in 100)" in card["detail"]
    assert "QCancer gives no interval for one patient" in card["detail"]
    assert "meets no criterion" not in card["detail"]


def test_a_risk_that_is_high_with_one_sex_only_is_said_to_be(house: House) -> None:
    found = {sex: cards(house, sex, PAIN, THIN, NO_APPETITE, born="1973-01-01") for sex in ("female", "male", "other")}
    assert [len(found[sex]) for sex in ("female", "male")] == [0, 1]
    (card,) = found["other"]
    assert "with one of them, and not with the other, a CT of the pancreas would be proposed" in card["detail"]
    assert card["summary"] == "Two-year pancreatic cancer risk not worked out: sex is not on record as female or male"
    assert labels(card) == []
    assert why(card) == why(*found["male"])


def test_a_risk_that_is_low_with_either_sex_needs_no_word(house: House) -> None:
    assert cards(house, "other", PAIN) == []


def scan(on: str) -> dict[str, Any]:
    ct = {"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "CT"}
    abdomen = {"system": "http://snomed.info/sct", "code": "416775004"}
    return {
        "resourceType": "ImagingStudy",
        "id": f"ct-{on}",
        "status": "available",
        "subject": {"reference": "Patient/p1"},
        "started": on,
        "modality": [ct],
        "series": [{"uid": "1.2", "modality": ct, "bodySite": abdomen}],
    }


@pytest.mark.parametrize("gender", ["male", "other"])
def test_a_scan_from_before_the_findings_is_no_reason_for_silence(house: House, gender: str) -> None:
    untold(house)
    assert len(cards(house, gender, PAIN, THIN, NO_APPETITE, beside=(scan("2026-10-15"),))) == 1
    assert untold(house) == set()


@pytest.mark.parametrize("gender", ["male", "other"])
def test_one_from_after_them_is_and_the_reason_is_kept(house: House, gender: str) -> None:
    untold(house)
    assert cards(house, gender, PAIN, THIN, NO_APPETITE, beside=(scan("2026-11-12"),)) == []
    assert untold(house) == {("pancreas-risk", "recent-imaging (ImagingStudy/ct-2026-11-12)")}
    assert cards(house, "other", PAIN, beside=(scan("2026-11-12"),)) == []
    assert untold(house) == set()


@pytest.mark.parametrize("gender", ["other", "female"])
def test_one_whose_region_no_code_tells_is_named_beside_the_advice(house: House, gender: str) -> None:
    unplaced = {k: v for k, v in scan("2026-11-10").items() if k not in ("procedureCode", "series")}
    study = unplaced | {"modality": [{"code": "CT"}], "description": "CT abdomen"}
    (card,) = cards(house, gender, PAIN, THIN, NO_APPETITE, beside=(study,))
    assert (
        "region or kind this service can't read: CT of 10 Nov 2026 (“CT abdomen”). See it first."
        in (card["detail"].partition("\n")[0])
    )


def test_it_says_so_in_dutch(house: House) -> None:
    (card,) = cards(house, None, PAIN, THIN, NO_APPETITE, language="nl")
    said = card["summary"].partition(" ten minste ")
    assert said[0] == "Risico op alvleesklierkanker"
    assert said[2].endswith(" in 2 jaar, geslacht niet vastgelegd: overweeg CT van de alvleesklier")
    assert "bij allebei wordt hier een CT van de alvleesklier voorgesteld" in card["detail"]


def test_a_card_that_rests_on_the_guideline_says_what_the_equation_lacks(house: House) -> None:
    (card,) = cards(house, "other", THIN, BACK, born="1955-03-02")
    assert card["summary"].startswith("Weight loss and back pain at 71")
    assert "QCancer could not be worked out: it is made for women and men" in card["detail"]
    assert "QCancer 2013 equations" in card["detail"].rpartition("Rests on")[2]


def test_another_limit_of_the_policy_is_tried_on_what_was_weighed(house: House) -> None:
    weighed = RiskWeighed(Standing(age=57), {}, by_sex=(0.026, 0.06))
    past = Past({}, {risk_decision.TOPIC: msgspec.to_builtins(weighed)})
    policy = house.engine.policies.current()
    due = (f"{NOT_ASSESSED}/risk", "action", "warning", "once")
    told = (NOT_ASSESSED, "information", "info", "each-time")
    for limit, cards in ((0.02, [due]), (0.05, [told]), (0.07, [])):
        parameters = RiskParameters(risk_at_least=limit, model_indicator="warning")
        found = list(risk_decision.decide(past, parameters, policy))
        assert [(one.memory, one.rank, one.indicator, one.repeat) for one in found] == cards
        assert [one.band for one in found] == [0] * len(cards)
    found = risk_decision.decide(past, RiskParameters(risk_bands=(0.02, 0.03)), policy)
    assert [one.band for one in found] == [1], "by the lower of the two"
