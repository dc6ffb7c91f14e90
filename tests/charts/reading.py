"""A chart's markup read back: where its parts lie, in the chart's own pixels."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from cds.charts import Svg

SVG = "{http://www.w3.org/2000/svg}"


def tree(svg: Svg) -> ET.Element:
    return ET.fromstring(svg.markup)


def texts(svg: Svg) -> list[str]:
    return [str(e.text) for e in tree(svg).iter(f"{SVG}text")]


def named(svg: Svg, name: str) -> list[ET.Element]:
    return [e for e in tree(svg).iter() if e.get("data-part") == name]


def path_of(svg: Svg, name: str) -> list[tuple[float, float]]:
    """The corners of the line of that name."""
    (group,) = named(svg, name)
    data = next(e for e in group.iter(f"{SVG}path")).get("d", "")
    numbers = [float(n) for n in re.findall(r"-?[\d.]+", data)]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def marks_of(svg: Svg, name: str) -> list[tuple[float, float]]:
    """Where the markers of that name stand."""
    return [
        (float(e.get("x", "0")), float(e.get("y", "0"))) for group in named(svg, name) for e in group.iter(f"{SVG}use")
    ]


def text_at(svg: Svg, words: str) -> tuple[float, float]:
    found = next(e for e in tree(svg).iter(f"{SVG}text") if e.text == words)
    return float(found.get("x", "0")), float(found.get("y", "0"))
