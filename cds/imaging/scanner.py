"""Which scanner made a series: its maker and model (DICOM PS3.3 C.7.5.1), as one name that is written one way."""

from __future__ import annotations

_LONGEST = 64
"""Characters, as of one DICOM element (LO): the elements are free text, and a name is short."""


def scanner(manufacturer: str, model: str) -> str:
    """In capitals, blanks single, nothing that can't be printed; "" where neither is said. How makers write themselves
    (``SIEMENS``, ``Siemens Healthineers``) is kept: the committee's groups bring it to one name."""
    words = "".join(c if c.isprintable() else " " for c in f"{manufacturer[:_LONGEST]} {model[:_LONGEST]}").split()
    return " ".join(words).upper()[:_LONGEST].rstrip()
