"""An old HbA1c that nobody can read for want of a unit may have shown diabetes: the card says so."""

from __future__ import annotations

from typing import Any

import pytest
from story_house import House
from test_diabetes_known_before import BARELY, HBA1C, NEW, PATIENT, SCORED, THIN, problem, result


def unitless(value: float, day: str, unit: str | None = None, comparator: str | None = None) -> dict[str, Any]:
    sent = {"value": value, "unit": unit, "comparator": comparator}
    return result(HBA1C, value, day) | {"valueQuantity": {key: part for key, part in sent.items() if part is not None}}


OLD = "2019-05-01"


@pytest.mark.parametrize("rise", [NEW, (problem(THIN, "2026-10-20"), *BARELY), SCORED])
@pytest.mark.parametrize(
    ("old", "sent"),
    [
        (unitless(52, OLD), "52 (1 May 2019)"),
        (unitless(7.1, OLD), "7.1 (1 May 2019)"),
        (unitless(20, OLD, comparator=">"), ">20 (1 May 2019)"),
        (unitless(7.1, OLD, "g/L"), "7.1 g/L (1 May 2019)"),
        (unitless(1e300, OLD, "%"), "1e+300 % (1 May 2019)"),  # no language writes it out
    ],
)
def test_an_old_value_that_may_have_been_high_makes_the_diabetes_possibly_new(
    house: House, rise: tuple[dict[str, Any], ...], old: dict[str, Any], sent: str
) -> None:
    (card,) = house.cards_for("pancreas-risk", PATIENT, *rise, old)
    assert "possibly new diabetes" in card["summary"].lower()
    doubt = f"- HbA1c {sent} could not be read for want of a unit that fits: diabetes may be older.\n"
    assert card["detail"].count(doubt) == 1


@pytest.mark.parametrize(
    "beside",
    [
        (unitless(38, OLD),),  # 5.6 %, or no percentage that anybody has
        (unitless(5.4, OLD),),
        (unitless(5.4, OLD, "% of total Hgb"),),
        (unitless(5.4, OLD, "% NGSP"),),  # a unit nobody here knows is as good as none
        (unitless(38, OLD, "mmol/mol IFCC"),),
        (unitless(52, "2025-01-01"),),  # of the window in which the diabetes is new
    ],
)
def test_a_value_that_was_low_in_any_unit_or_is_new_itself_raises_no_doubt(
    house: House, beside: tuple[dict[str, Any], ...]
) -> None:
    (card,) = house.cards_for("pancreas-risk", PATIENT, *NEW, *beside)
    assert "new-onset diabetes" in card["summary"] and "may be older" not in card["detail"]


def test_a_high_value_that_could_be_read_tells_more(house: House) -> None:
    beside = (result(HBA1C, 6.6, "2018-05-01"), result(HBA1C, 5.6, "2021-05-01"), unitless(52, OLD))
    (card,) = house.cards_for("pancreas-risk", PATIENT, *NEW, *beside)
    assert "HbA1c 6.6 % (1 May 2018), lower since" in card["detail"] and "could not be read for" not in card["detail"]


def test_percent_of_total_haemoglobin_is_percent(house: House) -> None:
    before = unitless(6.6, "2018-05-01", "% of total Hgb"), result(HBA1C, 5.6, "2021-05-01")
    (card,) = house.cards_for("pancreas-risk", PATIENT, *NEW, *before)
    assert "HbA1c 6.6 % of total Hgb (1 May 2018), lower since" in card["detail"]


def test_it_is_said_in_dutch(house: House) -> None:
    (card,) = house.cards_for("pancreas-risk", PATIENT, *NEW, unitless(7.1, OLD), language="nl")
    assert "mogelijk nieuwe diabetes" in card["summary"]
    assert (
        "- HbA1c 7,1 (1 mei 2019) was niet te lezen, bij gebrek aan een passende eenheid: mogelijk al" in card["detail"]
    )
