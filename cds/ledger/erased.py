"""What is left of persons who were erased: feedback and problems on other machines' spools that name what is gone.

An erasure keeps keyed hashes of the ids of the calls and cards that went. Those ids are random, so the hashes lead back
to nobody; whoever has an entry that names such an id can tell that it has to go as well.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Iterator

import sqlalchemy as sa

from cds.ledger.entries import FeedbackEntry, ProblemEntry
from cds.ledger.spool import Entry
from cds.ledger.tables import jobs

KIND = "erase"
_GONE = "gone"


def kept(keys: tuple[bytes, ...], ids: Iterable[str]) -> dict[str, list[str]]:
    """Of calls and cards, for the row that records the erasure: as long as that is there it is known. ``keys``: the
    ledger's."""
    return {_GONE: sorted(_hash(keys, id) for id in ids)}


def remains(connection: sa.Connection, keys: tuple[bytes, ...]) -> Callable[[Entry], bool]:
    """Whether an entry speaks of a call or card that was erased."""
    found = connection.scalars(sa.select(jobs.c.result).where(jobs.c.kind == KIND))
    gone = {one for result in found for one in (result or {}).get(_GONE, ())}
    return lambda entry: any(_hash(keys, id) in gone for id in _named(entry))


def may_remain(entry: Entry) -> bool:
    return any(True for _ in _named(entry))


def _named(entry: Entry) -> Iterator[str]:
    if isinstance(entry, FeedbackEntry):
        yield entry.card_id
    elif isinstance(entry, ProblemEntry):
        yield from (id for id in (entry.call_id, entry.card_id) if id)


def _hash(keys: tuple[bytes, ...], id: str) -> str:
    # by the first key, which every later key file begins with: what was rejected may be older than the newest
    return hmac.digest(keys[0], b"erased " + id.encode("utf-8", "surrogatepass"), "sha256").hex()[:32]
