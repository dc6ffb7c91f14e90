"""What was given in this cycle is of it, as what stands ordered is: an order is completed by giving it."""

from __future__ import annotations

from typing import Any

import pytest
from story_house import House, untold
from test_orders_as_sent import ATC, FOLFIRINOX, GEMCITABINE, NAB, STOP, UNREAD, ordered, sign

CISPLATIN = ordered((ATC, "L01XA01"), text="cisplatine")


def given(order: dict[str, Any], on: str = "2026-11-22", status: str = "completed") -> dict[str, Any]:
    kept = {key: order[key] for key in ("subject", "medicationCodeableConcept")}
    number = abs(hash(str(order)))
    return kept | {
        "resourceType": "MedicationAdministration",
        "id": f"given-{number}-{on}",
        "status": status,
        "effectiveDateTime": on,
    }


@pytest.mark.parametrize("status", ["completed", "in-progress"])
def test_a_partner_given_yesterday_makes_it_another_regimen(house: House, status: str) -> None:
    untold(house)
    assert sign(house, GEMCITABINE, beside=(given(CISPLATIN, status=status),)) == []
    assert ("pancreas-survival", "unrecognised-regimen") in untold(house)
    (card,) = sign(house, GEMCITABINE, beside=(given(ordered(text="cisplatine 25 mg/m2"), status=status),))
    assert card["summary"] == UNREAD


@pytest.mark.parametrize("status", ["not-done", "stopped", "on-hold", "entered-in-error"])
def test_what_was_not_given_is_no_part_of_it(house: House, status: str) -> None:
    (card,) = sign(house, GEMCITABINE, beside=(given(CISPLATIN, status=status),))
    assert "gemcitabine ordered" in card["summary"]


def test_what_was_given_before_this_cycle_is_an_earlier_line_as_ever(house: House) -> None:
    (card,) = sign(house, GEMCITABINE, beside=(given(CISPLATIN, "2026-11-12"),))
    assert "has cisplatine of 12 Nov 2026, which is taken for earlier treatment" in card["detail"]


def test_an_order_of_this_cycle_that_was_given_and_so_completed_is_of_it(house: House) -> None:
    """Where the server keeps no doses its status is all there is."""

    def done(order: dict[str, Any], id: str = "done") -> dict[str, Any]:
        return order | {"id": id, "status": "completed", "authoredOn": "2026-11-22"}

    assert sign(house, GEMCITABINE, beside=(done(CISPLATIN),)) == []
    (card,) = sign(house, GEMCITABINE, beside=(done(NAB),))
    assert "gemcitabine + nab-paclitaxel ordered" in card["summary"]
    others = tuple(done(order, f"done-{number}") for number, order in enumerate(FOLFIRINOX[1:]))
    (card,) = sign(house, FOLFIRINOX[0], beside=others)
    assert "FOLFIRINOX ordered" in card["summary"]
    (card,) = sign(house, GEMCITABINE, beside=(done(ordered(text="cisplatine 25 mg/m2")),))
    assert card["summary"] == UNREAD
    (card,) = sign(house, *FOLFIRINOX, beside=(done(ordered(text="paracetamol 500 mg")),))
    assert "could not be read" not in card["detail"]


def test_what_is_given_already_and_what_is_signed_make_one_regimen(house: House) -> None:
    (card,) = sign(house, GEMCITABINE, beside=(given(NAB),))
    assert "gemcitabine + nab-paclitaxel ordered" in card["summary"]
    (card,) = sign(house, FOLFIRINOX[0], beside=tuple(map(given, FOLFIRINOX[1:])))
    assert "FOLFIRINOX ordered" in card["summary"]


IRINOTECAN, ONIVYDE = (ordered((ATC, "L01CE02"), text=text) for text in ("IRINOTECAN", "Onivyde 4,3 mg/ml"))


def test_a_dose_without_a_word_on_its_form_is_of_the_order_that_has_one(house: House) -> None:
    """A list of doses often has the ingredient alone."""
    pump, _, _, oxaliplatin = FOLFIRINOX
    standing = ONIVYDE | {"id": "standing", "status": "active", "authoredOn": "2026-11-22"}
    (card,) = sign(house, pump, beside=(standing, *map(given, (IRINOTECAN, oxaliplatin))))
    assert "NALIRIFOX ordered" in card["summary"]
    for text in ("conventioneel irinotecan", "irinotecan, niet liposomaal"):
        dose = given(ordered((ATC, "L01CE02"), text=text))
        (card,) = sign(house, pump, beside=(standing, dose, given(oxaliplatin)))
        assert card["summary"] == UNREAD and "can be read as the liposomal form and as the other" in card["detail"]
    standing = IRINOTECAN | {"id": "standing", "status": "active", "authoredOn": "2026-11-22"}
    (card,) = sign(house, pump, beside=(standing, *map(given, (ONIVYDE, oxaliplatin))))
    assert card["summary"] == UNREAD and "1 of the orders could not be read" in card["detail"]
    assert "can be read as the liposomal form and as the other" in card["detail"]


def test_a_drip_that_no_code_tells_is_no_order_that_could_not_be_read(house: House) -> None:
    (card,) = sign(house, *FOLFIRINOX, beside=(given(ordered(text="NaCl 0,9%")),))
    assert "could not be read" not in card["detail"]


@pytest.mark.parametrize("how", ["agreement", "resent", "replaced"])
def test_what_was_given_of_an_order_that_is_signed_off_is_no_part_of_the_next(house: House, how: str) -> None:
    order = GEMCITABINE | {"id": "standing", "status": "active", "authoredOn": "2026-11-21"}
    beside = (order, given(GEMCITABINE))
    assert sign(house, *FOLFIRINOX, beside=beside) == []
    first, *others = FOLFIRINOX
    drafted = {
        "agreement": (*FOLFIRINOX, GEMCITABINE | {"id": "stop", "modifierExtension": [STOP]}),
        "resent": (*FOLFIRINOX, order | {"status": "stopped"}),
        "replaced": (first | {"priorPrescription": {"reference": "MedicationRequest/standing"}}, *others),
    }[how]
    (card,) = sign(house, *drafted, beside=beside)
    assert "FOLFIRINOX ordered" in card["summary"]


@pytest.mark.parametrize("how", ["dose", "order", "dose and order", "stopped"])
def test_a_regimen_signed_days_after_another_was_given_is_not_the_first_line(house: House, how: str) -> None:
    def beside(order: dict[str, Any], number: int) -> list[dict[str, Any]]:
        status = "active" if "dose" in how else "completed"
        written = order | {"id": f"order-{number}", "status": status, "authoredOn": "2026-11-21"}
        stopped = {"id": f"stop-{number}", "modifierExtension": [STOP], "authoredOn": "2026-11-23"}
        dose = given(order, "2026-11-21")
        return {
            "dose": [dose],
            "order": [written],
            "dose and order": [dose, written],
            "stopped": [dose, written | {"status": "active"}, order | {"status": "active"} | stopped],
        }[how]

    chart = [one for number, order in enumerate(FOLFIRINOX) for one in beside(order, number)]
    (card,) = sign(house, GEMCITABINE, NAB, beside=tuple(chart))
    assert card["summary"] == (
        "No survival estimate: this is not the start of first-line treatment (gemcitabine + nab-paclitaxel ordered)"
    )
    assert "of 21 Nov 2026, which is taken for earlier treatment" in card["detail"]
    assert "has leucovorin" not in card["detail"]


def test_a_partner_or_the_same_regimen_once_more_is_no_other_line(house: House) -> None:
    chart = tuple(map(given, FOLFIRINOX))
    assert sign(house, GEMCITABINE, NAB, CISPLATIN, beside=chart) == []  # a regimen of nobody here
    assert sign(house, GEMCITABINE, NAB, beside=chart[:2]) == []  # nothing whole was given
    (card,) = sign(house, *FOLFIRINOX, beside=chart)
    assert "FOLFIRINOX ordered" in card["summary"]
    assert sign(house, *FOLFIRINOX, beside=(given(GEMCITABINE),)) == []


def test_a_drug_given_on_a_day_that_nobody_recorded_may_have_been_an_earlier_line(house: House) -> None:
    before = ordered((ATC, "L01XA03"), text="oxaliplatine", id="before", status="completed", authoredOn=None)
    (card,) = sign(house, GEMCITABINE, NAB, beside=(before,))
    assert "One cancer drug was given on a day that is not recorded: oxaliplatine." in card["detail"]
    (card,) = sign(house, GEMCITABINE, NAB, beside=(before,), language="nl")
    assert "Eén middel tegen kanker is gegeven op een dag die niet is vastgelegd: oxaliplatine." in card["detail"]
    (card,) = sign(house, GEMCITABINE, NAB)
    assert "not recorded: oxaliplatine" not in card["detail"]


def test_folinic_acid_is_no_cancer_drug(house: House) -> None:
    before = ordered((ATC, "V03AF03"), text="folinezuur", id="before", status="completed", authoredOn=None)
    (card,) = sign(house, GEMCITABINE, NAB, beside=(before,))
    assert "on a day that is not recorded" not in card["detail"]
