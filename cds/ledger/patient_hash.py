"""The keyed hash that stands for a person in the ledger, and its key, which can be replaced.

A key that was replaced is still needed: the new one is applied on top (HMAC of the HMAC). Whoever has only the old key,
and the database, then finds nobody.
"""

from __future__ import annotations

import hmac


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
