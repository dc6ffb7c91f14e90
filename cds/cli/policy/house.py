"""What the commands about the policy stand on: the files, what is installed, the ledger, and who acts."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from cds.ledger import PolicyLedger
from cds.ledger.migrate import upgrade
from cds.policy.acts import House, Person
from cds.policy.packaged import packaged_policy
from cds.policy.schema import Known
from cds.policy.store import text_of
from cds.services.declaration import installed_packages
from cds.settings import Settings
from cds.site.installed import known_to


def file_of(settings: Settings) -> Path:
    """The file that layers are laid over."""
    return settings.policy_file or packaged_policy(installed_packages())


def house_of(settings: Settings, known: Known | None = None) -> House:
    path = file_of(settings)
    return House(
        base=text_of(path),
        where=str(path),
        known=known or known_to(settings),
        approvers={name: approver.until for name, approver in settings.approvers.items()},
        two_people=settings.environment == "production",
        clients=frozenset(settings.clients),
    )


def person_of(settings: Settings, name: str, reason: str) -> Person:
    now = datetime.now(UTC)
    today = now.astimezone(ZoneInfo(settings.timezone)).date()
    return Person(name, reason, f"{_account()}@{socket.gethostname()}", now, today)


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "unknown"


@contextmanager
def ledger_of(settings: Settings) -> Iterator[PolicyLedger]:
    """The ledger's book of versions, brought up to date first. Raises LedgerError."""
    upgrade(settings.ledger_url)
    ledger = PolicyLedger(settings.ledger_url)
    try:
        yield ledger
    finally:
        ledger.close()
