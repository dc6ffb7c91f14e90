"""What the committee's commands work with: settings, models, charter and the ledger, opened and closed together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import click

from cds.cli.models.found import registry_of
from cds.committee.charter import Charter
from cds.committee.charter_file import charter_path, read_charter
from cds.inference.registry import Registry
from cds.ledger import Ledger
from cds.ledger.book import Book
from cds.ledger.committee_tables import charters
from cds.ledger.migrate import upgrade
from cds.services.declaration import installed_packages
from cds.settings import Settings, load


@dataclass(frozen=True)
class Office:
    settings: Settings
    models: Registry
    charter: Charter
    ledger: Ledger
    book: Book
    now: datetime


@contextmanager
def office_of(ctx: click.Context) -> Iterator[Office]:
    """Raises a ConfigurationError or LedgerError. The charter in use is kept, so that a verdict can be read against
    it."""
    settings = load(ctx.find_root().obj)
    models = registry_of(settings)
    charter, text = read_charter(charter_path(settings.committee.charter_file, installed_packages()), models)
    upgrade(settings.ledger_url)
    ledger = Ledger(settings.ledger_url, settings.load_ledger_key(), settings.data_dir / "spool")
    now = datetime.now(UTC)
    try:
        with Book(settings.ledger_url) as book:
            book.put_all(charters, [{"version": charter.version, "content": text, "first_used_at": now}])
            yield Office(settings, models, charter, ledger, book, now)
    finally:
        ledger.close()
