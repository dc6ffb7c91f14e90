"""What can be ordered in the demonstration, and the stories' lines in both languages."""

from __future__ import annotations

from datetime import date

import pytest
from fhir.resources.R4B import get_fhir_model_class

from hooks.stories import ORDERABLES, STORIES, Orderable, orders, story
from hooks.stories.dutch import TELLS
from hooks.stories.studies import IMAGED

TODAY = date(2026, 11, 23)


@pytest.mark.parametrize("orderable", ORDERABLES, ids=lambda o: o.id)
@pytest.mark.parametrize("patient", ["new-diabetes", "dutch-new-diabetes"])
def test_every_order_is_a_valid_unsigned_r4_resource_of_the_patient(orderable: Orderable, patient: str) -> None:
    made = orders(orderable, story(patient), TODAY)
    assert len(made) == max(1, len(orderable.drugs))
    for resource in made:
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)
        assert (resource["status"], resource["intent"]) == ("draft", "order")
        assert resource["subject"] == {"reference": f"Patient/{patient}"}
        assert "id" not in resource


def test_ids_are_unique_and_every_group_has_orders_named_in_both_languages() -> None:
    assert len({o.id for o in ORDERABLES}) == len(ORDERABLES)
    assert {o.group for o in ORDERABLES} == {"laboratory", "imaging", "treatment"}
    assert all(set(o.name) == {"en", "nl"} for o in ORDERABLES)


def test_every_story_is_told_in_dutch_too() -> None:
    everyone = [*STORIES, *(one.story for one in IMAGED)]
    assert set(TELLS) == {one.id for one in everyone}
    for one in everyone:
        assert one.told("en") == one.tells
        assert one.told("nl") != one.tells
        assert len(one.told("nl")) < 140
