"""``cds problems``: what clinicians say is wrong, for whoever can put it right."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cds.ledger import Ledger, ProblemEntry
from cds.ledger.book import Book
from cds.ledger.incidents import incidents
from cds.ledger.migrate import upgrade
from cds.settings import load


@click.group()
def problems() -> None:
    """What people say is wrong with a card or its report: by a form, or by an override such as "the data is wrong"."""


@problems.command("list")
@click.option("--with-text", is_flag=True, help="Show what was typed, too. It may name a patient.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, for scripts.")
@click.pass_context
def list_problems(ctx: click.Context, with_text: bool, as_json: bool) -> None:
    """Problems not yet closed, newest first, each with the card it is about.

    They are looked into and closed with `cds committee incidents`.
    """
    settings = load(ctx.find_root().obj)
    upgrade(settings.ledger_url)
    ledger = Ledger(settings.ledger_url, settings.load_ledger_key(), settings.data_dir / "spool")
    try:
        with Book(settings.ledger_url) as book:
            open_ones = [i.problem for i in book.read(incidents) if i.state != "closed"]
        rows = [_row(ledger, problem, with_text) for problem in open_ones]
    finally:
        ledger.close()
    if as_json:
        click.echo(json.dumps(rows, indent=1))
    elif not rows:
        click.echo("No problem is open.")
    else:
        _print(rows)


def _row(ledger: Ledger, problem: ProblemEntry, with_text: bool) -> dict[str, Any]:
    card = ledger.card(problem.card_id) if problem.card_id else None
    told = {k: v for k, v in asdict(problem).items() if k not in ("user_key", "text")}
    return {
        **told,
        "at": problem.at.isoformat(timespec="minutes"),
        "topic": card.entry.topic if card is not None else None,
        "text": problem.text if with_text else None,
        "typed": bool(problem.text),
    }


def _print(rows: list[dict[str, Any]]) -> None:
    table = Table(box=None)
    for heading in ("when", "kind", "client", "about", "card", "typed"):
        table.add_column(heading)
    for row in rows:
        typed = row["text"] or ("yes" if row["typed"] else "-")
        cells = (row["at"], row["kind"], row["client"], row["topic"] or "-", row["card_id"] or "-", typed)
        # as it is: what an EHR or a person sent is no markup
        table.add_row(*map(Text, cells))
    Console(highlight=False).print(table)
