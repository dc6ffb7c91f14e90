"""What may happen to rows that are linked: they go, for their age or at somebody's wish, or move under another key.

Each is told by a link of its own, made in the same transaction and with the chain's key, so that ``verify`` can tell it
from theft. Who has the database alone can write no such link.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import sqlalchemy as sa

from cds.ids import new_id
from cds.ledger.book import Book
from cds.ledger.chain import Chain, Checked
from cds.ledger.chain_links import ERASE, PURGE, REKEY, linked, links_of, ranges
from cds.ledger.chained import BY_NAME, KINDS, digests
from cds.ledger.committee_tables import audit_links


@dataclass(frozen=True)
class Chained:
    """A change to the ledger, and the chain that has to tell of it."""

    chain: Chain
    now: datetime

    def let_go(
        self,
        connection: sa.Connection,
        why: Literal["purge", "erase"],
        find: Callable[[], Mapping[str, Collection[str]]],
    ) -> None:
        """Before rows go. ``find``: their ids by kind; those that no link names need no word. It is asked when no link
        can be made any more until the transaction ends."""
        self.chain.hold(connection)
        seqs = sorted(seq for kind, ids in find().items() for seq in links_of(connection, kind, sorted(ids)))
        if seqs:
            kind = PURGE if why == "purge" else ERASE
            self.chain.tell(connection, kind, new_id(), "", self.now, {"links": ranges(seqs)})

    def take_up(self, book: Book) -> bool:
        """After an erasure under another key, whose link is the newest since: one of the key in use, so that the ledger
        is taken for this key's again now and not when its next row is linked. False: no need, or this key is not the
        service's: the newest link that names a row tells, since the service makes those and commands the others."""
        of_rows = audit_links.c.kind.in_(list(BY_NAME))
        newest = sa.select(audit_links).where(of_rows).order_by(audit_links.c.seq.desc()).limit(1)
        if self.chain.ours() is not False or not self.chain.made_here(newest):
            return False
        book.write(lambda c: self.chain.tell(c, ERASE, new_id(), "", self.now, {"links": []}))
        return True

    def renew(self, connection: sa.Connection, checked: Checked, renamed: Mapping[str, str]) -> int:
        """After hashes were moved under a new key: link every row again, in a segment under that key. How many.

        ``checked``: what the old links said of the rows just before. A row at fault gets no new link, so that it goes
        on being named. ``renamed``: outcomes' ids before and after, since their id is made from a hash.
        """
        self.chain.hold(connection)
        through = checked.head.seq
        at_fault = {(f.kind, f.row_id) for f in checked.faults}
        gone = [id for id in renamed if ("outcome", id) not in at_fault]
        note = {
            "through": through,
            "faults": [[f.seq, f.kind, f.row_id, f.what] for f in checked.faults],
            "links": ranges(sorted(links_of(connection, "outcome", gone))),
        }
        self.chain.tell(connection, REKEY, new_id(), "", self.now, note)
        count = 0
        for kind in KINDS:
            for ids in linked(connection, kind.name, through):
                wanted = [id for id in ids if (kind.name, id) not in at_fault]
                if kind.name == "outcome":
                    wanted = [renamed[id] for id in wanted if id in renamed]
                count += self.chain.link(connection, kind, digests(connection, kind, wanted), self.now)
        return count
