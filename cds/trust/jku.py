"""A key set behind an address (``jku``): fetched when needed, kept for an hour, and for a day if the address fails.

Only the address from the settings is ever fetched; what a token names as its ``jku`` is compared, not followed.
The fetch runs in a thread of its own, so that no server, however slowly it drips, holds a call for longer than the
time limit; the thread is started on first use, after the fork.
"""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import requests
from jwt import PyJWK

from cds.errors import Overloaded, SettingsError
from cds.trust.keyset import KeySet, read_key_set
from cds.trust.outgoing import LOOPBACK, no_credentials, proxies

_log = logging.getLogger("cds.trust")
_MOST_FETCHES = 4
"""At a time, for one client: only a server that drips its answer keeps more than one of them."""
_PIECE = 64  # bytes; each is waited for in full, and a dripping server must not keep the thread either


@dataclass(frozen=True)
class Limits:
    """Of fetching a key set; times in seconds."""

    timeout_s: float = 3.0
    prompt_s: float = 0.5
    """So long all calls wait for it that need it, then only ``most_waiting``."""
    most_waiting: int = 8
    """Of all clients."""
    max_bytes: int = 256_000
    renew_s: float = 3000.0
    """From this age on it is fetched anew behind the calls' back, so that none has to wait for it."""
    fresh_s: float = 3600.0
    """Beyond this age a call waits for a new set: a key the client withdrew is refused after at most this long."""
    stale_s: float = 86400.0
    """Up to this age an old set is used while the address fails."""
    cooldown_s: float = 30.0
    """Between two fetches for keys that aren't known: made-up kids must not turn us against the client's server."""
    retry_s: float = 300.0
    """Between two fetches while an old set does."""


@dataclass(frozen=True)
class _Held:
    keys: KeySet
    at: float


class RemoteKeys:
    """One client's key set. Safe to share between threads; each process fetches for itself."""

    def __init__(
        self,
        url: str,
        limits: Limits,
        clock: Callable[[], float],
        ca_file: Path | None = None,
        patient: threading.Semaphore | None = None,
    ) -> None:
        """``patient``: shared by all clients, so that several whose servers hang leave the others their places."""
        check_address(url)
        self._url = url
        self._limits = limits
        self._verify: str | bool = str(ca_file) if ca_file is not None else True
        self._clock = clock
        self._lock = threading.Lock()
        self._held: _Held | None = None
        self._attempted = self._looked_for = float("-inf")
        """When it was last fetched, and when last for a key that is not in the set."""
        self._flight: threading.Event | None = None
        self._patient = patient or threading.BoundedSemaphore(limits.most_waiting)
        self._told_at = float("-inf")
        self._fetches: list[threading.Thread] = []
        self._pid = -1

    def find(self, kid: str | None, alg: str) -> PyJWK | None:
        """The key, fetched if need be; None if the client has none such, or its set can't be had."""
        held = self._held
        age = self._clock() - held.at if held else float("inf")
        key = held.keys.find(kid, alg) if held and age <= self._limits.stale_s else None
        if key is not None and age <= self._limits.fresh_s:
            if age > self._limits.renew_s:
                self._begin(self._limits.retry_s)
            return key
        unknown = key is None and held is not None
        flight = self._begin(self._limits.cooldown_s if key is None else self._limits.retry_s, unknown=unknown)
        if flight is not None:
            self._wait(flight, or_refuse=key is None)
        held = self._held
        if held is None or self._clock() - held.at > self._limits.stale_s:
            return None
        return held.keys.find(kid, alg)

    def _wait(self, flight: threading.Event, *, or_refuse: bool) -> None:
        """Raises Overloaded for a call too many: whoever waits holds a place, which others' calls need. Not
        ``or_refuse``: there is an old key, with which it goes on."""
        if flight.wait(self._limits.prompt_s):
            return
        if not self._patient.acquire(blocking=False):
            if not or_refuse:
                return
            self._say_late()
            raise Overloaded(math.ceil(self._limits.timeout_s))
        try:
            flight.wait(self._limits.timeout_s - self._limits.prompt_s)
        finally:
            self._patient.release()

    def _say_late(self) -> None:
        now = self._clock()
        if now - self._told_at >= 1:
            self._told_at = now
            _log.warning("keys.late url=%s: calls that would wait for them, too, are refused", self._url)

    def load(self) -> KeySet:
        """Fetch now, whatever is held. Raises SettingsError saying what failed. For ``cds check``."""
        return self._download()

    def _begin(self, pause: float, *, unknown: bool = False) -> threading.Event | None:
        """The fetch in progress, or a new one; None if the last one is less than ``pause`` ago. For a key that the set
        does not hold (``unknown``) that is the last such one: a client may change its keys right after any other."""
        with self._lock:
            if self._pid != os.getpid():  # a fetch begun before a fork has no thread here to end it
                self._pid, self._flight, self._fetches = os.getpid(), None, []
                self._attempted = self._looked_for = float("-inf")
            now = self._clock()
            if (
                self._flight is not None
                and not self._flight.is_set()
                and now - self._attempted < self._limits.timeout_s
            ):
                return self._flight
            self._fetches = [fetch for fetch in self._fetches if fetch.is_alive()]
            if now - (self._looked_for if unknown else self._attempted) < pause or len(self._fetches) >= _MOST_FETCHES:
                return None
            self._attempted = now
            if unknown:
                self._looked_for = now
            self._flight = threading.Event()
            fetch = threading.Thread(target=self._fetch, args=(self._flight,), name="jku", daemon=True)
            self._fetches.append(fetch)
            fetch.start()
            return self._flight

    def _fetch(self, flight: threading.Event) -> None:
        started = self._clock()
        try:
            keys = self._download()
        except SettingsError as error:
            _log.warning("keys not fetched: %s", error)
        else:
            log_rejected(keys, self._url)
            with self._lock:
                if self._flight is flight:  # one that outlasted its time has been given up
                    self._held = _Held(keys, started)
        finally:
            flight.set()

    def _download(self) -> KeySet:
        try:
            return read_key_set(self._read())
        except requests.RequestException as error:
            raise SettingsError(f"jku {self._url} can't be read: {type(error).__name__}") from error
        except SettingsError as error:
            raise SettingsError(f"jku {self._url}: {error}") from error

    def _read(self) -> bytes:
        limits, end = self._limits, time.monotonic() + self._limits.timeout_s
        with (
            requests.Session() as session,
            session.get(
                self._url,
                headers={"Accept": "application/json", "Accept-Encoding": "identity"},
                timeout=limits.timeout_s,
                allow_redirects=False,
                stream=True,
                auth=no_credentials,
                verify=self._verify,
                proxies=proxies(self._url),
            ) as answer,
        ):
            if answer.status_code != 200:
                raise SettingsError(f"answered {answer.status_code}, not 200; a redirect is not followed")
            if answer.headers.get("Content-Encoding", "identity") != "identity":
                raise SettingsError("answered compressed, though asked not to")
            body = b""
            for piece in answer.iter_content(_PIECE):
                body += piece
                if len(body) > limits.max_bytes:
                    raise SettingsError(f"answered more than {limits.max_bytes} bytes")
                if time.monotonic() > end:
                    raise SettingsError(f"was still sending after {limits.timeout_s:g} s")
            return body


def log_rejected(keys: KeySet, where: str) -> None:
    """Keys that are left out are said once per reading: a client that signs with one gets 401 and no reason."""
    for reason in keys.rejected:
        _log.warning("key left out: %s: %s", where, reason)


def check_address(url: str) -> None:
    """https only, or http to this very machine. Raises SettingsError."""
    try:
        parts = urlsplit(url)
        host, named = parts.hostname, parts.username is not None or parts.password is not None
    except ValueError as error:
        raise SettingsError(f"jku {url!r} is not an address: {error}") from error
    if not host or named or not (parts.scheme == "https" or (parts.scheme == "http" and host in LOOPBACK)):
        raise SettingsError(f"jku must be a plain https address, not {url!r}")
