"""The public keys of each client: from settings, from a file, or from the one address its settings name.

A ``jku`` in a token is never fetched: it can only be compared. Fetching is bounded (https, no redirect, 3 s, 256 kB),
single-flight per client, repeated at most every 30 s for an unknown key, and an address that fails leaves the keys it
gave before in use for a day.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jwt
import orjson
import requests

from cds.errors import NotAuthenticated, SettingsError
from cds.settings import ClientSettings, Settings

_log = logging.getLogger("cds.trust")

FRESH_S = 3600.0
STALE_S = 86_400.0
COOL_DOWN_S = 30.0
TIMEOUT_S = 3.0
MAX_BYTES = 256_000


@dataclass
class _Held:
    keys: dict[str | None, jwt.PyJWK] = field(default_factory=dict)
    loaded: float = float("-inf")
    tried: float = float("-inf")
    mtime: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)


class KeyStore:
    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        """Raises SettingsError when a key set given in the settings can't be read."""
        self._clock = clock
        self._held: dict[str, _Held] = {name: _Held() for name in settings.clients}
        for name, client in settings.clients.items():
            if client.jwks is not None:
                try:
                    self._held[name].keys = _parse(client.jwks)
                except (ValueError, jwt.PyJWTError) as error:
                    raise SettingsError(f"clients.{name}.jwks: {error}") from error
            elif client.jwks_file is not None:
                self._read_file(name, client)

    def key(self, name: str, client: ClientSettings, kid: str | None) -> jwt.PyJWK:
        """The key ``kid`` of a client; with no kid, its only one. Raises NotAuthenticated."""
        held = self._held[name]
        if client.jwks_file is not None:
            self._read_file(name, client)
        elif client.jku is not None and self._clock() - held.loaded > FRESH_S:
            self._fetch(name, client.jku, held)
        found = _pick(held.keys, kid)
        if found is None and client.jku is not None:
            self._fetch(name, client.jku, held)
            found = _pick(held.keys, kid)
        if found is None:
            raise NotAuthenticated(f"client {name}: no key with this kid")
        return found

    def _read_file(self, name: str, client: ClientSettings) -> None:
        held, path = self._held[name], client.jwks_file
        if path is None:
            return
        try:
            mtime = path.stat().st_mtime
            if mtime == held.mtime:
                return
            held.keys, held.mtime = _parse(orjson.loads(path.read_bytes())), mtime
        except (OSError, ValueError, jwt.PyJWTError) as error:
            if not held.keys:
                raise SettingsError(f"clients.{name}.jwks_file: {error}") from error
            _log.error("keys.kept client=%s reason=%s", name, type(error).__name__)

    def _fetch(self, name: str, jku: str, held: _Held) -> None:
        with held.lock:
            now = self._clock()
            if now - held.tried < COOL_DOWN_S:
                return
            held.tried = now
            try:
                held.keys, held.loaded = _parse(_download(jku)), now
            except (requests.RequestException, ValueError, jwt.PyJWTError) as error:
                _log.error("keys.unreachable client=%s reason=%s", name, type(error).__name__)
                if now - held.loaded > STALE_S:
                    held.keys = {}


def _pick(keys: dict[str | None, jwt.PyJWK], kid: str | None) -> jwt.PyJWK | None:
    if kid is None:
        return next(iter(keys.values())) if len(keys) == 1 else None
    return keys.get(kid)


def _parse(content: Any) -> dict[str | None, jwt.PyJWK]:
    """Signature keys by kid; keys of other uses or kinds are left out, and so is anything symmetric."""
    listed = content.get("keys") if isinstance(content, dict) else None
    if not isinstance(listed, list):
        raise ValueError("not a JWK Set: it needs a list called 'keys'")
    keys: dict[str | None, jwt.PyJWK] = {}
    for item in listed:
        kind = str(item.get("kty")) if isinstance(item, dict) else ""
        algorithm = {"RSA": "RS384", "EC": "ES384"}.get(kind)
        if algorithm is None or item.get("use", "sig") != "sig" or item.get("alg", algorithm) != algorithm:
            continue
        if item["kty"] == "EC" and item.get("crv") != "P-384":
            continue
        keys[item.get("kid")] = jwt.PyJWK({k: v for k, v in item.items() if k != "d"}, algorithm)
    if not keys:
        raise ValueError("the key set holds no RS384 or ES384 signature key")
    return keys


def _download(jku: str) -> Any:
    with requests.Session() as session:
        session.trust_env = False
        with session.get(jku, timeout=TIMEOUT_S, allow_redirects=False, stream=True) as response:
            if response.status_code != 200:
                raise ValueError(f"the key address answered {response.status_code}")
            body = b""
            end = time.monotonic() + TIMEOUT_S
            for chunk in response.iter_content(8192):
                body += chunk
                if len(body) > MAX_BYTES or time.monotonic() > end:
                    raise ValueError("the key set is too large or arrives too slowly")
    return orjson.loads(body)
