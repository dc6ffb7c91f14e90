"""What each process keeps of the ledger for itself."""

from __future__ import annotations

import threading
import time

import sqlalchemy as sa

from cds.ledger import queries
from cds.ledger.database import Database
from cds.ledger.held import Held
from cds.ledger.inserts import Inserts

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
        self.open = False
        self.lock = threading.Lock()
        self.drainer: threading.Thread | None = None
        self.stop = threading.Event()
        self.look_at = 0.0
        self.purge_at = time.monotonic() + PURGE_S
