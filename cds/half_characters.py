"""JSON in which a text was cut off within a character: one that takes two escapes (an emoji) and lost one of them.

JSON's grammar allows it (RFC 8259, 8.2) and no decoder takes it. It comes from programs that shorten a text at so many
UTF-16 units; what is lost is one character, and not the call that it stands in.
"""

from __future__ import annotations

import re

_MOST = 200_000
"""Backslashes in a text that is mended: each costs a step."""
_SUSPECT = re.compile(rb"\\u[dD][89a-fA-F]")
_ESCAPE = re.compile(
    rb"\\(?:u([dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.S
)


def mended(text: bytes) -> bytes:
    """With U+FFFD for each half; ``text`` itself where there is none."""
    if not _SUSPECT.search(text) or text.count(b"\\") > _MOST:
        return text
    whole = _ESCAPE.sub(lambda found: rb"\ufffd" if found[2] else found[0], text)
    return text if whole == text else whole
