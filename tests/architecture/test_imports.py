"""Imports point one way. The table below is the whole graph: a room may import the rooms on its line, no others."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Some modules are rooms of their own. Four, because the rooms they lie in are built on top of those that need them:
# the decoded FHIR types, their decoding, the words that a case carries, and the names of codes in them. Others, because
# they need what the room around them must not, or know nothing of what it knows.
OWN_ROOMS = (
    "fhir.resources",
    "fhir.decoding",
    "cards.phrasebook",
    "cards.coded",
    "trust.smart",
    "pages.report",
    "pages.committee",
    "pages.preview",
)

ROOMS: dict[str, str] = {
    # leaves
    "errors": "",
    "addresses": "",
    "coding_schemes": "",
    "admission": "errors",
    "arrival": "",
    "clock": "",
    "correlation": "ids",
    "counters": "errors host_memory",
    "half_characters": "",
    "host_memory": "",
    "ids": "",
    "leaving": "",
    "ledger_key": "",
    "listening": "errors",
    "sharing": "",
    "steady": "",
    "timings": "tracing",
    "tracing": "errors ids tracing_settings",
    "tracing_settings": "",
    "turns": "",
    "plain_faults": "",
    "yaml_lines": "",
    "fhir.resources": "",
    "fhir.decoding": "fhir.resources half_characters",
    "protocol": "errors half_characters",
    "smart_settings": "",
    "imaging_settings": "addresses",
    "ehr_settings": "",
    "committee_settings": "addresses smart_settings",
    "settings_file": "errors",
    "settings": (
        "addresses committee_settings ehr_settings errors imaging_settings ledger_key settings_file smart_settings "
        "tracing_settings"
    ),
    "ledger": "clock errors ids ledger_key steady",
    "jobs": "clock errors ledger tracing",
    # what a record says, what models make of it, what the clinical lead makes of that
    "record": "errors fhir.decoding fhir.resources plain_faults yaml_lines",
    "inference": "errors ids plain_faults record yaml_lines",
    "survival": "",
    "measures": "",
    "cohort": "errors inference measures record yaml_lines",
    "networks": "errors inference modelcards record yaml_lines",
    "modelcards": "errors inference record",
    "modelcheck": "errors inference modelcards record yaml_lines",
    "policy": "errors ledger plain_faults record yaml_lines",
    "guidelines": "errors inference ledger modelcards policy record",
    # who calls, and what is fetched
    "trust": "clock errors host_memory settings",
    "trust.smart": "addresses errors ledger settings smart_settings trust",
    "fhir": "errors fhir.decoding fhir.resources protocol record settings tracing trust",
    "imaging": "coding_schemes errors inference settings trust yaml_lines",
    "studies": (
        "cards.coded cards.phrasebook clock errors fhir fhir.decoding fhir.resources imaging inference jobs ledger "
        "policy record settings tracing trust trust.smart yaml_lines"
    ),
    "committee": (
        "errors fhir fhir.resources ids inference jobs ledger measures plain_faults policy record services settings "
        "trust yaml_lines"
    ),
    # the committee's monitors, put to the proof
    "simulation": "committee errors ids inference ledger measures policy record yaml_lines",
    # services and their cards
    "cards.phrasebook": "errors record yaml_lines",
    "cards.coded": "cards.phrasebook coding_schemes",
    "services": "cards.phrasebook errors fhir inference policy protocol record",
    "cards": (
        "cards.coded cards.phrasebook errors fhir guidelines ids inference ledger policy protocol record services "
        "yaml_lines"
    ),
    # a call from end to end
    "audit": "errors inference ledger policy protocol record services trust",
    "snapshot": ("cards cards.phrasebook errors fhir inference record services trust.smart"),
    "editions": "inference policy",
    "case_again": "cards.phrasebook editions fhir inference policy protocol services snapshot studies",
    "shadow": "cards editions inference policy services studies",
    "engine": (
        "audit cards cards.phrasebook committee correlation editions errors fhir fhir.resources ids inference ledger "
        "policy protocol record services settings shadow snapshot studies timings tracing trust trust.smart turns"
    ),
    "replay": "audit cards case_again editions engine errors inference ledger policy protocol record services snapshot",
    "web": "admission engine errors inference jobs leaving ledger protocol settings studies trust trust.smart",
    "app": (
        "pages.committee pages.report snapshot "
        "cards cards.phrasebook charts clock committee correlation engine errors fhir host_memory inference jobs "
        "ledger policy record services settings steady studies tracing trust trust.smart web"
    ),
    "preview": (
        "audit cards cards.phrasebook case_again committee editions errors fhir fhir.decoding fhir.resources "
        "guidelines inference ledger measures policy protocol record services snapshot"
    ),
    "sealing": "errors ledger ledger_key settings trust.smart",
    "auditing": "ledger",
    "serve": "admission app arrival correlation counters errors leaving ledger listening sealing settings sharing web",
    "site": (
        "addresses app cards cards.phrasebook committee engine errors fhir fhir.resources guidelines imaging "
        "inference jobs ledger ledger_key listening pages.report policy record sealing services settings studies "
        "tracing trust trust.smart yaml_lines"
    ),
    # what people hold in their hands
    "charts": "errors measures",
    "pages": "cards.coded cards.phrasebook errors imaging record",
    "pages.report": (
        "cards cards.coded cards.phrasebook charts engine errors fhir fhir.resources ids imaging inference ledger "
        "pages record services studies survival trust trust.smart web yaml_lines"
    ),
    "pages.preview": "cards.phrasebook charts errors pages preview",
    "pages.committee": (
        "cards.phrasebook charts committee committee_settings engine errors inference ledger pages record replay "
        "services settings trust.smart web"
    ),
    "validation": "charts errors ledger measures",
    "flower": "errors validation",
    "docs": (
        "cards cards.phrasebook committee errors inference modelcards policy services settings simulation "
        "smart_settings"
    ),
    "demo": ("cards.phrasebook cli errors imaging inference pages policy record services settings studies yaml_lines"),
    "cli": (
        "app auditing cards cards.phrasebook cohort committee demo docs engine errors fhir fhir.decoding "
        "fhir.resources guidelines inference jobs ledger ledger_key modelcards modelcheck networks pages.committee "
        "pages.preview policy preview record replay sealing serve services settings settings_file simulation site "
        "snapshot studies survival trust trust.smart validation yaml_lines"
    ),
    "__main__": "cli",
}
# `cds demo` is a command that is itself a client of the service, so it shares the client's part of `cds call`.
MUTUAL = {("demo", "cli")}


def modules(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def room_of(module: str) -> str:
    """``cds.fhir.client`` -> ``fhir``."""
    inside = module.removeprefix("cds.")
    return next((room for room in OWN_ROOMS if inside == room or inside.startswith(room + ".")), inside.split(".")[0])


def named(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path) -> Iterator[tuple[str, int]]:
    """(module, line) of every import, inside functions too; ``from x import y`` names ``x.y`` if that is a module."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import hides which room is meant"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                file = ROOT / inner.replace(".", "/")
                is_module = file.with_suffix(".py").exists() or file.is_dir()
                yield (inner if is_module else str(node.module)), node.lineno


def inner_imports(path: Path) -> Iterator[tuple[str, int]]:
    return ((module, line) for module, line in imported(path) if module.split(".")[0] in ("cds", "hooks", "models"))


@pytest.mark.parametrize("path", modules("cds"), ids=named)
def test_a_room_imports_only_the_rooms_on_its_line(path: Path) -> None:
    room = room_of(named(path)) if named(path) != "cds" else "cds"
    allowed = {room, *ROOMS.get(room, "").split()}
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {module}"
        for module, line in inner_imports(path)
        if module != "cds" and (not module.startswith("cds.") or room_of(module) not in allowed)
    ]
    assert wrong == []


def test_every_room_has_its_line() -> None:
    assert {room_of(named(p)) for p in modules("cds") if named(p) != "cds"} == set(ROOMS)


def test_the_table_has_no_way_back() -> None:
    """Raises CycleError when a room can reach itself."""
    graph = {
        room: {other for other in line.split() if (room, other) not in MUTUAL and other != room}
        for room, line in ROOMS.items()
    }
    assert list(TopologicalSorter(graph).static_order())


def test_the_engine_knows_neither_hooks_nor_models_nor_tests() -> None:
    found = [
        f"{named(path)}:{line} {module}"
        for path in modules("cds")
        for module, line in imported(path)
        if module.split(".")[0] in ("hooks", "models", "tests")
    ]
    assert found == []


def test_web_knows_http_and_the_engine_and_no_clinical_room() -> None:
    """``inference`` only for the outcomes that metrics count."""
    clinical = {"record", "survival", "policy", "cards", "cards.phrasebook", "services", "fhir", "fhir.resources"}
    assert not clinical & set(ROOMS["web"].split())
    users = {named(p) for p in modules("cds/web") for m, _ in inner_imports(p) if room_of(m) == "inference"}
    assert users <= {"cds.web.metrics"}


def test_services_and_models_stand_on_the_engine_not_on_each_other() -> None:
    """Services name models by id; a model's graph is built without any service."""
    wrong = [f"{named(p)}: {m}" for p in modules("hooks") for m, _ in imported(p) if m.split(".")[0] == "models"]
    wrong += [f"{named(p)}: {m}" for p in modules("models") for m, _ in imported(p) if m.split(".")[0] == "hooks"]
    assert wrong == []


def test_services_use_no_room_that_only_the_engine_may_touch() -> None:
    """A service sees a case, not the caller, the database or the web."""
    private = {"app", "audit", "cli", "demo", "engine", "ledger", "serve", "settings", "trust", "web"}
    wrong = [
        f"{named(p)}:{line}: {m}"
        for p in modules("hooks")
        for m, line in inner_imports(p)
        if m.startswith("cds.") and room_of(m) in private
    ]
    assert wrong == []


def test_the_command_line_alone_counts_nothing() -> None:
    """The library of metrics decides at its import whether workers share their counts, which `cds serve` sets up."""
    asked = "import sys, cds.cli; sys.exit('prometheus_client' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asked], cwd=ROOT, check=False).returncode == 0
