"""Every place of a JSON document with something else there, or with nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

GONE = "gone"
OTHERS = (GONE, None, "x", [], {}, -1, [1, 2, 3], 0, float("inf"))


def damaged(whole: Any, value: Any) -> Iterator[Any]:
    """One copy a place, with ``value`` there."""
    for *way, last in _places(whole):
        copy = inner = json.loads(json.dumps(whole))
        for key in way:
            inner = inner[key]
        if value == GONE:
            del inner[last]
        else:
            inner[last] = value
        yield copy


def _places(block: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner = block.items() if isinstance(block, dict) else enumerate(block) if isinstance(block, list) else ()
    for key, value in inner:
        yield (*path, key)
        yield from _places(value, (*path, key))
