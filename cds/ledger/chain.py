"""The audit's chain: a link for every row, each bound to the one before it with a key that the database does not hold.

A row that is changed no longer has its link's digest; one that is removed leaves a link without a row; a link that is
changed, removed or put between others breaks the chain from there on. Who has the database alone can mend none of it.
Links are made some time after their rows (``audit.seal_s``): what is undone before that leaves no trace here. Links at
the chain's end can be cut off, so its head is told in the log, and ``verify`` takes one that was written down
elsewhere.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson
import sqlalchemy as sa

from cds.ids import new_id
from cds.ledger.book import Book
from cds.ledger.chained import BY_NAME, KINDS, Kind, contents, count_unchained, remove, unchained
from cds.ledger.committee_tables import audit_links

PURGE = "purge"
_AT_ONCE = 200
_LOCK = 0x61756469
_BACK = timedelta(days=2)
"""How far back the quick look for new rows goes; the thorough one has no bound."""


@dataclass(frozen=True)
class Head:
    """The end of the chain."""

    seq: int
    link: str

    @property
    def told(self) -> str:
        return f"{self.seq}:{self.link}"


BEGIN = Head(0, "")


@dataclass(frozen=True)
class Fault:
    seq: int
    kind: str
    row_id: str
    what: str
    """``changed``, ``removed``, ``chain`` (the link itself is not what it was) or ``gap``."""


@dataclass
class Checked:
    links: int = 0
    head: Head = BEGIN
    purged: int = 0
    """Rows that are gone because they were older than is kept."""
    unchained: dict[str, int] = field(default_factory=dict)
    """Rows no link names yet, by kind."""
    faults: list[Fault] = field(default_factory=list)
    head_known: bool | None = None
    """Whether the head that was asked for is in the chain; None: none was."""


class Chain:
    def __init__(self, book: Book, key: bytes) -> None:
        """``key``: the chain's own, derived from the ledger's."""
        self._book = book
        self._key = key

    def seal(self, now: datetime, *, thorough: bool = False) -> int:
        """Make links for rows that have none; how many."""
        since = None if thorough else now - _BACK
        made = 0
        for kind in KINDS:
            while some := self._book.write(lambda c, kind=kind: self._seal(c, kind, since, now)):  # type: ignore[misc]
                made += some
                if some < _AT_ONCE:
                    break
        return made

    def _seal(self, connection: sa.Connection, kind: Kind, since: datetime | None, now: datetime) -> int:
        self._lock(connection)
        keys = unchained(connection, kind, audit_links, since, _AT_ONCE)
        if not keys:
            return 0
        found = contents(connection, kind, keys)
        head = self._head(connection)
        rows = []
        for key in keys:
            if key not in found:  # removed between the two questions
                continue
            head, row = self._next(head, kind.name, key, hashlib.sha256(found[key]).hexdigest(), now, None)
            rows.append(row)
        if rows:
            connection.execute(sa.insert(audit_links), rows)
        return len(rows)

    def head(self) -> Head:
        return self._book.read(self._head)

    @staticmethod
    def _head(connection: sa.Connection) -> Head:
        last = sa.select(audit_links.c.seq, audit_links.c.link).order_by(audit_links.c.seq.desc()).limit(1)
        found = connection.execute(last).first()
        return BEGIN if found is None else Head(found[0], found[1])

    @staticmethod
    def _lock(connection: sa.Connection) -> None:
        """One at a time: on SQLite a writer's turn does it, and two links can't have one number anyway."""
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})

    def _next(
        self, head: Head, kind: str, row_id: str, digest: str, at: datetime, note: Any
    ) -> tuple[Head, dict[str, Any]]:
        seq = head.seq + 1
        link = self._link(head.link, seq, kind, row_id, digest, note)
        row = {"seq": seq, "at": at, "kind": kind, "row_id": row_id, "digest": digest, "link": link, "note": note}
        return Head(seq, link), row

    def _link(self, before: str, seq: int, kind: str, row_id: str, digest: str, note: Any) -> str:
        said = orjson.dumps([before, seq, kind, row_id, digest, note], option=orjson.OPT_SORT_KEYS)
        return hmac.digest(self._key, said, "sha256").hex()

    def verify(self, known: Head | None = None, most_faults: int = 100) -> Checked:
        """Go over every link and row. ``known``: a head that was told earlier; the chain must hold it."""
        checked = Checked(head_known=None if known is None else False)
        if known is not None and known == BEGIN:
            checked.head_known = True
        purged_through = self._purged_through()
        for batch in self._batches():
            self._check(batch, checked, known, purged_through)
            if len(checked.faults) >= most_faults:
                break
        checked.unchained = {
            kind.name: count
            for kind in KINDS
            if (count := self._book.read(lambda c, kind=kind: count_unchained(c, kind, audit_links)))  # type: ignore[misc]
        }
        return checked

    def _batches(self) -> Iterator[Sequence[Any]]:
        after = 0
        while True:
            question = (
                sa.select(audit_links).where(audit_links.c.seq > after).order_by(audit_links.c.seq).limit(_AT_ONCE)
            )
            batch = self._book.read(lambda c, question=question: c.execute(question).mappings().all())  # type: ignore[misc]
            if not batch:
                return
            yield batch
            after = batch[-1]["seq"]

    def _check(self, batch: Sequence[Any], checked: Checked, known: Head | None, purged_through: int) -> None:
        wanted: defaultdict[str, list[str]] = defaultdict(list)
        for row in batch:
            if row["kind"] in BY_NAME:
                wanted[row["kind"]].append(row["row_id"])
        found = {
            (kind, key): hashlib.sha256(content).hexdigest()
            for kind, keys in wanted.items()
            for key, content in self._book.read(
                lambda c, kind=kind, keys=keys: contents(c, BY_NAME[kind], keys)  # type: ignore[misc]
            ).items()
        }
        for row in batch:
            self._check_one(row, found.get((row["kind"], row["row_id"])), checked, purged_through)
            if known is not None and (row["seq"], row["link"]) == (known.seq, known.link):
                checked.head_known = True

    def _check_one(self, row: Any, digest: str | None, checked: Checked, purged_through: int) -> None:
        def fault(what: str) -> None:
            checked.faults.append(Fault(row["seq"], row["kind"], row["row_id"], what))

        expected = self._link(checked.head.link, row["seq"], row["kind"], row["row_id"], row["digest"], row["note"])
        if row["seq"] != checked.head.seq + 1:
            fault("gap")
        elif not hmac.compare_digest(expected, row["link"]):
            fault("chain")
        checked.links += 1
        # from here on as it stands, so that one broken link is one fault
        checked.head = Head(row["seq"], row["link"])
        kind = BY_NAME.get(row["kind"])
        if kind is None:
            return
        if digest is None:
            if kind.ages and row["seq"] <= purged_through:
                checked.purged += 1
            else:
                fault("removed")
        elif digest != row["digest"]:
            fault("changed")

    def _purged_through(self) -> int:
        """Rows of people up to this link may be gone. Its note is part of the chain, so nobody can write one in."""
        question = sa.select(audit_links.c.note).where(audit_links.c.kind == PURGE)
        notes = self._book.read(lambda c: c.execute(question).scalars().all())
        return max((int(note["through"]) for note in notes if note), default=0)

    def purge(self, before: datetime, now: datetime) -> dict[str, int]:
        """Remove rows about people whose links are older than ``before``; how many, by kind. Links stay."""
        bound = sa.select(sa.func.max(audit_links.c.seq)).where(audit_links.c.at < before)
        through = self._book.read(lambda c: c.execute(bound).scalar_one_or_none())
        if through is None:
            return {}
        removed: dict[str, int] = defaultdict(int)
        # the note first: rows that go without one would look like a theft
        self._book.write(lambda c: self._note(c, int(through), before, now))
        for kind in KINDS:
            if kind.ages:
                for keys in self._old(kind, int(through)):
                    removed[kind.name] += self._book.write(lambda c, kind=kind, keys=keys: remove(c, kind, keys))  # type: ignore[misc]
        return dict(removed)

    def _old(self, kind: Kind, through: int) -> Iterator[list[str]]:
        column = kind.name_of
        linked = sa.exists().where(
            audit_links.c.kind == kind.name, audit_links.c.row_id == column, audit_links.c.seq <= through
        )
        while keys := self._book.read(
            lambda c: list(c.execute(sa.select(column).where(linked).limit(_AT_ONCE)).scalars())
        ):
            yield keys

    def _note(self, connection: sa.Connection, through: int, before: datetime, now: datetime) -> None:
        self._lock(connection)
        note = {"through": through, "before": before.isoformat()}
        _, row = self._next(self._head(connection), PURGE, new_id(), "", now, note)
        connection.execute(sa.insert(audit_links), [row])
