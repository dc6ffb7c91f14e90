"""What a code of a terminology is called, in the reader's language: found by scheme and code, never by what somebody
displayed beside it.

Names are sentences ``code.SCHEME.CODE`` of the catalogues, so that a package brings those of its own field.
"""

from __future__ import annotations

from dataclasses import dataclass

from cds.cards.phrasebook import Phrasebook
from cds.coding_schemes import DESIGNATORS


@dataclass(frozen=True)
class Coded:
    scheme: str
    """DICOM's designator, or FHIR's system."""
    value: str
    meaning: str
    """As it was sent, which in DICOM is English as a rule."""

    def named(self, words: Phrasebook) -> tuple[str, str]:
        """(name, its language): as sent, and then taken for English, where no catalogue knows the code."""
        known = words.texts.get(f"code.{DESIGNATORS.get(self.scheme, self.scheme)}.{self.value}")
        return (known, words.language) if known is not None else (self.meaning, "en")
