"""The outcome as one page that stands by itself: to read, to print, to hand to the EHR's team."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from jinja2 import Environment, PackageLoader, select_autoescape


def rendered(outcome: Mapping[str, Any]) -> str:
    """``outcome``: as ``cds.site.outcome.plain`` gives it. All text of others is escaped."""
    environment = Environment(
        loader=PackageLoader("cds.site"), autoescape=select_autoescape(), trim_blocks=True, lstrip_blocks=True
    )
    rows = outcome["findings"]
    counts = {verdict: sum(row["verdict"] == verdict for row in rows) for verdict in ("fault", "note", "good")}
    parts = [(part, list(found)) for part, found in groupby(rows, key=lambda row: str(row["part"]))]
    return environment.get_template("site.html").render(outcome=outcome, counts=counts, parts=parts)
