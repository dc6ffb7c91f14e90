"""``cds committee report``: the month's report as a file, for the minutes or another system."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from cds.errors import CommitteeError
from cds.ledger.book import Book
from cds.ledger.migrate import upgrade
from cds.settings import load

if TYPE_CHECKING:
    from cds.engine import Engine


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--month", help="As 2026-03. Default: the month before this one.")
@click.option("--language", help="Of a PDF. Default: the setting `language`.")
@click.pass_context
def report(ctx: click.Context, file: Path, month: str | None, language: str | None) -> None:
    """Write the month's report to FILE: a PDF, or a FHIR Bundle of MeasureReport resources where FILE ends in .json.
    Where FILE is a folder, both, as committee-2026-03.pdf and committee-2026-03.json.

    It holds the newest verdict of the month on each model and hospital, decisions, and how many incidents there were.
    Nobody is named but those who decided.
    """
    if not file.is_dir() and file.suffix not in (".pdf", ".json"):
        raise CommitteeError(f"{file}: let the name end in .pdf or .json, or name a folder that is there")
    from cds.app import create_engine  # models and words only where they are needed

    settings = load(ctx.find_root().obj)
    upgrade(settings.ledger_url)
    engine = create_engine(settings)
    try:
        month = month or _month_before(datetime.now(ZoneInfo(settings.timezone)))
        files = [file / f"committee-{month}{kind}" for kind in (".pdf", ".json")] if file.is_dir() else [file]
        made = {one: _made(engine, one.suffix, month, language) for one in files}
    finally:
        engine.ledger.close()
    for one, content in made.items():
        try:
            one.write_bytes(content)
        except OSError as error:
            raise CommitteeError(f"{one} can't be written: {error.strerror}") from error
        click.echo(f"Written to {one}.")


def _month_before(now: datetime) -> str:
    return f"{now.replace(day=1) - timedelta(days=1):%Y-%m}"


def _made(engine: Engine, kind: str, month: str, language: str | None) -> bytes:
    import orjson

    from cds.committee.charter_file import charter_path, read_charter
    from cds.committee.measure_report import bundle
    from cds.pages.committee import exports, view
    from cds.services.declaration import installed_packages

    settings, now = engine.settings, datetime.now(UTC)
    words = engine.catalogues.book(language, fallback=settings.language)
    charter, _ = read_charter(charter_path(settings.committee.charter_file, installed_packages()), engine.models)
    with Book(settings.ledger_url) as book:
        shown = view.month_view(engine, book, charter, words, month)
    if kind == ".json":
        return bytes(orjson.dumps(bundle(shown.found, settings.public_url), option=orjson.OPT_INDENT_2))

    def moment(at: datetime) -> str:
        local = at.astimezone(ZoneInfo(settings.timezone))
        return f"{words.day(local)} {local:%H:%M}"

    return bytes(exports.report_pdf(shown.found, shown.parts, shown.titles, words, moment, now).data)
