"""The ledger's key as it is written down: one key, or one a line with the oldest first.

A key that was replaced is still needed, so a key file holds all of them. Blanks and line ends about its lines are none
of them. Of a lone key everything counts: rows are kept under it as it is. One that is no line of text (raw bytes, or
blanks or a line end about it, as the environment hands over) stands among others in hexadecimal.
"""

from __future__ import annotations

_LEAST = 32
_IN_HEX = b"key-in-hex:"


def chain(material: bytes) -> tuple[bytes, ...]:
    """The keys, oldest first. Material that is not lines of text of 32 characters or more each is one key as it is, as
    it was before keys could be replaced."""
    return tuple(_key(line) for line in _lines(material)) or (material,)


def whole(material: bytes) -> bytes:
    """The material as what is derived from all of it takes it, the same wherever it comes from."""
    return b"\n".join(_lines(material)) or material


def materials(material: bytes) -> tuple[bytes, ...]:
    """The material as it was under each key so far, the one of today last: what was sealed then is under that."""
    lines = _lines(material)
    return (chain(material)[0], *(b"\n".join(lines[:n]) for n in range(2, len(lines) + 1)))


def with_one_more(material: bytes, key: bytes) -> bytes:
    return b"\n".join(_line(one) for one in (*chain(material), key))


def _lines(material: bytes) -> list[bytes]:
    """Of several keys; none of a lone one."""
    lines = [line.strip() for line in material.strip().split(b"\n")]
    return lines if len(lines) > 1 and all(len(line) >= _LEAST and line.isascii() for line in lines) else []


def _line(key: bytes) -> bytes:
    plain = key == key.strip() and key.isascii() and b"\n" not in key and len(key) >= _LEAST
    return key if plain and not key.startswith(_IN_HEX) else _IN_HEX + key.hex().encode()


def _key(line: bytes) -> bytes:
    """What looks like hexadecimal and was not written by us is a key like any other."""
    try:
        key = bytes.fromhex(line.removeprefix(_IN_HEX).decode()) if line.startswith(_IN_HEX) else line
    except ValueError:
        return line
    return key if _line(key) == line else line
