"""A client's JWK Set as keys that are each good for exactly one algorithm.

The key decides the algorithm, never the token: an RSA key verifies RS384 and nothing else, a P-384 key ES384 and
nothing else. That is what makes algorithm confusion impossible (RFC 8725, section 3.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from cds.errors import SettingsError

_MIN_RSA_BITS = 2048
_MAX_RSA_BITS = 8192
_MAX_KEYS = 100


@dataclass(frozen=True)
class KeySet:
    """The usable keys of one client, and why the others in its set are not."""

    keys: tuple[PyJWK, ...]
    rejected: tuple[str, ...] = ()

    def find(self, kid: str | None, alg: str) -> PyJWK | None:
        """The key that may verify a token with this header; None if there is none.

        A set of one key needs no ``kid``: neither in the token nor, if it was pasted without, in the set.
        """
        if len(self.keys) == 1:
            lone = self.keys[0]
            named = kid is not None and lone.key_id is not None
            return lone if lone.algorithm_name == alg and (not named or lone.key_id == kid) else None
        if kid is None:
            return None
        return next((key for key in self.keys if key.key_id == kid and key.algorithm_name == alg), None)

    @property
    def kids(self) -> tuple[str, ...]:
        return tuple(str(key.key_id or "(no kid)") for key in self.keys)


def read_key_set(body: bytes) -> KeySet:
    """Raises SettingsError when ``body`` is not a JWK Set at all; an unusable key in it is left out and listed."""
    try:
        return parse_key_set(orjson.loads(body))
    except orjson.JSONDecodeError as error:
        raise SettingsError(f"not JSON, so not a JWK Set: {error}") from error


def parse_key_set(jwks: object) -> KeySet:
    """As ``read_key_set``, from decoded JSON."""
    entries = jwks.get("keys") if isinstance(jwks, dict) else None
    if not isinstance(entries, list):
        raise SettingsError("not a JWK Set: it has to be an object with an array 'keys'")
    if len(entries) > _MAX_KEYS:
        raise SettingsError(f"a JWK Set of {len(entries)} keys is refused; {_MAX_KEYS} is the most")
    keys: list[PyJWK] = []
    rejected: list[str] = []
    seen: set[tuple[str | None, str]] = set()
    for index, entry in enumerate(entries):
        try:
            key = _key(entry)
            if (key.key_id, key.algorithm_name) in seen:
                raise SettingsError("another key of this set has the same kid")
            seen.add((key.key_id, key.algorithm_name))
            keys.append(key)
        except SettingsError as error:
            rejected.append(f"key {index + 1}: {error}")
    return KeySet(tuple(keys), tuple(rejected))


def _key(entry: object) -> PyJWK:
    if not isinstance(entry, dict):
        raise SettingsError("not a JWK object")
    alg, public = _pinned(entry)
    kid = entry.get("kid")
    if kid is not None and not isinstance(kid, str):
        raise SettingsError("its kid is not a string")
    if "d" in entry:
        raise SettingsError("it holds a private key, which anyone who reads the set could sign with")
    if entry.get("alg", alg) != alg:
        raise SettingsError(f"its alg says {entry['alg']!r}; such a key is good for {alg} only")
    operations = entry.get("key_ops", ["verify"])
    if entry.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        raise SettingsError("it is not meant for signatures")
    try:
        key = PyJWK({**public, "kid": kid}, algorithm=alg)
    except (PyJWTError, ValueError, TypeError, AttributeError) as error:
        raise SettingsError(f"its numbers can't be read ({type(error).__name__})") from error
    if alg == "RS384" and not _MIN_RSA_BITS <= key.key.key_size <= _MAX_RSA_BITS:
        raise SettingsError(f"an RSA key of {key.key.key_size} bits; {_MIN_RSA_BITS} to {_MAX_RSA_BITS} are accepted")
    return key


def _pinned(entry: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The one algorithm of a key and its public parts."""
    kind, curve = entry.get("kty"), entry.get("crv")
    if kind == "RSA":
        return "RS384", {name: entry.get(name) for name in ("kty", "n", "e")}
    if kind == "EC" and curve == "P-384":
        return "ES384", {name: entry.get(name) for name in ("kty", "crv", "x", "y")}
    raise SettingsError(f"kty {kind!r}, crv {curve!r}: only RSA and EC P-384 keys are accepted")
