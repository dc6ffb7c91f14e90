"""Questions to the chain's links, and what they tell of rows that have gone."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from cds.ledger.committee_tables import audit_links

PURGE, ERASE, REKEY = "purge", "erase", "rekey"
"""Kinds of links that tell of changes to rows, not of a row."""
_AT_ONCE = 400


class Excused:
    """Which links' rows are known to have gone, and why."""

    def __init__(self, notes: Iterable[tuple[str, Mapping[str, Any] | None]]) -> None:
        """``notes``: of the links that tell of changes, by kind."""
        found: list[tuple[int, int, str]] = []
        for kind, note in notes:
            found += [(first, last, kind) for first, last in (note or {}).get("links", ())]
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        self._kinds: list[str] = []
        for first, last, kind in sorted(found):
            # of a link that several tell of, the range that begins first speaks
            begin = max(first, self._lasts[-1] + 1) if self._lasts else first
            if begin > last:
                continue
            if self._lasts and (self._lasts[-1] + 1, self._kinds[-1]) == (begin, kind):
                self._lasts[-1] = last
            else:
                self._firsts.append(begin)
                self._lasts.append(last)
                self._kinds.append(kind)

    def why(self, seq: int) -> str | None:
        at = bisect_right(self._firsts, seq) - 1
        return self._kinds[at] if at >= 0 and seq <= self._lasts[at] else None


def newest_segments(connection: sa.Connection, batch: Sequence[Any]) -> dict[tuple[str, str], int]:
    """By kind and name: the last segment that the row is linked in."""
    found: dict[tuple[str, str], int] = {}
    for kind in {row["kind"] for row in batch}:
        names = [row["row_id"] for row in batch if row["kind"] == kind]
        question = (
            sa.select(audit_links.c.row_id, sa.func.max(audit_links.c.segment))
            .where(audit_links.c.kind == kind, audit_links.c.row_id.in_(names))
            .group_by(audit_links.c.row_id)
        )
        found |= {(kind, name): segment for name, segment in connection.execute(question)}
    return found


def without_link(connection: sa.Connection, kind: str, ids: Sequence[str]) -> list[str]:
    """Those of the ids, as they come, that no link names. At most a few hundred."""
    question = sa.select(audit_links.c.row_id).where(audit_links.c.kind == kind, audit_links.c.row_id.in_(ids))
    named = set(connection.scalars(question))
    return [id for id in ids if id not in named]


def links_of(connection: sa.Connection, kind: str, ids: Sequence[str]) -> Iterator[int]:
    for start in range(0, len(ids), _AT_ONCE):
        some = list(ids[start : start + _AT_ONCE])
        yield from connection.scalars(
            sa.select(audit_links.c.seq).where(audit_links.c.kind == kind, audit_links.c.row_id.in_(some))
        )


def linked(connection: sa.Connection, kind: str, through: int) -> Iterator[list[str]]:
    """Names of the kind's rows that have a link up to there, each once."""
    after = 0
    seen: set[str] = set()
    while True:
        question = (
            sa.select(audit_links.c.seq, audit_links.c.row_id)
            .where(audit_links.c.kind == kind, audit_links.c.seq > after, audit_links.c.seq <= through)
            .order_by(audit_links.c.seq)
            .limit(_AT_ONCE)
        )
        found = connection.execute(question).all()
        if not found:
            return
        after = found[-1][0]
        yield [id for _, id in found if not (id in seen or seen.add(id))]  # type: ignore[func-returns-value]


def ranges(seqs: Sequence[int]) -> list[list[int]]:
    """Ordered numbers as [first, last] of each run."""
    found: list[list[int]] = []
    for seq in seqs:
        if found and seq == found[-1][1] + 1:
            found[-1][1] = seq
        else:
            found.append([seq, seq])
    return found
