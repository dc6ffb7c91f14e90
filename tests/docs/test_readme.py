"""What the README promises is there: settings that load, commands, make targets, links, services."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterator
from pathlib import Path

import click
import pytest

from cds import services as service_room
from cds.cli import main
from cds.inference.registry import Registry
from cds.services import ServiceRegistry
from cds.settings import load
from cds.site.families import profile, profiles

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "benchmarks").glob("*.md"))]
SOURCES = [p for folder in ("cds", "hooks", "models", "benchmarks") for p in sorted((ROOT / folder).rglob("*.py"))]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_settings_shown_load_and_are_a_hospitals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is fetched: the addresses in it don't exist."""
    monkeypatch.delenv("CDS_SETTINGS", raising=False)
    (block,) = blocks("toml")
    path = tmp_path / "cds.toml"
    path.write_text(block, encoding="utf-8")
    settings = load(path)
    assert settings.environment == "production"
    (client,) = settings.clients.values()
    assert client.authentication == "jwt"
    assert client.jku is not None
    assert client.fhir_servers
    assert settings.ledger_url.startswith("postgresql")


def commands() -> Iterator[str]:
    """Every ``cds ...`` in code, in the README."""
    yield from re.findall(r"`(cds [^`]+)`", README)
    for block in blocks("sh"):
        yield from (line.partition("#")[0].strip() for line in block.splitlines() if line.startswith("cds "))


@pytest.mark.parametrize("line", sorted(set(commands())))
def test_every_command_exists_with_its_options(line: str) -> None:
    command: click.Command = main
    words = shlex.split(line)[1:]
    while isinstance(command, click.Group):
        assert words, f"'{line}' ends at a group"
        command = command.commands[words.pop(0)]
    options = {flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)}
    assert {word for word in words if word.startswith("--")} <= options


def test_there_are_commands_to_be_found() -> None:
    assert len(set(commands())) >= 6


def test_every_make_target_named_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"\bmake ([a-z]+)", README))
    assert named >= {"demo", "test"}
    assert {target for target in named if not re.search(rf"^{target}:", makefile, re.MULTILINE)} == set()


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links() -> Iterator[tuple[Path, str]]:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            if not target.startswith(("http://", "https://", "mailto:")):
                yield page, target


@pytest.mark.parametrize(("page", "target"), list(links()), ids=lambda x: x.name if isinstance(x, Path) else x)
def test_every_link_leads_somewhere(page: Path, target: str) -> None:
    file, _, anchor = target.partition("#")
    to = (page.parent / file).resolve() if file else page
    assert to.exists(), f"{page.name} links to {target}"
    assert to.is_relative_to(ROOT), "a link must not leave the repository"
    if anchor:
        assert anchor in anchors(to)


def test_every_page_the_code_points_to_exists() -> None:
    pointed = {
        (path, page)
        for path in (*SOURCES, ROOT / "openapi.yaml", ROOT / "hooks" / "policy.yaml")
        for page in re.findall(r"\b(?:docs|benchmarks)/[\w-]+\.md", path.read_text(encoding="utf-8"))
    }
    assert {f"{path.name}: {page}" for path, page in pointed if not (ROOT / page).exists()} == set()


def test_every_folder_named_exists() -> None:
    table = README.split("## Where things are")[1]
    named = re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)
    assert len(named) >= 5
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_table_of_hooks_is_the_declared_services() -> None:
    first = README.split("## Try it")[0]
    told = set(re.findall(r"^\| [^|]*\(`([a-z-]+)`\)[^|]*\|", first, re.MULTILINE))
    short = set(re.findall(r"^\| it is signed \(`([a-z-]+)`\)", first, re.MULTILINE))
    assert told | short == {hook for _, hook in service_room.load().services}


def _discovered() -> tuple[ServiceRegistry, Registry]:
    """As discovery shows them: services of files, and those that exist by models' manifests alone."""
    from cds.inference import registry
    from cds.services.joined import join

    models = registry.load(registry.installed_folders())
    return join(service_room.load(), models), models


def test_the_services_to_register_are_the_declared_ones() -> None:
    (row,) = re.findall(r"^\| services \|(.*)\|$", README, re.MULTILINE)
    told = set()
    for part in row.split(";"):
        service, *hooks = re.findall(r"`([a-z-]+)`", part)
        told |= {(service, hook) for hook in hooks}
    assert told == set(_discovered()[0].services)


def _read(hooks: Collection[str]) -> set[str]:
    """The resource types that the templates of these hooks' services ask for."""
    from cds.fhir.queries import plan
    from cds.inference import registry

    services, models = _discovered()
    wanted = set()
    for (_, hook), service in services.services.items():
        if hook in hooks:
            concepts = {c for m in service.all_models for c in registry.concepts_of(models[m].manifest, fetched=True)}
            wanted |= {query.resource for query in plan(concepts | set(service.reads), models.vocabulary)}
    return wanted


def test_the_data_to_be_read_is_what_the_templates_ask_for() -> None:
    """The row "FHIR access": no resource type too many for an EHR's administrator to grant, none missing."""
    (row,) = re.findall(r"^\| FHIR access \| read: (.*) \|$", README, re.MULTILINE)
    assert set(row.split(", ")) == _read({hook for _, hook in _discovered()[0].services})


@pytest.mark.parametrize("name", profiles())
def test_a_family_s_scopes_are_what_the_templates_of_its_hooks_ask_for(name: str) -> None:
    """A type that is left out is answered 403, and a card on every chart says that it could not be read."""
    found = profile(name)
    (scopes,) = [line for line in found.register_ if line.startswith("Scopes for ")]
    assert set(scopes.removeprefix("Scopes for ").removesuffix(".").split(", ")) == _read(found.hooks)


def test_the_python_version_told_is_the_one_declared() -> None:
    (wanted,) = re.findall(r'requires-python = ">=([\d.]+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert f"Python {wanted} or newer" in README
