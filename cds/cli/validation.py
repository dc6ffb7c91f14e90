"""``cds validation``: one model in several hospitals, without a patient's row leaving any."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

import click

from cds.cli.models.found import model_of, registry_of
from cds.errors import ValidationRoundError
from cds.inference.model import Model
from cds.inference.registry import Registry
from cds.record.moments import day_at
from cds.settings import Settings, load
from cds.validation import cases as case_files
from cds.validation import keys, result, review, rounds
from cds.validation.fits import fits
from cds.validation.history import History

T = TypeVar("T")
_FILE = click.Path(path_type=Path, dir_okay=False)
_COORDINATOR = click.option(
    "--coordinator",
    "coordinator",
    type=_FILE,
    required=True,
    help="The coordinator's public key, compared by fingerprint.",
)


@click.group()
def validation() -> None:
    """Validate a model in several hospitals together; counts travel, people do not.

    \b
    The coordinator:                                 Each hospital:
      cds validation keys coordinator                  cds validation keys our-hospital
      cds validation new round.yaml --key ...          cds validation run round.json --cases cases.csv ...
      cds validation pool round.json results/*         cds validation review draft.json --page draft.html
                                                       cds validation sign draft.json ... --reviewed CODE

    `cds validation cases` writes cases.csv from the ledger, where the service is in use.
    docs/validation-rounds.md has the whole of it, with the files.
    """


@validation.command("keys")
@click.argument("name")
def make_keys(name: str) -> None:
    """Make NAME.key.json (keep it) and NAME.pub.json (give it), and print the fingerprint to read out on the
    telephone."""
    private, public = Path(f"{name}.key.json"), Path(f"{name}.pub.json")
    fingerprint = keys.make(private, public)
    click.echo(f"{private}: yours alone, signs what you send\n{public}: for the others\nfingerprint: {fingerprint}")


@validation.command()
@click.argument("draft", type=_FILE)
@click.option("--key", type=_FILE, required=True, help="The coordinator's private key.")
@click.option("--out", type=_FILE, required=True, help="Where the signed round goes.")
@click.pass_context
def new(ctx: click.Context, draft: Path, key: Path, out: Path) -> None:
    """Sign the round that the YAML file DRAFT asks for. The model has to be installed here: its hash is put in.

    \b
      id: metastatic-2026
      title: Survival of metastatic disease, autumn 2026
      coordinator: Regional cancer network
      model: {id: metastatic-os}
      outcome:
        name: death of any cause
        definition: Date of death in the municipal register, followed up to 2026-09-30.
        horizons: [6, 12, 24]
      cohort:
        definition: First line for metastatic disease, from the first dose.
        begins: 2023-01-01
        ends: 2024-06-30
      edges: {low: 0.02, high: 0.98}
      subgroups: {sex: [female, male], age: [under-65, 65-and-over]}
      issued: 2026-11-28
      expires: 2027-03-01
    """
    wanted = rounds.model_id(draft)
    model = model_of(registry_of(_settings(ctx)), wanted)
    one = rounds.drafted(draft, rounds.RoundModel(id=wanted, version=model.manifest.version, sha256=_hash(model)))
    signing = keys.load(key, private=True)
    _write(out, rounds.signed(one, signing))
    click.echo(f"{out}: round {one.id}, {rounds.digest(one)[:12]}, signed by {keys.fingerprint(signing)}")


@validation.command()
@click.argument("file", type=_FILE)
def show(file: Path) -> None:
    """What a signed FILE says, before anybody has checked whose it is."""
    click.echo(json.dumps(keys.unverified(file), indent=1, ensure_ascii=False))
    click.echo("The signature was not checked.", err=True)


@validation.command()
@click.argument("round_file", metavar="ROUND", type=_FILE)
@_COORDINATOR
@click.option("--client", required=True, help="Whose calls: a client of the settings.")
@click.option("--out", type=_FILE, required=True, help="Where the table goes. It stays here.")
@click.pass_context
def cases(ctx: click.Context, round_file: Path, coordinator: Path, client: str, out: Path) -> None:
    """Write the table for `run` from this hospital's ledger: whom the round's model spoke of in the cohort's days, its
    first answer about each, and what the committee's outcomes say became of them.

    For a hospital where the service has been in use. Read the table before it is counted: that the charter's outcome is
    the round's is for a person to say.
    """
    from cds.cli.committee.office import office_of, policies_of
    from cds.committee.actions import known_site
    from cds.committee.case_rows import case_rows, left_out
    from cds.committee.evaluate import Evaluator

    asked = rounds.opened(round_file, keys.load(coordinator, private=False), _today(ctx))
    with office_of(ctx) as office:
        known_site(client, office.settings.clients)
        model = _the_rounds(office.models, asked)
        evaluator = Evaluator(office.book, office.models, policies_of(office).current, office.charter, office.now)
        following = evaluator.followed_up(model.manifest, client, evaluator.answers(model.manifest, client))
        if following is None:
            raise ValidationRoundError(
                f"the committee's charter compares {asked.model.id} with no outcome, so the ledger has none"
            )
        columns = (asked.outcome.horizons, tuple(asked.subgroups), asked.cohort.begins, asked.cohort.ends)
        rows = list(case_rows(following, model.manifest, *columns))
        assumed = following.found.ascertainment.told
        aside = evaluator.set_aside(model.manifest, client)
        others = left_out(aside, model.manifest, asked.cohort.begins, asked.cohort.ends, office.now)
    if not rows:
        raise ValidationRoundError(
            f"{asked.model.id} spoke of nobody from {asked.cohort.begins} to {asked.cohort.ends} in calls of {client}"
            + "".join(f"; {line}" for line in others)
        )
    text = io.StringIO()
    table = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    _write(out, text.getvalue())
    click.echo(f"{out}: {len(rows)} people; outcome in the charter: {following.found.ascertainment.outcome}")
    click.echo(f"  in the round: {asked.outcome.name}: {asked.outcome.definition}")
    for line in (*others, *assumed):
        click.echo(f"  {line}")


@validation.command()
@click.argument("round_file", metavar="ROUND", type=_FILE)
@_COORDINATOR
@click.option("--cases", "case_file", type=_FILE, required=True, help="CSV, a row a person. It stays here.")
@click.option("--site", required=True, help="This hospital's name in the report.")
@click.option("--out", type=_FILE, required=True, help="Where the unsigned draft goes.")
@click.option("--minimum-cell", type=click.IntRange(3, 20), help="This hospital's own smallest cell, if stricter.")
@click.pass_context
def run(
    ctx: click.Context,
    round_file: Path,
    coordinator: Path,
    case_file: Path,
    site: str,
    out: Path,
    minimum_cell: int | None,
) -> None:
    """Count this hospital's people for a signed ROUND. Nothing is sent: the draft waits for a person's review.

    Refused: a round that expired or is not signed by the coordinator, a model that is not the round's, days that
    overlap those of an earlier answer, and too few people.
    """
    asked = rounds.opened(round_file, keys.load(coordinator, private=False), _today(ctx))
    settings = _settings(ctx)
    _the_rounds(registry_of(settings), asked)
    _with_history(settings, lambda history: history.check(asked))
    people, left = case_files.read(case_file, asked)
    draft = result.counted(asked, people, site, _today(ctx), minimum_cell)
    _write(out, result.plain(draft).decode())
    click.echo(f"{out}: {len(people)} people counted")
    for reason, number in sorted(left.reasons.items()):
        click.echo(f"  left out, {reason}: {number}")
    if draft.hidden:
        click.echo(f"  too few to send: {', '.join(draft.hidden)}")
    click.echo(f"Read it: cds validation review {out} --page {out.with_suffix('.html')}")


@validation.command("review")
@click.argument("draft", type=_FILE)
@click.option("--page", type=_FILE, help="Write a page, too.")
def review_draft(draft: Path, page: Path | None) -> None:
    """Every number of DRAFT that would leave, and the code to sign with."""
    one = result.drafted(draft)
    if page is not None:
        _write(page, review.page(one))
    click.echo(review.text(one))


@validation.command()
@click.argument("draft", type=_FILE)
@click.option("--round", "round_file", type=_FILE, required=True, help="The signed round it answers.")
@_COORDINATOR
@click.option("--key", type=_FILE, required=True, help="The hospital's private key.")
@click.option("--reviewed", required=True, metavar="CODE", help="The code at the end of the review.")
@click.option("--reviewer", required=True, help="Who read it. Stays in this hospital's ledger.")
@click.option("--out", type=_FILE, required=True, help="Where the signed result goes: this is the file to send.")
@click.option("--measure-report", type=_FILE, help="The same counts as a FHIR MeasureReport.")
@click.pass_context
def sign(
    ctx: click.Context,
    draft: Path,
    round_file: Path,
    coordinator: Path,
    key: Path,
    reviewed: str,
    reviewer: str,
    out: Path,
    measure_report: Path | None,
) -> None:
    """Sign a DRAFT that was reviewed, write down that it left, and make the file to send."""
    asked = rounds.opened(round_file, keys.load(coordinator, private=False), _today(ctx))
    one = result.drafted(draft)
    fits(asked, one)
    if reviewed.strip() != review.code(one):
        raise ValidationRoundError(
            f"{draft} is not what was reviewed: its code is another; read it with `cds validation review {draft}`"
        )
    if len(reviewer.strip()) < 2:
        raise ValidationRoundError("reviewer: name the person who read it")
    signing = keys.load(key, private=True)
    text = result.signed(one, signing)
    _with_history(
        _settings(ctx), lambda history: history.record(asked, result.digest(one), reviewer.strip(), datetime.now(UTC))
    )
    _write(out, text)
    if measure_report is not None:
        begins, ends = asked.cohort.begins.isoformat(), asked.cohort.ends.isoformat()
        _write(measure_report, review.measure_report(one, begins, ends))
    click.echo(f"{out}: signed by {keys.fingerprint(signing)}; send this file")


@validation.command()
@click.argument("round_file", metavar="ROUND", type=_FILE)
@click.argument("results", type=_FILE, nargs=-1, required=True)
@_COORDINATOR
@click.option(
    "--hospitals",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    required=True,
    help="Folder with the hospitals' public keys, *.pub.json.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON, for scripts.")
@click.option("--page", type=_FILE, help="Write a page with forest and funnel plots.")
def pool(
    round_file: Path,
    results: tuple[Path, ...],
    coordinator: Path,
    hospitals: Path,
    as_json: bool,
    page: Path | None,
) -> None:
    """Put the hospitals' RESULTS to a ROUND together.

    Discrimination and calibration of each hospital with its interval, of all people together, the mean of hospitals by
    random effects, and where the next hospital is expected. An expired round can still be pooled.
    """
    from cds.validation.pooling import report  # the statistics load only where they are asked for
    from cds.validation.pooling.pool import pooled

    asked = rounds.opened(round_file, keys.load(coordinator, private=False), date.min)
    known = [keys.load(path, private=False) for path in sorted(hospitals.glob("*.pub.json"))]
    if not known:
        raise ValidationRoundError(f"{hospitals} holds no *.pub.json: put the hospitals' public keys there")
    found = pooled(asked, [result.opened(path, keys.signer(path, known)) for path in results])
    if page is not None:
        _write(page, report.page(found))
    click.echo(json.dumps(report.plain(found), indent=1) if as_json else report.text(found))


@validation.command()
@click.pass_context
def answered(ctx: click.Context) -> None:
    """Which rounds this hospital has answered, and who let the answer out."""
    answers = _with_history(_settings(ctx), lambda history: history.answers())
    zone = ZoneInfo(_settings(ctx).timezone)
    if not answers:
        click.echo("No round was answered.")
    for one in answers:
        click.echo(
            f"{day_at(one.at, zone)}  {one.round_id}  {one.model}: {one.outcome}  {one.begins} to {one.ends}  "
            f"reviewed by {one.reviewer}  {one.result_digest[:12]}"
        )


def _today(ctx: click.Context) -> date:
    """Of the hospital."""
    return day_at(datetime.now(UTC), ZoneInfo(_settings(ctx).timezone))


def _settings(ctx: click.Context) -> Settings:
    return load(ctx.find_root().obj)


def _with_history(settings: Settings, ask: Callable[[History], T]) -> T:
    history = History(settings.ledger_url)
    try:
        return ask(history)
    finally:
        history.close()


def _the_rounds(models: Registry, asked: rounds.Round) -> Model:
    """The round's model, as it is installed here."""
    model = model_of(models, asked.model.id)
    if _hash(model) != asked.model.sha256:
        raise ValidationRoundError(
            f"the round is about {asked.model.id} {asked.model.version} ({asked.model.sha256[:12]}…); installed here "
            f"is {model.manifest.version} ({_hash(model)[:12]}…), another model: install the round's"
        )
    return model


def _hash(model: Model) -> str:
    """Of the graph; of the manifest where a model is rules."""
    pinned = model.manifest.runtime.sha256
    return pinned or hashlib.sha256((model.folder / "model.yaml").read_bytes()).hexdigest()


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ValidationRoundError(f"{path} could not be written: {error.strerror}") from error
