"""``cds simulate-hospital``: do the monitors see what goes wrong, and are they silent when nothing does?"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from cds.errors import CommitteeError
from cds.ledger.book import Book
from cds.ledger.migrate import upgrade

if TYPE_CHECKING:
    from cds.simulation.hospital import Plan
    from cds.simulation.trial import Trial

_MOST_FALSE = 1.0
"""Alarms without a fault, a model-year."""
_WEEKLY = 7
_YEAR_D = 365.25


@click.command("simulate-hospital")
@click.option(
    "--fault",
    "wanted",
    multiple=True,
    metavar="NAME",
    help="What goes wrong; may be given again; 'all': each in a hospital of its own. Default: nothing does.",
)
@click.option(
    "--years", type=click.FloatRange(0.1, 50), default=2.0, show_default=True, help="How long, without fault."
)
@click.option(
    "--calls-a-day", type=click.FloatRange(1, 2000), default=60.0, show_default=True, help="On a working day."
)
@click.option(
    "--hospitals", type=click.IntRange(1, 1000), default=1, show_default=True, help="How many, each drawn anew."
)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="The same seed, the same hospital.")
@click.option(
    "--ledger",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write the first hospital into this new SQLite ledger, to look at with the other commands.",
)
@click.option(
    "--list", "listed", is_flag=True, help="Only tell which faults there are, and how soon each must be seen."
)
@click.option("--json", "as_json", is_flag=True, help="For scripts, on standard output.")
def simulate_hospital(
    wanted: tuple[str, ...],
    years: float,
    calls_a_day: float,
    hospitals: int,
    seed: int,
    ledger: Path | None,
    listed: bool,
    as_json: bool,
) -> None:
    """Draw years of a hospital by chance and let the committee's own monitors watch it, a verdict a day.

    \b
      cds simulate-hospital                            nothing goes wrong: every alarm is a false one
      cds simulate-hospital --list                     what may go wrong
      cds simulate-hospital --fault all                each fault, and after how many days it is seen
      cds simulate-hospital --fault scanner-change --hospitals 5
      cds simulate-hospital --ledger /tmp/hospital.db  and keep its rows

    The patients and the model are invented; the measures, limits and verdicts are those of `cds committee`, with the
    charter's defaults. What each fault is, and how soon it must be seen, is in docs/monitors.md. Exit code 1: a fault
    was not seen in time, or there was more than one false alarm a model-year.
    """
    from cds.simulation.hospital import Plan
    from cds.simulation.subject import faults

    if listed:
        _list()
        return
    names = _names(wanted, tuple(faults()))
    plans = [Plan(seed + n, calls_a_day=calls_a_day, fault=name) for name in names for n in range(hospitals)]
    plans = plans or [Plan(seed + n, max(1, round(years * _YEAR_D)), calls_a_day) for n in range(hospitals)]
    begun = perf_counter()
    trials = list(_run(plans))
    if ledger is not None:
        _write(plans[0], ledger)
    if as_json:
        click.echo(json.dumps([_plain(t) for t in trials], indent=2))
    else:
        _show(trials, perf_counter() - begun)
    sys.exit(0 if _held(trials) else 1)


def _list() -> None:
    from cds.simulation.subject import faults

    table = Table("fault", "what goes wrong", "seen by", "within")
    for fault in faults().values():
        by = ", ".join(dict.fromkeys(measure for measure, _ in fault.seen_by))
        table.add_row(fault.name, fault.says, by, f"{fault.within_d} days")
    Console().print(table)


def _names(wanted: tuple[str, ...], known: tuple[str, ...]) -> tuple[str, ...]:
    if "all" in wanted:
        return known
    for name in wanted:
        if name not in known:
            raise click.BadParameter(f"no fault '{name}'; there are: {', '.join(known)}, all", param_hint="--fault")
    return wanted


def _run(plans: list[Plan]) -> Iterator[Trial]:
    from cds.simulation import trial

    for n, plan in enumerate(plans, start=1):
        first, last = trial.span(plan)
        with _bar(f"{plan.fault or 'healthy'} {n}/{len(plans)}", last - first) as (progress, task):
            watched = trial.injected if plan.fault else trial.healthy
            yield watched(trial.reaching(plan), _WEEKLY, lambda _: progress.advance(task))


@contextmanager
def _bar(name: str, total: int) -> Iterator[tuple[Progress, TaskID]]:
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:,} of {task.total:,}"),
        TimeElapsedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        yield progress, progress.add_task(name, total=total)


def _write(plan: Plan, path: Path) -> None:
    """Raises CommitteeError, LedgerError."""
    from cds.simulation.hospital import drawn
    from cds.simulation.trial import reaching
    from cds.simulation.written import write

    if path.exists():
        raise CommitteeError(f"{path} is there already: invented patients go into a ledger of their own only")
    url = f"sqlite:///{path.absolute()}"
    upgrade(url)
    hospital = drawn(reaching(plan))
    begun = perf_counter()
    with Book(url) as book, _bar("ledger", len(hospital.at)) as (progress, task):
        calls = write(hospital, book, hospital.plan.days, lambda count: progress.advance(task, count))
    rate = 60 * hospital.people / max(perf_counter() - begun, 1e-9)
    click.echo(f"{path}: {calls:,} calls of {hospital.people:,} patients, {rate:,.0f} patients a minute", err=True)


def _held(trials: list[Trial]) -> bool:
    seen = all(t.in_time for t in trials if t.fault is not None)
    healthy = [t for t in trials if t.fault is None]
    return seen and _rate(healthy) <= _MOST_FALSE


def _rate(healthy: list[Trial]) -> float:
    """False alarms a model-year; what does not fill a year counts as one."""
    years = max(1.0, sum(t.watched for t in healthy) / _YEAR_D)
    return sum(t.false_alarms for t in healthy) / years


def _show(trials: list[Trial], seconds: float) -> None:
    console = Console()
    faulty, healthy = [t for t in trials if t.fault], [t for t in trials if not t.fault]
    if faulty:
        table = Table("fault", "seed", "seen after", "must be within", "by")
        for t in faulty:
            assert t.fault is not None
            after = f"{t.after} days" if t.after is not None else "not seen"
            by = ", ".join(t.seen_by) or ", ".join(measure for measure, _ in t.fault.seen_by)
            colour = "green" if t.in_time else "red"
            table.add_row(t.fault.name, str(t.plan.seed), f"[{colour}]{after}[/]", f"{t.fault.within_d} days", by)
        console.print(table)
    if healthy:
        days = sum(t.watched for t in healthy)
        alarms = sum(t.false_alarms for t in healthy)
        console.print(
            f"{days:,} days of {len(healthy)} hospital(s) in which nothing went wrong: {alarms} false alarm(s), "
            f"{_rate(healthy):.2f} a model-year (at most {_MOST_FALSE:g})"
        )
        for t in healthy:
            for alarm in t.alarms:
                why = ", ".join(f"{measure} {about}".strip() for measure, about in alarm.why)
                console.print(f"  seed {t.plan.seed}, day {alarm.day}: {alarm.level}: {why}")
    console.print(f"{len(trials)} hospital(s) in {seconds:.0f} s", style="dim")


def _plain(t: Trial) -> dict[str, Any]:
    told: dict[str, Any] = {"seed": t.plan.seed, "calls_a_day": t.plan.calls_a_day, "days": t.watched}
    if t.fault is not None:
        told |= {"fault": t.fault.name, "within_d": t.fault.within_d, "after_d": t.after, "in_time": t.in_time}
    alarms = [{"day": a.day, "level": a.level, "why": [" ".join(w).strip() for w in a.why]} for a in t.alarms]
    return told | {"false_alarms": t.false_alarms, "alarms": alarms}
