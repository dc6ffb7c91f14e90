"""Where in a YAML file a key stands, so that a fault can name its line."""

from __future__ import annotations

import yaml


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
