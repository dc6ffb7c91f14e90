"""The colours of charts by what they are for. A drawing holds stand-ins; ``charts.css`` holds the colours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

Tone = Literal["ink", "soft", "grid", "main", "band", "second", "third", "shade", "mark", "paper"]
"""Text; lesser text and axes; grid; the patient's own line; its interval; two other lines; a period to be careful with;
a mark on a line; the page."""

STAND_IN: Mapping[str, str] = {tone: f"#01fe{number:02x}" for number, tone in enumerate(get_args(Tone), start=1)}
"""Colours no chart uses for their looks, one a tone."""

TONE: Mapping[str, str] = {colour: tone for tone, colour in STAND_IN.items()}

DAYLIGHT: Mapping[str, str] = {
    "ink": "#15202b",
    "soft": "#4d5b69",
    "grid": "#d5dce3",
    "main": "#005eb8",
    "band": "#d6e6f7",
    "second": "#a34a00",
    "third": "#6a3d9a",
    "shade": "#fdf0d5",
    "mark": "#7a4f00",
    "paper": "#ffffff",
}
"""The colours of ``charts.css`` on a light page, for pictures."""
