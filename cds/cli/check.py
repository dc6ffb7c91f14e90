"""``cds check``: settings, policy, models and connections, each with a plain verdict."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import click
import requests
from rich.console import Console
from rich.progress import Progress

from cds.errors import (
    CdsError,
    LedgerError,
    ServiceError,
    SettingsError,
    SourceMalformed,
    SourceRefused,
    SourceUnreachable,
)
from cds.inference import registry
from cds.inference.runtime import check_installation
from cds.settings import ClientSettings, Settings, load
from cds.trust.smart import rehearse


@dataclass
class Verdicts:
    rows: list[tuple[str, str, str]] = field(default_factory=list)
    """(verdict, what, why)"""

    @contextmanager
    def of(self, what: str) -> Iterator[Callable[[str], None]]:
        """Good unless the block raises one of our errors; the block may say what it found."""
        said: list[str] = []
        try:
            yield said.append
        except CdsError as error:
            self.rows.append(("fault", what, f"{error.code}: {error}"))
        else:
            self.rows.append(("good", what, "; ".join(said)))

    def note(self, what: str, why: str) -> None:
        self.rows.append(("note", what, why))


@click.command()
@click.option("--offline", is_flag=True, help="Skip everything that needs the network or the database.")
@click.pass_context
def check(ctx: click.Context, offline: bool) -> None:
    """Is everything in place? Settings, ONNX Runtime, models, services, policy, ledger, each client's keys and FHIR
    server. Exit code 1 if anything is at fault.
    """
    verdicts = Verdicts()
    settings: Settings | None = None
    with verdicts.of("settings") as say:
        settings = load(ctx.find_root().obj)
        say(f"environment {settings.environment}, {len(settings.clients)} client(s)")
    with verdicts.of("ONNX Runtime") as say:
        say(check_installation())
    if settings is not None:
        _rooms(settings, verdicts)
        if not offline:
            _connections(settings, verdicts)
    _print(verdicts)
    sys.exit(1 if any(verdict == "fault" for verdict, _, _ in verdicts.rows) else 0)


def _rooms(settings: Settings, verdicts: Verdicts) -> None:
    from cds import services as service_room
    from cds.cards import site_wording
    from cds.cards.phrasebook import Catalogues
    from cds.cli.policy.house import known_to, text_of
    from cds.policy.packaged import packaged_policy
    from cds.policy.schema import parse
    from cds.services.declaration import installed_packages

    found: registry.Registry | None = None
    with verdicts.of("models") as say:
        found = registry.load([*registry.installed_folders(), *settings.model_dirs])
        for model in found.models.values():
            model.warm()
        providers = sorted({m.graph.provider for m in found.models.values() if m.graph is not None})
        say(f"{len(found.models)} loaded and run once, on {', '.join(providers)}")
    if settings.concept_map is not None and found is not None:
        with verdicts.of("ConceptMap") as say:
            from cds.record.vocabulary import read_concept_map

            found.vocabulary.add_site_codes(read_concept_map(settings.concept_map))
            say("every local code maps to a known concept")
    with verdicts.of("services") as say:
        declared = service_room.load(settings.hook_dirs)
        for service in declared.services.values():
            if found is not None and (missing := sorted(set(service.models) - set(found.models))):
                raise ServiceError(f"service '{service.id}' needs models that are not installed: {', '.join(missing)}")
        sources = (*installed_packages(), *settings.hook_dirs)
        folders = [p / "catalogue" for p in sources if (p / "catalogue").is_dir()]
        own = partial(site_wording.read, settings.wording_dir) if settings.wording_dir is not None else None
        languages = Catalogues(folders, own=own).languages
        say(f"{len(declared.services)} declared, cards in {', '.join(languages)}")
    with verdicts.of("policy") as say:
        path = settings.policy_file or packaged_policy(installed_packages())
        policy = parse(text_of(path), str(path), known_to(settings))
        say(f"{path.name}, version {policy.version}")
    with verdicts.of("ledger key") as say:
        settings.load_ledger_key()
        say("strong enough")
    if not settings.clients:
        verdicts.note("clients", "none is set: every call will be refused with 401")


def _connections(settings: Settings, verdicts: Verdicts) -> None:
    with Progress(transient=True) as progress:
        bar = progress.add_task("connections", total=1 + len(settings.clients) + len(settings.pacs))
        _ledger(settings, verdicts)
        progress.advance(bar)
        for name, client in settings.clients.items():
            _client(name, client, verdicts, str(settings.ca_file) if settings.ca_file else True)
            if client.smart is not None:
                with verdicts.of(f"client {name}: report") as say:
                    say(rehearse(settings, name))
            progress.advance(bar)
        for name in settings.pacs:
            _archive(name, settings, verdicts)
            progress.advance(bar)


def _archive(name: str, settings: Settings, verdicts: Verdicts) -> None:
    from cds.studies.archives import opened

    with verdicts.of(f"image archive {name}") as say:
        web = opened(settings, name)
        try:
            # a study that nobody has: the address, the credentials and the kind of answer are what is asked
            web.studies(StudyInstanceUID="2.25.0")
        finally:
            web.close()
        say("answers searches (QIDO-RS)")


def _ledger(settings: Settings, verdicts: Verdicts) -> None:
    from cds.ledger import Ledger

    try:
        key = settings.load_ledger_key()
    except SettingsError:
        return  # said on the key's own line
    with verdicts.of("ledger") as say:
        ledger = Ledger(settings.ledger_url, key, settings.data_dir / "spool")
        reachable = ledger.ping()
        ledger.close()
        if not reachable:
            raise LedgerError("no database with a ledger answers; `cds serve` makes one, or spools rows until one does")
        say("reachable")


def _client(name: str, client: ClientSettings, verdicts: Verdicts, verify: str | bool) -> None:
    if client.authentication == "loopback":
        verdicts.note(f"client {name}", "authentication is off for this machine's own address (demo)")
    if client.jku is not None:
        with verdicts.of(f"client {name}: keys") as say:
            keys = _json(client.jku, "application/json", verify).get("keys")
            if not isinstance(keys, list) or not keys:
                raise SourceMalformed("no key set (JSON with a list of 'keys') is at its jku")
            say(f"{len(keys)} key(s) at its jku")
    for base in client.fhir_servers:
        with verdicts.of(f"client {name}: {base}") as say:
            version = str(_json(f"{base.rstrip('/')}/metadata", "application/fhir+json", verify).get("fhirVersion", ""))
            if not version.startswith("4."):
                raise SourceMalformed(f"/metadata tells FHIR version '{version}'; this service reads R4 (4.0 or 4.3)")
            say(f"FHIR {version}")


def _json(url: str, kind: str, verify: str | bool) -> dict[str, Any]:
    """Raises a SourceError saying what came instead of a JSON object."""
    try:
        answer = requests.get(url, headers={"Accept": kind}, timeout=5, allow_redirects=False, verify=verify)
    except requests.RequestException as error:
        raise SourceUnreachable(f"nothing answers at {url} ({type(error).__name__})") from error
    if answer.status_code != 200:
        raise SourceRefused(f"{url} answered {answer.status_code}")
    try:
        content = answer.json()
    except ValueError as error:
        raise SourceMalformed(f"{url} answered something that is not JSON") from error
    if not isinstance(content, dict):
        raise SourceMalformed(f"{url} answered JSON of another kind")
    return content


def _print(verdicts: Verdicts) -> None:
    console = Console()
    style = {"good": "green", "note": "yellow", "fault": "red"}
    for verdict, what, why in verdicts.rows:
        console.print(f"[{style[verdict]}]{verdict:>5}[/]  {what}: ", end="")
        console.print(why, markup=False, highlight=False)
