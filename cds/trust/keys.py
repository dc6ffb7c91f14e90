"""The public keys of all clients: inline, in a file, or behind an address."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from jwt import PyJWK

from cds.errors import NotAuthenticated, SettingsError
from cds.settings import ClientSettings, Settings
from cds.trust.jku import Limits, RemoteKeys, log_rejected
from cds.trust.keyset import KeySet, parse_key_set, read_key_set

_log = logging.getLogger("cds.trust")


class KeySource(Protocol):
    """Where one client's keys are."""

    def find(self, kid: str | None, alg: str) -> PyJWK | None: ...

    def load(self) -> KeySet: ...


class KeyStore:
    """Parsed keys by client. Thread-safe; opens no connection and starts no thread until a key is asked for."""

    def __init__(
        self, settings: Settings, limits: Limits | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Raises SettingsError naming the client whose keys can't be read or hold none that is usable."""
        # clients whose key servers hang leave half of the places to the others
        limits = limits or Limits(most_waiting=max(1, settings.threads // 2))
        patient = threading.BoundedSemaphore(limits.most_waiting)
        self._sources: dict[str, KeySource] = {}
        for name, client in settings.clients.items():
            if client.authentication != "jwt":
                continue
            try:
                self._sources[name] = _source(client, limits, clock, settings.ca_file, patient)
            except SettingsError as error:
                raise SettingsError(f"client '{name}': {error}") from error

    def find(self, client: str, *, kid: str | None, alg: str) -> PyJWK:
        """The key that verifies this client's token with these headers. Raises NotAuthenticated if there is none."""
        key = self._sources[client].find(kid, alg)
        if key is None:
            if kid is None:
                raise NotAuthenticated(f"the token names no kid, and client '{client}' has not just one {alg} key")
            raise NotAuthenticated(f"client '{client}' has no {alg} key with the kid it sent")
        return key

    def load(self, client: str) -> KeySet:
        """What the client's set holds right now. Raises SettingsError. For ``cds check``; a call uses ``find``."""
        return self._sources[client].load()


def _source(
    client: ClientSettings,
    limits: Limits,
    clock: Callable[[], float],
    ca_file: Path | None,
    patient: threading.Semaphore,
) -> KeySource:
    if client.jku is not None:
        return RemoteKeys(client.jku, limits, clock, ca_file, patient)
    if client.jwks_file is not None:
        return _FileKeys(client.jwks_file)
    return _InlineKeys(_usable(parse_key_set(client.jwks), "jwks"))


class _InlineKeys:
    def __init__(self, keys: KeySet) -> None:
        self._keys = keys

    def find(self, kid: str | None, alg: str) -> PyJWK | None:
        return self._keys.find(kid, alg)

    def load(self) -> KeySet:
        return self._keys


class _FileKeys:
    """Read again whenever the file changes. A changed file that can't be used leaves the last good keys in force."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._stamp = self._look()
        self._keys = self.load()

    def find(self, kid: str | None, alg: str) -> PyJWK | None:
        if self._look() != self._stamp:
            self._renew()
        return self._keys.find(kid, alg)

    def load(self) -> KeySet:
        try:
            body = self._path.read_bytes()
        except OSError as error:
            raise SettingsError(f"jwks_file can't be read: {error}") from error
        try:
            return _usable(read_key_set(body), str(self._path))
        except SettingsError as error:
            raise SettingsError(f"jwks_file {self._path}: {error}") from error

    def _renew(self) -> None:
        with self._lock:
            stamp = self._look()
            if stamp == self._stamp:
                return
            try:
                self._keys = self.load()
            except SettingsError as error:
                _log.error("the last good keys stay in force: %s", error)
            # also after a failure: a broken file is complained of once, not at each call
            self._stamp = stamp

    def _look(self) -> tuple[int, int, int] | None:
        """Inode and size beside the time: a mounted ConfigMap swaps links, and clocks of file systems are coarse."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


def _usable(keys: KeySet, where: str) -> KeySet:
    if not keys.keys:
        raise SettingsError("no usable public key in it" + "".join(f"; {reason}" for reason in keys.rejected))
    log_rejected(keys, where)
    return keys
