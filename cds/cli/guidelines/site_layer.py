"""An update as a change of the policy, laid into the site's change that is in force."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from cds.errors import PolicyError
from cds.guidelines.importing import Update
from cds.ledger import PolicyLedger
from cds.policy.layers import SITE, merge, parse_layer
from cds.policy.schema import Known
from cds.policy.standing import standing
from cds.settings import Settings
from cds.site.in_force import today_of


def change_of(
    settings: Settings, known: Known, update: Update, by: str, reason: str, day: date
) -> tuple[dict[str, Any], list[str]]:
    """(the change, keys it keeps of the one in force). A layer has one version in force at a time, so what the site has
    set must be in the next one, too. Raises PolicyError or LedgerError."""
    if not by.strip():
        raise PolicyError("who writes this? give a person's name (--by)")
    before = _in_force(settings)
    # merged key by key over what lies below: what an edition leaves out must not be left of an older one
    whole = {"url": None, "otherwise": None} | update.content
    changes = merge(before, {"guidelines": {"editions": {update.model: None}}})
    changes["guidelines"]["editions"][update.model] = whole
    change = {
        "name": f"{update.model} {update.content['version']}",
        "layer": SITE,
        "author": by,
        "effective": day,
        "reason": reason,
        **changes,
    }
    return change, sorted(before)


def _in_force(settings: Settings) -> dict[str, Any]:
    if settings.database_url is None and not Path(settings.ledger_url.removeprefix("sqlite:///")).exists():
        return {}
    ledger = PolicyLedger(settings.ledger_url)
    try:
        live = standing(ledger.read(), today_of(settings)).live.get(SITE)
    finally:
        ledger.close()
    return dict(parse_layer(live.layer.text, SITE).changes) if live is not None else {}
