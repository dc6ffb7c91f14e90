"""A drug that is put on the skin or into the eye is no treatment of a cancer elsewhere, whatever its code."""

from __future__ import annotations

from typing import Any

import profiled as sent
import pytest
from test_profiled import ATC, SNOMED, read

EDQM = "http://standardterms.edqm.eu"
FLUOROURACIL = (ATC, "L01BC02")


def dosed(*routes: dict[str, Any], text: str = "fluorouracil", kind: str = "MedicationRequest") -> dict[str, Any]:
    agreement, _ = sent.zib_medication_agreement(FLUOROURACIL)
    del agreement["medicationReference"]
    dosages = [{"route": route} for route in routes]
    resource = agreement | {"medicationCodeableConcept": sent.coded(FLUOROURACIL, text=text), "resourceType": kind}
    if kind == "MedicationRequest":
        return resource | {"dosageInstruction": dosages}
    given = resource | {"status": "completed", "effectiveDateTime": "2026-03-02"}
    return given | {"dosage": dosages[0] if kind == "MedicationAdministration" else dosages}


@pytest.mark.parametrize(
    "route",
    [
        sent.coded((SNOMED, "6064005")),
        sent.coded((SNOMED, "448598008")),
        sent.coded(("https://snomed.info/sct", "418401004")),
        sent.coded((EDQM, "20003000")),
        sent.coded(("http://terminology.hl7.org/CodeSystem/v3-RouteOfAdministration", "SKIN")),
        {"text": "Cutaan"},
        {"text": "topical"},
        {"text": "Intra-cutaan"},
        {"coding": [{"system": "urn:oid:2.16.840.1.113883.2.4.4.9", "code": "1", "display": "INTRAVITREAAL"}]},
    ],
)
@pytest.mark.parametrize("kind", ["MedicationRequest", "MedicationStatement", "MedicationAdministration"])
def test_what_is_applied_locally_is_no_systemic_drug(route: dict[str, Any], kind: str) -> None:
    record = read(dosed(route, kind=kind))
    assert not (record.facts or record.untold or record.unrecognised)


@pytest.mark.parametrize(
    "routes",
    [
        (),
        ({},),
        (sent.coded((SNOMED, "47625008")),),
        ({"text": "Subcutaan"},),
        ({"text": "transdermaal"},),
        ({"text": "Sub-cutaneous"},),
        ({"text": "sub cutaan"},),
        ({"text": "sub\u2011cutaan"},),  # as word processors write a hyphen
        ({"text": "sub  cutaan"},),
        ({"text": "trans dermaal"},),
        ({"text": "intraveneus, niet topical"},),
        ({"text": "i.v. of cutaan"},),
        ({"text": "intraveneus"},),
        (sent.coded((SNOMED, "6064005")), sent.coded((SNOMED, "47625008"))),  # a drip too
        ({"coding": [{"system": SNOMED, "code": "47625008"}], "text": "topical"},),  # a code tells more than a word
    ],
)
def test_any_other_route_and_none_is_systemic(routes: tuple[dict[str, Any], ...]) -> None:
    assert read(dosed(*routes)).of("fluorouracil")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Fluorouracil crème 50 mg/g", False),
        ("EFUDIX", False),
        ("fluorouracil 50 mg/ml", True),
        ("fluorouracil 5% CREAM", False),
        ("fluorouracil crème bij infectie", False),
        ("capecitabine 500 mg tabletten, ureum crème voor de handen", True),
        ("fluorouracil 50 mg/ml inf, EMLA cream to the port", True),
    ],
)
def test_without_a_route_the_name_tells_a_cream(text: str, found: bool) -> None:
    assert bool(read(dosed(text=text)).facts) is found
    # unless it is given into a vein
    assert read(dosed(sent.coded((SNOMED, "47625008")), text=text)).facts


def test_without_a_route_the_form_tells_a_cream() -> None:
    agreement, product = sent.zib_medication_agreement(FLUOROURACIL)
    assert read(agreement, product).of("fluorouracil")
    assert not read(agreement, product | {"form": {"text": "Crème"}}).facts
    assert read(agreement, product | {"form": {"text": "Infusievloeistof"}}).of("fluorouracil")


@pytest.mark.parametrize("garbage", ["cutaan", [1], {"route": "cutaan"}, [{"route": [1]}]])
def test_a_dosage_that_cannot_be_read_says_nothing(garbage: Any) -> None:
    assert read(dosed() | {"dosageInstruction": garbage}).of("fluorouracil")
    agreement, product = sent.zib_medication_agreement(FLUOROURACIL)
    assert read(agreement, product | {"form": garbage}).of("fluorouracil")
