"""Charts with things in them that can't be right: not used, not crashed over, and never lost in silence."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from called_service import CalledService
from chart_calls import ALARMING, NOW, QUIET, SIGN, Resource, chart, labs, order_sign, patient_view
from servers import prefetch_of

from hooks import stories

HBA1C = "4548-4"
NOT_ASSESSED = "pancreas-risk-not-assessed"
DISEASED = stories.story("folfirinox-falling")

Spoil = Callable[[Resource], None]


def spoiled(resources: list[Resource], kind: str, spoil: Spoil) -> list[Resource]:
    for resource in resources:
        if resource["resourceType"] == kind:
            spoil(resource)
    return resources


def test_the_two_charts_are_what_they_are_called(service: CalledService) -> None:
    assert service.answered(patient_view(ALARMING, prefetch_of(chart(ALARMING)))).topics == ["pancreas-risk"]
    assert service.answered(patient_view(QUIET, prefetch_of(chart(QUIET)))).cards == []


# another patient


def test_another_patients_bundle_is_refused_and_said(service: CalledService) -> None:
    """All of another's problems and results, under this patient's call."""
    mine, other = prefetch_of(chart(QUIET)), prefetch_of(chart(ALARMING))
    told = service.answered(patient_view(QUIET, {**other, "patient": mine["patient"]}))
    assert "pancreas-risk" not in told.topics  # nothing alarming of theirs is told of this patient
    assert "of another or an unnamed patient were sent and not used" in told.text
    assert service.data_state()["foreign"] > 100


def test_another_patient_altogether_is_refused(service: CalledService) -> None:
    told = service.call(patient_view(QUIET, prefetch_of(chart(ALARMING))))
    assert (told.status, told.code) == (412, "CDS-412")
    assert "another patient" in told.words
    assert ALARMING.id not in told.words


def test_another_patients_orders_are_not_signed_for_this_one(service: CalledService) -> None:
    theirs = stories.draft_orders(DISEASED, NOW.date())
    told = service.answered(order_sign(QUIET, prefetch_of(chart(QUIET)), theirs), SIGN)
    assert told.cards == []


def test_resources_that_name_no_patient_are_not_used(service: CalledService) -> None:
    resources = spoiled(chart(ALARMING), "Condition", lambda r: r.pop("subject"))
    told = service.answered(patient_view(ALARMING, prefetch_of(resources)))
    assert "Weight loss" not in told.text
    assert "of another or an unnamed patient were sent and not used" in told.text


# results that can't be right


def set_value(value: Any) -> Spoil:
    def spoil(resource: Resource) -> None:
        if "valueQuantity" in resource:
            resource["valueQuantity"]["value"] = value

    return spoil


def set_date(date: Any) -> Spoil:
    def spoil(resource: Resource) -> None:
        resource.pop("issued", None)
        resource["effectiveDateTime"] = date

    return spoil


@pytest.mark.parametrize("value", [-5, 0, -0.0, 1e300, 1e-300, 10**400], ids=str)
def test_impossible_results_are_not_used(service: CalledService, value: Any) -> None:
    resources = spoiled(chart(ALARMING), "Observation", set_value(value))
    told = service.answered(patient_view(ALARMING, prefetch_of(resources)))
    assert "END-PAC 9" not in told.text  # the score rests on these values
    assert "new diabetes" not in told.text.lower() or "weight" in told.text.lower()
    assert "can't be right" in told.text or "could not be understood" in told.text


@pytest.mark.parametrize("value", ["7.4", None, [7.4], {"value": 7.4}, True, "NaN"], ids=repr)
def test_results_of_the_wrong_kind_are_not_used(service: CalledService, value: Any) -> None:
    resources = spoiled(chart(ALARMING), "Observation", set_value(value))
    told = service.answered(patient_view(ALARMING, prefetch_of(resources)))
    assert "END-PAC 9" not in told.text
    assert "could not be understood" in told.text or "without a usable value" in told.text


@pytest.mark.parametrize("days", [2, 30, 4000])
def test_results_from_the_future_are_not_used(service: CalledService, days: int) -> None:
    later = (NOW + timedelta(days=days)).isoformat()
    resources = spoiled(chart(ALARMING), "Observation", set_date(later))
    told = service.answered(patient_view(ALARMING, prefetch_of(resources)))
    assert "END-PAC 9" not in told.text
    assert "dated in the future" in told.text


@pytest.mark.parametrize(
    "date",
    ["tomorrow", "2026-13-45", "", "0000-00-00", "99999-01-01", "2026-02-30T25:61:00Z", "20261102", 20261102, None],
    ids=repr,
)
def test_results_without_a_date_that_can_be_read_are_not_used(service: CalledService, date: Any) -> None:
    resources = spoiled(chart(ALARMING), "Observation", set_date(date))
    told = service.answered(patient_view(ALARMING, prefetch_of(resources)))
    assert "END-PAC 9" not in told.text
    assert "without a date" in told.text or "could not be understood" in told.text


@pytest.mark.parametrize("birth", ["2090-01-01", "1066-10-14", "today", "", "2026", None, 1960], ids=repr)
def test_a_birth_date_that_cannot_be_right_gives_no_number(service: CalledService, birth: Any) -> None:
    resources = spoiled(chart(ALARMING), "Patient", lambda r: r.update(birthDate=birth))
    told = service.call(patient_view(ALARMING, prefetch_of(resources)))
    assert told.status in (200, 412)
    assert "(QCancer 2013)" not in told.text  # no age, no risk
    assert not re.search(r"END-PAC (score )?\d", told.text)


@pytest.mark.parametrize("birth", ["2090-01-01", "1066-10-14"])
def test_a_birth_date_that_cannot_be_right_is_said(service: CalledService, birth: str) -> None:
    """It must not pass for an age outside the range, which is silent."""
    resources = spoiled(chart(ALARMING), "Patient", lambda r: r.update(birthDate=birth))
    told = service.answered(patient_view(ALARMING, prefetch_of(resources)))
    assert "The date of birth is not recorded, or can't be right" in told.text
    assert "meets no criterion" not in told.text  # weight loss and new diabetes are on record


def test_a_finding_of_the_future_is_said(service: CalledService) -> None:
    """Weight loss of 2062 is a slip of the pen; without a word the chart would look like one without it."""
    resources = spoiled(chart(ALARMING), "Condition", lambda r: r.update(onsetDateTime="2062-11-01"))
    resources = [r for r in resources if r["resourceType"] != "Observation"]
    told = service.answered(patient_view(ALARMING, prefetch_of(resources)))
    assert "weight loss (dated in the future: 2062-11-01)" in told.text


# units


@pytest.mark.parametrize(("unit", "why"), [("g/L", "which is not a unit for it"), ("mmol/mol", "which can't be right")])
def test_a_wrong_unit_on_a_chart_without_a_finding_is_not_silence(service: CalledService, unit: str, why: str) -> None:
    resources = chart(QUIET)
    labs(resources, "4548-4")[-1]["valueQuantity"] = {"value": 7.6, "unit": unit}
    told = service.answered(patient_view(QUIET, prefetch_of(resources)))
    assert f"HbA1c (sent as 7.6 {unit}, {why})" in told.text


def set_unit(unit: str | None) -> Spoil:
    def spoil(resource: Resource) -> None:
        if quantity := resource.get("valueQuantity"):
            for name in ("unit", "code", "system"):
                quantity.pop(name, None)
            if unit is not None:
                quantity["unit"] = unit

    return spoil


@pytest.mark.parametrize("unit", [None, "", "bananas", "mmol/L", "kg", "%", "🍌", "mg/dL\u0000"], ids=repr)
def test_mixed_up_units_are_not_guessed(service: CalledService, unit: str | None) -> None:
    """Every result in the same, mostly wrong unit; glucose of 141 'mmol/L' must not become diabetes."""
    resources = spoiled(chart(ALARMING), "Observation", set_unit(unit))
    told = service.answered(patient_view(ALARMING, prefetch_of(resources)))
    assert "END-PAC 9" not in told.text
    assert "not a unit" in told.text or "without a unit" in told.text or "can't be right" in told.text


def test_a_unit_at_odds_with_its_code_is_not_guessed(service: CalledService) -> None:
    """The text says mmol/L and the code mg/dL: one of them is wrong, and nobody can know which."""
    resources = chart(ALARMING)
    for resource in resources:
        if resource.get("valueQuantity", {}).get("code") == "mg/dL":
            resource["valueQuantity"]["unit"] = "mmol/L"
    told = service.answered(patient_view(ALARMING, prefetch_of(resources)))
    assert "END-PAC 9" not in told.text
    assert "141 mmol/L (21" not in told.text  # it is not shown as a finding


# damage


@pytest.mark.parametrize("kind", ["Observation", "Condition", "MedicationRequest"])
def test_resources_that_cannot_be_read_are_said(service: CalledService, kind: str) -> None:
    """Even where nothing else is worth a card: the chart looks quiet only because part of it is unreadable."""
    resources = spoiled(chart(QUIET), kind, lambda r: r.update(code=5, medicationCodeableConcept=5))
    told = service.answered(patient_view(QUIET, prefetch_of(resources)))
    assert "could not be understood" in told.text or "could not be read" in told.text


def test_one_bad_resource_does_not_spoil_the_rest(service: CalledService) -> None:
    resources = chart(ALARMING)
    broken = copy.deepcopy(labs(resources, HBA1C)[-1]) | {"id": "broken", "valueQuantity": "seven"}
    told = service.answered(patient_view(ALARMING, prefetch_of([*resources, broken])))
    assert told.topics == ["pancreas-risk"]
    assert "One record could not be understood" in told.text


@pytest.mark.parametrize(
    "entry", [None, 5, "x", [], {}, {"resource": None}, {"resource": 5}, {"resource": {}}], ids=str
)
def test_entries_that_hold_no_resource_cost_only_themselves(service: CalledService, entry: Any) -> None:
    prefetch = prefetch_of(chart(ALARMING))
    prefetch["conditions"]["entry"].append(entry)
    told = service.answered(patient_view(ALARMING, prefetch))
    assert told.cards
    assert told.topics == ["pancreas-risk"] or "could not be read" in told.text


@pytest.mark.threat("xss-names")
def test_odd_ids_and_references_do_no_harm(service: CalledService) -> None:
    resources = chart(ALARMING)
    for number, resource in enumerate(r for r in resources if r["resourceType"] == "Observation"):
        odd = ["", "x" * 5000, "\u0000", "💊", "a/b/../c", "<script>"][number % 6]
        resource["id"] = f"{odd}{number}"
    told = service.answered(patient_view(ALARMING, prefetch_of(resources)))
    assert told.topics == ["pancreas-risk"]
    assert "<script>" not in told.text


@pytest.mark.threat("xss-names")
def test_words_of_the_chart_cannot_draw_on_the_card(service: CalledService) -> None:
    """A card's detail is Markdown: a resource's text must not become a link, an image or a tag in the EHR."""
    resources = chart(ALARMING)
    for resource in resources:
        if quantity := resource.get("valueQuantity"):
            quantity["unit"] = "[click](http://evil.example) <img src=x>"
            quantity.pop("code", None)
    told = service.answered(patient_view(ALARMING, prefetch_of(resources)))
    assert "](http://evil.example)" not in told.text
    assert "<img" not in told.text


# amount


@pytest.mark.threat("oversized")
def test_five_thousand_observations_are_answered_quickly(service: CalledService) -> None:
    resources = chart(ALARMING)
    one = labs(resources, HBA1C)[0]
    for number in range(5000):
        when = (NOW - timedelta(days=400 + number, hours=number % 24)).isoformat()
        resources.append(copy.deepcopy(one) | {"id": f"many-{number}", "effectiveDateTime": when})
    told = service.answered(patient_view(ALARMING, prefetch_of(resources)))
    assert told.topics == ["pancreas-risk"]
    assert told.cpu_s < 1.0


@pytest.mark.threat("oversized")
def test_five_thousand_conditions_and_drafts_are_answered_quickly(service: CalledService) -> None:
    resources = chart(DISEASED)
    condition = next(r for r in resources if r["resourceType"] == "Condition")
    resources += [copy.deepcopy(condition) | {"id": f"many-{n}"} for n in range(5000)]
    drafts = stories.draft_orders(DISEASED, NOW.date())
    drafts["entry"] *= 500
    told = service.answered(order_sign(DISEASED, prefetch_of(resources), drafts), SIGN)
    assert told.cpu_s < 1.5
