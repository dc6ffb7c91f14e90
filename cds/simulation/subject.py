"""The invented model and the charter it is watched by, read from the files beside this one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from cds import yaml_lines
from cds.committee.charter import Charter, version_of
from cds.inference.manifest import Manifest

_FOLDER = files(__package__)
MEASURED = Path(__file__).resolve().parent / "measured.json"
"""What the benchmark `monitors` found last; the table of docs/monitors.md shows it."""


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong in a hospital from one day on."""

    name: str
    says: str
    seen_by: tuple[tuple[str, str], ...]
    """(measure, about) of the findings of which one must leave green."""
    within_d: int
    """Days from its beginning to a verdict that is not green, at most."""

    def sees(self, measure: str, about: str) -> bool:
        return (measure, about) in self.seen_by


@cache
def faults() -> Mapping[str, Fault]:
    """By name, in the order of the table."""
    content = yaml_lines.plain((_FOLDER / "faults.yaml").read_text(encoding="utf-8"))
    return {
        name: Fault(name, row["says"], tuple((s["measure"], s["about"]) for s in row["seen_by"]), row["within_d"])
        for name, row in content.items()
    }


@cache
def manifest() -> Manifest:
    return Manifest.model_validate(yaml_lines.plain((_FOLDER / "model.yaml").read_text(encoding="utf-8")))


@cache
def charter_text() -> str:
    return (_FOLDER / "charter.yaml").read_text(encoding="utf-8")


@cache
def charter() -> Charter:
    found = Charter.model_validate(yaml_lines.plain(charter_text()))
    return found.model_copy(update={"version": version_of(charter_text())})
