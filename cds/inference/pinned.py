"""A file of a model's folder is the one that the manifest pins, or it is not used."""

from __future__ import annotations

import hashlib
from pathlib import Path

from cds.errors import ModelError


def read_pinned(path: Path, sha256: str) -> bytes:
    """Raises ModelError."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} can't be read: {error.strerror}") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ModelError(f"{path} is not the file its manifest pins (SHA-256 differs)")
    return content
