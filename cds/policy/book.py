"""The policy in force in this worker, for each call: the file, and over it the layers that the ledger holds.

The ledger is what workers share: a version activated there holds in each of them at its next look, without a restart.
While the ledger is down, what was known last holds; it is also kept in a file of this host, for a worker that starts
meanwhile.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import msgspec

from cds.errors import LedgerError, PolicyError
from cds.ledger import Ledger, PolicyRecord
from cds.policy.layers import laid_over
from cds.policy.schema import Known, Policy
from cds.policy.standing import Approved, Standing, standing
from cds.policy.store import PolicyStore

_log = logging.getLogger("cds.policy")
_NOTHING = PolicyRecord({}, ())


@dataclass(frozen=True)
class Shadow:
    """A policy that is computed beside the one in force and shown to nobody."""

    policy: Policy
    versions: str
    """Of the layers in the shadow, joined by ``+``."""


class PolicyBook:
    """Safe for threads and across forks: nothing is read before the first question."""

    def __init__(
        self,
        store: PolicyStore,
        known: Known,
        ledger: Ledger,
        kept_at: Path,
        *,
        today: Callable[[], date],
        poll_s: float,
        on_use: Callable[[Policy, str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``today``: of the hospital. ``on_use``: is told of a laid-over policy and its text before its first use."""
        self._store, self._known, self._ledger, self._kept_at = store, known, ledger, kept_at
        self._today, self._poll_s, self._on_use, self._clock = today, poll_s, on_use, clock
        self._lock = threading.Lock()
        self._due = float("-inf")
        self._last_event = -1
        self._record = _NOTHING
        self._day: date | None = None
        self._standing = Standing({}, {}, {})
        self._made: dict[tuple[str, ...], Policy | PolicyError] = {}
        self._good: dict[tuple[str, ...], Policy] = {}
        self._faults: dict[tuple[str, ...], str] = {}
        """By what is at fault: the layers laid over each other, those in the shadow, or the ledger's rows."""

    @property
    def fault(self) -> str | None:
        """Why the file or a layer, as it is now, is not in force; None when all is."""
        return self._store.fault or next(iter(self._faults.values()), None)

    @property
    def standing(self) -> Standing:
        self._look_if_due()
        return self._standing

    def current(self, client: str = "", service: str = "", user: str = "") -> Policy:
        """The policy that a call of this client and user to this service is under."""
        self._look_if_due()
        base, text = self._store.in_force()
        layers = self._standing.layers(client, service, user)
        return self._laid(base, text, layers) if layers else base

    def shadow(self, client: str, service: str, user: str) -> Shadow | None:
        """What is computed beside it, and not shown. Never raises: a shadow that can't be made is told in the log."""
        self._look_if_due()
        layers = self._standing.in_shadow(client, service, user)
        if not layers:
            return None
        try:
            policy = self._made_of(*self._store.in_force(), layers)
        except PolicyError as error:
            self._refuse(("shadow",), f"in the shadow: {error}")
            return None
        self._faults.pop(("shadow",), None)
        shadowed = {a.layer.version for a in self._standing.shadows.values()}
        return Shadow(policy, "+".join(a.layer.version for a in layers if a.layer.version in shadowed))

    def _laid(self, base: Policy, text: str, layers: tuple[Approved, ...]) -> Policy:
        names = tuple(a.layer.head.layer for a in layers)
        try:
            found = self._made_of(base, text, layers)
        except PolicyError as error:
            # it was good when it was activated: the file below it, or what is installed, has changed since
            self._refuse(names, str(error))
            return self._good.get(names, base)
        self._good[names] = found
        self._faults.pop(names, None)
        return found

    def _made_of(self, base: Policy, text: str, layers: tuple[Approved, ...]) -> Policy:
        """Laid over once for as long as file and layers are the same. Raises PolicyError."""
        key = (base.version, *(f"{a.layer.version}:{a.approver}" for a in layers))
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = self._lay(text, layers)
        if isinstance(found, PolicyError):
            raise found
        return found

    def _lay(self, base: str, layers: tuple[Approved, ...]) -> Policy | PolicyError:
        try:
            found, text = laid_over(base, self._store.where, [(a.layer, a.approver) for a in layers], self._known)
        except PolicyError as error:
            return error
        _log.info("policy.laid version=%s layers=%s", found.version, "+".join(a.layer.version for a in layers))
        if self._on_use is not None:
            self._on_use(found, text)
        return found

    def _refuse(self, what: tuple[str, ...], fault: str) -> None:
        if fault != self._faults.get(what):
            _log.error("policy.layer_rejected fault=%s", fault)
        self._faults[what] = fault

    def _look_if_due(self) -> None:
        if self._clock() < self._due:
            return
        # the first look is waited for: a call must not be answered under the bare file because another asks just now
        if self._lock.acquire(blocking=self._due == float("-inf")):
            try:
                if self._clock() >= self._due:
                    self._look()
            finally:
                self._due = self._clock() + self._poll_s
                self._lock.release()

    def _look(self) -> None:
        try:
            last = self._ledger.last_policy_event()
            if last != self._last_event:
                self._take(self._ledger.policy_record())
                self._last_event = last
                self._keep()
        except LedgerError:
            if self._last_event < 0:
                self._take_kept()
        if self._today() != self._day:
            self._take(self._record)

    def _take(self, record: PolicyRecord) -> None:
        day = self._today()
        try:
            found = standing(record, day)
        except (PolicyError, KeyError) as error:
            self._refuse(("ledger",), f"the ledger's layers can't be read: {error}")
            return
        self._record, self._day, self._standing = record, day, found
        self._made.clear()
        self._faults.clear()

    def _keep(self) -> None:
        """For a worker of this host that starts while the ledger is down. Losing it costs that alone."""
        if not self._record.events:
            return
        aside = self._kept_at.with_name(f"{self._kept_at.name}.{os.getpid()}")
        try:
            aside.write_bytes(msgspec.json.encode(self._record))
            aside.replace(self._kept_at)
        except OSError as error:
            _log.error("policy.not_kept reason=%s", os.strerror(error.errno or 0))

    def _take_kept(self) -> None:
        try:
            kept = msgspec.json.decode(self._kept_at.read_bytes(), type=PolicyRecord)
        except FileNotFoundError:
            return
        except (OSError, msgspec.MsgspecError) as error:
            _log.error("policy.kept_unreadable reason=%s", type(error).__name__)
            return
        _log.warning("policy.kept events=%d", len(kept.events))
        self._take(kept)
