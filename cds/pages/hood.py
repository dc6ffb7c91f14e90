"""Under the hood: one exchange with a CDS service, as the page shows it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cds.cards.phrasebook import Phrasebook


def pretty(content: Any) -> str:
    return content if isinstance(content, str) else json.dumps(content, indent=2, ensure_ascii=False)


def request_shown(body: dict[str, Any], words: Phrasebook) -> dict[str, Any]:
    """The request with long prefetch Bundles cut after their first entry, saying so."""
    shown = {}
    for key, value in body.get("prefetch", {}).items():
        entries = value.get("entry", [])
        if len(entries) > 1:
            value = {**value, "entry": [entries[0], words.counted("ehr.hood.left_out", len(entries) - 1)]}
        shown[key] = value
    return {**body, "prefetch": shown}


def stages(row: Mapping[str, Any] | None) -> list[tuple[str, float]]:
    """(stage, milliseconds) of a ledger row, in the order of the call; nothing where the service tells none."""
    told = (row or {}).get("timings")
    if not isinstance(told, Mapping):
        return []
    return [(str(name), float(ms)) for name, ms in told.items() if isinstance(ms, int | float)]
