"""What is left of persons who were erased: feedback and problems on other machines' spools that name what is gone.

An erasure keeps hashes of the ids of the calls and cards that went. Whoever has an entry that names such an id can tell
that it has to go as well, on every machine and whichever of the ledger's keys the erasure was run with: the hashes have
no key. An id has 74 random bits (cds.ids), so nobody finds one by trying, and it leads back to nobody.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator

import sqlalchemy as sa

from cds.ledger.entries import CallEntry, FeedbackEntry, ProblemEntry
from cds.ledger.spool import Entry
from cds.ledger.tables import jobs

KIND = "erase"
_GONE = "gone"


def kept(ids: Iterable[str], waiting: Iterable[Entry | None]) -> dict[str, list[str]]:
    """For the row that records the erasure: as long as that is there it is known. ``ids``: of calls and cards in the
    database. ``waiting``: what goes from the spool; what speaks of its calls may wait on another machine's."""
    spooled = [entry for entry in waiting if isinstance(entry, CallEntry)]
    gone = {*ids, *(entry.id for entry in spooled), *(card.id for entry in spooled for card in entry.cards)}
    return {_GONE: sorted(_hash(id) for id in gone)}


class Gone:
    """What was erased, as far as it was read: all of it at the first look, and from then on what came since."""

    def __init__(self) -> None:
        self._hashes: set[str] = set()
        self._through = 0

    def look(self, connection: sa.Connection) -> None:
        # kind has no index. Work on a study is most of the table and has an item, so ix_jobs_item finds the rest. What
        # is erased has the audit's lock until its row is there: rows come in the order of their ids
        wanted = jobs.c.item.is_(None) & (jobs.c.kind == KIND) & (jobs.c.id > self._through)
        for id, result in connection.execute(sa.select(jobs.c.id, jobs.c.result).where(wanted)):
            self._hashes.update((result or {}).get(_GONE, ()))
            self._through = max(self._through, id)

    def left(self, entry: Entry) -> bool:
        """Whether it speaks of a call or card that was erased."""
        return any(_hash(id) in self._hashes for id in _named(entry))


def remains(connection: sa.Connection) -> Callable[[Entry], bool]:
    """Whether an entry speaks of a call or card that was erased."""
    gone = Gone()
    gone.look(connection)
    return gone.left


def may_remain(entry: Entry) -> bool:
    return any(True for _ in _named(entry))


def _named(entry: Entry) -> Iterator[str]:
    if isinstance(entry, FeedbackEntry):
        yield entry.card_id
    elif isinstance(entry, ProblemEntry):
        yield from (id for id in (entry.call_id, entry.card_id) if id)


def _hash(id: str) -> str:
    return hashlib.sha256(b"erased " + id.encode("utf-8", "surrogatepass")).hexdigest()[:32]
