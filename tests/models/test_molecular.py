"""Targets and subtype: what a molecular finding lets a model say, and what it must keep silent about."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
from genomic_chart import CANCER, coded, component, gene, observation, order, read, variant

from cds.fhir.decoding import decode
from cds.inference.prediction import NotAssessed, Prediction
from cds.inference.registry import Registry
from cds.record.reading import Reader
from hooks import stories

BRCA2, KRAS, NRG1, PALB2, NTRK3 = (
    gene(f"HGNC:{n}") for n in (1101, 6407, 7997, 26144, 8033)
)  # fmt: skip
GERMLINE, PATHOGENIC, VUS = (
    component("48002-0", "LA6683-2"),
    component("53037-8", "LA6668-3"),
    component("53037-8", "LA26333-7"),
)
FUSION = component("48019-4", "SO:0001565", "http://sequenceontology.org")
TODAY = date(2026, 11, 23)


def protein(change: str) -> dict[str, Any]:
    return component("48005-3", change, "http://varnomen.hgvs.org")


def targets(registry: Registry, *resources: dict[str, Any]) -> tuple[str, ...] | None:
    """Rules that fired; None when nothing could be decided."""
    assessed = registry["molecular-targets"].assess(read(registry, CANCER, *resources))
    return assessed.rules if isinstance(assessed, Prediction) else None


@pytest.mark.parametrize(
    ("finding", "rule"),
    [
        (observation("81695-9", coded("LA26203-2")), "MSI-HIGH"),
        (observation("81693-4", coded("LA26198-4")), "DMMR"),
        (variant(BRCA2, GERMLINE, PATHOGENIC), "GBRCA"),
        (variant(PALB2, GERMLINE, PATHOGENIC), "PALB2"),
        (variant(KRAS, protein("p.Gly12Cys")), "KRAS-G12C"),
        (variant(NRG1, FUSION), "NRG1"),
        (variant(NTRK3, FUSION), "NTRK"),
    ],
)
def test_a_finding_names_its_option(registry: Registry, finding: dict[str, Any], rule: str) -> None:
    assert targets(registry, finding) == (rule,)


@pytest.mark.parametrize(
    "finding",
    [
        observation("81695-9", coded("LA14122-8")),
        variant(BRCA2, GERMLINE, VUS),
        variant(BRCA2, PATHOGENIC),
        variant(BRCA2, GERMLINE, PATHOGENIC, present=False),
        variant(KRAS, protein("p.Gly12Asp")),
        variant(NRG1, protein("p.Arg38Gln")),
    ],
)
def test_what_is_no_target_names_nothing(registry: Registry, finding: dict[str, Any]) -> None:
    assert not targets(registry, finding)


def test_untested_is_undecided_not_no_option(registry: Registry) -> None:
    assert targets(registry) is None


def test_olaparib_on_record_is_not_proposed_again(registry: Registry) -> None:
    assert targets(registry, variant(BRCA2, GERMLINE, PATHOGENIC), order("1597582", status="active")) == (
        "GBRCA-OLAPARIB",
    )


def test_without_the_cancer_a_finding_is_no_treatment_target(registry: Registry) -> None:
    assessed = registry["molecular-targets"].assess(read(registry, observation("81695-9", coded("LA26203-2"))))
    assert isinstance(assessed, NotAssessed)


def test_what_was_not_checked_shows_no_figure(registry: Registry) -> None:
    """Figures that were not read in a source must not reach a clinician."""
    rules = {r.id: r for r in registry["molecular-targets"].manifest.runtime.rules}
    for id in ("PALB2", "NTRK"):
        assert not any(character.isdigit() for text in rules[id].says.values() for character in text)
        assert rules[id].gives == "unchecked"
    assert "21" not in rules["KRAS-G12C"].says["en"]


def subtype(registry: Registry, *resources: dict[str, Any]) -> Prediction | NotAssessed:
    assessed = registry["purist-subtype"].assess(read(registry, CANCER, *resources))
    assert isinstance(assessed, Prediction | NotAssessed)
    return assessed


def expressed(registry: Registry, level: float = 1.0, unit: str = "{TPM}", **other: float) -> list[dict[str, Any]]:
    names = [i.label["en"] for i in registry["purist-subtype"].manifest.inputs]
    return [
        observation(name, {"valueQuantity": {"value": other.get(name, level), "unit": unit}}, system=
                    "urn:cds:gene-expression")
        for name in names
    ]  # fmt: skip


def test_the_subtype_needs_each_gene_in_transcripts_per_million(registry: Registry) -> None:
    basal = {"GPR87": 9.0, "KRT6A": 9.0, "BCAR3": 9.0, "S100A2": 9.0, "PTGES": 9.0}
    whole = subtype(registry, *expressed(registry, **basal))
    assert isinstance(whole, Prediction)
    assert whole.category("grade") == "strong-basal"
    assert isinstance(subtype(registry, *expressed(registry, **basal)[:-1]), NotAssessed)
    counted = subtype(registry, *expressed(registry, unit="{counts}"))
    assert isinstance(counted, NotAssessed)
    assert {f.state for f in counted.lacking} >= {"unit-unknown"}


def test_genes_of_two_samples_are_not_mixed(registry: Registry) -> None:
    genes = expressed(registry)
    genes[5]["effectiveDateTime"] = "2026-09-01"
    mixed = subtype(registry, *genes)
    assert isinstance(mixed, NotAssessed)
    assert len(mixed.lacking) == 1


def test_the_subtype_is_research_and_speaks_against_choosing_by_it(registry: Registry) -> None:
    manifest = registry["purist-subtype"].manifest
    assert manifest.status.needs_enabling
    assert manifest.card is not None
    for speech in manifest.card.speaks:
        assert "do not choose a regimen" in speech.recommendation["en"]
        assert not speech.proposals
    assert "not-for-profit research only" in manifest.licence.notice["en"]
    assert "alleen gebruik voor onderzoek zonder winstoogmerk" in manifest.licence.notice["nl"]


@pytest.mark.parametrize(
    ("story", "model", "output", "category"),
    [
        ("gemnab-rising", "purist-subtype", "grade", "strong-basal"),
        ("msi-high", "molecular-targets", "option", "studied"),
        ("gbrca-olaparib", "molecular-targets", "option", "in-use"),
    ],
)
def test_a_demo_patient_shows_it(registry: Registry, story: str, model: str, output: str, category: str) -> None:
    row = stories.story(story)
    reader = Reader(registry.vocabulary, story, datetime(2026, 11, 23, 12, tzinfo=UTC), UTC)
    bundle = {"resourceType": "Bundle", "entry": [{"resource": r} for r in stories.build(row, TODAY)]}
    reader.read(decode(json.dumps(bundle).encode()).resources)
    assessed = registry[model].assess(reader.finish())
    assert isinstance(assessed, Prediction)
    assert assessed.category(output) == category
