"""The keyed hash that stands for a person in the ledger, and its key, which can be replaced.

A key that was replaced is still needed: the new one is applied on top (HMAC of the HMAC). Whoever has only the old key,
and the database, then finds nobody. So a key file holds one key a line, the oldest first.
"""

from __future__ import annotations

import hmac

_LEAST = 32


def chain(material: bytes) -> tuple[bytes, ...]:
    """The keys, oldest first. Material that is not lines of text of 32 characters or more each is one key as it is, as
    it was before keys could be replaced."""
    lines = [line.strip() for line in material.strip().split(b"\n")]
    if len(lines) > 1 and all(len(line) >= _LEAST and line.isascii() for line in lines):
        return tuple(lines)
    return (material,)


def materials(material: bytes) -> tuple[bytes, ...]:
    """The key file as it was under each key so far, the one of today last: what was sealed then is under that."""
    keys = chain(material)
    return (*(b"\n".join(keys[: n + 1]) for n in range(len(keys) - 1)), material)


def person(keys: tuple[bytes, ...], client: str, id: str) -> str:
    """64 hexadecimal digits for a person of one client."""
    first, *later = keys
    digest = hmac.digest(first, f"{len(client)}:{client}:{id}".encode(), "sha256")
    for key in later:
        digest = hmac.digest(key, digest, "sha256")
    return digest.hex()


def moved(found: str, key: bytes) -> str:
    """A hash under all keys so far, as it is under one more."""
    return hmac.digest(key, bytes.fromhex(found), "sha256").hex()
