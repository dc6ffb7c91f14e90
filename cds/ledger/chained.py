"""What of the ledger is chained: each kind of row, how its content is written down, and which go when they are old.

Content is JSON with sorted keys, from what the database gives back, so that it is the same on SQLite and PostgreSQL
however either stores a number or a moment. A column without a value and a part without rows are left out: a later
version's columns, empty in old rows, change nothing of what was linked.
"""

from __future__ import annotations

import base64
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any

import orjson
import sqlalchemy as sa

from cds.ledger.committee_tables import (
    call_snapshots,
    card_openings,
    charters,
    incident_events,
    outcome_events,
    outcome_sweeps,
    standings,
    verdicts,
)
from cds.ledger.tables import (
    calls,
    card_predictions,
    cards,
    feedback,
    policies,
    policy_events,
    policy_versions,
    predictions,
    problems,
    shadow_cards,
    suppressions,
    validation_answers,
)


@dataclass(frozen=True)
class Kind:
    name: str
    table: sa.Table
    key: str
    """Column that names a row."""
    when: str
    """Column with the moment it is of, or was stored."""
    ages: bool = False
    """It is about people, and goes when it is older than is kept."""
    later: frozenset[str] = frozenset()
    """Columns of the ledger's last version: while a release is rolled out, workers of the one before, which know none
    of them, link rows of workers that fill them."""

    @property
    def name_of(self) -> sa.ColumnElement[str]:
        """What names a row, as text."""
        column = self.table.c[self.key]
        return column if isinstance(column.type, sa.Text) else sa.cast(column, sa.Text)


KINDS: tuple[Kind, ...] = (
    Kind("call", calls, "id", "at", ages=True),
    Kind("feedback", feedback, "id", "received_at", ages=True),
    Kind("opening", card_openings, "id", "at", ages=True),
    Kind("problem", problems, "id", "at", ages=True),
    Kind("incident", incident_events, "id", "at", ages=True),
    Kind("outcome", outcome_events, "id", "recorded_at", ages=True),
    Kind("sweep", outcome_sweeps, "id", "at"),
    Kind("policy", policies, "version", "first_used_at"),
    Kind("policy-version", policy_versions, "version", "proposed_at"),
    Kind("policy-act", policy_events, "id", "at"),
    Kind("validation", validation_answers, "round_digest", "at"),
    Kind("charter", charters, "version", "first_used_at"),
    Kind("standing", standings, "id", "at", later=frozenset({"second_id"})),
    Kind("verdict", verdicts, "id", "at"),
)
BY_NAME: Mapping[str, Kind] = {kind.name: kind for kind in KINDS}

_PARTS: tuple[tuple[sa.Table, str], ...] = (
    (predictions, "position"),
    (cards, "position"),
    (suppressions, "position"),
    (shadow_cards, "position"),
    (call_snapshots, "call_id"),
)


def contents(
    connection: sa.Connection, kind: Kind, keys: Sequence[str], without: frozenset[str] = frozenset()
) -> dict[str, bytes]:
    """By key: all a row says, its parts included. Rows that are not there are left out, and so are the row's columns
    ``without``."""
    rows = connection.execute(_question(kind, without), {"keys": keys}).mappings()
    found = {str(row[kind.key]): _given(row) for row in rows}
    if kind.name == "call":
        _add_parts(connection, found)
    return {key: _written(content) for key, content in found.items()}


# questions made once: to make one anew, and to find what it was compiled to, costs what its answer does
_KEYS: sa.BindParameter[Any] = sa.bindparam("keys", expanding=True)


@lru_cache(maxsize=64)
def _question(kind: Kind, without: frozenset[str]) -> sa.Select[Any]:
    return sa.select(*(c for c in kind.table.c if c.name not in without)).where(kind.name_of.in_(_KEYS))


_OF_CALLS = tuple(
    (table, sa.select(table).where(table.c.call_id.in_(_KEYS)).order_by(table.c[order])) for table, order in _PARTS
)
_OF_CARDS = (
    sa.select(card_predictions)
    .where(card_predictions.c.card_id.in_(_KEYS))
    .order_by(card_predictions.c.card_id, card_predictions.c.position)
)


def digests(
    connection: sa.Connection, kind: Kind, keys: Sequence[str], without: frozenset[str] = frozenset()
) -> dict[str, str]:
    """By key, in the keys' order: SHA-256 of all a row says. As ``contents``."""
    found = contents(connection, kind, keys, without) if keys else {}
    return {key: hashlib.sha256(found[key]).hexdigest() for key in keys if key in found}


def present(connection: sa.Connection, kind: Kind, keys: Sequence[str]) -> frozenset[str]:
    """Those of the keys that name a row. At most a few hundred."""
    return frozenset(connection.scalars(sa.select(kind.name_of).where(kind.name_of.in_(keys)))) if keys else frozenset()


def _add_parts(connection: sa.Connection, found: Mapping[str, dict[str, Any]]) -> None:
    for table, question in _OF_CALLS:
        parts: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in connection.execute(question, {"keys": list(found)}).mappings():
            parts[row["call_id"]].append(_given(row))
        for key, content in found.items():
            if key in parts:
                content[f"/{table.name}"] = parts[key]
    links: defaultdict[str, list[Any]] = defaultdict(list)
    given = [card["id"] for content in found.values() for card in content.get("/cards", ())]
    for start in range(0, len(given), 500):
        some = given[start : start + 500]
        for card_id, position, prediction_id in connection.execute(_OF_CARDS, {"keys": some}):
            links[card_id].append([position, prediction_id])
    for content in found.values():
        for card in content.get("/cards", ()):
            if card["id"] in links:
                card["/card_predictions"] = links[card["id"]]


def _given(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Columns that have a value."""
    return {str(name): value for name, value in row.items() if value is not None}


def _written(content: Mapping[str, Any]) -> bytes:
    return orjson.dumps(_plain(content), option=orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z)


_SAME = frozenset({str, int, bool, type(None), datetime})


def _plain(value: Any) -> Any:
    kind = type(value)
    if kind in _SAME:
        return value
    if kind is float:
        # PostgreSQL's JSON gives 1.0 back as it was, SQLite's column of numbers may not
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    if kind is dict:
        return {str(k): v if type(v) in _SAME else _plain(v) for k, v in value.items()}
    if kind is list or kind is tuple:
        return [v if type(v) in _SAME else _plain(v) for v in value]
    if isinstance(value, bytes | memoryview):
        return base64.b64encode(bytes(value)).decode()
    return value.isoformat() if isinstance(value, date) else value


Place = tuple[datetime, str]
"""A row among others of its kind: its time, and its key."""


def unchained(
    connection: sa.Connection, kind: Kind, links: sa.Table, since: datetime | None, after: Place | None, most: int
) -> list[Place]:
    """Rows that no link names yet, the oldest first. ``since``: look no further back; a row from a spool may be older
    than that, and is found when nothing bounds the search. ``after``: where the rows before these ended."""
    column, when = kind.name_of, kind.table.c[kind.when]
    known = sa.exists().where(links.c.kind == kind.name, links.c.row_id == column)
    question = sa.select(when, column).where(~known).order_by(when, column).limit(most)
    if since is not None:
        question = question.where(when >= since)
    if after is not None:
        at, key = after
        question = question.where(when >= at, sa.or_(when > at, column > key))
    return [(at, key) for at, key in connection.execute(question)]


def count_unchained(connection: sa.Connection, kind: Kind, links: sa.Table) -> int:
    column = kind.name_of
    known = sa.exists().where(links.c.kind == kind.name, links.c.row_id == column)
    return int(connection.execute(sa.select(sa.func.count()).select_from(kind.table).where(~known)).scalar_one())


def remove(connection: sa.Connection, kind: Kind, keys: Iterable[str]) -> int:
    """Delete rows and their parts."""
    chosen = list(keys)
    if kind.name == "call":
        own = sa.select(cards.c.id).where(cards.c.call_id.in_(chosen))
        connection.execute(sa.delete(card_predictions).where(card_predictions.c.card_id.in_(own)))
        for table, _ in _PARTS:
            connection.execute(sa.delete(table).where(table.c.call_id.in_(chosen)))
    return connection.execute(sa.delete(kind.table).where(kind.name_of.in_(chosen))).rowcount
