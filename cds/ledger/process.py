"""What each process keeps of the ledger for itself."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from cds.ledger import queries
from cds.ledger.database import Database, fault
from cds.ledger.erased import Gone, may_remain
from cds.ledger.held import Held
from cds.ledger.inserts import Inserts
from cds.ledger.spool import Entry

_log = logging.getLogger("cds.ledger")
PURGE_S = 300.0
"""Between two looks at what has expired."""


class Process:
    """What must not be shared with a forked child: connections, locks, the breaker and its thread."""

    def __init__(self, url: sa.URL) -> None:
        self.database = Database(url)
        self.inserts = Inserts(self.database.dialect)
        self.overrides = queries.Overrides(self.database.dialect)
        self.shown = queries.ShownCards(self.database.dialect)
        self.held = Held()
        self.gone = Gone()
        self.open = False
        self.lock = threading.Lock()
        self.drainer: threading.Thread | None = None
        self.stop = threading.Event()
        self.look_at = 0.0
        self.purge_at = time.monotonic() + PURGE_S

    def to_store(self, entries: Sequence[Entry]) -> Sequence[Entry] | None:
        """Without what speaks of calls or cards that were erased: nobody would find it with its person any more. None:
        that can't be told now, so they wait; the breaker opens for no question that calls do without."""
        if not any(may_remain(entry) for entry in entries):
            return entries
        try:
            self.database.read(self.gone.look)
        except SQLAlchemyError as error:
            _log.error("ledger.held entries=%d reason=%s", len(entries), fault(error))
            return None
        return [entry for entry in entries if not self.gone.left(entry)]
