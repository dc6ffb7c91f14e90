"""Where the workers' counters lie: a folder for each service that runs, in this host's memory where there is such a
place. The counters' files are mapped, and a page of one that a full disk has no room for kills the process that counts
(SIGBUS).

A folder belongs to the service whose processes hold its lock. One that nobody holds is of a service that has ended, and
goes: what it counted would be counted again. Whoever starts a service beside one that runs, on another port or by
mistake, takes nothing from it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cds.errors import SettingsError
from cds.host_memory import make_ours, place_for

_OWNER = "owner"
"""A file with the process id of the service whose counters these are; locked for as long as one of its processes
lives, however it ends."""
_locks: dict[Path, int] = {}
"""Open files of this process, which its workers have from it."""


def metrics_folder(data_dir: Path) -> Path:
    """That has a folder for each service."""
    return place_for(data_dir / "metrics") or data_dir / "metrics"


def prepare_metrics(data_dir: Path) -> Path:
    """A folder for the counters of this service, which the environment names from now on. Raises SettingsError."""
    place = metrics_folder(data_dir)
    try:
        make_ours(place)
        folder = _ours_in(place)
    except OSError:  # somebody else's, full, or not to be written
        place = data_dir / "metrics"
        try:
            place.mkdir(parents=True, exist_ok=True)
            folder = _ours_in(place)
        except OSError as error:
            raise SettingsError(
                f"data_dir: {place} can't be written, and counters lie there: {error.strerror}"
            ) from error
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
    return folder


def _ours_in(place: Path) -> Path:
    with _alone_in(place):
        _tidy(place)
        folder = Path(tempfile.mkdtemp(dir=place))
        lock = os.open(folder / _OWNER, os.O_RDWR | os.O_CREAT, 0o600)
        _locks[folder] = lock
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.write(lock, str(os.getpid()).encode("ascii"))
    return folder


def remove_metrics(folder: Path) -> None:
    """At the end of the process that prepared them; its workers end here, too, and own nothing."""
    try:
        ours = (folder / _OWNER).read_text(encoding="ascii") == str(os.getpid())
    except OSError:
        return
    if ours:
        shutil.rmtree(folder, ignore_errors=True)
        if (lock := _locks.pop(folder, None)) is not None:
            os.close(lock)


@contextlib.contextmanager
def _alone_in(place: Path) -> Iterator[None]:
    """Between making a folder and locking it, it would pass for one that nobody holds."""
    door = os.open(place, os.O_RDONLY)
    try:
        fcntl.flock(door, fcntl.LOCK_EX)
        yield
    finally:
        os.close(door)


def _tidy(place: Path) -> None:
    for former in place.iterdir():
        if not former.is_dir():
            former.unlink(missing_ok=True)  # of a version that had one folder for all
        elif not _held(former):
            shutil.rmtree(former, ignore_errors=True)


def _held(folder: Path) -> bool:
    try:
        lock = os.open(folder / _OWNER, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False
