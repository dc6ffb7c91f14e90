"""One model folder under inspection, and what is found wrong in it, by file and line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import yaml

from cds.inference import vectors
from cds.inference.manifest import Manifest
from cds.inference.model import Model
from cds.record.concepts import Concept
from cds.yaml_lines import Loader, line_of

LANGUAGES = ("en", "nl")
"""Every sentence of a model is there in each of them."""

MARK = "TO DO"
"""Stands where a scaffolded file still waits for a person."""


@dataclass(frozen=True)
class Finding:
    path: Path
    line: int
    message: str

    def __str__(self) -> str:
        return f"{_short(self.path)}:{self.line}: {self.message}"


_PLACED = re.compile(r"^(?P<path>[^:\n]+):(?:(?P<line>\d+):)? (?P<message>.*)$")


def findings_in(text: str, path: Path) -> Iterator[Finding]:
    """The faults in an error's text, one a line, each ``file:line: fault``; what names no place is put in ``path``."""
    for line in text.splitlines():
        found = _PLACED.match(line)
        if found is not None and found["path"].endswith((".yaml", ".onnx")):
            yield Finding(Path(found["path"]), int(found["line"] or 1), found["message"])
        else:
            yield Finding(path, 1, line)


def _short(path: Path) -> Path:
    """Relative to where the reader stands, when it lies below."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


@dataclass(frozen=True)
class Subject:
    model: Model
    concepts: Mapping[str, Concept]
    """The whole vocabulary the model was loaded with."""
    orders: frozenset[str] | None = None
    """Keys of the policy's orders; None: not known, so not checked."""
    languages: tuple[str, ...] = field(default=LANGUAGES)

    @property
    def manifest(self) -> Manifest:
        return self.model.manifest

    @property
    def path(self) -> Path:
        return self.model.folder / "model.yaml"

    @cached_property
    def node(self) -> yaml.Node | None:
        return yaml.compose(self.path.read_text(encoding="utf-8"), Loader=Loader)

    @property
    def vectors_path(self) -> Path:
        return self.model.folder / vectors.FILE

    @cached_property
    def vectors_node(self) -> yaml.Node | None:
        return yaml.compose(self.vectors_path.read_text(encoding="utf-8"), Loader=Loader)

    def finding(self, message: str, *key: int | str) -> Finding:
        """At ``key`` of model.yaml, or at the deepest part of it that is written there."""
        where = ".".join(str(part) for part in key)
        return Finding(self.path, line_of(self.node, key), f"{where}: {message}" if where else message)

    def in_vectors(self, message: str, *key: int | str) -> Finding:
        return Finding(self.vectors_path, line_of(self.vectors_node, key), message)
