"""What the committee's commands work with: settings, models, charter and the ledger, opened and closed together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import click

from cds import services as service_room
from cds.cli.models.found import registry_of
from cds.committee.charter import Charter
from cds.committee.charter_file import charter_path, read_charter
from cds.errors import ConfigurationError
from cds.inference.registry import Registry
from cds.ledger import Ledger
from cds.ledger.book import Book
from cds.ledger.committee_tables import charters
from cds.ledger.migrate import upgrade
from cds.policy.book import PolicyBook
from cds.record.vocabulary import Vocabulary
from cds.services.declaration import installed_packages
from cds.services.joined import join
from cds.settings import Settings, load
from cds.site.installed import knowing


@dataclass(frozen=True)
class Office:
    settings: Settings
    models: Registry
    charter: Charter
    ledger: Ledger
    book: Book
    now: datetime
    """In the hospital's time zone, by which days are told."""


@contextmanager
def office_of(ctx: click.Context, *, lenient: bool = False, light: bool = False) -> Iterator[Office]:
    """Raises a ConfigurationError or LedgerError. The charter in use is kept, so that a verdict can be read against
    it. ``lenient``: a charter or a models folder that can't be read is no reason not to stop a model. ``light``: no
    model is loaded, which takes a second."""
    settings = load(ctx.find_root().obj)
    models, charter, text = _light(settings) if light else _rooms(settings, lenient)
    upgrade(settings.ledger_url)
    ledger = Ledger(settings.ledger_url, settings.load_ledger_key(), settings.data_dir / "spool")
    now = datetime.now(ZoneInfo(settings.timezone))
    try:
        with Book(settings.ledger_url) as book:
            if text:
                book.put_all(charters, [{"version": charter.version, "content": text, "first_used_at": now}])
            yield Office(settings, models, charter, ledger, book, now)
    finally:
        ledger.close()


def _light(settings: Settings) -> tuple[Registry, Charter, str]:
    path = charter_path(settings.committee.charter_file, installed_packages())
    return Registry({}, Vocabulary({})), *read_charter(path, None)


def _rooms(settings: Settings, lenient: bool) -> tuple[Registry, Charter, str]:
    models = Registry({}, Vocabulary({}))
    try:
        models = registry_of(settings)
        path = charter_path(settings.committee.charter_file, installed_packages())
        return models, *read_charter(path, models)
    except ConfigurationError as error:
        if not lenient:
            raise
        click.secho(
            f"note: {error.code}: {error}\nnote: going on without it; nobody's membership is checked",
            fg="yellow",
            err=True,
        )
        today = datetime.now(ZoneInfo(settings.timezone)).date()
        return models, Charter(name="none", author="none", approver="none", effective=today), ""  # type: ignore[call-arg]


def policies_of(office: Office) -> PolicyBook:
    """As calls are answered under it: layers of the policy may hold for one site or one service."""
    from cds.app import policy_book  # imports half the product

    services = join(service_room.load(office.settings.hook_dirs), office.models)
    known = knowing(office.models, services, office.settings)
    return policy_book(office.settings, installed_packages(), known, office.ledger, lambda: office.now)
