"""Ids of rows, in the order of their making, and what is an id of that kind.

A random id puts each row on another page of its index; ids that begin with the time share the last page, which the
ledger then writes once for a whole call.
"""

from __future__ import annotations

import os
import re
import time
from collections import deque

_BITS, _BYTES, _AT_ONCE = 74, 10, 64
_VERSION, _VARIANT = 0x7 << 76, 0x2 << 62
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)


def new_id() -> str:
    """A UUID of version 7 (RFC 9562): milliseconds of the clock, then 74 random bits."""
    try:
        drawn = _drawn.popleft()
    except IndexError:
        drawn = _more()
    random = int.from_bytes(drawn, "big") >> (8 * _BYTES - _BITS)
    high, low = random >> 62, random & ((1 << 62) - 1)
    text = f"{(time.time_ns() // 1_000_000) << 80 | _VERSION | high << 64 | _VARIANT | low:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


_drawn: deque[bytes] = deque()
"""Random bytes for the next ids: asking the kernel for each gives the interpreter away several times in a call."""
# a child has what its parent has not used yet, and so has the parent
os.register_at_fork(after_in_child=_drawn.clear)


def is_uuid(text: str) -> bool:
    """Of any version. What is one can't be a name, a number of a record or an address."""
    return _UUID.fullmatch(text) is not None


def _more() -> bytes:
    found = os.urandom(_BYTES * _AT_ONCE)
    _drawn.extend(found[at : at + _BYTES] for at in range(_BYTES, len(found), _BYTES))
    return found[:_BYTES]
