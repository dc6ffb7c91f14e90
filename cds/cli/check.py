"""``cds check``: settings, policy, models and connections, each with a plain verdict."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import Progress

from cds.inference.runtime import check_installation
from cds.settings import Settings, load
from cds.settings_file import settings_file
from cds.site.findings import Finding, Findings

if TYPE_CHECKING:
    from cds.site.installed import Installed

STYLE = {"good": "green", "note": "yellow", "fault": "red"}


@click.command()
@click.option("--offline", is_flag=True, help="Skip everything that needs the network or the database.")
@click.pass_context
def check(ctx: click.Context, offline: bool) -> None:
    """Is everything in place? Settings, ONNX Runtime, models, services, policy, what keeps `cds serve` from starting,
    files, data_dir, ledger, each client's keys and FHIR server. Exit code 1 if anything is at fault. `cds site check`
    looks deeper, at what the servers give.
    """
    from cds.site import ground, installed  # models only where they are asked about

    findings = Findings()
    settings: Settings | None = None
    with findings.of("settings") as say:
        settings = load(ctx.find_root().obj)
        say(f"environment {settings.environment}, {len(settings.clients)} client(s)")
    if settings_file(ctx.find_root().obj) is None:
        findings.note(
            "settings",
            "no file of settings: none is named (--settings FILE or CDS_SETTINGS), and no cds.toml is in this folder. "
            "`cds site init FOLDER` writes one",
        )
    with findings.of("ONNX Runtime") as say:
        say(check_installation())
    if settings is not None:
        _guidelines(settings, installed.look(settings, findings), findings, offline=offline)
        ground.files(settings, findings)
        ground.data_dir(settings, findings)
        if not offline:
            _connections(settings, findings)
    console = Console()
    for row in findings.rows:
        show(console, row)
    sys.exit(1 if findings.failed else 0)


def _guidelines(settings: Settings, loaded: Installed, findings: Findings, *, offline: bool) -> None:
    """Those that speak here and that nobody has looked at again in time."""
    from cds.guidelines import overdue
    from cds.site.in_force import policy_here, said, today_of
    from cds.site.installed import knowing

    if loaded.models is None or loaded.services is None or loaded.policy is None:
        return  # said on their own lines
    policy, unknown = policy_here(settings, knowing(loaded.models, loaded.services, settings), offline=offline)
    if unknown:
        findings.note("guidelines", unknown)
    old = [c for c in overdue(loaded.models.models.values(), policy, today_of(settings)) if c.runs]
    for each in old:
        todo = f"{each.owner}: compare it with what {each.publisher} says now (cds guidelines --help)"
        findings.note("guideline", f"{said(each)}. {todo}", each.model)
    if not old:
        findings.good("guidelines", "all that speak here are in date")


def _connections(settings: Settings, findings: Findings) -> None:
    from cds.site import quick  # SQLAlchemy and DICOMweb only where they are needed

    with Progress(transient=True) as progress:
        bar = progress.add_task("connections", total=1 + len(settings.clients) + len(settings.pacs))
        quick.ledger(settings, findings)
        progress.advance(bar)
        for name, client in settings.clients.items():
            quick.client(name, client, settings, findings)
            progress.advance(bar)
        for name in settings.pacs:
            quick.archive(name, settings, findings)
            progress.advance(bar)


def show(console: Console, row: Finding) -> None:
    """One line; what others wrote is no markup."""
    console.print(f"[{STYLE[row.verdict]}]{row.verdict:>5}[/]  ", end="")
    console.print(f"{row.name}: {row.why}", markup=False, highlight=False)
