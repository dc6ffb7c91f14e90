"""The policy in force in this worker: read again when the file changes, the last good one kept when it is wrong.

Half a policy is often a good policy as far as YAML can tell, with fewer models and other thresholds. So a changed file
is taken when it reads the same twice, a second apart; and when the policy in force ends with YAML's end mark, a file
without one is refused, since whoever wrote it may have been cut off for good.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from cds.errors import PolicyError
from cds.policy.schema import Known, Policy, parse

_log = logging.getLogger("cds.policy")
_SETTLE_S = 1.0
END_MARK = "..."
"""YAML 1.2 §9.1.2: the line that ends a document."""


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
        text = text_of(path)
        self._in_force = parse(text, str(path), known), text
        self._rejected: str | None = None
        self._changing: str | None = None
        """What a changed file said at the last look, while it is not yet known to be whole."""
        if not _ends(text):
            _log.warning("policy.no_end_mark file=%s: half of it would not be told from the whole", path)
        self._due = clock() + poll_s
        self._announced = False

    @property
    def fault(self) -> str | None:
        """Why the file as it is now is not in force; None when it is."""
        return self._rejected

    @property
    def where(self) -> str:
        return str(self._path)

    def current(self) -> Policy:
        return self.in_force()[0]

    def in_force(self) -> tuple[Policy, str]:
        """The policy and its text."""
        if self._clock() >= self._due and self._lock.acquire(blocking=False):
            try:
                self._look()
            finally:
                again = self._poll_s if self._changing is None else min(self._poll_s, _SETTLE_S)
                self._due = self._clock() + again
                self._lock.release()
        if not self._announced and self._on_change is not None:
            self._announced = True
            self._on_change(*self._in_force)
        return self._in_force

    def _look(self) -> None:
        try:
            text = text_of(self._path)
            if text == self._in_force[1]:
                self._rejected = self._changing = None
                return
            if text != self._changing:
                self._changing = text
                return
            self._changing = None
            if _ends(self._in_force[1]) and not _ends(text):
                raise PolicyError(
                    f"{self._path}: the last line is not '{END_MARK}', as in the policy in force: only a part of the "
                    "file was written, or that line has to be put back"
                )
            policy = parse(text, str(self._path), self._known)
        except PolicyError as error:
            if str(error) != self._rejected:
                _log.error("policy.rejected in_force=%s fault=%s", self._in_force[0].version, error)
            self._rejected = str(error)
            return
        self._in_force, self._rejected = (policy, text), None
        self._announced = False
        _log.info("policy.loaded version=%s", policy.version)


def _ends(text: str) -> bool:
    return text.rstrip().endswith(f"\n{END_MARK}")


def text_of(path: Path) -> str:
    """Raises PolicyError for a file that is missing or no text."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise PolicyError(f"{path}: the policy is not UTF-8 text: save it as UTF-8") from error
    except OSError as error:
        raise PolicyError(f"{path}: the policy can't be read: {error}") from error
