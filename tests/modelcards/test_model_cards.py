"""Model cards say what the manifests say, in forms that others can read."""

from __future__ import annotations

import base64
import importlib.machinery
import importlib.util
import json
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import pytest

from cds.inference import registry
from cds.inference.attributes import NAMES
from cds.inference.model import Model
from cds.modelcards import FORMATS, write
from cds.modelcards.chai.card import NAMESPACE, faults
from cds.modelcards.words import absence, needed
from cds.record.facts import Record
from cds.record.features import extract

ROOT = Path(__file__).parents[2]
LOADED = registry.load([ROOT / "models"])
MODELS = [model for model in LOADED.models.values() if not model.refused]
every_model = pytest.mark.parametrize("model", MODELS, ids=lambda m: m.manifest.id)


@pytest.fixture(scope="module")
def script() -> ModuleType:
    path = str(ROOT / "scripts" / "model-cards")
    loader = importlib.machinery.SourceFileLoader("model_cards", path)
    spec = importlib.util.spec_from_loader("model_cards", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_every_model_of_this_product_loads() -> None:
    assert LOADED.refused == {}


def test_every_card_is_what_the_script_writes(script: ModuleType) -> None:
    stale = [path for path, text in script.cards().items() if not path.exists() or path.read_text("utf-8") != text]
    assert stale == [], "run scripts/model-cards"


@every_model
def test_the_card_holds_every_limit_input_output_study_and_source(model: Model) -> None:
    m, card = model.manifest, write(model, "markdown")
    for text in (
        *m.words.limits["en"],
        *(i.label["en"] for i in m.inputs),
        *(o.name for o in m.outputs),
        *(e.cohort["en"] for e in m.evidence),
        *(s.cited for s in m.sources.values()),
        m.licence.told,
    ):
        assert " ".join(text.split()) in card.replace("\\|", "|")


@every_model
def test_the_card_names_as_needed_what_an_empty_record_lacks_the_sex_included(model: Model) -> None:
    """A record without a sex is no woman's: a model that reads the sex and assumes none abstains."""
    nobody = Record(datetime(2026, 11, 23, tzinfo=UTC), "p")
    nobody.arrange()
    found = extract(model.manifest.inputs, nobody, model.kinds)
    lacking = [
        f.input for f in found if not f.found and f.input.absent.does == "abstain" and f.input.source != "inputs"
    ]
    assert [i for i in model.manifest.inputs if needed(i) and i.source != "inputs"] == lacking
    for spec in lacking:
        assert absence(spec) != "counts as no", spec.name


@every_model
def test_the_tables_of_the_card_have_as_many_cells_in_each_row(model: Model) -> None:
    for table in re.findall(r"(?:^\|.*\n)+", write(model, "markdown"), re.MULTILINE):
        cells = {len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}
        assert len(cells) == 1, table


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.fetched += [value or "" for name, value in attrs if name in ("src", "srcset", "background")]
        if tag not in ("meta", "br", "hr"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@every_model
def test_the_page_is_whole_and_fetches_nothing(model: Model) -> None:
    page = _Page()
    page.feed(write(model, "html"))
    assert page.open == []
    assert page.fetched == []
    assert not page.tags & {"script", "link", "iframe", "img"}
    assert {"h1", "h2", "table"} <= page.tags


@pytest.mark.threat("xss-card-text")
def test_a_manifests_html_stays_text_on_the_page() -> None:
    (model,) = (m for m in MODELS if m.manifest.id == "endpac")
    words = model.manifest.words.model_copy(update={"summary": {"en": "<script>alert(1)</script>"}})
    spoiled = Model(model.manifest.model_copy(update={"words": words}), model.folder, None, shared=model.shared)
    assert "<script>" not in write(spoiled, "html")


@every_model
def test_the_chai_card_is_valid_against_its_schema(model: Model) -> None:
    assert faults(write(model, "chai")) == []


def test_the_chai_schema_refuses_a_card_without_its_warnings() -> None:
    root = ElementTree.fromstring(write(MODELS[0], "chai"))
    warnings = root.find(f"{{{NAMESPACE}}}Warnings")
    assert warnings is not None
    root.remove(warnings)
    assert any("Warnings" in fault for fault in faults(ElementTree.tostring(root, "unicode")))
    assert faults("<not xml") != []


@every_model
def test_the_31_attributes_are_there_in_order_and_stated(model: Model) -> None:
    attributes = json.loads(write(model, "hti1"))["attributes"]
    assert [a["number"] for a in attributes] == list(range(1, 32))
    assert tuple(a["name"] for a in attributes) == NAMES
    assert [a["name"] for a in attributes if not a["text"]] == []


def resources(model: Model) -> dict[str, dict[str, Any]]:
    bundle = json.loads(write(model, "fhir"))
    return {entry["resource"]["resourceType"]: entry["resource"] for entry in bundle["entry"]}


@every_model
def test_the_fhir_bundle_names_the_model_card_of_its_device(model: Model) -> None:
    found = resources(model)
    assert set(found) == {"Device", "Library", "DocumentReference"}
    device, document = found["Device"], found["DocumentReference"]
    card = next(e for e in device["extension"] if e["url"].endswith("aitransparency.modelCardDescription"))
    assert card["valueReference"]["reference"] == f"urn:uuid:{document['id']}"
    assert device["version"][0]["value"] == found["Library"]["version"] == model.manifest.version
    assert len({r["id"] for r in found.values()}) == 3


@every_model
def test_the_fhir_document_holds_the_same_cards(model: Model) -> None:
    contents = resources(model)["DocumentReference"]["content"]
    held = {c["attachment"]["contentType"]: base64.b64decode(c["attachment"]["data"]).decode() for c in contents}
    assert held == {"text/markdown": write(model, "markdown"), "application/xml": write(model, "chai")}


@pytest.mark.parametrize("kind", FORMATS)
def test_a_card_is_the_same_every_time(kind: str) -> None:
    assert write(MODELS[0], kind) == write(MODELS[0], kind)


def test_the_schema_shipped_says_whose_it_is() -> None:
    folder = ROOT / "cds" / "modelcards" / "chai"
    assert "Coalition for Health AI" in (folder / "schema.xsd").read_text("utf-8")
    assert "Permission is hereby granted, free of charge" in (folder / "LICENSE").read_text("utf-8")
