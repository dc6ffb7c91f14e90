"""What the ledger of an application holds, read as an auditor reads it: from the database."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from flask import Flask

from cds.ledger import tables


def rows(app: Flask, table: sa.Table) -> list[dict[str, Any]]:
    """All rows, oldest first."""
    engine = sa.create_engine(app.extensions["cds"].settings.ledger_url)
    try:
        with engine.connect() as connection:
            found = [dict(row._mapping) for row in connection.execute(sa.select(table))]
    finally:
        engine.dispose()
    order = "at" if "at" in table.c else None
    return sorted(found, key=lambda row: row[order]) if order else found


def last_call(app: Flask) -> dict[str, Any]:
    return rows(app, tables.calls)[-1]


def outcomes(app: Flask) -> dict[str, str]:
    """Model -> outcome, of the last call."""
    call = last_call(app)["id"]
    return {p["model"]: p["outcome"] for p in rows(app, tables.predictions) if p["call_id"] == call}


def suppressions(app: Flask) -> dict[str, str]:
    """Topic -> reason, of the last call."""
    call = last_call(app)["id"]
    return {s["topic"]: s["reason"] for s in rows(app, tables.suppressions) if s["call_id"] == call}
