"""Descriptions of series as they are compared: technicians write them with and without accents, in any case."""

from __future__ import annotations

import re
import unicodedata

_UMLAUT = re.compile(r"(?<=[aou])e(?=[a-z])")
_LONGEST = 1_000
"""Characters that are read. DICOM allows 64; reading takes time that grows with the square of their number."""


def folded(text: str) -> str:
    """Without accents and case; ä, ae and a are one, and so are ö and oe, ü and ue."""
    letters = unicodedata.normalize("NFKD", text[:_LONGEST].lower())
    return _UMLAUT.sub("", "".join(letter for letter in letters if not unicodedata.combining(letter)))
