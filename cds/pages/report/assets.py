"""The report's style sheet, script and mark: from this host, under addresses that change with their content."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cds import charts

_FOLDER = Path(__file__).parents[1] / "assets"
_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
NAMES = ("report.css", "report.js", "mark.svg")


@dataclass(frozen=True)
class Asset:
    content: bytes
    content_type: str
    version: str


@cache
def asset(name: str) -> Asset:
    """Raises KeyError for a name that is not one of ``NAMES``. The charts' colours are part of the style sheet."""
    if name not in NAMES:
        raise KeyError(name)
    content = (_FOLDER / name).read_bytes()
    if name == "report.css":
        content = charts.stylesheet().encode() + b"\n" + content
    return Asset(content, _TYPES[name.rpartition(".")[2]], hashlib.sha256(content).hexdigest()[:12])


def address(name: str) -> str:
    """Relative to ``/report/<rid>/``, whatever stands in front of the service."""
    return f"../../report-assets/{name}?v={asset(name).version}"
