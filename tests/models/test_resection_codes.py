"""Which codes count as a resection of the pancreas, and that the models which need one say so."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

VOCABULARY = Path(__file__).parents[2] / "models" / "vocabulary" / "procedures.yaml"
SCT = "http://snomed.info/sct"
RESECTIONS = {
    "33149006": "pancreatectomy",
    "116241004": "of head and duodenum",
    "116242006": "of head and duodenum, sparing the pylorus",
    "174702000": "proximal",
    "9524002": "total",
    "287847009": "partial",
    "69036001": "total, with the duodenum",
    "265459006": "of head, duodenum and part of the stomach",
    "401004": "distal subtotal",
}


@pytest.mark.parametrize("code", RESECTIONS, ids=lambda code: RESECTIONS[code])
def test_a_resection_of_the_pancreas_is_known_whichever_part_was_taken(registry, code) -> None:
    assert registry.vocabulary.names(SCT, code) == ("pancreatectomy",)


def test_no_other_code_counts_as_one(registry) -> None:
    """26925005 is given for distal pancreatectomy in places; it is transverse colectomy."""
    listed = yaml.safe_load(VOCABULARY.read_text(encoding="utf-8"))["pancreatectomy"]["codes"]
    assert {(c["system"], c["code"]) for c in listed} == {(SCT, code) for code in RESECTIONS}
    assert registry.vocabulary.names(SCT, "26925005") == ()


@pytest.mark.parametrize("model", ["resected-os", "mskcc-nomogram"])
def test_models_after_resection_say_which_codes_of_it_they_know(registry, model) -> None:
    for language, words in (("en", "nine SNOMED CT codes"), ("nl", "negen SNOMED CT-codes")):
        (limit,) = (x for x in registry[model].manifest.words.limits[language] if words in x)
        assert "401004" in limit
    assert len(RESECTIONS) == 9
