"""YAML that was read in this process is not read anew: of the product's own there are forty files, and a test makes a
service of its own. Each reader gets an object of its own; another text is another reading, and a fault is found every
time."""

from __future__ import annotations

import marshal
from copy import deepcopy
from functools import lru_cache
from typing import Any

import yaml

from cds import yaml_lines

_parse, _plain = yaml_lines.parse, yaml_lines.plain


class _Kept:
    """What was read, to be had as an object of one's own; marshal is the fastest at it and knows no dates."""

    def __init__(self, content: Any) -> None:
        try:
            self._bytes, self._content = marshal.dumps(content), None
        except ValueError:
            self._bytes, self._content = b"", content

    def own(self) -> Any:
        return marshal.loads(self._bytes) if self._bytes else deepcopy(self._content)


@lru_cache(maxsize=200)
def _parsed(text: str) -> tuple[_Kept, yaml.Node | None]:
    content, node = _parse(text)
    return _Kept(content), node


@lru_cache(maxsize=200)
def _said(text: str) -> _Kept:
    return _Kept(_plain(text))


def parse(text: str) -> tuple[Any, yaml.Node | None]:
    kept, node = _parsed(text)
    return kept.own(), node


def plain(text: str) -> Any:
    return _said(text).own()


# before any room has taken the names for its own
yaml_lines.parse, yaml_lines.plain = parse, plain
