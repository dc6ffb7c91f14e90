"""What hospitals send by Nictiz nl-core, US Core and mCODE becomes the facts it should, local code systems included."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fhir.resources.R4B
import profiled as sent
import pytest
from profiled import ATC, DHD, GPK, HPK, ICD, ICD_NL, ICD_NL_OID, ICPC, ICPC_OID, NHG_45, NHG_45_OID, PRK, SNOMED, ZI

from cds.cards import wording
from cds.cards.phrasebook import Catalogues
from cds.fhir.decoding import decode
from cds.fhir.evidence import Evidence
from cds.fhir.queries import plan
from cds.record.facts import Fact, Record
from cds.record.reading import Reader
from cds.record.vocabulary import Vocabulary, read_concept_map, read_folder

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
CONCEPTS = read_folder(Path(__file__).parents[2] / "models" / "vocabulary")
SHARED = Vocabulary(CONCEPTS)
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
CANCER = [(SNOMED, "372142002"), (ICD_NL, "C25.0")]


def read(*resources: sent.Json, vocabulary: Vocabulary = SHARED, drafts: bool = False) -> Record:
    reader = Reader(vocabulary, "p1", NOW, UTC, drafts=drafts)
    bundle = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": r} for r in resources]}
    reader.read(decode(json.dumps(bundle).encode()).resources)
    return reader.finish()


def only(record: Record, concept: str) -> Fact:
    [fact] = record.of(concept)
    return fact


def mapped(folder: Path, source: str, targets: dict[str, tuple[str, str]], unit: str = "") -> Vocabulary:
    """The vocabulary of a site whose ConceptMap names codes of its own."""
    groups = []
    for code, target in targets.items():
        element: dict[str, Any] = {"code": code, "target": [{"code": target[1], "equivalence": "equivalent"}]}
        if unit:
            element["extension"] = [{"url": "urn:cds:unit", "valueString": unit}]
        groups.append({"source": source, "target": target[0], "element": [element]})
    path = folder / "codes.json"
    path.write_text(json.dumps({"resourceType": "ConceptMap", "status": "draft", "group": groups}))
    vocabulary = Vocabulary(CONCEPTS)
    vocabulary.add_site_codes(read_concept_map(path))
    return vocabulary


@pytest.mark.parametrize("drug", ["tegafur", "olaparib", "gemcitabine"])
def test_a_code_that_a_site_maps_to_a_drug_is_of_the_drug_s_class_as_well(tmp_path: Path, drug: str) -> None:
    vocabulary = mapped(tmp_path, "urn:local", {"1": ("urn:cds:concept", drug)})
    assert set(vocabulary.names("urn:local", "1")) == {drug, "antineoplastic"}


EVERY = [
    *sent.zib_panel(),
    sent.zib_laboratory_test(sent.coded((NHG_45, "1")), sent.quantity(5, "kU/l", "k[IU]/L")),
    sent.zib_body_weight(),
    *sent.zib_medication_agreement((PRK, "1"), (ATC, "L01BC05")),
    *sent.zib_medication_agreement((PRK, "1"), stop=True),
    sent.zib_problem(*CANCER),
    sent.us_core_laboratory_result(),
    sent.us_core_body_weight(),
    sent.us_core_condition(),
    sent.mcode_primary_cancer(),
    sent.mcode_stage_group((SNOMED, "258228008")),
    sent.mcode_tumour_marker(),
    sent.mcode_ecog(),
]


def test_every_fixture_is_valid_fhir() -> None:
    for resource in EVERY:
        fhir.resources.R4B.get_fhir_model_class(resource["resourceType"]).model_validate(resource)


# DICOM, as an archive's FHIR side writes it

REGIONS = ["818981001", "818982008", "416550000", "416775004", "416152001", "416319003", "113345001", "416949008"]


@pytest.mark.parametrize(("region", "known"), [*((code, True) for code in REGIONS), ("816094009", False)])
def test_a_scan_of_the_abdomen_is_known_by_the_regions_of_dicom(region: str, known: bool) -> None:
    """816094009: the chest alone."""
    series = {"uid": "1.2", "modality": {"code": "CT"}, "bodySite": {"system": SNOMED, "code": region}}
    study = {"resourceType": "ImagingStudy", "id": "ct", "status": "available", "subject": sent.PATIENT}
    record = read(study | {"started": "2026-11-20T09:00:00+01:00", "series": [series]})
    assert [fact.modalities for fact in record.of("abdomen-or-pancreas")] == ([("CT",)] if known else [])


# Nictiz nl-core, zibs 2020


def test_a_panel_gives_the_values_of_its_tests() -> None:
    record = read(*sent.zib_panel())
    bilirubin, phosphatase = only(record, "bilirubin-total"), only(record, "alp")
    assert bilirubin.value == pytest.approx(4.97, abs=0.01) and bilirubin.original == "85 µmol/l"
    assert (phosphatase.value, phosphatase.original, phosphatase.source) == (310, "310 E/l", "Observation/test-2")
    assert bilirubin.when is not None and bilirubin.when.text == "2026-11-02"
    assert bilirubin.reference_range is not None
    assert bilirubin.reference_range.written == (0, 17) and bilirubin.value is not None
    assert bilirubin.reference_range.side(bilirubin.value) == "above"
    assert not record.refused and not record.foreign


@pytest.mark.parametrize("written", [NHG_45, NHG_45_OID])
@pytest.mark.parametrize("system", [NHG_45, NHG_45_OID])
def test_a_test_of_a_general_practice_is_read_through_the_sites_map(tmp_path: Path, written: str, system: str) -> None:
    vocabulary = mapped(tmp_path, written, {"2000": (sent.LOINC, "24108-3")}, unit="kU/L")
    test = sent.zib_laboratory_test(sent.coded((system, "2000")), {"value": 412})
    assert only(read(test, vocabulary=vocabulary), "ca19-9").value == 412
    assert not read(test).facts


def test_the_server_is_asked_for_a_code_as_the_site_writes_it(tmp_path: Path) -> None:
    vocabulary = mapped(tmp_path, NHG_45_OID, {"2000": (sent.LOINC, "24108-3")})
    assert (NHG_45_OID, "2000") in vocabulary.codes_of("ca19-9")
    assert "2.4.4.30.45" in str(plan(["ca19-9"], vocabulary))


def test_a_weight_is_read_whatever_was_worn() -> None:
    record = read(sent.zib_body_weight())
    assert only(record, "body-weight").value == 71.5
    assert list(record.facts) == ["body-weight"] and not record.refused


@pytest.mark.parametrize("product", [(PRK, "1"), (HPK, "2"), (GPK, "3"), (ZI, "4")])
def test_an_agreement_is_read_by_the_atc_beside_its_product(product: tuple[str, str]) -> None:
    record = read(*sent.zib_medication_agreement(product, (ATC, "L01BC05")))
    fact = only(record, "gemcitabine")
    assert (fact.source, fact.status) == ("MedicationRequest/agreement", "active")
    assert fact.when is not None and fact.when.text == "2026-03-02"
    assert record.unnamed == 0


def gaps(record: Record, language: str) -> Sequence[str]:
    return wording.gaps(Catalogues(()).book(language), Evidence(), record)


def test_a_product_without_atc_is_a_gap_that_is_told_of_and_the_sites_map_fills(tmp_path: Path) -> None:
    agreement = sent.zib_medication_agreement((PRK, "1"), (HPK, "2"))
    record = read(*agreement)
    assert not record.facts and record.unnamed == 1
    assert gaps(record, "en") == [
        "One drug on record could not be recognised and was not counted: it has no code, or none of a code system that "
        "is known here."
    ]
    assert gaps(record, "nl")[0].startswith("Eén geneesmiddel in het dossier is niet herkend")

    filled = read(*agreement, vocabulary=mapped(tmp_path, PRK, {"1": (ATC, "L01BC05")}))
    assert only(filled, "gemcitabine") and filled.unnamed == 0
    # a site that maps the table has said which of its products matter
    other = sent.zib_medication_agreement((PRK, "999"))
    assert read(*other, vocabulary=mapped(tmp_path, PRK, {"1": (ATC, "L01BC05")})).unnamed == 0


def test_a_drug_of_a_known_system_that_no_model_reads_is_no_gap() -> None:
    assert read(*sent.zib_medication_agreement((PRK, "1"), (ATC, "N02BE01"))).unnamed == 0
    assert read(*sent.zib_medication_agreement((PRK, "1"), ("urn:oid:2.16.840.1.113883.6.73", "N02BE01"))).unnamed == 0


def test_an_rxnorm_product_may_be_any_drug_until_the_site_has_mapped_it(tmp_path: Path) -> None:
    order = sent.zib_medication_agreement
    [untold] = read(*order((RXNORM, "583218"))).untold
    assert (untold.title, untold.status) == ("een middel", "active")
    assert untold.when is not None and untold.when.text == "2026-03-02"
    assert len(read(*order()).untold) == 1  # a text alone
    assert not read(*order((RXNORM, "583218"), (ATC, "A04AA01"))).untold
    assert not read(*order((RXNORM, "56946"))).untold  # paclitaxel, the ingredient

    vocabulary = mapped(tmp_path, RXNORM, {"583218": (RXNORM, "56946")})
    assert only(read(*order((RXNORM, "583218")), vocabulary=vocabulary), "paclitaxel")
    assert len(read(*order((RXNORM, "1")), vocabulary=vocabulary).untold) == 1  # of those not mapped it tells nothing


def test_an_rxnorm_ingredient_that_is_no_cancer_drug_is_known_for_another() -> None:
    order = sent.zib_medication_agreement
    for code in ("26225", "3264", "29046"):  # ondansetron, dexamethasone, lisinopril
        record = read(*order((RXNORM, code)))
        assert list(record.facts) == ["no-anticancer-drug"] and not record.untold


CANCER_DRUGS = {code: (ATC, code) for code in ("L01BC02", "L01CE02", "L01XA03", "L01BC05", "L01CD01", "L01BC06")}
CANCER_DRUGS["L01XK01"] = (ATC, "L01XK01")


@pytest.mark.parametrize(
    ("system", "targets", "whole"),
    [
        (PRK, {"1": (ATC, "A10BA02")}, False),  # metformin: mapped for another model
        (PRK, {"1": (ATC, "L01BC05")}, False),
        (PRK, CANCER_DRUGS, False),  # and its other cancer drugs?
        (PRK, CANCER_DRUGS | {"2": (ATC, "L01XA01")}, True),
        (PRK, CANCER_DRUGS | {"2": (ATC, "L01BC53")}, True),  # tegafur, which many hospitals do not stock
        (RXNORM, CANCER_DRUGS | {"2": (ATC, "L01XA01")}, False),  # products have codes without end
    ],
)
def test_what_a_site_did_not_map_is_another_drug_only_where_it_mapped_all_that_matter(
    tmp_path: Path, system: str, targets: dict[str, tuple[str, str]], whole: bool
) -> None:
    vocabulary = mapped(tmp_path, system, targets)
    record = read(*sent.zib_medication_agreement((system, "999")), vocabulary=vocabulary)
    found = [fact.title for fact in record.supposed], [fact.title for fact in record.untold]
    assert found == ((["een middel"], []) if whole else ([], ["een middel"]))
    # an ATC code beside it tells
    record = read(*sent.zib_medication_agreement((system, "999"), (ATC, "N02BE01")), vocabulary=vocabulary)
    assert not (record.supposed or record.untold)


def test_an_agreement_to_stop_begins_nothing_on_the_day_of_stopping() -> None:
    gemcitabine = (ATC, "L01BC05")
    fact = only(read(*sent.zib_medication_agreement(gemcitabine, stop=True)), "gemcitabine")
    assert fact.when is not None and (fact.when.text, fact.status) == ("2026-03-02", "stopped")
    assert not read(*sent.zib_medication_agreement(gemcitabine, stop=True, period="")).facts
    assert not read(*sent.zib_medication_agreement(gemcitabine, stop=True), drafts=True).facts


@pytest.mark.parametrize("status", ["stopped", "active", "draft", "completed"])
@pytest.mark.parametrize("authored", ["2026-11-23", None])
def test_an_agreement_to_stop_ends_every_order_of_its_drug(status: str, authored: str | None) -> None:
    agreement, product = sent.zib_medication_agreement((ATC, "L01BC05"), stop=True)
    record = read(agreement | {"status": status, "authoredOn": authored}, product, drafts=True)
    assert not record.facts
    assert {fact.concept for fact in record.stops} == {"gemcitabine", "antineoplastic"} and record.ended == record.stops


@pytest.mark.parametrize("stop", [True, False])
def test_an_order_in_place_of_another_ends_that_one_alone(stop: bool) -> None:
    agreement, product = sent.zib_medication_agreement((ATC, "L01BC05"), stop=stop)
    prior = {"priorPrescription": {"reference": "https://ehr.example/fhir/MedicationRequest/old/_history/2"}}
    record = read(agreement | prior, product, drafts=True)
    assert record.replaced == {"MedicationRequest/old"} and not record.stops
    for status in ("cancelled", "entered-in-error"):
        void = read(agreement | prior | {"status": status}, product, drafts=True)
        assert not (void.replaced or void.stops)
    # of the record, an agreement to stop does too
    assert read(agreement | prior, product).replaced == ({"MedicationRequest/old"} if stop else set())


def test_two_drafts_under_one_id_are_two() -> None:
    agreement, product = sent.zib_medication_agreement((ATC, "L01BC05"))
    other = agreement | {"medicationReference": None, "medicationCodeableConcept": sent.coded((ATC, "L01XA01"))}
    record = read(agreement, other, product, drafts=True)
    assert len({fact.source for fact in record.of("gemcitabine", "antineoplastic")}) == 2


def test_all_that_a_drug_is_called_is_kept() -> None:
    agreement, product = sent.zib_medication_agreement((ATC, "L01CE02"))
    product["code"]["coding"][0]["display"] = "irinotecan liposomal"
    assert only(read(agreement, product), "irinotecan").texts == ("een middel", "irinotecan liposomal")


GARBAGE = ["stop", {"url": 1}, [["x"]], [{"url": 7}], [{"valueBoolean": True}]]


@pytest.mark.parametrize("garbage", GARBAGE)
def test_an_order_whose_modifiers_cannot_be_read_is_none_and_is_counted(garbage: Any) -> None:
    agreement, product = sent.zib_medication_agreement((ATC, "L01BC05"))
    assert only(read(agreement | {"extension": garbage}, product), "gemcitabine").status == "active"
    record = read(agreement | {"modifierExtension": garbage}, product)
    assert not record.facts and record.malformed == record.lost == 1


@pytest.mark.parametrize("beside", [{"url": 7}, {"url": "urn:other", "valuePeriod": "2026"}])
def test_an_agreement_to_stop_is_one_whatever_stands_beside_its_mark(beside: Any) -> None:
    agreement, product = sent.zib_medication_agreement((ATC, "L01BC05"), stop=True)
    for key in ("extension", "modifierExtension"):
        agreement[key] = [beside, *agreement[key]]
    fact = only(read(agreement, product), "gemcitabine")
    assert fact.when is not None and fact.when.text == "2026-03-02"


def test_an_agreement_to_stop_whose_period_cannot_be_read_is_counted() -> None:
    agreement, product = sent.zib_medication_agreement((ATC, "L01BC05"), stop=True)
    agreement["extension"][0]["valuePeriod"] = "2026-03-02"
    record = read(agreement, product)
    assert not record.facts and record.malformed == 1


@pytest.mark.parametrize(
    "codes",
    [
        CANCER,
        [(DHD, "1"), (SNOMED, "372142002")],
        [(ICD_NL, "C25.9")],
        [(ICD_NL_OID, "C25.9")],
        [("urn:oid:2.16.840.1.113883.6.96", "372142002")],
    ],
)
def test_a_problem_is_read_by_the_codes_that_are_known(codes: list[tuple[str, str]]) -> None:
    fact = only(read(sent.zib_problem(*codes)), "pancreatic-cancer")
    assert (fact.status, fact.verification, fact.provisional) == ("active", "confirmed", False)
    assert fact.when is not None and fact.when.text == "2026-09"


@pytest.mark.parametrize(
    ("written", "system", "code"), [(DHD, DHD, "1"), (ICPC, ICPC_OID, "D76"), (ICPC_OID, ICPC, "D76")]
)
def test_a_problem_in_a_thesaurus_of_its_own_is_read_through_the_sites_map(
    tmp_path: Path, written: str, system: str, code: str
) -> None:
    problem = sent.zib_problem((system, code))
    assert not read(problem).facts
    assert only(read(problem, vocabulary=mapped(tmp_path, written, {code: (ICD, "C25.9")})), "pancreatic-cancer")


@pytest.mark.parametrize(
    ("code", "found", "provisional"),
    [("410605003", True, False), ("415684004", True, True), ("410590009", True, True), ("410516002", False, False)],
)
def test_a_verification_in_the_zibs_words_alone_means_the_same(code: str, found: bool, provisional: bool) -> None:
    facts = read(sent.zib_problem(*CANCER, verification=((SNOMED, code),))).of("pancreatic-cancer")
    assert [fact.provisional for fact in facts] == ([provisional] if found else [])


def test_a_problem_that_is_over_in_the_zibs_words_is_inactive() -> None:
    ended = sent.zib_problem(*CANCER, clinical=(SNOMED, "73425007"))
    assert only(read(ended), "pancreatic-cancer").status == "inactive"


# US Core


def test_a_us_core_laboratory_result_is_read_with_its_range() -> None:
    fact = only(read(sent.us_core_laboratory_result()), "glucose")
    assert (fact.value, fact.unit, fact.original) == (141, "mg/dL", "141 mg/dL")
    assert fact.reference_range is not None and (fact.reference_range.low, fact.reference_range.high) == (70, 99)


def test_a_us_core_weight_in_pounds_with_two_codes_is_one_weight() -> None:
    fact = only(read(sent.us_core_body_weight()), "body-weight")
    assert fact.value == pytest.approx(71.67, abs=0.01) and fact.original == "158 lbs"


def test_a_us_core_condition_keeps_that_it_is_over() -> None:
    assert only(read(sent.us_core_condition()), "jaundice").status == "inactive"


# mCODE


def test_a_primary_cancer_is_read() -> None:
    fact = only(read(sent.mcode_primary_cancer()), "pancreatic-cancer")
    assert (fact.status, fact.verification) == ("active", "confirmed")


@pytest.mark.parametrize(
    ("stage", "answer"),
    [
        ((SNOMED, "258215001"), "stage-i"),
        ((SNOMED, "1222728005"), "stage-i"),
        ((SNOMED, "1222766008"), "stage-ii"),
        (("http://cancerstaging.org", "2B"), "stage-ii"),
        ((SNOMED, "1222801008"), "stage-iii"),
        ((SNOMED, "1222837003"), "stage-iv"),
    ],
)
def test_a_stage_group_is_an_answer(stage: tuple[str, str], answer: str) -> None:
    assert only(read(sent.mcode_stage_group(stage)), "stage-group").answers == (answer,)


def test_a_stage_group_of_a_code_nobody_knows_is_refused_and_not_guessed() -> None:
    record = read(sent.mcode_stage_group((SNOMED, "1")))
    assert not record.facts and [r.reason for r in record.refused] == ["no-value"]


def test_a_tumour_marker_in_arbitrary_units_is_read() -> None:
    fact = only(read(sent.mcode_tumour_marker()), "ca19-9")
    assert (fact.value, fact.unit) == (412, "U/mL")


def test_a_performance_status_sent_as_an_integer_is_read() -> None:
    assert only(read(sent.mcode_ecog()), "ecog").value == 1
