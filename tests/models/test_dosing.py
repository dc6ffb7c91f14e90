"""From a genotype on record and a drug in the draft to the guideline's starting dose, or to why there is none."""

from __future__ import annotations

from typing import Any

import pytest
from genomic_chart import component, gene, genotype, observation, order, read, variant

from cds.inference import vectors
from cds.inference.prediction import NotAssessed, Prediction
from cds.inference.registry import Registry

FLUOROURACIL, CAPECITABINE, IRINOTECAN, GEMCITABINE, OXALIPLATIN = "4492", "194000", "51499", "12574", "32592"
DPYD, UGT1A1 = gene("HGNC:3012"), gene("HGNC:12530")


def hgvs(change: str) -> dict[str, Any]:
    return component("48004-6", change, "http://varnomen.hgvs.org")


def advice(registry: Registry, *resources: dict[str, Any], drug: str = FLUOROURACIL) -> str | None:
    assessed = registry["dpyd-dosing"].assess(read(registry, *resources, drafts=(order(drug),)))
    assert isinstance(assessed, Prediction)
    return assessed.category("advice")


@pytest.mark.parametrize("id", ["dpyd-dosing", "ugt1a1-dosing", "molecular-targets", "purist-subtype"])
def test_its_own_vectors_pass_and_name_every_output(registry: Registry, id: str) -> None:
    model = registry[id]
    found = vectors.read(model.folder)
    assert vectors.misses(model, found) == []
    assert vectors.unnamed(model.manifest, found) == []


@pytest.mark.parametrize(
    ("diplotype", "expected"),
    [
        ("DPYD *1/*1", "score-2"),
        ("DPYD Reference/c.2846A>T", "score-1.5"),
        ("DPYD c.1129-5923C>G/Reference", "score-1.5"),
        ("DPYD *1/*2A", "score-1"),
        ("DPYD *13/c.2846A>T", "score-0.5"),
        ("DPYD c.1905+1G>A (*2A)/c.1679T>G (*13)", "score-0"),
    ],
)
def test_a_diplotype_becomes_the_activity_score(registry: Registry, diplotype: str, expected: str) -> None:
    assert advice(registry, genotype(diplotype)) == expected
    assert advice(registry, genotype(diplotype), drug=CAPECITABINE) == expected


def test_variants_reported_one_by_one_give_the_same_score(registry: Registry) -> None:
    heterozygous = component("53034-5", "LA6706-1")
    found = variant(DPYD, hgvs("NM_000110.4:c.1905+1G>A"), heterozygous)
    others = [variant(DPYD, hgvs(c), present=False) for c in ("c.1679T>G", "c.2846A>T", "c.1129-5923C>G")]
    assert advice(registry, found, *others) == "score-1"
    assert advice(registry, found) == "at-most-1"
    assert advice(registry, *others) == "none-found"


def test_the_tag_of_hapb3_counts_as_hapb3(registry: Registry) -> None:
    assert advice(registry, variant(DPYD, hgvs("c.1236G>A"), component("53034-5", "LA6705-3"))) == "at-most-1"


@pytest.mark.parametrize("result", [genotype("DPYD *1/*99"), variant(DPYD, hgvs("c.85T>C"))])
def test_an_allele_it_does_not_know_is_no_normal_allele(registry: Registry, result: dict[str, Any]) -> None:
    assert advice(registry, result) == "not-readable"


def test_a_variant_without_its_allelic_state_is_no_score(registry: Registry) -> None:
    assert advice(registry, variant(DPYD, hgvs("c.1905+1G>A"))) == "not-readable"


@pytest.mark.parametrize(
    ("before", "told"),
    [
        ((), True),
        ((FLUOROURACIL,), True),  # may have been a cream: its codes are the same
        ((OXALIPLATIN,), True),
        ((FLUOROURACIL, OXALIPLATIN), False),
        ((CAPECITABINE,), False),
    ],
)
def test_no_result_is_its_own_answer_until_the_drug_was_surely_given(
    registry: Registry, before: tuple[str, ...], told: bool
) -> None:
    model = registry["dpyd-dosing"]
    orders = [order(drug, status="completed") for drug in before]
    assessed = model.assess(read(registry, *orders, drafts=(order(FLUOROURACIL),)))
    assert isinstance(assessed, Prediction)
    assert assessed.category("advice") == "not-tested"
    assert model.manifest.card is not None
    speeches = [s for s in model.manifest.card.speaks if s.kind == "not-tested"]
    tests = [[t for t in s.when if t.input and t.below is not None] for s in speeches]
    held = [all((assessed.feature(t.input or "").value or 0) < float(t.below or 0) for t in each) for each in tests]
    assert any(held) is told


def test_results_that_could_not_be_read_are_not_taken_for_no_test(registry: Registry) -> None:
    record = read(registry, drafts=(order(FLUOROURACIL),))
    record.unread = frozenset({"Observation"})
    assessed = registry["dpyd-dosing"].assess(record)
    assert isinstance(assessed, NotAssessed)
    assert {f.state for f in assessed.lacking} == {"unread"}


@pytest.mark.parametrize(("model", "drug"), [("dpyd-dosing", GEMCITABINE), ("ugt1a1-dosing", FLUOROURACIL)])
def test_another_drug_in_the_draft_is_not_its_business(registry: Registry, model: str, drug: str) -> None:
    record = read(registry, genotype("DPYD *1/*2A"), genotype("UGT1A1 *28/*28"), drafts=(order(drug),))
    assessed = registry[model].assess(record)
    assert isinstance(assessed, NotAssessed)
    assert assessed.reason == "not-eligible"


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ([genotype("UGT1A1 *28/*28")], "poor"),
        ([genotype("UGT1A1 *1/*28")], "no-action"),
        ([genotype("UGT1A1 *1/*1")], "no-action"),
        ([genotype("UGT1A1 *6/*28")], "two-alleles"),
        ([genotype("UGT1A1 *6/*6")], "two-alleles"),
        ([genotype("UGT1A1 *28/*37")], "not-readable"),
        ([variant(UGT1A1, component("81252-9", "rs8175347", "http://www.ncbi.nlm.nih.gov/projects/SNP"),
                  component("53034-5", "LA6705-3"))], "poor"),
        ([], "no-action"),
        ([observation("84413-4", {"valueCodeableConcept": {"text": "UGT1A1 poor metabolizer"}}, UGT1A1)],
         "not-readable"),
    ],
)  # fmt: skip
def test_a_ugt1a1_genotype_gives_the_guideline_s_group(
    registry: Registry, results: list[dict[str, Any]], expected: str
) -> None:
    assessed = registry["ugt1a1-dosing"].assess(read(registry, *results, drafts=(order(IRINOTECAN),)))
    assert isinstance(assessed, Prediction)
    assert assessed.category("metaboliser") == expected


def test_of_results_that_contradict_each_other_the_most_copies_count_whichever_is_newer(registry: Registry) -> None:
    found = variant(DPYD, hgvs("c.1905+1G>A"), component("53034-5", "LA6706-1"))
    for day in ("2020-01-01", found["effectiveDateTime"], "2026-11-20"):
        nothing_else = variant(DPYD, present=False) | {"effectiveDateTime": day}
        assert advice(registry, found, nothing_else) == "score-1"
        assert advice(registry, nothing_else, found) == "score-1"
        normal = genotype("DPYD *1/*1") | {"effectiveDateTime": day}
        assert advice(registry, genotype("DPYD *1/*2A"), normal) == "score-1"


def test_a_result_of_the_tumour_is_no_genotype_to_dose_by(registry: Registry) -> None:
    somatic = component("48002-0", "LA6684-0")
    assert advice(registry, variant(DPYD, somatic, present=False)) == "not-readable"
    found = variant(DPYD, hgvs("c.1905+1G>A"), component("53034-5", "LA6705-3"), somatic)
    assert advice(registry, found) == "not-readable"
