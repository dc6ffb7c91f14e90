"""A source this hospital has for nobody is no outage: said where a card rests on it, never a card on every chart."""

from __future__ import annotations

import pytest
from called_service import CalledService
from chart_calls import QUIET, chart, patient_view
from servers import FhirServer, status

CARE = "/cds-services/pancreas-care"


@pytest.fixture
def hospital(own_fhir: FhirServer) -> FhirServer:
    own_fhir.holds(chart(QUIET))
    return own_fhir


def test_a_server_that_keeps_no_family_histories_gives_no_card_about_it(
    service: CalledService, hospital: FhirServer
) -> None:
    hospital.on("FamilyMemberHistory", status(404))
    told = service.call(patient_view(QUIET, None, fhirServer=hospital.base), CARE)
    assert told.status == 200
    assert told.topics == []
    assert service.data_state()["family"] == {"state": "failed", "count": 0, "error": "CDS-606"}


def test_a_server_whose_family_histories_are_out_says_so(service: CalledService, hospital: FhirServer) -> None:
    hospital.on("FamilyMemberHistory", status(500))
    told = service.call(patient_view(QUIET, None, fhirServer=hospital.base), CARE)
    assert told.topics == ["pancreas-surveillance-not-assessed"]
    assert "Family history could not be read (CDS-603)" in told.text


def test_several_models_that_could_not_be_asked_share_one_modest_card(
    service: CalledService, hospital: FhirServer
) -> None:
    hospital.on("FamilyMemberHistory", status(500))
    hospital.on("Observation", status(500))
    hospital.on("Condition", status(500))
    told = service.call(patient_view(QUIET, None, fhirServer=hospital.base), CARE)
    assert len(told.cards) == 1
    assert told.cards[0]["indicator"] == "info"


@pytest.mark.parametrize("kind", ["Condition", "Observation"])
def test_a_server_without_problems_or_results_is_a_fault_whatever_it_answers(
    service: CalledService, hospital: FhirServer, kind: str
) -> None:
    hospital.on(kind, status(404))
    told = service.call(patient_view(QUIET, None, fhirServer=hospital.base))
    assert told.topics == ["pancreas-risk-not-assessed"]
    assert "CDS-606" in told.text


def test_a_problem_list_that_is_out_leaves_open_whom_a_model_is_meant_for(
    service: CalledService, hospital: FhirServer
) -> None:
    hospital.on("Condition", status(500))
    told = service.call(patient_view(QUIET, None, fhirServer=hospital.base), CARE)
    assert len(told.cards) == 1
    assert "The problem list could not be read (CDS-603)" in told.text
