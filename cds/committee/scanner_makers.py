"""Makers of scanners under one name each, however they have written themselves in DICOM (0008,0070).

The element is free text (PS3.3 C.7.5.1.1), and one maker's changes with the software of one and the same scanner, which
would fall into two groups. What the images say stays in the ledger; only groups are made by this table, so that a line
added to it holds for readings of before, too. A firm under another name since it was bought is another row: whether
its scanners are the same ones is for people to say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "CANON": ("CANON MEDICAL SYSTEMS CORPORATION", "CANON MEDICAL SYSTEMS", "CANON MEDICAL", "CANON MEC", "CANON"),
    "FUJIFILM": (
        "FUJIFILM HEALTHCARE CORPORATION", "FUJIFILM HEALTHCARE", "FUJIFILM CORPORATION", "FUJI PHOTO FILM CO LTD",
        "FUJI PHOTO FILM", "FUJIFILM",
    ),
    "GE": (
        "GE MEDICAL SYSTEMS", "GE HEALTHCARE TECHNOLOGIES", "GE HEALTHCARE", "GENERAL ELECTRIC HEALTHCARE",
        "GENERAL ELECTRIC MEDICAL SYSTEMS", "GENERAL ELECTRIC", "GEMS", "GE",
    ),
    "HITACHI": (
        "HITACHI MEDICAL CORPORATION", "HITACHI HEALTHCARE", "HITACHI MEDICAL", "HITACHI LTD", "HITACHI",
    ),
    "NEUSOFT": ("NEUSOFT MEDICAL SYSTEMS CO LTD", "NEUSOFT MEDICAL SYSTEMS", "NEUSOFT MEDICAL", "NEUSOFT"),
    "PHILIPS": (
        "PHILIPS MEDICAL SYSTEMS NEDERLAND B V", "PHILIPS MEDICAL SYSTEMS NEDERLAND", "PHILIPS MEDICAL SYSTEMS",
        "PHILIPS HEALTHCARE", "PHILIPS MEDICAL", "PHILIPS",
    ),
    "SHIMADZU": ("SHIMADZU CORPORATION", "SHIMADZU"),
    "SIEMENS": (
        "SIEMENS HEALTHINEERS AG", "SIEMENS HEALTHINEERS", "SIEMENS HEALTHCARE GMBH", "SIEMENS HEALTHCARE",
        "SIEMENS MEDICAL SYSTEMS", "SIEMENS MEDICAL SOLUTIONS", "SIEMENS AG", "SIEMENS",
    ),
    "TOSHIBA": ("TOSHIBA MEDICAL SYSTEMS CORPORATION", "TOSHIBA MEDICAL SYSTEMS", "TOSHIBA MEDICAL", "TOSHIBA MEC",
                "TOSHIBA"),
    "UNITED IMAGING": ("UNITED IMAGING HEALTHCARE", "UNITED IMAGING", "UIH"),
}  # fmt: skip
"""The name -> how it is written, in capitals, with a blank for whatever is no letter or digit."""

_NAMES = {spelling: name for name, spellings in SPELLINGS.items() for spelling in spellings}
_LONGEST_FIRST = sorted(_NAMES, key=len, reverse=True)
_BEGINS = re.compile(
    "(" + "|".join(r"[\W_]+".join(map(re.escape, s.split())) for s in _LONGEST_FIRST) + r")(?=[\s_.,]|$)[\s_.,]*"
)
_BETWEEN = re.compile(r"[\W_]+")


def one_spelling(scanner: str) -> str:
    """Maker and model as ``cds.imaging.scanner`` writes them, the maker by its one name; unknown makers as they are."""
    written = " ".join(scanner.split()).upper()
    found = _BEGINS.match(written)
    if found is None:
        return written
    name = _NAMES[_BETWEEN.sub(" ", found[1])]
    return f"{name} {written[found.end() :]}".rstrip()
