"""What a genomic result says, and what it must not be taken to say."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds.errors import VocabularyError
from cds.fhir.decoding import decode
from cds.fhir.queries import plan
from cds.record import hgvs
from cds.record.concepts import Concept
from cds.record.facts import Record
from cds.record.features import Feature, extract
from cds.record.inputs import Input
from cds.record.reading import Reader
from cds.record.vocabulary import Vocabulary, read_concept_map

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
LOINC, HGNC, HGVS = "http://loinc.org", "http://www.genenames.org", "http://varnomen.hgvs.org"
REPORTING = "http://hl7.org/fhir/uv/genomics-reporting/CodeSystem/tbd-codes-cs"
GERMLINE, SOMATIC = ("48002-0", LOINC, "LA6683-2"), ("48002-0", LOINC, "LA6684-0")
PATHOGENIC, LIKELY, VUS = (("53037-8", LOINC, code) for code in ("LA6668-3", "LA26332-9", "LA26333-7"))
BRCA2 = ("48018-6", HGNC, "HGNC:1101")
KRAS = ("48018-6", HGNC, "HGNC:6407")
DPYD = ("48018-6", HGNC, "HGNC:3012")
FUSION = ("48019-4", "http://sequenceontology.org", "SO:0001565")


def _concept(gene: str, hgnc: str, **variant: Any) -> Concept:
    block = {"gene": gene, "hgnc": hgnc, **variant}
    return Concept.model_validate({"resource": "Observation", "label": {"en": "x"}, "variant": block})


@pytest.fixture
def vocabulary() -> Vocabulary:
    dpyd = {"pathogenic": False, "gives": "copies"}
    return Vocabulary(
        {
            "germline-brca2": _concept("BRCA2", "HGNC:1101", origin="germline"),
            "brca2": _concept("BRCA2", "HGNC:1101"),
            "g12c": _concept("KRAS", "HGNC:6407", names=["c.34G>T", "p.Gly12Cys"], pathogenic=False),
            "fusion": _concept("NTRK1", "HGNC:8031", fusion=True, pathogenic=False),
            "2a": _concept("DPYD", "HGNC:3012", names=["*2A", "c.1905+1G>A", "rs3918290"], **dpyd),
            "hapb3": _concept("DPYD", "HGNC:3012", names=["c.1129-5923C>G", "c.1236G>A"], **dpyd),
            "tested": _concept("DPYD", "HGNC:3012", pathogenic=False, gives="tested"),
        }
    )


def coded(system: str, code: str, **more: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code, **more}]}


def variant(*components: tuple[str, str, str], value: Any = "LA9633-4", id: str = "v1", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "code": coded(LOINC, "69548-6"),
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": "2026-10-01",
        "valueCodeableConcept": coded(LOINC, value) if isinstance(value, str) else value,
        "component": [{"code": coded(LOINC, c), "valueCodeableConcept": coded(s, v)} for c, s, v in components],
    } | more


def implication(significance: str, of: str = "Observation/v1") -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": "i1",
        "status": "final",
        "code": coded(REPORTING, "diagnostic-implication"),
        "subject": {"reference": "Patient/p1"},
        "derivedFrom": [{"reference": of}],
        "component": [{"code": coded(LOINC, "53037-8"), "valueCodeableConcept": coded(LOINC, significance)}],
    }


def genotype(text: str, **more: Any) -> dict[str, Any]:
    return variant(DPYD, value={"coding": [{"display": text}]}, code=coded(LOINC, "84413-4"), **more)


def read(vocabulary: Vocabulary, *resources: dict[str, Any]) -> Record:
    reader = Reader(vocabulary, "p1", NOW, UTC)
    bundle = {"resourceType": "Bundle", "entry": [{"resource": r} for r in resources]}
    reader.read(decode(json.dumps(bundle).encode()).resources)
    return reader.finish()


def asked(record: Record, *concepts: str, reduce: str = "presence") -> Feature:
    content = {"name": "x", "label": {"en": "x"}, "concepts": concepts, "reduce": reduce, "unrecorded": "unknown"}
    return extract([Input.model_validate(content)], record, dict.fromkeys(concepts, "Observation"))[0]


def reasons(record: Record, concept: str) -> list[str]:
    return [r.reason for r in record.refused if r.concept == concept]


@pytest.mark.parametrize("significance", [PATHOGENIC, LIKELY])
def test_a_pathogenic_germline_variant_is_found(vocabulary: Vocabulary, significance: tuple[str, str, str]) -> None:
    record = read(vocabulary, variant(BRCA2, GERMLINE, significance, ("48004-6", HGVS, "NM_000059.4:c.5946delT")))
    (fact,) = record.of("germline-brca2")
    assert (fact.source, fact.value, fact.original) == ("Observation/v1", 1.0, "BRCA2 c.5946del")
    assert asked(record, "germline-brca2").value == 1.0


def test_the_significance_may_stand_on_an_implication_derived_from_the_variant(vocabulary: Vocabulary) -> None:
    plain = variant(BRCA2, GERMLINE)
    assert reasons(read(vocabulary, plain), "germline-brca2") == ["significance-unknown"]
    for order in ([plain, implication("LA6668-3")], [implication("LA6668-3"), plain]):
        assert read(vocabulary, *order).has("germline-brca2")
    assert not read(vocabulary, plain, implication("LA6668-3", of="Observation/other")).has("germline-brca2")
    assert not read(vocabulary, plain, implication("LA26333-7")).has("germline-brca2")


def test_a_variant_of_uncertain_significance_is_neither_found_nor_negative(vocabulary: Vocabulary) -> None:
    record = read(vocabulary, variant(BRCA2, GERMLINE, VUS))
    assert asked(record, "germline-brca2").state == "missing"


def test_a_tumour_variant_is_not_germline_and_an_unsaid_origin_is_neither(vocabulary: Vocabulary) -> None:
    tumour = read(vocabulary, variant(BRCA2, SOMATIC, PATHOGENIC))
    assert asked(tumour, "germline-brca2").state == "missing"
    assert tumour.has("brca2")
    unsaid = read(vocabulary, variant(BRCA2, PATHOGENIC))
    assert asked(unsaid, "germline-brca2").state == "origin-unknown"


def test_likely_germline_is_a_guess_from_tumour_tissue(vocabulary: Vocabulary) -> None:
    record = read(vocabulary, variant(BRCA2, PATHOGENIC, ("48002-0", LOINC, "LA18194-3")))
    assert asked(record, "germline-brca2").state == "origin-unknown"


def test_absent_is_tested_and_not_found(vocabulary: Vocabulary) -> None:
    record = read(vocabulary, variant(BRCA2, GERMLINE, value="LA9634-2"))
    feature = asked(record, "germline-brca2")
    assert (feature.value, feature.state, feature.facts[0].source) == (0.0, "found", "Observation/v1")
    assert not record.of("germline-brca2")


def test_none_of_several_takes_a_negative_of_each(vocabulary: Vocabulary) -> None:
    brca2 = variant(BRCA2, GERMLINE, value="LA9634-2")
    kras = variant(KRAS, value="LA9634-2", id="v2")
    assert asked(read(vocabulary, brca2), "germline-brca2", "g12c").state == "missing"
    assert asked(read(vocabulary, brca2, kras), "germline-brca2", "g12c").value == 0.0


def test_a_family_s_own_variant_being_absent_says_nothing_of_the_rest_of_the_gene(vocabulary: Vocabulary) -> None:
    record = read(vocabulary, variant(BRCA2, GERMLINE, ("48004-6", HGVS, "c.5946del"), value="LA9634-2"))
    assert asked(record, "germline-brca2").state == "missing"


@pytest.mark.parametrize("value", ["LA18198-4", "LA11884-6", {"text": "see report"}, None])
def test_no_call_and_what_is_not_said_are_unknown(vocabulary: Vocabulary, value: Any) -> None:
    record = read(vocabulary, variant(BRCA2, GERMLINE, PATHOGENIC, value=value))
    assert asked(record, "germline-brca2").state == "missing"


def test_nothing_at_all_is_unknown_never_negative(vocabulary: Vocabulary) -> None:
    assert asked(read(vocabulary), "g12c").state == "missing"


@pytest.mark.parametrize(
    "change", ["p.G12C", "p.(Gly12Cys)", "NP_004976.2:p.Gly12Cys", "NM_004985.5(KRAS):c.34G>T", "c.34G>T"]
)
def test_a_change_is_known_under_each_of_its_names(vocabulary: Vocabulary, change: str) -> None:
    code = "48005-3" if "p." in change else "48004-6"
    assert read(vocabulary, variant(KRAS, (code, HGVS, change))).has("g12c")


def test_a_change_that_names_its_gene_needs_no_gene_component(vocabulary: Vocabulary) -> None:
    assert read(vocabulary, variant(("81252-9", HGVS, "NM_004985.5(KRAS):c.34G>T"))).has("g12c")


def test_the_same_change_in_another_gene_is_another_finding(vocabulary: Vocabulary) -> None:
    nras = ("48018-6", HGNC, "HGNC:7989")
    assert asked(read(vocabulary, variant(nras, ("48005-3", HGVS, "p.Gly12Cys"))), "g12c").state == "missing"


def test_another_exchange_of_the_same_amino_acid_means_the_place_was_read(vocabulary: Vocabulary) -> None:
    assert asked(read(vocabulary, variant(KRAS, ("48005-3", HGVS, "p.Gly12Asp"))), "g12c").value == 0.0
    assert asked(read(vocabulary, variant(KRAS, ("48005-3", HGVS, "p.Gln61His"))), "g12c").state == "missing"


def test_a_fusion_is_no_point_mutation_nor_the_other_way_round(vocabulary: Vocabulary) -> None:
    ntrk1 = ("48018-6", HGNC, "HGNC:8031")
    assert read(vocabulary, variant(("48018-6", HGNC, "HGNC:12012"), ntrk1, FUSION)).has("fusion")
    assert not read(vocabulary, variant(ntrk1, ("48005-3", HGVS, "p.Gly595Arg"))).has("fusion")


def test_an_identifier_without_its_prefix_or_a_symbol_alone_names_the_gene(vocabulary: Vocabulary) -> None:
    for gene in (coded(HGNC + "/geneId", "1101"), {"text": "BRCA2"}):
        resource = variant(GERMLINE, PATHOGENIC)
        resource["component"].append({"code": coded(LOINC, "48018-6"), "valueCodeableConcept": gene})
        assert read(vocabulary, resource).has("germline-brca2")


def test_the_display_of_a_gene_code_is_not_believed(vocabulary: Vocabulary) -> None:
    resource = variant(GERMLINE, PATHOGENIC)
    gene = coded(HGNC, "HGNC:1100", display="BRCA2")
    resource["component"].append({"code": coded(LOINC, "48018-6"), "valueCodeableConcept": gene})
    assert not read(vocabulary, resource).has("germline-brca2")


def test_a_diplotype_gives_the_copies_of_each_allele(vocabulary: Vocabulary) -> None:
    record = read(vocabulary, genotype("DPYD *1/*2A"))
    assert (asked(record, "2a", reduce="latest").value, asked(record, "hapb3", reduce="latest").value) == (1.0, 0.0)
    assert record.of("2a")[0].original == "DPYD ∗1/∗2A"  # no Markdown star
    assert asked(read(vocabulary, genotype("Reference/Reference")), "2a", reduce="latest").value == 0.0
    assert asked(read(vocabulary, genotype("c.1905+1G>A (*2A)/c.1905+1G>A (*2A)")), "2a", reduce="latest").value == 2.0


def test_an_allele_nobody_knows_makes_the_whole_diplotype_unusable_but_tested(vocabulary: Vocabulary) -> None:
    record = read(vocabulary, genotype("DPYD *2A/*12"))
    assert asked(record, "2a", reduce="latest").state == "allele-unknown"
    assert asked(record, "tested").value == 1.0


@pytest.mark.parametrize("text", ["DPYD *1/*2A?", "poor metabolizer", "*1", "*1/*2A/*13", "DPYD *1/see report"])
def test_what_is_no_diplotype_is_not_read_and_is_on_record(vocabulary: Vocabulary, text: str) -> None:
    assert set(read(vocabulary, genotype(text)).facts) == {"tested"}


def test_two_diplotypes_in_one_result_are_none(vocabulary: Vocabulary) -> None:
    resource = genotype("DPYD *1/*2A", valueString="DPYD *1/*1")
    assert set(read(vocabulary, resource).facts) == {"tested"}


@pytest.mark.parametrize(
    "resource",
    [
        variant(value={"text": "DPYD *1/*2A (intermediate metabolizer)"}, code=coded(LOINC, "84413-4")),
        variant(value={"text": "*1/*2A"}, code=coded(LOINC, "84413-4") | {"text": "DPYD genotype"}),
        variant(DPYD, ("48004-6", HGVS, "NM_000110.4:c.1905+1G>A"), value=None),
        variant(DPYD, value={"text": "see report"}),
        variant(value=None, code=coded(LOINC, "84413-4"), valueString="DPYD-genotype: niet conclusief"),
        variant(value={"text": "*1/*2A"}, code=coded(LOINC, "84413-4") | {"text": "DPYD-variant"}),
        variant(DPYD, value="LA18198-4"),
    ],
)
def test_a_result_that_can_t_be_read_is_on_record_all_the_same(
    vocabulary: Vocabulary, resource: dict[str, Any]
) -> None:
    record = read(vocabulary, resource)
    assert (set(record.facts), record.negative) == ({"tested"}, {})


@pytest.mark.parametrize("code", ["84413-4", "69548-6"])
def test_a_result_that_is_still_to_come_is_none(vocabulary: Vocabulary, code: str) -> None:
    assert not read(vocabulary, variant(DPYD, value=None, code=coded(LOINC, code))).facts


def test_a_result_of_no_gene_known_here_is_on_record_for_none(vocabulary: Vocabulary) -> None:
    assert not read(vocabulary, variant(value={"text": "poor"}, code=coded(LOINC, "84413-4"))).facts


def test_a_variant_gives_copies_by_its_allelic_state_only(vocabulary: Vocabulary) -> None:
    name = ("48004-6", HGVS, "NM_000110.4:c.1905+1G>A")
    both = read(vocabulary, variant(DPYD, name, ("53034-5", LOINC, "LA6705-3")))
    assert asked(both, "2a", reduce="latest").value == 2.0
    unsaid = read(vocabulary, variant(DPYD, name))
    assert asked(unsaid, "2a", reduce="latest").state == "copies-unknown"
    absent = read(vocabulary, variant(DPYD, name, value="LA9634-2"))
    assert asked(absent, "2a", reduce="latest").value == 0.0
    assert asked(absent, "hapb3", reduce="latest").state == "missing"


@pytest.mark.parametrize("change", [{"status": "entered-in-error"}, {"subject": {"reference": "Patient/p2"}}])
def test_what_never_counts_elsewhere_does_not_count_here(vocabulary: Vocabulary, change: dict[str, Any]) -> None:
    assert not read(vocabulary, variant(BRCA2, GERMLINE, PATHOGENIC, **change)).facts


def test_words_beside_a_code_that_is_no_answer_do_not_make_one(vocabulary: Vocabulary) -> None:
    no_call = coded(LOINC, "LA18198-4") | {"text": "Not detected"}
    assert asked(read(vocabulary, variant(BRCA2, GERMLINE, value=no_call)), "germline-brca2").state == "missing"
    local = coded("urn:lab", "N") | {"text": "Not detected"}
    assert asked(read(vocabulary, variant(BRCA2, GERMLINE, value=local)), "germline-brca2").value == 0.0


def test_a_newer_result_reclassifies_the_same_change(vocabulary: Vocabulary) -> None:
    change = ("48004-6", HGVS, "NM_000059.4:c.9976A>T")
    older = variant(BRCA2, GERMLINE, PATHOGENIC, change, effectiveDateTime="2020-01-01")
    newer = variant(BRCA2, GERMLINE, VUS, change, id="v2")
    assert not read(vocabulary, older, newer).has("germline-brca2")
    other = variant(BRCA2, GERMLINE, VUS, ("48004-6", HGVS, "c.1A>G"), id="v2")
    assert read(vocabulary, older, other).has("germline-brca2")
    assert read(vocabulary, older | {"effectiveDateTime": "2026-11-02"}, newer).has("germline-brca2")


def test_one_change_in_a_panel_of_genes_is_nobody_s_but_an_absence_is_everybody_s(vocabulary: Vocabulary) -> None:
    brca1 = ("48018-6", HGNC, "HGNC:1100")
    assert not read(vocabulary, variant(brca1, BRCA2, GERMLINE, PATHOGENIC)).facts
    assert asked(read(vocabulary, variant(brca1, BRCA2, GERMLINE, value="LA9634-2")), "germline-brca2").value == 0.0


def test_a_result_without_a_date_or_from_the_future_is_refused(vocabulary: Vocabulary) -> None:
    for date, reason in ((None, "no-date"), ("2027-06-01", "in-the-future")):
        record = read(vocabulary, variant(BRCA2, GERMLINE, PATHOGENIC, effectiveDateTime=date))
        assert reasons(record, "germline-brca2") == [reason]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("KRAS p.G12C", hgvs.Line("KRAS", frozenset({"p.Gly12Cys"}), True)),
        ("BRCA2 c.5946delT pathogenic, germline",
         hgvs.Line("BRCA2", frozenset({"c.5946del"}), True, False, "germline", True)),
        ("c.1905+1G>A, heterozygous", hgvs.Line(None, frozenset({"c.1905+1G>A"}), True, copies=1)),
        ("NTRK1 fusion", hgvs.Line("NTRK1", present=True, fusion=True)),
        ("TPM3::NTRK1 fusion", hgvs.Line("NTRK1", present=True, fusion=True)),
        ("Not detected", hgvs.Line(present=False)),
        ("NOT DETECTED", hgvs.Line(present=False)),
        ("BRCA2 NOT DETECTED", hgvs.Line("BRCA2", present=False)),
        ("GERMLINE: NEGATIVE", None),
        ("GERMLINE NEGATIVE", hgvs.Line(present=False, origin="germline")),
        ("KRAS: wild type", hgvs.Line("KRAS", present=False)),
        ("BRCA2 c.9976A>T likely benign", hgvs.Line("BRCA2", frozenset({"c.9976A>T"}), True, pathogenic=False)),
    ],
)  # fmt: skip
def test_a_one_line_result_is_read_by_its_grammar(text: str, expected: hgvs.Line | None) -> None:
    assert hgvs.line(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "KRAS p.G12C cannot be excluded",
        "no KRAS p.G12C",
        "? KRAS p.G12C",
        "KRAS p.G12C and see comment",
        "KRAS",
        "pathogenic",
        "mutation",
        "germline somatic c.34G>T",
        "not tested",
        "",
        "positive positive",
        "UNKNOWN p.G12C",
        "POSSIBLE p.G12C",
        "NO MUTATION p.G12C",
    ],
)
def test_whatever_does_not_fit_the_grammar_says_nothing(text: str) -> None:
    assert hgvs.line(text) is None


def test_a_site_maps_its_own_codes_to_a_finding_or_to_any_variant(vocabulary: Vocabulary, tmp_path: Path) -> None:
    lab = "urn:lab"
    groups = [
        {"source": lab, "target": "urn:cds:concept", "element": [{"code": "KRAS", "target": [{"code": "g12c"}]}]},
        {"source": lab, "target": LOINC, "element": [{"code": "NGS", "target": [{"code": "69548-6"}]}]},
    ]
    path = tmp_path / "map.json"
    path.write_text(json.dumps({"resourceType": "ConceptMap", "group": groups}))
    vocabulary.add_site_codes(read_concept_map(path))

    def result(code: str, text: str) -> dict[str, Any]:
        return variant(code=coded(lab, code), value=None, valueString=text)

    assert read(vocabulary, result("KRAS", "p.G12C")).has("g12c")
    assert asked(read(vocabulary, result("KRAS", "negative")), "g12c").value == 0.0
    assert read(vocabulary, result("NGS", "BRCA2 c.5946delT pathogenic, germline")).has("germline-brca2")
    assert not read(vocabulary, result("NGS", "negative")).negative  # of which gene?
    (_, query) = plan(["g12c"], vocabulary)
    assert {"urn:lab|KRAS", "urn:lab|NGS", f"{LOINC}|69548-6"} <= set(
        query.template.split("code=")[1].split("&")[0].split(",")
    )


@pytest.mark.parametrize(
    "variant_block",
    [
        {"gene": "KRAS", "hgnc": "6407"},
        {"gene": "KRAS", "hgnc": "HGNC:6407", "pathogenic": False},
        {"gene": "KRAS", "hgnc": "HGNC:6407", "gives": "copies"},
    ],
)
def test_a_variant_that_means_nothing_in_particular_is_no_concept(variant_block: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="variant"):
        Concept.model_validate({"resource": "Observation", "label": {"en": "x"}, "variant": variant_block})


def test_without_such_concepts_a_genomic_result_costs_nothing() -> None:
    assert Vocabulary({}).genomic == {}


def test_a_name_that_the_reader_could_never_meet_is_refused() -> None:
    with pytest.raises(VocabularyError, match="G12C"):
        Vocabulary({"x": _concept("KRAS", "HGNC:6407", names=["G12C"], pathogenic=False)})


@given(st.text(alphabet="cp.*/()>ACGTdelinsKRAS0123456789 ,;:+-_gmlotevw", max_size=60) | st.text(max_size=250))
def test_no_text_breaks_the_grammar_and_every_name_read_is_in_its_one_form(text: str) -> None:
    line = hgvs.line(text)
    for name in line.names if line else ():
        assert hgvs.change(name) == name
    pair = hgvs.pair(text)
    for allele in pair.alleles if pair else ():
        assert hgvs.change(allele) == allele
