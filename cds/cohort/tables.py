"""Figures as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def with_interval(found: Mapping[str, float], decimals: int = 3, of: str = "value") -> str:
    """``0.656 (0.631 to 0.681)``; ``of``: which figure the interval belongs to."""
    # + 0.0: a rounded -0.001 is 0, not -0
    value, low, high = (f"{round(found[key], decimals) + 0.0:.{decimals}f}" for key in (of, "lower", "upper"))
    return f"{value} ({low} to {high})"


def ranges_table(found: Mapping[str, Mapping[str, float]]) -> str:
    """What ``coverage`` measured."""

    def row(name: str, r: Mapping[str, float]) -> list[str]:
        outside = (100 - 100 * r["to_be"]) / 2
        within = f"{100 * r['within']:.1f}% ({100 * r['lower']:.1f} to {100 * r['upper']:.1f})"
        to_be = f"{outside:.0f}%, {100 * r['to_be']:.0f}%, {outside:.0f}%"
        return [name, f"{100 * r['before']:.1f}%", within, f"{100 * r['after']:.1f}%", to_be]

    head = ["one patient's range", "died before it", "within (95% interval)", "after it", "to be"]
    return table(head, [row(name, r) for name, r in found.items()])
