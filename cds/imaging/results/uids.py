"""Identifiers that follow from what was read and what read it: a retry makes the same objects, not new ones.

A UID is a name-based UUID under 2.25 (DICOM PS3.5 B.2) of the source's SOP Instance UIDs, the model's hash and version
and the object's role.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

_NAMESPACE = b"cds-imaging-result-1"


def _digest(parts: Iterable[str]) -> bytes:
    found = hashlib.sha256(_NAMESPACE)
    for part in parts:
        text = part.encode()
        # the length keeps ("a", "bc") and ("ab", "c") apart
        found.update(len(text).to_bytes(4, "big") + text)
    return found.digest()


def uid_of(*parts: str) -> str:
    """A DICOM UID of at most 44 characters."""
    return f"2.25.{uuid.UUID(bytes=_digest(parts)[:16], version=5).int}"


@dataclass(frozen=True)
class Uids:
    """Names for everything made from one analysis."""

    key: str
    """Hex; the same for the same images, model hash and version."""

    @classmethod
    def of(cls, sop_uids: Iterable[str], sha256: str, version: str) -> Uids:
        """``sop_uids``: of the source, in any order, each once or more often."""
        return cls(_digest([sha256, version, *sorted(set(sop_uids))])[:16].hex())

    def uid(self, role: str) -> str:
        """``role`` names the object within the analysis, such as ``seg``."""
        return uid_of(self.key, role)

    def id(self, role: str) -> str:
        """The same as a FHIR id or identifier value: 32 hexadecimal digits."""
        return _digest([self.key, role])[:16].hex()
