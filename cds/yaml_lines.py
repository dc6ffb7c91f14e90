"""YAML that people write: read once, with the line of every key, so that a fault can name where it stands.

libyaml does the reading where PyYAML was built with it: ten times faster. Beyond what YAML itself forbids, a key
written twice is a fault (the second would win in silence), and so is a text that its aliases blow up.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

Loader: type[yaml.SafeLoader] | type[yaml.CSafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

MOST_BYTES = 1_000_000
_TABBED = re.compile(r" *\t\s*\S")
_MOST_NODES = 200_000
"""Ten times the largest file written by hand, counted with every alias followed."""


class YamlFault(ValueError):
    """Why a text is not taken, and its line where one is to blame."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line

    def at(self, path: Path) -> str:
        """``file:line: what is wrong``"""
        return f"{path}:{self.line or 1}: {self}"


def read_text(path: Path) -> str:
    """Raises OSError, or YamlFault for what is too large or not UTF-8."""
    if path.exists() and not path.is_file():
        raise YamlFault("is not a file")
    if path.stat().st_size > MOST_BYTES:
        raise YamlFault(f"is larger than {MOST_BYTES // 1000} kB, which nobody writes by hand")
    content = path.read_bytes()
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise YamlFault("is not UTF-8 text: save it as UTF-8", content.count(b"\n", 0, error.start) + 1) from error


def plain(text: str) -> Any:
    """What the text says, as PyYAML's safe loading has it and sooner: for what comes with the product, and is read
    whenever a process starts. Raises yaml.YAMLError."""
    loader = Loader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def parse(text: str) -> tuple[Any, yaml.Node | None]:
    """What the text says, and its nodes for ``line_of``. Raises YamlFault."""
    try:
        loader = Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None, None
            _require_honest(node)
            return loader.construct_document(node), node
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        why = error.problem or error.context
        if mark is not None and any(_TABBED.match(line) for line in text.split("\n")[mark.line : mark.line + 1]):
            why = "a tab stands before the first word, which YAML does not allow: indent with spaces"
        raise YamlFault(f"not valid YAML: {why}", mark.line + 1 if mark else None) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise YamlFault(f"not valid YAML: {error.reason}", line) from error
    except YamlFault:
        raise
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date such as 30 February
        raise YamlFault(f"not valid YAML: {error}") from error
    except RecursionError as error:
        raise YamlFault("not valid YAML: nested too deeply") from error


def _require_honest(root: yaml.Node) -> None:
    """Raises YamlFault for a key written twice, an alias inside what it names, or too much of everything."""
    sizes: dict[int, int] = {}

    def size(node: yaml.Node) -> int:
        known = sizes.get(id(node))
        if known is not None:
            if known == 0:
                raise YamlFault("an alias (*) stands inside what it names", node.start_mark.line + 1)
            return known
        sizes[id(node)] = 0  # being counted
        total = 1
        if isinstance(node, yaml.MappingNode):
            total += sum(1 + size(value) for _, value in node.value)
            _require_each_key_once(node)
        elif isinstance(node, yaml.SequenceNode):
            total += sum(size(item) for item in node.value)
        if total > _MOST_NODES:
            raise YamlFault("holds more than any file written by hand: its aliases (*) repeat too much", 1)
        sizes[id(node)] = total
        return total

    size(root)


def _require_each_key_once(node: yaml.MappingNode) -> None:
    seen: dict[str, int] = {}
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode):
            line = key.start_mark.line + 1
            if key.value in seen:
                raise YamlFault(f"{key.value}: written twice, first in line {seen[key.value]}", line)
            seen[key.value] = line


def line_of(node: yaml.Node | None, path: tuple[int | str, ...]) -> int:
    """Line of the deepest part of ``path`` that is in the file, from 1."""
    line = 1
    for part in path:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == str(part):
                    line, node = key.start_mark.line + 1, value
                    break
            else:
                return line
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            return line
    return line
