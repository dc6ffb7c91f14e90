"""matplotlib's SVG made fit to stand in a page: classes for colours, ids of its own, words for those who can't see it.

The page's Content-Security-Policy allows no inline style, so neither ``style`` attributes nor ``<style>`` are left.
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
import threading
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files

from cds.charts.tones import TONE
from cds.errors import ChartsUnavailable

_SVG = "{http://www.w3.org/2000/svg}"
_HREF = "{http://www.w3.org/1999/xlink}href"
_KEY = "chart-0-key"
_loading = threading.Event()
_REFERENCE = re.compile(r"^url\(#([^)]+)\)$")
_PAINT = ("fill", "stroke")
_NUMBER = re.compile(r"-?\d*\.?\d+(?:[eE][-+]?\d+)?")
_GEOMETRY = frozenset({"x", "y", "width", "height", "transform", "stroke-width", "stroke-dasharray", "font-size"})
_KEPT = frozenset({"stroke-width", "stroke-dasharray", "stroke-linejoin", "stroke-linecap", "fill-rule"})
PART = "part:"
"""Artists whose gid begins so keep the rest of it as ``data-part``: for tests and for a page's script."""


@dataclass(frozen=True)
class Svg:
    markup: str
    """One ``<svg>`` element, safe to be put into a page unescaped: every text in it was escaped."""
    width: int
    """CSS pixels it was laid out for; it scales."""
    height: int


def available() -> bool:
    """Is there a matplotlib to draw with? Nothing is imported to find out."""
    return importlib.util.find_spec("matplotlib") is not None


def require() -> None:
    """Raises ChartsUnavailable."""
    if not available():
        raise ChartsUnavailable("charts can't be drawn here: install this package's extra 'report'")


def prepare() -> None:
    """Load what the first drawing would wait for (half a second), in the background; nothing where it is not there."""
    if available() and not _loading.is_set():
        _loading.set()
        threading.Thread(target=load, name="charts", daemon=True).start()


def load() -> None:
    """What ``prepare`` does, waited for."""
    if not available():
        return
    _loading.set()
    importlib.import_module("cds.charts.sheet").Sheet(10, 10).page()


def stylesheet() -> str:
    """``charts.css``: the colours of all charts in light, dark and print."""
    return files("cds.charts").joinpath("charts.css").read_text(encoding="utf-8")


def finished(raw: bytes, *, width: int, height: int, title: str, description: str, narrow: bool) -> Svg:
    """``raw``: what matplotlib drew in ``STAND_IN`` colours."""
    drawn = ET.fromstring(raw)  # nosec B314 # by matplotlib, a moment ago
    # in the order of the drawing, without repeats
    used = dict.fromkeys(found for element in drawn.iter() for found in _references(element))
    names = {name: f"{_KEY}-{number}" for number, name in enumerate(used, start=1)}
    root = ET.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "class": "chart chart-narrow" if narrow else "chart",
            "viewBox": f"0 0 {width} {height}",
            "width": str(width),
            "height": str(height),
            "role": "img",
            "aria-labelledby": f"{_KEY}-title {_KEY}-desc",
            "stroke-linejoin": "round",
            "fill": "none",
        },
    )
    ET.SubElement(root, "title", {"id": f"{_KEY}-title"}).text = title
    ET.SubElement(root, "desc", {"id": f"{_KEY}-desc"}).text = description
    for child in drawn:
        root.extend(_clean(child, names))
    markup = ET.tostring(root, encoding="unicode")
    # the same drawing gets the same ids, another one others
    return Svg(markup.replace(_KEY, f"c{hashlib.blake2s(markup.encode(), digest_size=4).hexdigest()}"), width, height)


def _references(element: ET.Element) -> Iterator[str]:
    if target := element.get(_HREF):
        yield target[1:]
    for value in [*element.attrib.values(), *(value for _name, value in _declared(element))]:
        if match := _REFERENCE.match(value):
            yield match[1]


def _clean(element: ET.Element, names: dict[str, str]) -> list[ET.Element]:
    """The element as it may stand in a page; a group that says nothing is replaced by what it holds."""
    tag = element.tag.removeprefix(_SVG)
    if tag in ("metadata", "style"):
        return []
    children = [made for child in element for made in _clean(child, names)]
    attributes = dict(_attributes(element, tag, names))
    if tag in ("g", "defs") and (not children or (tag == "g" and not attributes)):
        return children if tag == "g" else []
    if tag == "path" and not attributes.get("d"):
        return []
    made = ET.Element(tag, attributes)
    made.text = element.text if tag == "text" else None
    made.extend(children)
    return [made]


def _attributes(element: ET.Element, tag: str, names: dict[str, str]) -> Iterator[tuple[str, str]]:
    classes: list[str] = []
    for name, value in element.attrib.items():
        if name == "style" or name in _PAINT:
            continue
        if name == "id":
            if value in names:
                yield "id", names[value]
            elif value.startswith(PART):
                yield "data-part", value.removeprefix(PART)
        elif name == _HREF:
            yield "href", f"#{names[value[1:]]}"
        elif name == "clip-path":
            yield name, f"url(#{names[value[5:-1]]})"
        elif name == "class":
            classes.append(value)
        elif name == "d":
            yield name, _path(value)
        else:
            yield name, _rounded(value) if name in _GEOMETRY else value
    if tag == "path" and element.get("id") in names:
        yield from ((name, _rounded(value)) for name, value in _declared(element) if name in _KEPT)
        return  # a shape that is used elsewhere, in the colours given there
    style = {name: element.attrib[name] for name in _PAINT if name in element.attrib} | dict(_declared(element))
    yield from _painted(style, classes, names)
    yield from ((name, _rounded(value)) for name, value in style.items() if name in _KEPT)
    if classes:
        yield "class", " ".join(classes)


def _painted(style: dict[str, str], classes: list[str], names: dict[str, str]) -> Iterator[tuple[str, str]]:
    """``fill`` and ``stroke``: the class gives the current colour; a stroke in another tone has a class of its own."""
    fill, stroke = style.get("fill"), style.get("stroke")
    tones = [TONE[colour] for colour in (fill, stroke) if colour is not None and colour in TONE]
    if tones:
        classes.append(f"c-{tones[0]}")
    for name, colour in (("fill", fill), ("stroke", stroke)):
        if colour is None:
            continue
        if colour == "none":
            yield name, colour
        elif match := _REFERENCE.match(colour):
            yield name, f"url(#{names[match[1]]})"
        elif colour not in TONE:
            raise ValueError(f"{colour} is no tone of a chart")
        elif TONE[colour] == tones[0]:
            yield name, "currentColor"
        else:
            classes.append(f"c-edge-{TONE[colour]}")


def _declared(element: ET.Element) -> list[tuple[str, str]]:
    pairs = (part.partition(":") for part in element.get("style", "").split(";") if part.strip())
    return [(name.strip(), value.strip()) for name, _colon, value in pairs]


def _path(data: str) -> str:
    """Without what a reader of paths does not need."""
    return re.sub(r"\s*([MLQCz])\s*", r"\1", _rounded(data.replace("\n", " "))).strip()


def _rounded(text: str) -> str:
    return _NUMBER.sub(lambda match: _short(float(match[0])), text)


def _short(value: float) -> str:
    """A tenth of a pixel; a hundredth where it is a part of one."""
    shown = f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
    shown = shown.rstrip("0").rstrip(".")
    return "0" if shown in ("-0", "") else shown
