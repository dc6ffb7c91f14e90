"""``cds models check``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path

import click

from cds.cli.models.found import folders_of, policy_if_good, settings_of
from cds.inference import registry
from cds.inference.registry import Registry
from cds.modelcheck import Report, check_folder


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--rebuild", is_flag=True, help="Run each build.py, too: does it recreate the graph bit for bit?")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.pass_context
def check(ctx: click.Context, paths: tuple[Path, ...], rebuild: bool, as_json: bool) -> None:
    """Lint model folders: sources, vectors, ranges, units, wording in each language, attributes, graph, card.

    PATHS are models' folders, or folders of them; without any, every model of this site is checked. Each finding is
    `file:line: what is wrong`. Exit code 1 if there is any.
    """
    settings = settings_of(ctx)
    wanted = _wanted(paths)
    found = _loaded(folders_of(settings), wanted)
    policy, _ = policy_if_good(settings, found)
    orders = frozenset(policy.orders) if policy is not None else None
    names = [folder.name for folder in wanted] if paths else list(found.models)
    reports = [check_folder(name, found, orders=orders, rebuild=rebuild) for name in names]
    if as_json:
        click.echo(json.dumps([_plain(r) for r in reports], indent=2))
    else:
        _tell(reports)
    sys.exit(0 if all(r.good for r in reports) else 1)


def _wanted(paths: Iterable[Path]) -> list[Path]:
    """Model folders at or below each path. Raises UsageError where there is none."""
    folders: list[Path] = []
    for path in paths:
        inside = [path] if (path / "model.yaml").exists() else [p.parent for p in sorted(path.glob("*/model.yaml"))]
        if not inside:
            raise click.UsageError(f"{path} holds no model: neither a model.yaml nor folders with one")
        folders += [folder.resolve() for folder in inside]
    return folders


def _loaded(known: list[Path], wanted: list[Path]) -> Registry:
    """With the folders' own sources beside what is installed, whose vocabulary they may use."""
    sources = {folder.resolve() for folder in known}
    more = [p for p in dict.fromkeys(folder.parent for folder in wanted) if p not in sources]
    return registry.load([*known, *more])


def _tell(reports: list[Report]) -> None:
    for report in reports:
        for finding in report.findings:
            click.echo(str(finding))
        name = f"{report.id} {report.version}".strip()
        notes = f" ({'; '.join(report.notes)})" if report.notes else ""
        if report.good:
            click.secho(f"{name}: good{notes}", fg="green")
        else:
            click.secho(f"{name}: {_count(len(report.findings), 'fault')}{notes}", fg="red")
    faults = sum(len(r.findings) for r in reports)
    click.echo(f"{_count(len(reports), 'model')}, {_count(faults, 'fault') if faults else 'no faults'}")


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def _plain(report: Report) -> dict[str, object]:
    findings = [{"file": str(f.path), "line": f.line, "message": f.message} for f in report.findings]
    return {"model": report.id, "version": report.version, "good": report.good, "notes": report.notes} | {
        "findings": findings
    }
