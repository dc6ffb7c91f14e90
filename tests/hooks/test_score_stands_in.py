"""The score alone speaks where the full survival model can't be computed, never where it refused the patient."""

from __future__ import annotations

import re
from typing import Any

import pytest
from story_house import TODAY, House

from cds.inference.prediction import Failed, NotAssessed
from hooks import stories
from hooks.standing_in import FULL, why_not

TWO_LABS = stories.story("two-labs")
"""Without monocytes the full model lacks an input; the score has all it reads."""


def observation(code: str, value: float, unit: str) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": f"sent-{code}",
        "status": "final",
        "subject": {"reference": f"Patient/{TWO_LABS.id}"},
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "effectiveDateTime": TODAY.isoformat(),
        "valueQuantity": {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit},
    }


def ecog(status: int) -> dict[str, Any]:
    return observation("89247-1", status, "{score}")


MONOCYTES = observation("742-7", 0.6, "10*9/L")
EXTREME = observation("742-7", 18.0, "10*9/L")
"""SIRI of 8.6 x 18 / 1.1: above whoever was in the full model's cohort."""


def survival(house: House, *beside: dict[str, Any], language: str = "en") -> dict[str, Any]:
    cards = house.ask(TWO_LABS, "order-sign", language, beside=beside)["pancreas-first-line"]
    (card,) = (c for c in cards if c["source"]["topic"]["code"].startswith("pancreas-survival"))
    return card


def test_it_stands_in_where_an_input_is_absent(house: House) -> None:
    for beside in ((), (ecog(2),)):
        card = survival(house, *beside)
        assert card["source"]["topic"]["code"] == "pancreas-survival"
        assert "MSK Prognostic Score 2 of 2" in card["detail"]


@pytest.mark.parametrize("status", [3, 4])
@pytest.mark.parametrize("counts", [(), (MONOCYTES,)], ids=["monocytes absent", "all counts"])
def test_a_patient_whose_performance_status_the_full_model_refused_gets_no_figure_from_it(
    house: House, counts: tuple[dict[str, Any], ...], status: int
) -> None:
    card = survival(house, ecog(status), *counts)
    assert card["source"]["topic"]["code"] == "pancreas-survival-none"
    assert card["summary"].startswith("No survival estimate: the patient is outside the models' population")
    assert "tells nobody with an ECOG performance status worse than 2 apart" in card["detail"]
    assert "MSK Prognostic Score 2" not in card["detail"]
    assert not re.search(r"\d+ months|\d of 100|\d in 100", card["detail"])


def test_the_reason_is_said_in_dutch(house: House) -> None:
    card = survival(house, ecog(4), language="nl")
    assert "de patiënt valt buiten de populatie van de modellen" in card["summary"]
    assert "ECOG-performancestatus slechter dan 2" in card["detail"]


def test_counts_beyond_the_cohort_are_a_refusal_too(house: House) -> None:
    card = survival(house, ecog(1), EXTREME)
    assert card["source"]["topic"]["code"] == "pancreas-survival-none"
    assert "lies outside the cohort's range" in card["detail"]


def test_with_all_inputs_the_full_model_speaks(house: House) -> None:
    card = survival(house, ecog(1), MONOCYTES)
    assert card["source"]["topic"]["code"] == "pancreas-survival"
    assert "MSK Prognostic Score 2 of 2" not in card["detail"]


def test_the_report_behind_a_refusal_has_no_answer_of_the_score(house: House) -> None:
    """A report shows what its card rests on; the score itself would answer, since it knows nothing of SIRI."""
    card = survival(house, ecog(1), EXTREME)
    kept = house.engine.ledger.card(card["uuid"])
    call = house.engine.ledger.call(kept.call_id)
    outcomes = {p.model: p.outcome for p in call.predictions}
    assert outcomes["msk-prognostic-score"] == "predicted"
    shown = {p.id: p for p in call.predictions if p.id in kept.entry.prediction_ids}
    assert {p.model for p in shown.values()} >= {"metastatic-os"}
    assert "predicted" not in {p.outcome for p in shown.values()}


@pytest.mark.parametrize("language", ["en", "nl"])
def test_each_reason_has_words_of_its_own_and_only_lacking_inputs_are_listed(house: House, language: str) -> None:
    manifest, words = house.engine.models[FULL].manifest, house.engine.catalogues.book(language)
    unread = NotAssessed(manifest, "eligibility-unread", {}, ())
    reasons = {
        why_not(unread, None)[0]: "",
        why_not(None, unread)[0]: "",
        why_not(NotAssessed(manifest, "not-eligible", {}, ()), unread)[0]: "{says}",
        why_not(Failed(manifest, "x"), None)[0]: "",
        why_not(NotAssessed(manifest, "input-absent", {}, ()), None)[0]: "{items}",
    }
    assert len(reasons) == 4
    for reason, names in reasons.items():
        assert words.texts[f"survival.none.{reason}"]
        assert set(re.findall(r"{\w+}", words.texts[f"survival.none.detail_{reason}"])) == {*filter(None, [names])}
