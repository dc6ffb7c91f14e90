"""Every folder can be rebuilt bit for bit, is pinned, speaks both languages and names only concepts that exist."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from cds.cards.phrasebook import Catalogues
from cds.cards.wording import output_label
from cds.inference.manifest import Manifest, Task
from cds.record.vocabulary import read_folder

FOLDER = Path(__file__).parents[2] / "models"
MODELS = sorted(path.parent.name for path in FOLDER.glob("*/model.yaml"))
# a network trained on phantoms is not rebuilt bit for bit: it is pinned, and evaluated as committed
GRAPHS = [m for m in MODELS if (FOLDER / m / "model.onnx").exists()]

KNOWN_SYSTEMS = {
    "http://loinc.org",
    "http://snomed.info/sct",
    "http://hl7.org/fhir/sid/icd-10",
    "http://hl7.org/fhir/sid/icd-10-cm",
    "http://www.nlm.nih.gov/research/umls/rxnorm",
    "http://www.whocc.no/atc",
    "http://cancerstaging.org",
    # this product's own, where no code was verified; a site maps its codes to it
    "urn:cds:finding",
    "urn:cds:gene-expression",
}

# a union holds its parts' codes; one ICD code stands for nausea and vomiting alike; a metastasis of pancreatic cancer
# is pancreatic cancer; every drug against cancer is an antineoplastic
INTENDED = {
    *(
        frozenset({"antineoplastic", drug})
        for drug in (
            "capecitabine",
            "fluorouracil",
            "gemcitabine",
            "irinotecan",
            "olaparib",
            "oxaliplatin",
            "paclitaxel",
            "tegafur",
        )
    ),
    frozenset({"diabetes", "type-1-diabetes"}),
    frozenset({"diabetes", "type-2-diabetes"}),
    frozenset({"metastasis-any", "metastasis-liver"}),
    frozenset({"metastasis-any", "metastasis-lung"}),
    frozenset({"metastasis-any", "metastasis-peritoneum"}),
    frozenset({"metastasis-any", "pancreatic-cancer"}),
    frozenset({"pancreatic-cancer", "tumour-of-body-or-tail"}),
    frozenset({"pancreatic-cancer-other", "pancreatic-cancer-of-another-type"}),
    frozenset({"nausea", "vomiting"}),
    frozenset({"abdomen-or-pancreas", "pancreas-imaging"}),
    # one illness of a relative, asked for by degree
    frozenset(
        {
            "first-degree-relative-pancreatic-cancer",
            "second-degree-relative-pancreatic-cancer",
            "blood-relative-pancreatic-cancer",
            "familial-pancreatic-cancer",
        }
    ),
    *(frozenset({"other-primary-cancer", cancer}) for cancer in ("blood-cancer", "breast-cancer", "renal-cancer")),
}


@pytest.fixture(scope="module")
def concepts():
    return read_folder(FOLDER / "vocabulary")


def manifest(model: str) -> Manifest:
    return Manifest.model_validate(yaml.safe_load((FOLDER / model / "model.yaml").read_text(encoding="utf-8")))


def texts(value: Any, where: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every mapping of words by language in a manifest."""
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from texts(getattr(value, name), f"{where}.{name}")
    elif isinstance(value, dict):
        if "en" in value or "nl" in value:
            yield where, value
        else:
            for key, inner in value.items():
                yield from texts(inner, f"{where}.{key}")
    elif isinstance(value, tuple | list):
        for index, inner in enumerate(value):
            yield from texts(inner, f"{where}[{index}]")


def test_the_legion_is_here() -> None:
    assert set(MODELS) >= {
        "breast-triage",
        "ca19-9-response",
        "caps-surveillance",
        "dpyd-dosing",
        "endpac",
        "ipmn-european-2018",
        "ipmn-kyoto-2024",
        "metastatic-os",
        "molecular-targets",
        "msk-prognostic-score",
        "mskcc-nomogram",
        "nice-ng12",
        "pantheia-siri",
        "purist-subtype",
        "qcancer-2013-pancreas",
        "qcancer-prognostic",
        "resected-os",
        "scottish-referral",
        "ugt1a1-dosing",
        "urine-panel",
    }


@pytest.mark.parametrize("model", GRAPHS)
def test_what_has_a_graph_has_the_script_that_makes_it(model: str) -> None:
    assert (FOLDER / model / "build.py").exists()


@pytest.mark.parametrize("model", GRAPHS)
def test_rebuilding_gives_the_committed_graph_and_its_pinned_hash(builder, model) -> None:
    committed = (FOLDER / model / "model.onnx").read_bytes()
    assert builder(model).graph() == committed
    assert hashlib.sha256(committed).hexdigest() == manifest(model).runtime.sha256


def test_another_process_builds_the_same_bytes(tmp_path) -> None:
    script = (
        "import importlib.util, sys; sys.path.insert(0, sys.argv[2]);"
        "s = importlib.util.spec_from_file_location('b', sys.argv[1]); m = importlib.util.module_from_spec(s);"
        "s.loader.exec_module(m); sys.stdout.buffer.write(m.graph())"
    )
    path = FOLDER / "metastatic-os" / "build.py"
    done = subprocess.run(
        [sys.executable, "-c", script, str(path), str(FOLDER.parent)], capture_output=True, check=True
    )
    assert done.stdout == (FOLDER / "metastatic-os" / "model.onnx").read_bytes()


@pytest.mark.parametrize("model", GRAPHS)
def test_the_builder_and_the_manifest_agree_on_the_columns(builder, model) -> None:
    assert [i.name for i in manifest(model).inputs if i.graph] == list(builder(model).INPUTS)


@pytest.mark.parametrize("model", GRAPHS)
def test_outputs_have_the_shapes_the_manifest_declares(ask, model) -> None:
    declared = manifest(model)
    row = {i.name: 1.0 for i in declared.inputs}
    answer = ask(model, row, row, row)
    for output in declared.outputs:
        width = len(output.times) or (len(declared.inputs) if output.per_input else None)
        assert answer[output.name].shape == ((3,) if width is None else (3, width))
        assert answer[output.name].dtype == "float64"


@pytest.mark.parametrize("model", MODELS)
def test_every_sentence_is_there_in_english_and_dutch(model) -> None:
    found = list(texts(manifest(model)))
    assert found
    for where, words in found:
        assert set(words) == {"en", "nl"}, where
        assert all(words.values()), where
        if isinstance(words["en"], tuple):
            assert len(words["en"]) == len(words["nl"]), where


@pytest.mark.parametrize("model", MODELS)
def test_every_input_output_and_rule_has_words(model) -> None:
    declared = manifest(model)
    for item in (*declared.inputs, *declared.outputs, *declared.runtime.rules):
        assert set(item.label) == {"en", "nl"}
    assert declared.words.limits
    assert declared.words.summary
    assert declared.evidence
    for output in declared.outputs:
        # best response has no date: it is judged over the whole course
        if output.kind in ("survival", "probability") and declared.task is not Task.response:
            assert output.times or output.horizon


@pytest.mark.parametrize("model", MODELS)
def test_every_concept_a_model_reads_is_in_the_vocabulary(registry, model) -> None:
    """The registry refuses a model that names an unknown concept; here it is loaded with nothing but these folders."""
    assert registry[model].manifest.id == model


@pytest.mark.parametrize("model", MODELS)
def test_parameters_name_a_source_of_the_manifest(model) -> None:
    declared = manifest(model)
    for name, value in declared.parameters.items():
        assert value["source"] in declared.sources, name


def test_each_concept_has_words_a_source_and_known_code_systems(concepts) -> None:
    for name, concept in concepts.items():
        assert set(concept.label) == {"en", "nl"}, name
        assert all(concept.label.values()), name
        assert concept.source, name
        for code in (*concept.codes, *concept.exclude):
            assert code.system in KNOWN_SYSTEMS, (name, code)
        if not concept.codes and concept.variant is None:  # genomic results are not found by a code of their own
            assert re.search(r"[Nn]o .*code|Supplied by the service", concept.source), name


def test_measured_concepts_have_a_unit_and_plausible_limits(concepts) -> None:
    coded = {
        "smoking-status",
        "pregnancy-status",
        "stage-group",
        "tnm-t",
        "tnm-n",
        "tnm-m",
        "histologic-grade",
        "tumour-subtype",
    }
    coded |= {"cyst-solid-mass", "cyst-wall-thickened", "duct-calibre-change", "peripancreatic-nodes", "cyst-cytology"}
    coded |= {"msi", "mlh1-protein", "msh2-protein", "msh6-protein", "pms2-protein", "dpyd-phenotype"}
    for name, concept in concepts.items():
        if concept.resource == "Observation" and concept.variant is None and name not in coded:
            assert concept.unit, name
            assert concept.plausible, name
            assert concept.plausible[0] < concept.plausible[1], name


def test_no_code_stands_for_two_concepts_unless_meant(registry, concepts) -> None:
    """Codes that take their children are looked up like any other, by what they begin with."""
    claimed = defaultdict(set)
    for concept in concepts.values():
        for code in concept.codes:
            stem = code.code.removesuffix("*")
            names = registry.vocabulary.names(code.system, stem)
            claimed[concept.resource, code.system, stem] |= {
                n for n in names if concepts[n].resource == concept.resource
            }
    shared = {frozenset(names) for names in claimed.values() if len(names) > 1}
    assert shared == INTENDED


def test_an_endocrine_tumour_is_not_taken_for_pancreatic_cancer(registry, concepts) -> None:
    for system in ("http://hl7.org/fhir/sid/icd-10", "http://hl7.org/fhir/sid/icd-10-cm"):
        assert registry.vocabulary.names(system, "C25.4") == ("pancreatic-neuroendocrine",)
        found = registry.vocabulary.names(system, "C25.0")
        assert [name for name in found if concepts[name].resource == "Condition"] == ["pancreatic-cancer"]


def test_another_cancer_is_neither_the_pancreas_nor_skin_nor_a_metastasis(registry) -> None:
    for system in ("http://hl7.org/fhir/sid/icd-10", "http://hl7.org/fhir/sid/icd-10-cm"):
        for code in ("C00.1", "C18.7", "C24.0", "C34.1", "C43.5", "C50.9", "C61", "C76.2", "C81.9", "C92.0"):
            names = set(registry.vocabulary.names(system, code)) - {"blood-cancer", "breast-cancer"}
            assert names == {"other-primary-cancer"}, code
        for code in ("C25.0", "C25.4", "C44.3", "C77.2", "C78.7", "C79.5", "C80.0", "D01.0"):
            assert "other-primary-cancer" not in registry.vocabulary.names(system, code), code


def test_another_cancer_is_known_in_the_codes_of_records_without_icd(registry) -> None:
    snomed = "http://snomed.info/sct"
    for code in ("363406005", "93761005", "363351006", "372014001", "254837009", "254637007", "399068003"):
        assert "other-primary-cancer" in registry.vocabulary.names(snomed, code), code
    for code in ("363418001", "372003004", "94381002", "128462008", "94047004"):
        assert "other-primary-cancer" not in registry.vocabulary.names(snomed, code), code


def test_a_blood_count_without_a_method_gives_all_its_cells(registry) -> None:
    for code, name in (("26499-4", "neutrophils"), ("26474-7", "lymphocytes"), ("26484-6", "monocytes")):
        assert registry.vocabulary.names("http://loinc.org", code) == (name,)


def test_another_or_an_earlier_cancer_of_the_pancreas_is_not_taken_for_the_usual_one(registry) -> None:
    for code in ("783771003", "866052009", "785879009", "189814006"):
        names = registry.vocabulary.names("http://snomed.info/sct", code)
        assert set(names) == {"pancreatic-cancer-other", "pancreatic-cancer-of-another-type"}
    history = registry.vocabulary.names("http://hl7.org/fhir/sid/icd-10-cm", "Z85.07")
    assert history == ("pancreatic-cancer-other",)


@pytest.mark.parametrize("code", ["93715005", "94082003", "363368005", "363369002"])
def test_a_cancer_of_body_or_tail_is_never_taken_for_one_of_the_head(registry, code: str) -> None:
    names = registry.vocabulary.names("http://snomed.info/sct", code)
    assert {"pancreatic-cancer", "tumour-of-body-or-tail"} <= set(names)


@pytest.mark.parametrize(
    ("code", "site"),
    [("836274002", "peritoneum"), ("94626004", "peritoneum"), ("94524008", "lung"), ("1691000119104", "liver")],
)
def test_metastases_are_known_under_their_narrower_codes(registry, code: str, site: str) -> None:
    names = registry.vocabulary.names("http://snomed.info/sct", code)
    assert set(names) == {f"metastasis-{site}", "metastasis-any"}


@pytest.mark.parametrize(
    ("code", "answer"), [("65568007", "current"), ("281018007", "ex"), ("266924008", "ex"), ("160606002", "heavy")]
)
def test_a_smoker_of_cigarettes_is_a_smoker(registry, code: str, answer: str) -> None:
    assert registry.vocabulary.names("http://snomed.info/sct", code) == (f"smoking-{answer}",)


def test_a_drug_against_cancer_is_known_by_its_group(registry) -> None:
    atc = "http://www.whocc.no/atc"
    assert registry.vocabulary.names(atc, "L01XA01") == ("antineoplastic",)
    assert registry.vocabulary.names(atc, "L01BC05") == ("gemcitabine", "antineoplastic")
    assert registry.vocabulary.names(atc, "L02BA01") == ()
    assert registry.vocabulary.names("http://www.nlm.nih.gov/research/umls/rxnorm", "2555") == ("antineoplastic",)


def test_lymph_node_codes_do_not_by_themselves_mean_distant_metastasis(registry) -> None:
    assert registry.vocabulary.names("http://hl7.org/fhir/sid/icd-10", "C77.2") == ("metastasis-nodes",)


def test_no_patient_row_is_shipped() -> None:
    assert not list(FOLDER.rglob("*.csv"))


NUMBERS = {
    "en": ("one", "two", "three", "four", "five"),
    "nl": ("één", "twee", "drie", "vier", "vijf"),
}


@pytest.mark.parametrize("model", MODELS)
def test_every_chance_is_called_by_the_time_it_holds_for(model: str) -> None:
    """Cards name a chance by its label alone, also where they say what a missing input would change."""
    for output in manifest(model).outputs:
        if output.kind in ("probability", "comparator") and output.horizon is not None:
            count, year = int(output.horizon[:-1]), output.horizon[-1] == "y"
            for language, label in output.label.items():
                wanted = [str(count), *([NUMBERS[language][count - 1]] if year else [])]
                told = re.findall(r"[\w]+", label)
                assert set(told) & set(wanted) or output.kind == "comparator", (output.name, label)


@pytest.mark.parametrize("language", ["en", "nl"])
@pytest.mark.parametrize("model", MODELS)
def test_an_answer_says_once_within_what_time_it_holds(model: str, language: str) -> None:
    """ "Two-year risk, within 2 years" says it twice; a chance that holds for no time said is no chance."""
    words = Catalogues([]).book(language)
    for output in manifest(model).outputs:
        if output.horizon is None or output.kind not in ("probability", "comparator"):
            continue
        told = output_label(words, output)
        spelt = r"\b(one|two|three|four|five|één|twee|drie|vier|vijf)\b"
        assert len(re.findall(r"\d+(?= (?:year|month|jaar|maand))", told)) == 1, told
        assert re.search(spelt, told) is None, told


@pytest.mark.parametrize("model", MODELS)
def test_a_topic_is_called_by_a_name_that_begins_with_a_capital(model: str) -> None:
    card = manifest(model).card
    assert card is None or all(label[:1].isupper() for label in card.topic_label.values())
