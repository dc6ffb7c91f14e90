"""Are two names one person's?"""

from __future__ import annotations

import unicodedata


def same_person(one: str, other: str) -> bool:
    """However they are written: capitals, accents, dots and spaces do not make another person."""
    return plain(one) == plain(other)


def plain(name: str) -> str:
    """Its letters and digits alone; empty for no name."""
    letters = unicodedata.normalize("NFKD", name).casefold()
    return "".join(c for c in letters if c.isalnum())
