"""One job a device at a time: a lock file a slot, which the kernel frees when its holder dies."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Slots:
    """Slots of this machine, such as one a GPU. Shared by all its processes."""

    def __init__(self, folder: Path, names: tuple[str, ...]) -> None:
        self._folder = folder
        self._names = names

    @contextmanager
    def take(self, patience_s: float = 0.0) -> Iterator[str | None]:
        """The name of a free slot, held until the block ends; None when none came free in time."""
        self._folder.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + patience_s
        while True:
            for name in self._names:
                file = os.open(self._folder / f"{name}.slot", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    os.close(file)
                    continue
                try:
                    yield name
                finally:
                    os.close(file)
                return
            if time.monotonic() >= deadline:
                yield None
                return
            time.sleep(0.05)
