"""Ids of rows, in the order of their making.

A random id puts each row on another page of its index; ids that begin with the time share the last page, which the
ledger then writes once for a whole call.
"""

from __future__ import annotations

import os
import time

_BITS = 74
_VERSION, _VARIANT = 0x7 << 76, 0x2 << 62


def new_id() -> str:
    """A UUID of version 7 (RFC 9562): milliseconds of the clock, then 74 random bits."""
    random = int.from_bytes(os.urandom(10), "big") >> (80 - _BITS)
    high, low = random >> 62, random & ((1 << 62) - 1)
    text = f"{(time.time_ns() // 1_000_000) << 80 | _VERSION | high << 64 | _VARIANT | low:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
