"""Findings and verdicts as lines for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

COLOURS = {"green": "green", "watch": "yellow", "act": "red", "stopped": "red", "stop": "red"}


def number(value: float) -> str:
    return f"{value:.3g}"


def finding(f: Mapping[str, Any]) -> str:
    """``auc: 0.61 (95% interval 0.58 to 0.64; n=1200, events=210), limit 0.65``"""
    name = f"{f['measure']} {f['about']}".strip()
    if "value" not in f:
        return f"{name}: {f['lacking']}"
    upper = "no limit" if f["upper"] is None else number(f["upper"])
    interval = "" if f["measure"] == "drift" else f"95% interval {number(f['lower'])} to {upper}; "
    events = f"baseline={f['events']}" if f["measure"] == "drift" else f"events={f['events']}"
    limit = f", limit {number(f['limit'])}" if "limit" in f else ""
    return f"{name}: {number(f['value'])} ({interval}n={f['n']}, {events}){limit}"
