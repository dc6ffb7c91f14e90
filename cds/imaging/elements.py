"""The values of one element: as text, and as finite numbers (DICOM PS3.5 §6.2).

A header has some fifty elements that are used and a series hundreds of headers, all read by the one thread that keeps
pace with the wire. What is plain, ASCII text without a switch of its character set and single unsigned shorts, is
therefore read from its bytes; all else is converted by pydicom, which knows every exception, and says the same.
"""

from __future__ import annotations

import math
from functools import cache

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag, Tag

from cds.imaging.reasons import Reason, Unusable

_WORDS = frozenset({"AE", "AS", "CS", "DA", "DT", "LO", "SH", "TM", "UI"})
"""Value representations of text that a backslash divides."""
_ESCAPE = b"\x1b"
"""Begins a switch of the character set (PS3.5 §6.1.2.5.3)."""


def text(dataset: Dataset, keyword: str) -> str:
    """The first value as text, "" for none."""
    values = texts(dataset, keyword)
    return values[0] if values else ""


def texts(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    if (plain := _plain(dataset, keyword, _WORDS)) is not None:
        return tuple(value.strip() for value in plain)
    value = dataset.get(keyword)
    if value is None or value == "":
        return ()
    return tuple(str(v).strip() for v in value) if isinstance(value, MultiValue | list) else (str(value).strip(),)


def numbers(dataset: Dataset, keyword: str) -> tuple[float, ...]:
    """Empty for none. Raises Unusable (not-finite) for what is no finite number."""
    found = _short(dataset, keyword)
    if found is None and (plain := _plain(dataset, keyword, frozenset({"DS"}))) is not None:
        found = () if len(plain) == 1 and not plain[0].strip() else tuple(map(float, plain))
    if found is None:
        value = dataset.get(keyword)
        if value is None or value == "":
            return ()
        found = tuple(float(v) for v in (value if isinstance(value, MultiValue | list | tuple) else (value,)))
    if not all(map(math.isfinite, found)):
        raise Unusable(Reason.NOT_FINITE, f"({keyword})")
    return found


def number(dataset: Dataset, keyword: str) -> float | None:
    values = numbers(dataset, keyword)
    return values[0] if values else None


def _plain(dataset: Dataset, keyword: str, representations: frozenset[str]) -> list[str] | None:
    """The values between the backslashes, none for an empty element; None where pydicom has to read it."""
    tag, usual = _known(keyword)
    element = dataset.get_item(tag)
    if not isinstance(element, RawDataElement) or (element.VR or usual) not in representations:
        return None
    stored = (element.value or b"").rstrip(b" \0")
    if not stored.isascii() or _ESCAPE in stored or b"\0" in stored:
        return None
    return stored.decode("ascii").split("\\") if stored else []


def _short(dataset: Dataset, keyword: str) -> tuple[float, ...] | None:
    tag, usual = _known(keyword)
    element = dataset.get_item(tag)
    if not isinstance(element, RawDataElement) or (element.VR or usual) != "US" or len(element.value or b"") != 2:
        return None
    return (float(int.from_bytes(element.value or b"", "little" if element.is_little_endian else "big")),)


@cache
def _known(keyword: str) -> tuple[BaseTag, str]:
    """Its tag, and the value representation where the file does not say it."""
    tag = tag_for_keyword(keyword)
    assert tag is not None, keyword
    return Tag(tag), dictionary_VR(tag)
