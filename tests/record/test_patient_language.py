"""A patient's own language: the preferred one, else the only one, no finer than its first subtag, and never a fault."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from cds.fhir.decoding import decode
from cds.record.facts import Record
from cds.record.reading import Reader
from cds.record.vocabulary import Vocabulary

TAGS = "urn:ietf:bcp:47"


def read(communication: Any) -> Record:
    patient = {"resourceType": "Patient", "id": "p1", "birthDate": "1960-02-03", "communication": communication}
    reader = Reader(Vocabulary({}), "p1", datetime(2026, 11, 23, tzinfo=UTC), UTC)
    reader.read(decode(json.dumps(patient).encode()).resources)
    return reader.finish()


def says(*codes: str, system: str | None = TAGS, **more: Any) -> dict[str, Any]:
    return {"language": {"coding": [{"system": system, "code": code} for code in codes]}} | more


@pytest.mark.parametrize(
    ("communication", "language"),
    [
        ([says("tr")], "tr"),
        ([says("nl"), says("tr-TR", preferred=True)], "tr"),
        ([says("nl-BE", preferred=False)], "nl"),
        ([says("tur")], "tr"),
        ([says("dut", system="urn:oid:2.16.840.1.113883.6.100")], "nl"),
        ([says("nl-BE", preferred=True), says("nl-NL", preferred=True)], "nl"),
        ([says("TR", system=None)], "tr"),
        # several and none preferred, or two: nobody knows which
        ([says("nl"), says("tr")], None),
        ([says("nl", preferred=True), says("tr", preferred=True)], None),
        ([says("TR", system="urn:local:countries")], None),
        ([{"language": {"text": "Turkish, and the name of a person"}}], None),
        ([says("und")], None),
        ([says("tr; drop table")], None),
        ([], None),
        # nobody speaks so many, and a call waits while they are read
        ([says("tr", preferred=True)] * 51, None),
        ([says(*["und"] * 50, "tr")], None),
    ],
)
def test_the_preferred_language_else_the_only_one(communication: Any, language: str | None) -> None:
    assert read(communication).language == language


@pytest.mark.parametrize(
    "broken", [None, "tr", {"language": 1}, [3], [{"language": "tr"}], [says("tr", preferred="y")]]
)
def test_an_ill_written_language_costs_nothing_else(broken: Any) -> None:
    record = read(broken)
    assert record.language is None and record.age == 66


def test_one_that_can_not_be_read_beside_another_leaves_it_unknown_which_is_the_patients() -> None:
    assert read([{"language": 1}, says("tr")]).language is None
    assert read([{"language": 1}, says("tr", preferred=True)]).language == "tr"
