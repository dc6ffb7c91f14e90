"""Models of ductal adenocarcinoma refuse whoever is recorded with a tumour of the pancreas of another type."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cds.inference.prediction import NotAssessed
from cds.record.facts import Fact, Record
from cds.record.moments import parse

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SCT = "http://snomed.info/sct"
ANY_TYPE = {
    "ca19-9-response": "follows a marker that rises and falls in other types too",
    "molecular-targets": "names findings of the tumour whatever its type, each with the people of its trial",
}
"""Models that need pancreatic cancer on record and do not assume its type, and why."""
ONLY_DUCTAL = (
    "metastatic-os",
    "metastatic-response",
    "msk-prognostic-score",
    "mskcc-nomogram",
    "pantheia-siri",
    "purist-subtype",
    "resected-os",
)


def patient(*facts: str) -> Record:
    """Pancreatic cancer and its resection last month, and the conditions named."""
    record = Record(NOW, "p", birth=parse("1960-01-01"), male=True)
    for name in ("pancreatic-cancer", "pancreatectomy", *facts):
        record.add(Fact(name, f"Resource/{name}", parse("2026-10-20"), status="active", verification="confirmed"))
    record.arrange()
    return record


def test_each_model_that_needs_pancreatic_cancer_says_whether_its_type_matters(registry) -> None:
    needing = {
        model_id
        for model_id, model in registry.models.items()
        for test in model.manifest.population.eligibility
        if "pancreatic-cancer" in test.concepts and test.present
    }
    assert needing == {*ONLY_DUCTAL, *ANY_TYPE}


@pytest.mark.parametrize("model", ONLY_DUCTAL)
@pytest.mark.parametrize(
    ("code", "tumour"),
    [("783771003", "acinar cell"), ("866052009", "mixed"), ("735735001", "neuroendocrine")],
    ids=lambda value: value,
)
def test_a_tumour_of_another_type_is_refused_and_named_in_both_languages(registry, model, code, tumour) -> None:
    answer = registry[model].assess(patient(*registry.vocabulary.names(SCT, code)))
    assert isinstance(answer, NotAssessed)
    assert answer.reason == "not-eligible"
    assert tumour in answer.says["en"]
    assert "acinair, gemengd" in answer.says["nl"]


@pytest.mark.parametrize("model", ONLY_DUCTAL)
def test_the_usual_type_is_not_taken_for_another(registry, model) -> None:
    answer = registry[model].assess(patient())
    assert "another type" not in getattr(answer, "says", {}).get("en", "")
