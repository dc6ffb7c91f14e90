"""``cds policy preview``: what would a policy have done? Past calls, or a bulk export, decided again."""

from __future__ import annotations

import logging
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click
import orjson
from rich.console import Console
from rich.progress import Progress

from cds import services as service_room
from cds.cards.phrasebook import Catalogues, Phrasebook
from cds.cli.policy.house import file_of, ledger_of, person_of
from cds.cli.policy.look import has_ledger
from cds.committee.charter import Charter
from cds.committee.charter_file import charter_path, read_charter
from cds.errors import PolicyError
from cds.inference import registry
from cds.ledger.past import Before, PastCalls
from cds.ledger.patient_hash import person
from cds.ledger_key import chain
from cds.policy.schema import Known, address
from cds.policy.standing import Standing, standing
from cds.policy.store import text_of
from cds.preview import text
from cds.preview.cells import LEAST
from cds.preview.export import Export, read_export
from cds.preview.export_outcomes import outcomes as outcomes_of
from cds.preview.figures import figures
from cds.preview.followed import NEEDED, Outcomes
from cds.preview.preview import Asked, Calls, House, preview
from cds.preview.replay import memory_needed
from cds.preview.trial import Trial, changed, nothing
from cds.record.vocabulary import read_concept_map
from cds.services.declaration import installed_packages
from cds.services.joined import join
from cds.services.known import known_here
from cds.settings import Settings, load
from cds.snapshot import Snapshots, fingerprints

CATALOGUE = Path(text.__file__).parent / "catalogue"


@dataclass(frozen=True)
class Wanted:
    """What the command was asked for."""

    file: Path
    days: int
    bulk: Path | None
    as_of: datetime | None
    known_until: datetime | None
    within_days: int | None
    events_needed: int
    min_count: int
    only: tuple[str, ...]


@click.command("preview")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--days", type=click.IntRange(1, 3653), default=90, show_default=True, help="How far back calls go.")
@click.option(
    "--bulk",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder of a FHIR bulk export (NDJSON) instead of past calls.",
)
@click.option("--as-of", type=click.DateTime(["%Y-%m-%d"]), help="With --bulk: the day charts are opened; else today.")
@click.option(
    "--known-until",
    type=click.DateTime(["%Y-%m-%d"]),
    help="With --bulk and a past --as-of: the export knows of every outcome up to this day, so count found and missed.",
)
@click.option("--within-days", type=click.IntRange(1, 3653), help="How long after a call an outcome counts.")
@click.option(
    "--events-needed",
    type=click.IntRange(10),
    default=NEEDED,
    show_default=True,
    help="Fewer events than this give no PPV and no sensitivity.",
)
@click.option(
    "--min-count",
    type=click.IntRange(LEAST, 10),
    default=LEAST,
    show_default=True,
    help="Smaller counts of people are hidden.",
)
@click.option("--threshold", "only", multiple=True, metavar="KEY", help="Move this threshold only; may be repeated.")
@click.option("--language", default="en", show_default=True, help="Of the text.")
@click.option("--json", "as_json", is_flag=True, help="Figures as JSON.")
@click.option("--page", is_flag=True, help="A page on this machine, with thresholds to move, until Ctrl-C.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Of the page; by default a free one.")
@click.pass_context
def preview_policy(ctx: click.Context, /, language: str, as_json: bool, page: bool, port: int, **wanted: Any) -> None:
    """What FILE, a whole policy or a change of it, would have done on the calls of the last days.

    Every past call is decided again under the policy in force and under FILE: cards a week and per 1,000 patients, how
    they are spread over clinicians, who would be newly alerted or no longer (counts, never names), what would be found
    and missed where outcomes are known, and all of it for each value of each threshold. Nothing changes for anybody.
    """
    settings = load(ctx.find_root().obj)
    words = words_in(settings, language)
    asked = Wanted(**wanted)
    _require_days(settings, asked)
    told = worked_out(settings, asked, words)
    if page:
        serve(settings, asked, told, language, port)
    elif as_json:
        sys.stdout.write(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        text.write(Console(highlight=False), told, words)


def _require_days(settings: Settings, wanted: Wanted) -> None:
    """Raises UsageError for days that can't be meant."""
    today = person_of(settings, "", "").today
    as_of, until = (day.date() if day is not None else None for day in (wanted.as_of, wanted.known_until))
    if wanted.bulk is None and (as_of or until):
        raise click.UsageError("--as-of and --known-until are for an export: give one (--bulk FOLDER)")
    if as_of is not None and as_of > today:
        raise click.UsageError(f"--as-of {as_of} lies in the future: no chart can be opened then")
    if until is not None and not (as_of is not None and as_of < until <= today):
        raise click.UsageError(
            "--known-until has to lie after --as-of, the day the charts are opened, and not in the future"
        )


def serve(settings: Settings, wanted: Wanted, told: dict[str, Any], language: str, port: int) -> None:
    """Until stopped. Nothing listens to the outside, and the address can't be guessed."""
    from werkzeug.serving import make_server  # with Flask: only where a page is asked for

    from cds.pages.preview import create_preview

    token = secrets.token_urlsafe(12)
    save = partial(save_proposal, settings, wanted.file)
    app = create_preview(told, catalogues_of(settings), save, token=token, language=language)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    try:
        server = make_server("127.0.0.1", port, app, threaded=True)
    except (OSError, SystemExit) as error:
        raise click.ClickException(f"port {port} of this machine can't be used: choose another (--port)") from error
    click.echo(f"The preview is at http://127.0.0.1:{server.server_port}/{token}/  Ctrl-C stops it.")
    with suppress(KeyboardInterrupt):
        server.serve_forever()


def save_proposal(settings: Settings, file: Path, values: Mapping[str, float]) -> Path:
    """A new file beside ``file`` with these thresholds at these values, found to be one that could be proposed. Never
    an existing file: the one in force least of all. Raises PolicyError, OSError."""
    made = changed(text_of(file), str(file), dict(values))
    path = file.with_name(f"{file.stem}-proposed-{address(made)}.yaml")
    house = house_of(settings)
    today = person_of(settings, "", "").today
    base = file_of(settings)
    Trial(text_of(base), str(base), lambda _: nothing(), today, made, str(path), house.known).require()
    if path.exists():
        return path  # its name is a hash of its content: saved before
    with path.open("x", encoding="utf-8") as out:
        out.write(made)
    return path


def words_in(settings: Settings, language: str) -> Phrasebook:
    """Raises UsageError for a language there are no words in."""
    catalogues = catalogues_of(settings)
    if language not in catalogues.languages:
        raise click.UsageError(f"there is no language '{language}'; there are: {', '.join(catalogues.languages)}")
    return catalogues.book(language)


def catalogues_of(settings: Settings) -> Catalogues:
    """The preview's words, and those of cards: reading a bulk export makes cards, which nobody is shown."""
    sources = (*installed_packages(), *settings.hook_dirs)
    return Catalogues([CATALOGUE, *(p / "catalogue" for p in sources if (p / "catalogue").is_dir())])


def worked_out(settings: Settings, wanted: Wanted, words: Phrasebook) -> dict[str, Any]:
    """The figures. Raises PolicyError, LedgerError."""
    house = house_of(settings)
    now = person_of(settings, "", "").now.astimezone(house.zone)
    with _ledger(settings) as (on, past):
        trial = _trial(settings, wanted.file, on, house.known)
        asked = Asked(
            trial.before, trial.after, now - timedelta(days=wanted.days), now, None, wanted.within_days,
            wanted.min_count, wanted.events_needed, 0, trial.from_day, trial.trial_ends, trial.others,
            trial.scopes(house.services.parameters()),
        )  # fmt: skip
        with Progress(transient=True, console=Console(stderr=True)) as progress:
            if wanted.bulk is not None:
                asked, calls = _from_export(settings, wanted, asked, house, words, progress)
                memory = Before()
            else:
                calls, memory = _from_ledger(past, asked, progress)
                asked = replace(asked, outcomes=_outcomes(settings, past, house, now))
            found = figures(preview(calls, memory, house, asked, wanted.only))
    return found | {"bulk": wanted.bulk is not None}


def _outcomes(settings: Settings, past: PastCalls | None, house: House, now: datetime) -> Outcomes | None:
    """None where nobody has asked what became of patients."""
    if past is None or not past.outcomes_kept():
        return None
    charter = _charter(settings, house)
    return Outcomes(charter, past.became(charter.outcomes), now)


def _charter(settings: Settings, house: House) -> Charter:
    """Raises CharterError."""
    path = charter_path(settings.committee.charter_file, installed_packages())
    return read_charter(path, house.models)[0]


def house_of(settings: Settings) -> House:
    services = service_room.load(settings.hook_dirs)
    models = registry.load([*registry.installed_folders(), *settings.model_dirs])
    if settings.concept_map is not None:
        models.vocabulary.add_site_codes(read_concept_map(settings.concept_map))
    joined = join(services, models)
    known = known_here(models, joined, two_people=settings.environment == "production")
    kept = None
    if has_ledger(settings):
        catalogues = catalogues_of(settings)
        here = fingerprints(models, catalogues, [*installed_packages(), *settings.hook_dirs])
        kept = catalogues, Snapshots(settings.load_ledger_key(), here)
    return House(joined, models, known, ZoneInfo(settings.timezone), kept)


def _trial(settings: Settings, file: Path, on: Callable[[date], Standing], known: Known) -> Trial:
    path, today = file_of(settings), person_of(settings, "", "").today
    keys = chain(settings.load_ledger_key()) if has_ledger(settings) else ()
    trial = Trial(text_of(path), str(path), on, today, text_of(file), str(file), known, partial(person, keys))
    trial.require()
    return trial


@contextmanager
def _ledger(settings: Settings) -> Iterator[tuple[Callable[[date], Standing], PastCalls | None]]:
    """(layers in force on a day, past calls). Looking makes no database where there is none."""
    if not has_ledger(settings):
        yield lambda _: nothing(), None
        return
    with ledger_of(settings) as ledger:
        record = ledger.read()
    past = PastCalls(settings.ledger_url)
    try:
        yield partial(standing, record), past
    finally:
        past.close()


def _from_ledger(past: PastCalls | None, asked: Asked, progress: Progress) -> tuple[Calls, Before]:
    if past is None:
        raise PolicyError(
            "there is no ledger, so there are no past calls: take records from a FHIR bulk export (--bulk FOLDER)"
        )
    progress.add_task("deciding past calls again", total=None)
    back = memory_needed(of(*whose) for whose in asked.scopes for of in (asked.before, asked.after))
    memory = past.before(asked.since, asked.until, asked.since - back)
    between = past.between
    return lambda about, whole: between(asked.since, asked.until, about=about, whole=whole), memory


def _from_export(
    settings: Settings, wanted: Wanted, asked: Asked, house: House, words: Phrasebook, progress: Progress
) -> tuple[Asked, Calls]:
    assert wanted.bulk is not None
    at = wanted.as_of.replace(hour=12, tzinfo=house.zone) if wanted.as_of is not None else asked.until
    patients, broken = read_export(wanted.bulk)
    bar = progress.add_task("reading records", total=len(patients))
    outcomes = None
    if wanted.known_until is not None:
        follow = progress.add_task("reading outcomes", total=len(patients))
        outcomes = outcomes_of(
            patients, house.models.vocabulary, _charter(settings, house), wanted.known_until.date(), house.zone,
            lambda: progress.advance(follow),
        )  # fmt: skip
    calls = Export(
        patients, house.services, house.models, words, asked.before("", "", None), at, house.zone,
        lambda: progress.advance(bar),
    )  # fmt: skip
    return replace(asked, since=at, until=at, broken=broken, outcomes=outcomes), calls
