"""An agreement to stop that is on record already ended its order, whatever status the order was left with."""

from __future__ import annotations

from typing import Any

import pytest
from story_house import House
from test_drugs_given_already import given
from test_orders_as_sent import ATC, FOLFIRINOX, GEMCITABINE, STOP, ordered, sign

NUMBER = {"system": "urn:oid:1.2.3", "value": "MA-7"}
ORDER = GEMCITABINE | {"id": "standing", "status": "active", "authoredOn": "2026-11-21", "identifier": [NUMBER]}
PERIOD = "http://nictiz.nl/fhir/StructureDefinition/ext-TimeInterval.Period"


def stop(order: dict[str, Any], on: str = "2026-11-22", **more: Any) -> dict[str, Any]:
    began = [{"url": PERIOD, "valuePeriod": {"start": "2026-11-21"}}]
    agreement = {"id": "stop", "status": "active", "authoredOn": on, "modifierExtension": [STOP], "extension": began}
    return {key: value for key, value in order.items() if key != "identifier"} | agreement | more


@pytest.mark.parametrize(
    "prior",
    [
        {},
        {"priorPrescription": {"reference": "MedicationRequest/standing"}},
        {"priorPrescription": {"identifier": NUMBER}},
        {"priorPrescription": {"identifier": {"system": "urn:oid:1.2.3", "value": "MA-0"}}},  # not on record
        {"extension": []},
        {"priorPrescription": {"display": "gemcitabine"}},
        # as it stood in the Bundle in which it came, or within the agreement itself
        {"priorPrescription": {"reference": "urn:uuid:9d1f4a52-3c5e-4a53-9a43-1f6b7a1f1c11"}},
        {"priorPrescription": {"reference": "#prior"}},
        # the other system's own id, and the number that both know
        {"priorPrescription": {"reference": "https://other.example/fhir/MedicationRequest/77", "identifier": NUMBER}},
        {"priorPrescription": {"reference": "MedicationRequest/standing", "identifier": {"value": "another"}}},
    ],
)
def test_an_order_stopped_on_record_is_no_part_of_what_is_signed(house: House, prior: dict[str, Any]) -> None:
    assert sign(house, *FOLFIRINOX, beside=(ORDER,)) == []
    (card,) = sign(house, *FOLFIRINOX, beside=(ORDER, stop(ORDER, **prior)))
    assert "FOLFIRINOX ordered" in card["summary"]


@pytest.mark.parametrize(
    "agreement",
    [
        stop(ORDER, "2026-11-20"),  # before the order was written
        stop(ORDER, "2026-11-21"),  # the same day: the order may be the one that came in its place
        stop(ordered((ATC, "L01XA03"))),
        stop(ORDER, priorPrescription={"reference": "MedicationRequest/another"}),
        stop(ORDER, status="entered-in-error"),
    ],
)
def test_another_agreement_does_not_end_it(house: House, agreement: dict[str, Any]) -> None:
    assert sign(house, *FOLFIRINOX, beside=(ORDER, agreement)) == []


@pytest.mark.parametrize("is_stop", [True, False])
def test_what_is_signed_ends_an_order_that_it_names_by_a_number_alone(house: House, is_stop: bool) -> None:
    prior = {"priorPrescription": {"identifier": NUMBER}}
    first, *others = FOLFIRINOX
    drafted = (*FOLFIRINOX, stop(GEMCITABINE) | prior) if is_stop else (first | prior, *others)
    (card,) = sign(house, *drafted, beside=(ORDER,))
    assert "FOLFIRINOX ordered" in card["summary"]
    if is_stop:
        both = {"priorPrescription": prior["priorPrescription"] | {"reference": "urn:uuid:1"}}
        (card,) = sign(house, *FOLFIRINOX, stop(GEMCITABINE) | both, beside=(ORDER,))
        assert "FOLFIRINOX ordered" in card["summary"]
    # a second order of the drug stands, since it is not the one that is named
    if is_stop:
        second = ORDER | {"id": "second", "identifier": []}
        assert sign(house, *drafted, beside=(ORDER, second)) == []


CISPLATIN = ordered((ATC, "L01XA01"), text="cisplatine") | {"id": "cis", "status": "active", "authoredOn": "2026-11-21"}
SINCE = (
    "One cancer drug was given in this cycle and stopped since: cisplatine. If it is part of this regimen, this "
    "estimate does not hold."
)


@pytest.mark.parametrize("order", [CISPLATIN, CISPLATIN | {"medicationCodeableConcept": {"text": "cisplatine"}}])
def test_what_was_given_before_its_order_was_stopped_is_named(house: House, order: dict[str, Any]) -> None:
    stopped = stop(order, "2026-11-23")
    for beside in ((order, given(order), stopped), (given(order), given(order, "2026-11-21"), stopped)):
        (card,) = sign(house, GEMCITABINE, beside=beside)
        assert "gemcitabine ordered" in card["summary"] and SINCE in card["detail"]
    (card,) = sign(house, GEMCITABINE, beside=(order, given(order), stopped), language="nl")
    assert "in deze kuur toegediend en daarna gestopt: cisplatine. Hoort het bij dit schema" in card["detail"]
    two = (given(FOLFIRINOX[3]), stop(FOLFIRINOX[3], "2026-11-23", id="stop-too"))
    (card,) = sign(house, GEMCITABINE, beside=(order, given(order), stopped, *two))
    assert "2 cancer drugs were given in this cycle and stopped since" in card["detail"]
    # none was given, or it is the one that is signed once more
    own = (ORDER, given(ORDER), stop(ORDER, "2026-11-23"))
    for beside in ((order, stopped), own):
        assert "stopped since" not in sign(house, GEMCITABINE, beside=beside)[0]["detail"]
