"""Keys of the report's door, each for one purpose, all from the ledger's: nothing more for a site to keep.

Sealing is AES-256-GCM (NIST SP 800-38D): what comes back is what went in, or nothing.
"""

from __future__ import annotations

import base64
import binascii
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE = 12


def derived(secret: bytes, purpose: str, salt: bytes | None = None) -> bytes:
    """HKDF (RFC 5869): a key that tells nothing of ``secret`` and of the keys for other purposes."""
    return HKDF(hashes.SHA256(), 32, salt, f"cds {purpose}".encode()).derive(secret)


class Seal:
    """One purpose's key. ``about`` is bound to what is sealed without being in it."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def close(self, content: bytes, about: bytes) -> bytes:
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, content, about)

    def open(self, sealed: bytes, about: bytes) -> bytes | None:
        """None: changed, made with another key, or about something else."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], about)
        except (InvalidTag, ValueError):
            return None


def to_text(content: bytes) -> str:
    """base64url without padding (RFC 4648, section 5)."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def from_text(text: str) -> bytes | None:
    """None: not base64url, or another spelling of what ``to_text`` writes."""
    try:
        content = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return content if to_text(content) == text else None
