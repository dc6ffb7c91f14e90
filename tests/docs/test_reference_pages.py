"""The reference pages are what the code says, and the code leaves nothing unsaid."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from cds import errors
from cds import services as service_room
from cds.committee.charter import Charter
from cds.docs.charter_page import BLOCKS as CHARTER_BLOCKS
from cds.policy.blocks import (
    Budget,
    CardLimits,
    Guidelines,
    ModelPolicy,
    Order,
    OverrideReason,
    Repeats,
    ReviewedGuideline,
    ServicePolicy,
)
from cds.policy.layers import AppliesTo, Head
from cds.policy.schema import Policy
from cds.settings import (
    ApproverSettings,
    AuditSettings,
    BackendSettings,
    ClientSettings,
    CommitteeSettings,
    ConsoleSettings,
    DialectSettings,
    FhirSettings,
    ImagingSettings,
    InferenceSettings,
    OidcSettings,
    PacsSettings,
    Settings,
    StudySource,
)
from cds.smart_settings import SmartSettings

ROOT = Path(__file__).resolve().parents[2]
IN_SETTINGS: list[type[BaseModel]] = [
    *(
        Settings,
        FhirSettings,
        ClientSettings,
        StudySource,
        BackendSettings,
        DialectSettings,
        SmartSettings,
        ApproverSettings,
        ImagingSettings,
        InferenceSettings,
        PacsSettings,
        CommitteeSettings,
        AuditSettings,
        ConsoleSettings,
        OidcSettings,
    ),
]
IN_CHARTER: list[type[BaseModel]] = [Charter, *(block for _, block in CHARTER_BLOCKS)]
BLOCKS: list[type[BaseModel]] = [
    *IN_SETTINGS,
    *IN_CHARTER,
    *(Policy, Head, AppliesTo, CardLimits, Repeats, Budget, ModelPolicy, ServicePolicy, Order, OverrideReason),
    *(Guidelines, ReviewedGuideline),
    *service_room.load().parameters().values(),
]
# set by the code that reads the file, or a block with a section of its own
UNWRITTEN = {
    *("ClientSettings.studies", "ClientSettings.smart", "ClientSettings.backend", "ClientSettings.dialect"),
    *(
        "Charter.version",
        "Policy.version",
        "Settings.committee",
        "Settings.approvers",
        "Settings.audit",
        "Settings.tracing",
    ),
    *("Settings.fhir", "Settings.imaging", "Settings.inference", "CommitteeSettings.console", "ConsoleSettings.oidc"),
}


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    path = str(ROOT / "scripts" / "generate-docs")
    loader = importlib.machinery.SourceFileLoader("generate_docs", path)
    spec = importlib.util.spec_from_loader("generate_docs", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "name",
    [
        "settings.md",
        "policy.md",
        "charter.md",
        "errors.md",
        "models.md",
        "abstentions.md",
        "wording.md",
        "manifest.schema.json",
        "policy.schema.json",
    ],
)
def test_the_page_is_what_the_script_writes(generator: ModuleType, name: str) -> None:
    page = ROOT / "docs" / name
    assert page.read_text(encoding="utf-8") == generator.pages()[page], "run scripts/generate-docs"


def keys() -> Iterator[tuple[str, str | None]]:
    for block in BLOCKS:
        yield from ((f"{block.__name__}.{name}", field.description) for name, field in block.model_fields.items())


@pytest.mark.parametrize(("key", "description"), [k for k in keys() if k[0] not in UNWRITTEN])
def test_every_key_people_write_is_described(key: str, description: str | None) -> None:
    assert description, f"{key} has no description"
    assert description.endswith("."), f"{key}: a description is a sentence"
    assert "|" not in description, f"{key}: a bar would break the table"


@pytest.mark.parametrize("page", ["settings.md", "policy.md", "charter.md"])
def test_every_key_has_its_row(page: str) -> None:
    told = set(re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.MULTILINE))
    of = {"settings.md": IN_SETTINGS, "charter.md": IN_CHARTER}
    blocks = of.get(page) or [b for b in BLOCKS if b not in (*IN_SETTINGS, *IN_CHARTER)]
    wanted = {name for block in blocks for name in block.model_fields if f"{block.__name__}.{name}" not in UNWRITTEN}
    assert wanted - told - {"clients", "pacs"} == set()


def kinds() -> list[type[errors.CdsError]]:
    found = [errors.CdsError]
    for kind in found:
        found += [k for k in kind.__subclasses__() if k.__module__ == errors.__name__]
    return found


@pytest.mark.parametrize("kind", kinds(), ids=lambda k: k.__name__)
def test_every_error_is_in_the_tree_with_its_code_and_status(kind: type[errors.CdsError]) -> None:
    lines = [line for line in (errors.__doc__ or "").splitlines() if re.search(rf"\b{kind.__name__}\b", line)]
    assert len(lines) == 1
    codes = re.findall(r"CDS-\d{3}", lines[0])
    assert codes in ([kind.code], []), lines[0]
    if status := re.search(r"\s(\d{3})\s", lines[0]):
        assert kind.status == int(status[1])


def test_every_error_that_can_be_raised_has_a_code_of_its_own() -> None:
    """A parent of others is never raised itself; MalformedRequest bears the general code of requests."""
    raised = [kind for kind in kinds() if not kind.__subclasses__()]
    codes = [kind.code for kind in raised]
    assert len(codes) == len(set(codes))
    parents = {kind.code for kind in kinds() if kind not in raised}
    assert parents & set(codes) <= {errors.MalformedRequest.code}


def test_every_code_in_the_source_is_documented() -> None:
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    used = {
        code
        for folder in ("cds", "hooks")
        for path in (ROOT / folder).rglob("*.py")
        for code in re.findall(r"CDS-\d{3}", path.read_text(encoding="utf-8"))
    }
    assert {code for code in used if code not in page} == set()


def schema() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "docs" / "manifest.schema.json").read_text(encoding="utf-8"))
    return found


def test_every_key_of_a_manifest_is_described_for_editors() -> None:
    blocks = {"Manifest": schema(), **schema()["$defs"]}
    silent = [
        f"{name}.{key}"
        for name, block in blocks.items()
        for key, entry in block.get("properties", {}).items()
        if not entry.get("description", "").strip()
    ]
    assert silent == []
    assert len(blocks) > 20


@pytest.mark.parametrize("path", sorted((ROOT / "models").glob("*/model.yaml")), ids=lambda p: p.parent.name)
def test_each_manifest_names_its_schema_and_fits_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# yaml-language-server: $schema=../../docs/manifest.schema.json\n")
    content = json.loads(json.dumps(yaml.safe_load(text), default=str))  # JSON Schema knows a date as its text
    faults = [
        f"{'.'.join(map(str, e.absolute_path))}: {e.message}"
        for e in Draft202012Validator(schema()).iter_errors(content)
    ]
    assert faults == []


def test_the_schema_refuses_a_misspelt_key() -> None:
    content = yaml.safe_load((ROOT / "models" / "endpac" / "model.yaml").read_text(encoding="utf-8"))
    content |= {"released": "2026-11-23", "licens": {}}
    assert [e.message for e in Draft202012Validator(schema()).iter_errors(content)] != []


def policy_faults(text: str) -> list[str]:
    found = json.loads((ROOT / "docs" / "policy.schema.json").read_text(encoding="utf-8"))
    content = json.loads(json.dumps(yaml.safe_load(text), default=str))
    return [e.message for e in Draft202012Validator(found).iter_errors(content)]


PACKAGED = (ROOT / "hooks" / "policy.yaml").read_text(encoding="utf-8")
CHANGE = "name: n\nauthor: a\neffective: 2026-12-01\nreason: r\n"


def test_the_packaged_policy_and_a_change_fit_the_schema() -> None:
    assert policy_faults(PACKAGED) == []
    assert policy_faults(CHANGE + "layer: department/x\napplies_to: {clients: [c]}\norders: {hba1c: null}\n") == []
    assert policy_faults(CHANGE + "services: {pancreas-risk: {parameters: {risk_at_least: 0.03}}}\n") == []


@pytest.mark.parametrize(
    "text",
    [
        PACKAGED.replace("risk_at_least", "risk_atleast"),
        PACKAGED.replace("risk_at_least: 0.02", "risk_at_least: 2"),
        PACKAGED.replace("guideline_indicator: warning", "guideline_indicator: critical"),
        PACKAGED.replace("visit_minutes: 60", "visit_minutes: -1"),
        CHANGE.replace("reason: r\n", ""),
        CHANGE + "layer: team/x\n",
        CHANGE + "budgets: {}\n",
    ],
)
def test_the_policys_schema_refuses_what_the_service_refuses(text: str) -> None:
    assert policy_faults(text)


def test_every_key_of_a_policy_is_described_for_editors() -> None:
    found = json.loads((ROOT / "docs" / "policy.schema.json").read_text(encoding="utf-8"))
    silent = [
        f"{name}.{key}"
        for name, block in {"Policy": found, **found["$defs"]}.items()
        for key, entry in block["properties"].items()
        if not entry.get("description", "").strip()
    ]
    assert silent == []


def test_every_reason_of_an_abstention_is_on_its_page() -> None:
    page = (ROOT / "docs" / "abstentions.md").read_text(encoding="utf-8")
    told = set(re.findall(r"^\| `([\w-]+)` \|", page, re.MULTILINE))
    source = (ROOT / "cds" / "inference" / "model.py").read_text(encoding="utf-8")
    given = set(re.findall(r'NotAssessed\([^,]+, "([\w-]+)"', source))
    for choice in re.findall(r"^ +reason = (.*)$", source, re.MULTILINE):
        given |= set(re.findall(r'"([\w-]+)"', choice))
    assert {"not-eligible", "input-absent"} <= given
    assert given <= told


def test_every_model_has_its_place_on_the_page_of_models() -> None:
    page = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    headings = set(re.findall(r"^## ([\w-]+)$", page, re.MULTILINE))
    assert headings == {p.parent.name for p in (ROOT / "models").glob("*/model.yaml")}
