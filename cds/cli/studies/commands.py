"""``cds study analyse|list|show|retry|cancel``: ask for an analysis, and see what became of it."""

from __future__ import annotations

import json
import sys
import time

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from cds.cli.studies.opened import intake_of, jobs_of, ledger_of
from cds.errors import UnknownService
from cds.jobs.job import DEAD, ENDED, QUEUED, STATES, Job
from cds.jobs.queue import Jobs
from cds.settings import Settings, load
from cds.studies.about import About, is_uid
from cds.studies.again import kept, only_unwritten, repeat, unread
from cds.studies.intake import Intake, queue_full
from cds.studies.plan import KIND, study_id
from cds.studies.reasons import words
from cds.studies.view import STAGES, analysis, reason_of, state_of

_COLOURS = {"assessed": "green", "indeterminate": "yellow", "failed": "red", "cancelled": "dim", "running": "cyan"}
_LOOK_S = 0.5
_MOST_RETRIED = 100_000


def _known_form(_ctx: click.Context, _param: click.Parameter, uid: str) -> str:
    """Raises BadParameter: whatever is queued would be blamed on the archive, try after try."""
    if not is_uid(uid):
        raise click.BadParameter(
            f"'{uid}' is no Study Instance UID: 64 characters at most, digits and dots, such as 1.2.840.10008.1"
        )
    return uid


@click.group()
def study() -> None:
    """Imaging studies: have one analysed, see what waits, what runs and what came of it."""


@study.command()
@click.argument("uid", callback=_known_form)
@click.option("--client", help="EHR the patient belongs to, as named in the settings. Default: the only one.")
@click.option("--patient", help="Id of the Patient on that EHR's FHIR server, so that cards find the reading.")
@click.option("--model", "models", multiple=True, help="Only this model; may be given again. Default: all that fit.")
@click.option("--pacs", help="Image archive that has it, as named in the settings. Default: any of the client's.")
@click.option("--wait", is_flag=True, help="Show the progress and wait for the end. A worker must be running.")
@click.pass_context
def analyse(
    ctx: click.Context,
    uid: str,
    client: str | None,
    patient: str | None,
    models: tuple[str, ...],
    pacs: str | None,
    wait: bool,
) -> None:
    """Ask for the analysis of the study with this Study Instance UID. What is asked for twice is done once.

    A failed, cancelled or indeterminate analysis is tried again. By hand a network may also run that the policy has
    not switched on, or that is not for clinical use: its result is stored, and reaches no card, no archive and no
    patient's record.
    """
    settings = load(ctx.find_root().obj)
    client, pacs = _client(settings, client), _pacs(settings, pacs)
    intake = intake_of(settings)
    _readers(intake, models)
    found = intake.ask(About(uid, patient=patient), client, "hand", only=models or None, pacs=pacs)
    console = Console()
    console.print(f"study {found.study}", highlight=False)
    for job, new in found.jobs:
        console.print(
            f"  job {job.id}  {job.payload['model']}: {'asked for' if new else state_of(job)}", highlight=False
        )
    for model, reason in found.held:
        only = "Its result is stored for you to see, and reaches no card, no archive and no patient's record."
        console.print(f"  {model}: {words(reason)['en']} {only}", style="yellow", highlight=False)
    for model, reason in found.declined:
        console.print(f"  {model}: not asked for. {words(reason)['en']}", style="yellow", highlight=False)
    if not found.jobs:
        console.print("Nothing was asked for.", style="yellow")
        sys.exit(1)
    if wait:
        sys.exit(_watched(console, jobs_of(settings), [job.id for job, _ in found.jobs]))


@study.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only jobs in this state. Default: all.")
@click.option("--most", type=click.IntRange(1, 1000), default=30, show_default=True, help="How many, newest first.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, for scripts.")
@click.pass_context
def listing(ctx: click.Context, state: str | None, most: int, as_json: bool) -> None:
    """The analyses asked for, the newest first, each with how far it is and why it ended as it did."""
    settings = load(ctx.find_root().obj)
    jobs = jobs_of(settings)
    found = jobs.newest(kind=KIND, state=state, most=most)
    if as_json:
        click.echo(json.dumps([{"study": job.item, **analysis(job)} for job in found], indent=1))
        return
    console = Console()
    if not found:
        console.print("No analysis has been asked for." if state is None else f"No analysis is {state}.", style="dim")
        return
    table = Table(box=None, pad_edge=False)
    for name in ("job", "study", "model", "state", "progress", "scan", "said"):
        table.add_column(name)
    for job in found:
        table.add_row(
            str(job.id),
            (job.item or "")[:8],
            str(job.payload.get("model")),
            _state(job),
            _bar(job),
            str(job.payload.get("scan") or "-"),
            _said(job),
        )
    console.print(table)
    depth = jobs.depth(KIND)
    limit = settings.imaging.queue_limit
    full = " [red](full: only people's requests are taken)[/]" if queue_full(jobs, limit) else ""
    console.print(
        f"waiting {depth['queued']} of {limit}{full}, running {depth['running']}", style="dim", highlight=False
    )


@study.command()
@click.argument("job", type=int)
@click.option("--watch", is_flag=True, help="Follow its progress to the end.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, for scripts.")
@click.pass_context
def show(ctx: click.Context, job: int, watch: bool, as_json: bool) -> None:
    """One JOB in full: how far it is, what was chosen and why, what was found, or the reason there is nothing."""
    jobs = jobs_of(load(ctx.find_root().obj))
    found = _job(jobs, job)
    if watch and found.state not in ENDED:
        code = _watched(Console(), jobs, [job])
        found = _job(jobs, job)
        _told(Console(), found)
        sys.exit(code)
    if as_json:
        click.echo(json.dumps({"study": found.item, **analysis(found)}, indent=1))
    else:
        _told(Console(), found)


@study.command()
@click.argument("job", type=int, required=False)
@click.option("--all", "all_failed", is_flag=True, help="Every job that failed or waits after a failure.")
@click.option("--reason", help="With --all: only those with this reason, such as pacs-failed.")
@click.pass_context
def retry(ctx: click.Context, job: int | None, all_failed: bool, reason: str | None) -> None:
    """Have a JOB that failed, was cancelled or is indeterminate tried again, with all its attempts. One that waits
    after a failure is tried now."""
    jobs = jobs_of(load(ctx.find_root().obj))
    if (job is None) != all_failed or (reason is not None and not all_failed):
        raise click.UsageError("give the number of one JOB, or --all, and --reason with --all only")
    if job is None:
        failed = [one for state in (DEAD, QUEUED) for one in jobs.newest(kind=KIND, state=state, most=_MOST_RETRIED)]
        wanted = [one for one in failed if one.reason and reason in (None, one.reason)]
        click.echo(f"{sum(_again(jobs, one) for one in wanted)} job(s) wait again.")
        return
    found = _job(jobs, job)
    if not _again(jobs, found):
        raise click.ClickException(f"job {job} is {state_of(found)}; only one without a reading is tried again")
    click.echo(f"job {job} waits again.")


def _again(jobs: Jobs, job: Job) -> bool:
    """One that waits for late images, and has not failed, goes on waiting."""
    if job.state == QUEUED:
        return bool(job.reason) and jobs.sooner(job.id)
    return unread(job) and repeat(jobs, job)


@study.command()
@click.argument("job", type=int)
@click.pass_context
def cancel(ctx: click.Context, job: int) -> None:
    """Stop a JOB: at once when it waits, at its next step when it runs."""
    jobs = jobs_of(load(ctx.find_root().obj))
    found = _job(jobs, job)
    if not jobs.cancel(job):
        raise click.ClickException(f"job {job} has ended: {state_of(found)}")
    click.echo(f"job {job} is cancelled, or will be at its next step.")


@study.command("id")
@click.argument("uid", callback=_known_form)
@click.option("--client", help="EHR the patient belongs to, as named in the settings. Default: the only one.")
@click.pass_context
def id_of(ctx: click.Context, uid: str, client: str | None) -> None:
    """Print the opaque id of a study, by its UID: the one in /studies/{id}/analyses and in `cds study list`."""
    settings = load(ctx.find_root().obj)
    click.echo(study_id(ledger_of(settings), _client(settings, client), uid))


def _client(settings: Settings, name: str | None) -> str:
    if name is None and len(settings.clients) == 1:
        return next(iter(settings.clients))
    if name not in settings.clients:
        known = ", ".join(settings.clients) or "none is set"
        raise click.ClickException(f"say which EHR with --client; known: {known}")
    return name


def _readers(intake: Intake, names: tuple[str, ...]) -> None:
    known = intake.readers
    for name in names:
        if name not in known:
            raise click.BadParameter(
                f"no model that reads scans is called '{name}'; there are: {', '.join(known) or 'none'}. "
                "`cds models list` names all, with those that can't be loaded",
                param_hint="--model",
            )


def _pacs(settings: Settings, name: str | None) -> str | None:
    if name is not None and name not in settings.pacs:
        raise click.ClickException(f"no archive is called '{name}'; known: {', '.join(settings.pacs) or 'none is set'}")
    return name


def _job(jobs: Jobs, id: int) -> Job:
    found = jobs.get(id)
    if found is None or found.kind != KIND:
        raise UnknownService(f"there is no study job {id}; `cds study list` names them")
    return found


def _state(job: Job) -> str:
    state = state_of(job)
    colour = _COLOURS.get(state)
    return f"[{colour}]{state}[/]" if colour else state


def _bar(job: Job) -> str:
    if job.state != "running":
        return ""
    full = round(job.progress * 10)
    return f"{'█' * full}{'░' * (10 - full)} {job.progress:.0%} {STAGES.get(job.stage, job.stage)}"


def _said(job: Job) -> str:
    result = job.result or {}
    if state_of(job) == "assessed":
        return f"{result.get('category')} ({float(result.get('likelihood', 0)):.2f})"
    code, sentence = reason_of(job)
    return f"{code}: {sentence}" if code else ""


def _told(console: Console, job: Job) -> None:
    table = Table(box=None, show_header=False, pad_edge=False)
    result = job.result or {}
    code, sentence = reason_of(job)
    last = kept(job)
    lines = {
        "job": f"{job.id}, attempt {job.attempts} of {job.most_attempts}",
        "study": job.item or "",
        "model": f"{job.payload.get('model')} {job.payload.get('version')}",
        "asked": f"{job.asked_at:%Y-%m-%d %H:%M:%S} UTC, by {job.payload.get('why')}",
        "scan": str(job.payload.get("scan") or "date not known"),
        "state": _state(job),
        "progress": _bar(job),
        "reason": f"{sentence} ({code})" if code else "",
        "tried again": f"{job.run_at:%Y-%m-%d %H:%M:%S} UTC" if job.state == "queued" and code else "",
        "series": str(result.get("choice", "")),
        "found": f"{result.get('category')}, likelihood {result.get('likelihood'):.3f}"
        if "likelihood" in result
        else "",
        "beyond": "the scan ends inside the organ, and the network has not seen what lies beyond"
        if result.get("cut_off")
        else "",
        "before": f"{last.get('category')}, likelihood {last.get('likelihood'):.3f}"
        + ("" if only_unwritten(job) else "; more images have come since")
        if last is not None and state_of(job) != "assessed"
        else "",
        "lesions": str(len(result.get("candidates", ()))) if "candidates" in result else "",
        "stored": ", ".join(f"{name}: {what}" for name, what in (result.get("written") or {}).items()),
    }
    for name, text in lines.items():
        if text:
            table.add_row(f"[dim]{name}[/]", text)
    console.print(table)
    if state_of(job) in ("indeterminate", "failed"):
        console.print("Nothing was assessed. That is no reassurance.", style="yellow")


def _watched(console: Console, jobs: Jobs, ids: list[int]) -> int:
    """Bars until all have ended. Exit code: 0 when each gave a result, indeterminate ones included."""
    columns = (TextColumn("job {task.fields[job]}"), BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    found: list[Job] = []
    with Progress(*columns, console=console) as bars:
        tasks = {id: bars.add_task("waiting", total=1.0, job=id) for id in ids}
        while True:
            found = [job for id in ids if (job := jobs.get(id)) is not None]
            for job in found:
                done = job.state in ENDED
                text = (
                    state_of(job) if done else STAGES.get(job.stage, job.stage) if job.state == "running" else "waiting"
                )
                bars.update(tasks[job.id], completed=1.0 if done else job.progress, description=text)
            if all(job.state in ENDED for job in found):
                break
            time.sleep(_LOOK_S)
    return 0 if all(job.state == "done" for job in found) else 1
