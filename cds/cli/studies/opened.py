"""The parts of the service that a command about studies needs, without starting it."""

from __future__ import annotations

from datetime import timedelta

from cds.jobs.queue import Jobs
from cds.ledger import Ledger
from cds.ledger.migrate import upgrade
from cds.settings import Settings
from cds.studies.intake import Intake


def jobs_of(settings: Settings) -> Jobs:
    """Raises LedgerError when the database does not answer."""
    upgrade(settings.ledger_url)
    return Jobs(settings.ledger_url, lease=timedelta(seconds=settings.imaging.lease_s))


def ledger_of(settings: Settings) -> Ledger:
    return Ledger(settings.ledger_url, settings.load_ledger_key(), settings.data_dir / "spool")


def intake_of(settings: Settings) -> Intake:
    """Raises a ConfigurationError for settings, models or a policy that can't be used."""
    from cds.app import create_engine  # as slow as starting the service

    upgrade(settings.ledger_url)
    return create_engine(settings).studies.intake
