"""Entries the database did not take, one file each, until it does.

A file is complete or absent (written aside, synced, renamed), readable by the service's user only, and holds
clinical values like the ledger itself. What can never be stored goes to ``rejected/`` with the reason beside it,
so that one bad file does not hold up the others.
"""

from __future__ import annotations

import fcntl
import logging
import os
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import orjson

from cds.errors import LedgerError
from cds.ledger.entries import CallEntry, FeedbackEntry, PolicyEntry, ProblemEntry

_log = logging.getLogger("cds.ledger")

Entry = CallEntry | PolicyEntry | FeedbackEntry | ProblemEntry
_KINDS: dict[str, type[Entry]] = {
    "call": CallEntry,
    "feedback": FeedbackEntry,
    "policy": PolicyEntry,
    "problem": ProblemEntry,
}
_NAMES: dict[type[Entry], str] = {cls: kind for kind, cls in _KINDS.items()}
_WRITTEN_IN_S = 60
"""A file that has not got its name by then never will."""


class _Envelope(msgspec.Struct):
    kind: str
    entry: msgspec.Raw


@dataclass(frozen=True)
class Spooled:
    """One file: what waits, was rejected, or was left half done."""

    path: Path
    entry: Entry | None
    """None: it can't be read."""
    rejected: str | None
    """Why it will not be stored; None: it waits."""

    @property
    def kind(self) -> str:
        return _NAMES[type(self.entry)] if self.entry is not None else ""


class Spool:
    """A folder of entries, shared by the processes of one machine. Made on first use."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._rejected = folder / "rejected"

    def put(self, entries: Sequence[Entry]) -> None:
        """Keep the entries. Durable when this returns; raises LedgerError when they can't be kept."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for entry in entries:
                self._write(self._folder, _encode(entry))
            _sync_folder(self._folder)
        except (OSError, TypeError) as error:
            raise _lost(error) from error

    def reject(self, entry: Entry, reason: str) -> None:
        """Keep an entry the database can never take, for a person to look at. Raises LedgerError."""
        try:
            self._rejected.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = self._write(self._rejected, _encode(entry))
            _give_reason(path, reason)
        except (OSError, TypeError) as error:
            raise _lost(error) from error

    def set_aside(self, path: Path, reason: str) -> None:
        """Move a file that can never be stored out of the way."""
        self._rejected.mkdir(mode=0o700, parents=True, exist_ok=True)
        kept = self._rejected / path.name
        path.rename(kept)
        _give_reason(kept, reason)

    def waiting(self) -> list[Path]:
        """Files to be stored, oldest first."""
        return _entries_in(self._folder)

    def count(self) -> int:
        """How many are to be stored: asked every few seconds, also when an outage has left tens of thousands."""
        return len(_names_in(self._folder))

    def rejected(self) -> list[Path]:
        """Files that no database takes, oldest first: they stay until a person has looked."""
        return _entries_in(self._rejected)

    def left(self) -> list[Path]:
        """Files that a process was killed at before they had their names: nobody stores them."""
        return [path for path in self._halves() if _kept_s(path) < time.time() - _WRITTEN_IN_S]

    def all(self) -> Iterator[Spooled]:
        """What waits, what was rejected and what was left half done, in the order in which it was kept."""
        for path in sorted([*self.waiting(), *self.rejected(), *self.left()], key=lambda path: path.name):
            try:
                entry = self.read(path)
            except (msgspec.MsgspecError, OSError):
                entry = None
            if path.suffix == ".part":
                yield Spooled(path, entry, "its process ended before it was kept")
            else:
                yield Spooled(path, entry, _reason(path) if path.parent == self._rejected else None)

    def outlived(self, before: datetime) -> list[Path]:
        """Files from before then that will never be stored: rejected ones, and halves that a killed process left."""
        never = [*self.rejected(), *self._halves()]
        return sorted(path for path in never if _kept_s(path) < before.timestamp())

    def _halves(self) -> list[Path]:
        """What is being written, and what a process left that was killed meanwhile: it may be a whole entry."""
        return [*self._rejected.glob("*.part"), *self._folder.glob("*.part")]

    @contextmanager
    def still(self) -> Iterator[None]:
        """Nothing is moved into the database meanwhile. Raises LedgerError while another process does that, and where
        this one may not keep it from doing so."""
        lock = self._folder / ".lock"
        with self.turn() as mine:
            if not mine and self._folder.exists():
                try:
                    os.close(os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
                except OSError as error:
                    raise LedgerError(f"{lock} can't be opened ({os.strerror(error.errno or 0)})") from error
                raise LedgerError("rows on the spool are being stored this moment; try again")
            yield

    @staticmethod
    def drop(files: Iterable[Path]) -> None:
        """Remove files with the reasons beside them. Raises LedgerError that names those which are left."""
        left = []
        for path in files:
            try:
                path.unlink(missing_ok=True)
                path.with_suffix(".reason").unlink(missing_ok=True)
            except OSError as error:
                left.append(f"{path} ({os.strerror(error.errno or 0)})")
        if left:
            raise LedgerError(f"the spool still holds, and must be removed by hand: {', '.join(left)}")

    @contextmanager
    def turn(self) -> Iterator[bool]:
        """True for one drainer at a time on this machine. The lock dies with its holder, however that dies."""
        try:
            descriptor = os.open(self._folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            yield False  # nothing was ever spooled
            return
        except OSError as error:  # no room for so much as a lock
            _unreadable(error)
            yield False
            return
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(descriptor)

    @staticmethod
    def read(path: Path) -> Entry:
        """Raises msgspec.MsgspecError when the file is not an entry, OSError when it can't be read."""
        envelope = msgspec.json.decode(path.read_bytes(), type=_Envelope)
        if envelope.kind not in _KINDS:
            raise msgspec.ValidationError("unknown kind of entry")
        entry: Entry = msgspec.json.decode(envelope.entry, type=_KINDS[envelope.kind])
        return entry

    @staticmethod
    def _write(folder: Path, content: bytes) -> Path:
        name = f"{time.time_ns():020d}-{uuid.uuid4().hex}"
        aside, path = folder / f"{name}.part", folder / f"{name}.json"
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            aside.rename(path)
        except OSError:
            aside.unlink(missing_ok=True)
            raise
        return path


def _entries_in(folder: Path) -> list[Path]:
    return [folder / name for name in sorted(_names_in(folder))]


def _names_in(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as found:
            return [entry.name for entry in found if entry.name.endswith(".json")]
    except FileNotFoundError:
        return []
    except OSError as error:
        _unreadable(error)
        return []


def _encode(entry: Entry) -> bytes:
    body: dict[str, Any] = {"kind": _NAMES[type(entry)], "entry": entry}
    return orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)


def _kept_s(path: Path) -> float:
    """When a file was written: its name says so, wherever it was moved since."""
    written = path.name.split("-")[0]
    if written.isascii() and written.isdigit():
        return int(written) / 1e9
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # it was moved since it was listed
        return time.time()


def _reason(path: Path) -> str:
    try:
        return path.with_suffix(".reason").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _give_reason(path: Path, reason: str) -> None:
    path.with_suffix(".reason").write_text(reason + "\n", encoding="utf-8")
    _log.error("ledger.rejected file=%s reason=%s", path.name, reason)


def _unreadable(error: OSError) -> None:
    _log.error("ledger.spool_unreadable reason=%s", os.strerror(error.errno or 0))


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _lost(error: Exception) -> LedgerError:
    name = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else type(error).__name__
    _log.critical("ledger.unspoolable reason=%s", name)
    return LedgerError(
        f"neither the database nor the spool took a ledger row ({name}): mend the database, or make data_dir/spool "
        "writable with room on its disk"
    )
