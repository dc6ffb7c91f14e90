"""Dead or alive, also where a text stands for the boolean; nonsense there is named and costs nothing else."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from cds.fhir.decoding import Decoded, decode
from cds.record.facts import Record
from cds.record.reading import Reader
from cds.record.vocabulary import Vocabulary


def sent(**said: Any) -> Decoded:
    return decode(json.dumps({"resourceType": "Patient", "id": "p1", "birthDate": "1960-02-03", **said}).encode())


def read(found: Decoded) -> Record:
    reader = Reader(Vocabulary({}), "p1", datetime(2026, 11, 23, tzinfo=UTC), UTC)
    reader.read(found.resources)
    return reader.finish()


@pytest.mark.parametrize(
    ("said", "dead"),
    [
        ({}, False),
        ({"deceasedBoolean": True}, True),
        ({"deceasedBoolean": False}, False),
        ({"deceasedBoolean": None}, False),
        ({"deceasedBoolean": "true"}, True),
        ({"deceasedBoolean": " True "}, True),
        ({"deceasedBoolean": "false"}, False),
        ({"deceasedBoolean": ""}, False),
        ({"deceasedDateTime": "2026-11-01"}, True),
        ({"deceasedDateTime": "2026-11-01", "deceasedBoolean": "perhaps"}, True),
    ],
)
def test_dead_is_who_is_said_to_be_in_whatever_form(said: dict[str, Any], dead: bool) -> None:
    found = sent(**said)
    assert found.malformed == 0
    record = read(found)
    assert record.deceased is dead
    assert record.age == 66


@pytest.mark.parametrize("nonsense", ["perhaps", "untrue", 3, [True], {"value": True}])
@pytest.mark.parametrize("bundled", [False, True])
def test_nonsense_is_unknown_is_told_and_keeps_the_patient(nonsense: Any, bundled: bool) -> None:
    patient = {"resourceType": "Patient", "id": "p1", "birthDate": "1960-02-03", "deceasedBoolean": nonsense}
    bundle = {"resourceType": "Bundle", "entry": [{"resource": patient}, {"resource": {"resourceType": "Condition"}}]}
    found = decode(json.dumps(bundle if bundled else patient).encode())
    assert found.malformed == 1
    record = read(found)
    assert not record.deceased
    assert record.age == 66
