"""The audit's chain: a link for every row, each bound to the one before it with a key that the database does not hold.

A row that is changed no longer has its link's digest; one that is removed leaves a link without a row; a link that is
changed, removed or put between others breaks the chain from there on. Who has the database alone can mend none of it.
Links are made some time after their rows (``audit.seal_s``): what is undone before that leaves no trace here. Links at
the chain's end can be cut off, so its head is told in the log, and ``verify`` takes one that was written down
elsewhere.

When the ledger's key is replaced, the hashes in its rows are others. So the chain goes on in another segment under the
new key: its first link says that the key was replaced and what the old links said of the rows just before, and every
row is linked again. Of what a row said before, the older links prove nothing any more; that they were not changed, they
still do.
"""

from __future__ import annotations

import hmac
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import orjson
import sqlalchemy as sa

from cds.ids import new_id
from cds.ledger.book import Book
from cds.ledger.chain_links import ERASE, PURGE, REKEY, Excused, links_of, newest_segments, ranges, without_link
from cds.ledger.chained import BY_NAME, KINDS, Kind, Place, count_unchained, digests, present, remove, unchained
from cds.ledger.committee_tables import audit_links, outcome_events
from cds.ledger.outcomes import of_nobody_left

_AT_ONCE = 50
"""Rows that a check reads; a call with all that was said in it is tens of kilobytes."""
_LINKS_AT_ONCE = 1000
"""Links alone are a few hundred bytes each."""
_SEALED_AT_ONCE = 20
"""Rows; calls wait while their links are written."""
_READ_AT_ONCE = 4
"""Of those. All that was said in twenty calls is megabytes, and memory that a process has once used so it keeps: a
service grew by 6.1 % in six minutes, by 3.8 % so."""
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
    """Links of rows that are gone because they were older than is kept."""
    erased: int = 0
    """Links of rows that are gone because a person wished it."""
    renewed: int = 0
    """Links of rows that were linked again when the key was replaced."""
    partly: int = 0
    """Links that a worker of the version before made: of the last version's columns in these rows they prove nothing.
    """
    segments: int = 1
    unchained: dict[str, int] = field(default_factory=dict)
    """Rows no link names yet, by kind."""
    faults: list[Fault] = field(default_factory=list)
    head_known: bool | None = None
    """Whether the head that was asked for is in the chain; None: none was."""


@dataclass(frozen=True)
class Others:
    """Links of other keys, or changed since."""

    count: int
    first: datetime
    last: datetime


class Chain:
    def __init__(self, book: Book, *keys: bytes, also: Mapping[int, bytes] | None = None) -> None:
        """``keys``: the chain's own, derived from each of the ledger's so far; the last is the one in use. ``also``: by
        segment, from the same keys as an earlier version derived it; links made so hold, and none is made."""
        self._book = book
        self._keys = keys
        self._also = also or {}

    def seal(
        self,
        now: datetime,
        *,
        thorough: bool = False,
        since: datetime | None = None,
        rest: Callable[[float], object] = lambda took: None,
    ) -> int:
        """Make links for rows that have none; how many. ``since``: whoever has sealed before need look no further back
        than that. ``rest``: told after some rows how many seconds they took, so that it can leave the processor to
        calls. Rows are looked for and read without the lock: that takes its time, and calls are written meanwhile."""
        bound = None if thorough else max(now - _BACK, since) if since is not None else now - _BACK
        made = 0
        for kind in KINDS:
            after: Place | None = None
            while True:
                begin = time.perf_counter()
                look = partial(unchained, kind=kind, links=audit_links, since=bound, after=after, most=_SEALED_AT_ONCE)
                found, said = self._book.read(partial(self._read, look=look, kind=kind))
                if found:
                    after = found[-1]
                    made += self._book.write(partial(self._seal, kind=kind, said=said, now=now))
                if len(found) < _SEALED_AT_ONCE:
                    break
                rest(time.perf_counter() - begin)
        return made

    @staticmethod
    def _read(
        connection: sa.Connection, *, look: Callable[[sa.Connection], list[Place]], kind: Kind
    ) -> tuple[list[Place], dict[str, str]]:
        """What ``look`` finds, and the rows' digests."""
        found = look(connection)
        keys = [key for _, key in found]
        said: dict[str, str] = {}
        for at in range(0, len(keys), _READ_AT_ONCE):
            said |= digests(connection, kind, keys[at : at + _READ_AT_ONCE])
        return found, said

    def _seal(self, connection: sa.Connection, *, kind: Kind, said: Mapping[str, str], now: datetime) -> int:
        """``said``: rows' digests. A row does not change once it is there, but others may have linked or removed it."""
        self.hold(connection)
        there = present(connection, kind, without_link(connection, kind.name, list(said)))
        return self.link(connection, kind, {key: digest for key, digest in said.items() if key in there}, now)

    def link(self, connection: sa.Connection, kind: Kind, said: Mapping[str, str], now: datetime) -> int:
        """Links for rows of these digests, in their order; how many."""
        head = self._head(connection)
        rows = []
        for key, digest in said.items():
            head, row = self._next(head, kind.name, key, digest, now, None)
            rows.append(row)
        if rows:
            connection.execute(sa.insert(audit_links), rows)
        return len(rows)

    def tell(self, connection: sa.Connection, kind: str, row_id: str, digest: str, now: datetime, note: Any) -> None:
        """A link that speaks of a change to others' rows."""
        self.hold(connection)
        _, row = self._next(self._head(connection), kind, row_id, digest, now, note)
        connection.execute(sa.insert(audit_links), [row])

    def head(self) -> Head:
        return self._book.read(self._head)

    def ours(self) -> bool | None:
        """Whether the newest link was made with the key in use here, and with as many before it; None: there is no link
        to tell."""
        return self.made_here(sa.select(audit_links).order_by(audit_links.c.seq.desc()).limit(1))

    def begun_by_us(self) -> bool | None:
        """Of the newest segment's first link, the same: a service whose key was changed without more goes on with links
        of its own, and the newest tells nothing of it."""
        segment = sa.select(audit_links.c.segment).order_by(audit_links.c.seq.desc()).limit(1).scalar_subquery()
        begun = sa.select(audit_links).where(audit_links.c.segment == segment).order_by(audit_links.c.seq).limit(1)
        return self.made_here(begun)

    def made_here(self, question: sa.Select[Any]) -> bool | None:
        row = self._book.read(lambda c: c.execute(question).mappings().first())
        if row is None:
            return None
        linked = sa.select(audit_links.c.seq, audit_links.c.link).where(audit_links.c.seq == row["seq"] - 1)
        before = self._book.read(lambda c: c.execute(linked).first())
        head = BEGIN if before is None else Head(before[0], before[1])
        return row["segment"] == len(self._keys) - 1 and self._holds(row, Checked(head=head))

    def others(self) -> Others | None:
        """Links that were not made with the keys in use here, each in its time; None: there are none. Only the links
        are read."""
        checked, found = Checked(), None
        for batch in self._batches(_LINKS_AT_ONCE):
            for row in batch:
                self._check_link(row, checked)
                if checked.faults:
                    checked.faults.clear()
                    found = Others(found.count + 1 if found else 1, found.first if found else row["at"], row["at"])
        return found

    @staticmethod
    def _head(connection: sa.Connection) -> Head:
        last = sa.select(audit_links.c.seq, audit_links.c.link).order_by(audit_links.c.seq.desc()).limit(1)
        found = connection.execute(last).first()
        return BEGIN if found is None else Head(found[0], found[1])

    @staticmethod
    def hold(connection: sa.Connection) -> None:
        """Until the transaction ends nobody else makes links. Taken before it is asked which rows have one: a row that
        is linked between that question and its going would look stolen."""
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        elif not connection.connection.driver_connection.in_transaction:  # type: ignore[union-attr]
            # by itself the driver begins at the first change, after what was read
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    def _next(
        self, head: Head, kind: str, row_id: str, digest: str, at: datetime, note: Any
    ) -> tuple[Head, dict[str, Any]]:
        seq = head.seq + 1
        segment = len(self._keys) - 1
        link = _link(self._keys[segment], head.link, seq, kind, row_id, digest, note)
        row = {"seq": seq, "at": at, "kind": kind, "row_id": row_id, "digest": digest, "link": link, "note": note}
        return Head(seq, link), {**row, "segment": segment}

    def verify(self, known: Head | None = None, most_faults: int = 100) -> Checked:
        """Go over every link and row. ``known``: a head that was told earlier; the chain must hold it."""
        checked = Checked(head_known=None if known is None else False)
        if known is not None and known == BEGIN:
            checked.head_known = True
        excused = self._excused()
        for batch in self._batches():
            excused = self._check(batch, checked, known, excused)
            if len(checked.faults) >= most_faults:
                break
        checked.unchained = {
            kind.name: count
            for kind in KINDS
            if (count := self._book.read(lambda c, kind=kind: count_unchained(c, kind, audit_links)))  # type: ignore[misc]
        }
        return checked

    def _batches(self, at_once: int = _AT_ONCE) -> Iterator[Sequence[Any]]:
        after = 0
        while True:
            question = (
                sa.select(audit_links).where(audit_links.c.seq > after).order_by(audit_links.c.seq).limit(at_once)
            )
            batch = self._book.read(lambda c, question=question: c.execute(question).mappings().all())  # type: ignore[misc]
            if not batch:
                return
            yield batch
            after = batch[-1]["seq"]

    def _check(self, batch: Sequence[Any], checked: Checked, known: Head | None, excused: Excused) -> Excused:
        """``excused`` as it is now: rows may go while their links are gone over."""
        newest = self._book.read(lambda c: newest_segments(c, batch))
        wanted: defaultdict[str, list[str]] = defaultdict(list)
        for row in batch:
            if row["kind"] in BY_NAME:
                wanted[row["kind"]].append(row["row_id"])
        found = {
            (kind, key): digest
            for kind, keys in wanted.items()
            for key, digest in self._book.read(partial(digests, kind=BY_NAME[kind], keys=keys)).items()
        }
        earlier = self._earlier([r for r in batch if found.get((r["kind"], r["row_id"]), r["digest"]) != r["digest"]])
        if any(
            (row["kind"], row["row_id"]) not in found and excused.why(row["seq"]) is None
            for row in batch
            if row["kind"] in BY_NAME
        ):
            excused = self._excused()
        for row in batch:
            name = (row["kind"], row["row_id"])
            if self._check_link(row, checked):
                if newest.get(name, 0) > row["segment"]:
                    checked.renewed += 1
                elif earlier.get(name) == row["digest"]:
                    checked.partly += 1
                else:
                    self._check_row(row, found.get(name), checked, excused)
            if known is not None and (row["seq"], row["link"]) == (known.seq, known.link):
                checked.head_known = True
        return excused

    def _earlier(self, rows: Sequence[Any]) -> dict[tuple[str, str], str]:
        """By kind and name: rows' digests as the version before makes them."""
        found: dict[tuple[str, str], str] = {}
        for kind in (kind for kind in KINDS if kind.later):
            keys = [row["row_id"] for row in rows if row["kind"] == kind.name]
            said = self._book.read(partial(digests, kind=kind, keys=keys, without=kind.later)) if keys else {}
            found |= {(kind.name, key): digest for key, digest in said.items()}
        return found

    def _check_link(self, row: Any, checked: Checked) -> bool:
        """Whether it speaks of a row."""
        if row["seq"] != checked.head.seq + 1:
            _fault(checked, row, "gap")
        elif not self._holds(row, checked):
            _fault(checked, row, "chain")
        checked.links += 1
        checked.segments = max(checked.segments, row["segment"] + 1)
        # from here on as it stands, so that one broken link is one fault
        checked.head = Head(row["seq"], row["link"])
        return row["kind"] in BY_NAME

    def _holds(self, row: Any, checked: Checked) -> bool:
        """A segment ends for good where the next begins: who has an old key alone must not go on in it."""
        if not checked.segments - 1 <= row["segment"] < len(self._keys):
            return False
        said = (checked.head.link, *(row[name] for name in ("seq", "kind", "row_id", "digest", "note")))
        keys = (self._keys[row["segment"]], self._also.get(row["segment"]))
        return any(key is not None and hmac.compare_digest(_link(key, *said), row["link"]) for key in keys)

    @staticmethod
    def _check_row(row: Any, digest: str | None, checked: Checked, excused: Excused) -> None:
        kind = BY_NAME[row["kind"]]
        if digest is not None:
            if digest != row["digest"]:
                _fault(checked, row, "changed")
            return
        why = excused.why(row["seq"]) if kind.ages else None
        if why == PURGE:
            checked.purged += 1
        elif why == ERASE:
            checked.erased += 1
        elif why == REKEY:
            checked.renewed += 1
        else:
            _fault(checked, row, "removed")

    def _excused(self) -> Excused:
        """Their notes are part of the chain, so nobody can write one in."""
        question = sa.select(audit_links.c.kind, audit_links.c.note).where(
            audit_links.c.kind.in_((PURGE, ERASE, REKEY))
        )
        return Excused(self._book.read(lambda c: [tuple(row) for row in c.execute(question)]))

    def purge(self, before: datetime, now: datetime) -> dict[str, int]:
        """Remove rows about people whose links are older than ``before``; how many, by kind. Links stay."""
        bound = sa.select(sa.func.max(audit_links.c.seq)).where(audit_links.c.at < before)
        through = self._book.read(lambda c: c.execute(bound).scalar_one_or_none())
        if through is None:
            return {}
        removed: dict[str, int] = defaultdict(int)
        for kind in KINDS:
            if kind.ages:
                for keys in self._old(kind, int(through)):
                    removed[kind.name] += self._book.write(partial(self._remove, kind=kind, keys=keys, now=now))
        # an outcome found later than its patient's last call was made is younger than it, and no use without it
        column = outcome_events.c.id
        nobodys = self._book.read(lambda c: list(c.scalars(sa.select(column).where(of_nobody_left()))))
        for start in range(0, len(nobodys), _AT_ONCE):
            some = nobodys[start : start + _AT_ONCE]
            removed["outcome"] += self._book.write(partial(self._remove_outcomes, ids=some, now=now))
        return {kind: count for kind, count in removed.items() if count}

    def _remove_outcomes(self, connection: sa.Connection, *, ids: Sequence[str], now: datetime) -> int:
        """Of these, those that still are of nobody: found without the lock, since all had to be gone over."""
        self.hold(connection)
        question = sa.select(outcome_events.c.id).where(outcome_events.c.id.in_(ids), of_nobody_left())
        chosen = list(connection.scalars(question))
        return self._remove(connection, kind=BY_NAME["outcome"], keys=chosen, now=now) if chosen else 0

    def _remove(self, connection: sa.Connection, *, kind: Kind, keys: Sequence[str], now: datetime) -> int:
        """With a word about it: rows that go without one would look like a theft."""
        self.hold(connection)
        seqs = sorted(links_of(connection, kind.name, keys))
        self.tell(connection, PURGE, new_id(), "", now, {"links": ranges(seqs)})
        return remove(connection, kind, keys)

    def _old(self, kind: Kind, through: int) -> Iterator[list[str]]:
        column = kind.name_of
        linked = sa.exists().where(
            audit_links.c.kind == kind.name, audit_links.c.row_id == column, audit_links.c.seq <= through
        )
        while keys := self._book.read(
            lambda c: list(c.execute(sa.select(column).where(linked).limit(_AT_ONCE)).scalars())
        ):
            yield keys


def _fault(checked: Checked, row: Any, what: str) -> None:
    checked.faults.append(Fault(row["seq"], row["kind"], row["row_id"], what))


def _link(key: bytes, before: str, seq: int, kind: str, row_id: str, digest: str, note: Any) -> str:
    said = orjson.dumps([before, seq, kind, row_id, digest, note], option=orjson.OPT_SORT_KEYS)
    return hmac.digest(key, said, "sha256").hex()
