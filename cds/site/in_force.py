"""The policy as it is in force for everybody here: the file, and over it what the ledger's site layer sets."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from cds.errors import CdsError
from cds.guidelines import Currency
from cds.ledger import PolicyLedger
from cds.policy.layers import laid_over
from cds.policy.packaged import packaged_policy
from cds.policy.schema import Known, Policy, parse
from cds.policy.standing import standing
from cds.policy.store import text_of
from cds.record.moments import day_at
from cds.services.declaration import installed_packages
from cds.settings import Settings


def today_of(settings: Settings) -> date:
    """The hospital's."""
    return day_at(datetime.now(UTC), ZoneInfo(settings.timezone))


def policy_here(settings: Settings, known: Known, *, offline: bool = False) -> tuple[Policy, str]:
    """(policy, what is not known of it). Raises PolicyError for a wrong file. A ledger that is not there is not made;
    one that can't be read leaves the file, and the second part says so."""
    path = settings.policy_file or packaged_policy(installed_packages())
    text, where = text_of(path), str(path)
    base = parse(text, where, known)
    if offline or (settings.database_url is None and not _file_of(settings).exists()):
        return base, ""
    ledger = PolicyLedger(settings.ledger_url)
    try:
        layers = standing(ledger.read(), today_of(settings)).layers("", "", "")
        laid = [(each.layer, each.approver) for each in layers]
        return (laid_over(text, where, laid, known)[0] if laid else base), ""
    except CdsError as error:
        return base, f"what the ledger's policy changes is not known: {error}"
    finally:
        ledger.close()


def _file_of(settings: Settings) -> Path:
    return Path(settings.ledger_url.removeprefix("sqlite:///"))


def said(each: Currency) -> str:
    """How current a guideline is, in one line."""
    match each.state:
        case "lapsed":
            return f"no longer cited: its review was due by {each.review_by}, its grace ended on {each.speaks_until}"
        case "overdue":
            return f"overdue for review since {each.review_by}; it is cited until {each.speaks_until}"
        case _:
            return f"to be reviewed by {each.review_by}"
