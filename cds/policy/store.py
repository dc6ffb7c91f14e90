"""The policy in force in this worker: read again when the file changes, the last good one kept when it is wrong."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from cds.errors import PolicyError
from cds.policy.schema import Known, Policy, parse

_log = logging.getLogger("cds.policy")


class PolicyStore:
    """Polls by content rather than by notification: it works on every mount, Kubernetes' swapped links included."""

    def __init__(
        self,
        path: Path,
        known: Known,
        *,
        poll_s: float,
        on_change: Callable[[Policy, str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises PolicyError when the first reading fails: a service without a policy must not start."""
        self._path = path
        self._known = known
        self._poll_s = poll_s
        self._on_change = on_change
        self._clock = clock
        self._lock = threading.Lock()
        self._text = _read(path)
        self._policy = parse(self._text, str(path), known)
        self._rejected: str | None = None
        self._due = clock() + poll_s
        self._announced = False

    @property
    def fault(self) -> str | None:
        """Why the file as it is now is not in force; None when it is."""
        return self._rejected

    def current(self) -> Policy:
        if self._clock() >= self._due and self._lock.acquire(blocking=False):
            try:
                self._look()
            finally:
                self._due = self._clock() + self._poll_s
                self._lock.release()
        if not self._announced and self._on_change is not None:
            self._announced = True
            self._on_change(self._policy, self._text)
        return self._policy

    def _look(self) -> None:
        try:
            text = _read(self._path)
            if text == self._text:
                self._rejected = None
                return
            policy = parse(text, str(self._path), self._known)
        except PolicyError as error:
            if str(error) != self._rejected:
                _log.error("policy.rejected in_force=%s fault=%s", self._policy.version, error)
            self._rejected = str(error)
            return
        self._text, self._policy, self._rejected = text, policy, None
        self._announced = False
        _log.info("policy.loaded version=%s", policy.version)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError(f"{path}: the policy can't be read: {error}") from error
