"""A site's ConceptMap as a file: read as programs write it, and what is wrong with it told with its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cds.errors import VocabularyError
from cds.record.vocabulary import read_concept_map

GOOD = {
    "resourceType": "ConceptMap",
    "group": [
        {
            "source": "urn:lab",
            "target": "http://loinc.org",
            "element": [{"code": "BILT", "target": [{"code": "14631-6", "equivalence": "equivalent"}]}],
        }
    ],
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_byte_order_mark_is_no_part_of_it(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "codes.json"
    path.write_text(json.dumps(GOOD), encoding=encoding)
    assert read_concept_map(path).targets == {("urn:lab", "BILT"): ("http://loinc.org", "14631-6")}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"resourceType": "Bundle"}', "not a FHIR ConceptMap: group: this key is required"),
        (
            '{"group": [{"source": "a", "target": "b", "element": [{"code": 7}]}]}',
            "group.0.element.0.code: must be text",
        ),
        ("[]", "not a FHIR ConceptMap: must be a block"),
        ("<html>", "not JSON: "),
        ("", "not JSON: "),
    ],
)
def test_what_is_wrong_is_one_line_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "codes.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(VocabularyError) as caught:
        read_concept_map(path)
    assert told in str(caught.value)
    assert "pydantic" not in str(caught.value) and "\n" not in str(caught.value)
