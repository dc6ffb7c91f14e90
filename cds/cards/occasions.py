"""When a sentence is read: beside each catalogue folder a file ``occasions.yaml``, by the beginning of the key."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import yaml

from cds import yaml_lines
from cds.errors import ServiceError

FILE = "occasions.yaml"


class Occasions:
    def __init__(self, catalogues: Iterable[Path]) -> None:
        """``catalogues``: folders of catalogues. Raises ServiceError for a file that can't be read."""
        self._when: dict[str, str] = {}
        for folder in catalogues:
            path = folder.parent / FILE
            if not path.exists():
                continue
            try:
                found = yaml_lines.plain(path.read_text(encoding="utf-8")) or {}
            except (OSError, yaml.YAMLError) as error:
                raise ServiceError(f"{path}: {error}") from error
            self._when.update({str(key): str(said) for key, said in found.items()})

    def of(self, key: str) -> str:
        """The entry of the key, else of the longest part of it that ends at a dot; empty where there is none."""
        parts = key.split(".")
        return next((w for n in range(len(parts), 0, -1) if (w := self._when.get(".".join(parts[:n])))), "")

    def unused(self, keys: Iterable[str]) -> list[str]:
        """Entries that no sentence's key begins with."""
        known = {".".join(key.split(".")[:n]) for key in keys for n in range(1, key.count(".") + 2)}
        return sorted(set(self._when) - known)
