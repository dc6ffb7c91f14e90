"""Moves the spool into the database: in batches, and one by one where a batch fails."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
from sqlalchemy.exc import SQLAlchemyError

from cds.ledger.database import fault, row_at_fault
from cds.ledger.erased import Gone, may_remain
from cds.ledger.process import Process
from cds.ledger.spool import Entry, Spool

_log = logging.getLogger("cds.ledger")
_BATCH = 50


@dataclass(frozen=True)
class Drain:
    """One pass over a spool. Entries are idempotent, so a pass cut off anywhere is simply repeated."""

    spool: Spool
    process: Process
    prove: Callable[[], None]
    """Raises LedgerError when the database is down: asked when a single entry failed for no fault of its own."""

    def run(self) -> int:
        """How many entries were moved; 0 when another process is at it. Raises LedgerError when the database goes
        down on the way; what was moved until then stays moved."""
        moved, gone = 0, Gone()
        with self.spool.turn() as mine:
            waiting = self.spool.waiting() if mine else []
            for start in range(0, len(waiting), _BATCH):
                if self.process.stop.is_set():
                    break
                moved += self._move(self._wanted(self._readable(waiting[start : start + _BATCH]), gone))
        if moved:
            _log.warning("ledger.drained entries=%d", moved)
        return moved

    def _move(self, found: Sequence[tuple[Path, Entry]]) -> int:
        if not found:
            return 0
        try:
            # the files are removed next: what replaces them must be on the disk
            self.process.database.store([self.process.inserts.write(entry) for _, entry in found], at_once=True)
        except SQLAlchemyError as error:
            if len(found) > 1:
                return sum(self._move([one]) for one in found)
            self._refused(found[0][0], error)
            return 0
        for path, _ in found:
            with _held(path):
                path.unlink()
        return len(found)

    def _wanted(self, found: Sequence[tuple[Path, Entry]], gone: Gone) -> Sequence[tuple[Path, Entry]]:
        """Without what speaks of calls that were erased while it waited here: that goes as they went. Raises
        LedgerError when the database is down."""
        if not any(may_remain(entry) for _, entry in found):
            return found
        try:
            self.process.database.read(gone.look)
        except SQLAlchemyError as error:
            self.prove()
            # the database is well, and this question alone took too long: calls need no answer to it
            held = [path for path, entry in found if may_remain(entry)]
            _log.error("ledger.held entries=%d reason=%s", len(held), fault(error))
            return [(path, entry) for path, entry in found if path not in held]
        left = [path for path, entry in found if gone.left(entry)]
        for path in left:
            with _held(path):
                path.unlink()
        if left:
            _log.warning("ledger.erased_elsewhere entries=%d", len(left))
        return [(path, entry) for path, entry in found if path not in left]

    def _refused(self, path: Path, error: SQLAlchemyError) -> None:
        if row_at_fault(error):
            with _held(path):
                self.spool.set_aside(path, fault(error))
            return
        self.prove()
        # the database is well and the entry looks well: it waits, the others go on
        _log.error("ledger.held file=%s reason=%s", path.name, fault(error))

    def _readable(self, paths: Sequence[Path]) -> list[tuple[Path, Entry]]:
        found: list[tuple[Path, Entry]] = []
        for path in paths:
            with _held(path):
                try:
                    found.append((path, self.spool.read(path)))
                except msgspec.MsgspecError as error:
                    self.spool.set_aside(path, f"not a ledger entry: {type(error).__name__}")
        return found


@contextmanager
def _held(path: Path) -> Iterator[None]:
    """A file the disk gives trouble with stays where it is and is tried again later."""
    try:
        yield
    except OSError as error:
        _log.error("ledger.held file=%s reason=%s", path.name, os.strerror(error.errno or 0))
