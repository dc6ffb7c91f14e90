"""A person's rows as they are handed over: each value in a form that can be read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import msgspec

from cds.ledger.spool import Spooled
from cds.trust.smart.secrets import from_text

Open = Callable[[str, bytes], Any]
"""A call's id and its snapshot -> what was sealed; None where it can't be opened."""
SNAPSHOTS, SESSIONS = "call_snapshots", "report_sessions"


def row(table: str, found: Mapping[str, Any], opened: Open) -> dict[str, Any]:
    """Of the database."""
    if table == SNAPSHOTS:
        return {"call_id": found["call_id"], "made_from": _snapshot(found["call_id"], found["sealed"], opened)}
    if table == SESSIONS:
        found = {**found, "sealed": f"({len(found['sealed'])} bytes that the reader's browser opens)"}
    return {name: value.isoformat() if isinstance(value, date) else value for name, value in found.items()}


def spooled(one: Spooled, opened: Open) -> dict[str, Any]:
    """A row that the database does not have yet, or will never have."""
    entry = msgspec.to_builtins(one.entry)
    if sealed := entry.pop("snapshot", None):
        entry["made_from"] = _snapshot(entry["id"], from_text(sealed) or b"", opened)
    state = {"state": "waits"} if one.rejected is None else {"state": "rejected", "reason": one.rejected}
    return {"kind": one.kind, **state, "entry": entry}


def _snapshot(call_id: str, sealed: bytes, opened: Open) -> Any:
    found = opened(call_id, sealed)
    return found if found is not None else f"({len(sealed)} bytes that the ledger's key does not open)"
