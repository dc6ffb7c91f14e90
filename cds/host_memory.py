"""A place in this host's memory (``/dev/shm``) for what must be writable when no disk is: nothing there outlives the
host, and everything there is this service's alone."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from pathlib import Path

_MEMORY = Path("/dev/shm")  # nosec B108 # make_ours sees to it that the place is ours


def place_for(folder: Path) -> Path | None:
    """Where memory may hold what is meant for ``folder``: the same for each process of this service. None where there
    is no such place. Makes nothing."""
    if not _MEMORY.is_dir():
        return None
    name = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]
    return _MEMORY / f"cds-{os.geteuid()}-{name}"


def make_ours(place: Path) -> None:
    """Raises OSError when it is somebody else's: everybody may write beside it."""
    place.mkdir(mode=0o700, exist_ok=True)
    state = place.lstat()
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.geteuid() or state.st_mode & 0o077:
        raise PermissionError(errno.EPERM, f"{place} is not this service's alone")
