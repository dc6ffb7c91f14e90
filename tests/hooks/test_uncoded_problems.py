"""Problems in words alone, or under codes that nobody mapped: none is read, and a card says so."""

from __future__ import annotations

from typing import Any

import pytest
from story_house import House
from test_diabetes_known_before import PATIENT, problem, told

JAUNDICE = "18165001"
LINE = "One problem on record was not read: it has no code, or none of a code system that is known here."


def uncoded(id: str = "words", clinical: str = "active", **code: Any) -> dict[str, Any]:
    made = problem(id, "2026-10-20", clinical)
    made["code"] = code or {"text": "geelzucht"}
    return made


LOCAL = uncoded("local", coding=[{"system": "http://hl7.org/fhir/sid/icpc-1-nl", "code": "D13"}])
NULL = {"system": "http://terminology.hl7.org/CodeSystem/v3-NullFlavor", "code": "OTH"}


@pytest.mark.parametrize("sent", [uncoded(), LOCAL, uncoded(coding=[NULL], text="geelzucht")])
def test_where_none_could_be_read_silence_is_no_low_risk(house: House, sent: dict[str, Any]) -> None:
    (card,) = house.cards_for("pancreas-risk", PATIENT, sent)
    assert (card["indicator"], card["summary"].partition(" (")[0]) == (
        "info",
        "Pancreatic cancer risk could not be fully assessed",
    )
    assert f"- {LINE}\n" in card["detail"]


def test_it_is_said_in_dutch(house: House) -> None:
    (card,) = house.cards_for("pancreas-risk", PATIENT, uncoded(), LOCAL, language="nl")
    assert "- 2 problemen in het dossier zijn niet gelezen: ze hebben geen code, of geen uit een code" in card["detail"]


def test_a_card_that_is_given_tells_of_those_it_could_not_read(house: House) -> None:
    (card,) = house.cards_for("pancreas-risk", PATIENT, problem(JAUNDICE, "2026-10-20"), uncoded())
    assert card["summary"].startswith("Jaundice at 68")
    assert f"**Could not be read**\n- {LINE}" in card["detail"]


@pytest.mark.parametrize(
    "chart",
    [
        pytest.param((), id="no problems"),
        pytest.param((uncoded(), problem("38341003", "2020-01-01")), id="one beside it is coded"),
        pytest.param((uncoded(clinical="resolved"),), id="it is over"),
        pytest.param(
            (
                uncoded(
                    coding=[
                        {
                            "system": "http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips",
                            "code": "no-known-problems",
                        }
                    ]
                ),
            ),
            id="none are known",
        ),
    ],
)
def test_it_stays_silent_where_something_was_read_or_nothing_stands(
    house: House, chart: tuple[dict[str, Any], ...]
) -> None:
    assert told(house, *chart) == ([], set())
