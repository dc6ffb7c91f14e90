"""The sheet a chart is drawn on: matplotlib's figure measured in CSS pixels, with text as text.

matplotlib's own state is left alone: no pyplot, no rcParams changed. Its figures are drawn one after the other: they
share caches of fonts, and drawing is Python anyway.
"""

from __future__ import annotations

import io
import threading
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import RendererSVG
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.textpath import text_to_path

from cds.charts.svg import PART, Svg, finished
from cds.charts.tones import DAYLIGHT, STAND_IN, Tone

_LOCK = threading.RLock()
_PICTURED: ContextVar[list[bytes] | None] = ContextVar("pictured", default=None)
_FAMILY = "DejaVu Sans"
"""Comes with matplotlib, and is wider than what pages use: what fits in it fits."""
_ANCHOR = {"left": ("start", 0.0), "center": ("middle", 0.5), "right": ("end", 1.0)}


class _Renderer(RendererSVG):
    """Writes text as text, anchored as it was aligned, so that another font moves nothing off its place."""

    def get_text_width_height_descent(self, s: str, prop: FontProperties, ismath: Any) -> tuple[float, float, float]:
        size = prop.get_size_in_points()
        return wide(s, size, bold=prop.get_weight() == "bold"), 0.94 * size, 0.22 * size

    def draw_text(
        self,
        gc: Any,
        x: float,
        y: float,
        s: str,
        prop: FontProperties,
        angle: float,
        ismath: Any = False,
        mtext: Any = None,
    ) -> None:
        anchor, share = _ANCHOR[mtext.get_horizontalalignment() if mtext is not None else "left"]
        width = self.get_text_width_height_descent(s, prop, False)[0]
        attributes = {
            "x": f"{x + share * width:.2f}",
            "y": f"{y:.2f}",
            "font-size": f"{prop.get_size_in_points():g}",
            "style": f"fill: {to_hex(gc.get_rgb())}",
        }
        if anchor != "start":
            attributes["text-anchor"] = anchor
        if prop.get_weight() == "bold":
            attributes["font-weight"] = "700"
        if mtext is not None and getattr(mtext, "on_drawing", False):
            attributes["class"] = "c-halo"
        self.writer.element("text", s, attrib=attributes)


class Sheet:
    """``width`` by ``height`` CSS pixels, measured from the upper left corner."""

    def __init__(self, width: int, height: int, *, narrow: bool = False) -> None:
        self.width, self.height, self.narrow = width, height, narrow
        self.figure = Figure(figsize=(width / 72, height / 72), dpi=72)
        self.figure.patch.set_visible(False)

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Without frame and ticks: a chart draws those it needs."""
        place = (left / self.width, 1 - (top + height) / self.height, width / self.width, height / self.height)
        axes: Axes = self.figure.add_axes(place)
        axes.set_axis_off()
        return axes

    def page(self) -> Axes:
        """Axes that are the sheet itself, in its pixels."""
        axes = self.axes(0, 0, self.width, self.height)
        axes.set_xlim(0, self.width)
        axes.set_ylim(self.height, 0)
        return axes

    def finish(self, title: str, description: str) -> Svg:
        if (taken := _PICTURED.get()) is not None:
            taken.append(self._picture())
            return Svg("", self.width, self.height)
        out = io.StringIO()
        renderer = _Renderer(self.width, self.height, out, "", 72, metadata={"Date": None, "Creator": None})  # type: ignore[no-untyped-call]
        with _LOCK:
            self.figure.draw(renderer)
            renderer.finalize()  # type: ignore[no-untyped-call]
        return finished(
            out.getvalue().encode(),
            width=self.width,
            height=self.height,
            title=printable(title),
            description=printable(description),
            narrow=self.narrow,
        )

    def _picture(self) -> bytes:
        """PNG, at twice the size so that it stays sharp on paper."""
        self.figure.patch.set_visible(True)
        self.figure.patch.set_facecolor(DAYLIGHT["paper"])
        out = io.BytesIO()
        with _LOCK:
            self.figure.savefig(out, format="png", dpi=144, metadata={"Software": None})
        return out.getvalue()


@contextmanager
def pictured() -> Iterator[list[bytes]]:
    """Charts finished in the ``with``, on this thread, are pictures in the list."""
    taken: list[bytes] = []
    token = _PICTURED.set(taken)
    try:
        yield taken
    finally:
        _PICTURED.reset(token)


def colour(tone: Tone) -> str:
    return STAND_IN[tone] if _PICTURED.get() is None else DAYLIGHT[tone]


def part(name: str) -> str:
    """The gid that makes an artist findable in the markup."""
    return PART + name


def printable(text: str) -> str:
    """In one line and without what XML can't hold: names come from other people's records."""
    return "".join(
        " " if character in "\n\r\t" else character
        for character in text
        if character in "\n\r\t" or unicodedata.category(character) not in ("Cc", "Cs", "Cn", "Co")
    )


def write(
    axes: Axes,
    x: float,
    y: float,
    text: str,
    *,
    size: float = 13,
    tone: Tone = "ink",
    align: Literal["left", "center", "right"] = "left",
    vertical: Literal["baseline", "bottom", "center", "top"] = "baseline",
    bold: bool = False,
    halo: bool = False,
    name: str = "",
    transform: Any = None,
) -> Text:
    """A line of text; ``halo`` keeps it readable on lines."""
    made = Text(
        x,
        y,
        printable(text),
        color=colour(tone),
        fontproperties=FontProperties(family=_FAMILY, size=size, weight="bold" if bold else "normal"),
        horizontalalignment=align,
        verticalalignment=vertical,
        parse_math=False,
        usetex=False,
        transform=transform if transform is not None else axes.transData,
        clip_on=False,
    )
    made.on_drawing = halo  # type: ignore[attr-defined]
    if name:
        made.set_gid(part(name))
    axes.add_artist(made)
    made.set_clip_path(None)
    return made


def wide(text: str, size: float, *, bold: bool = False) -> float:
    """Width of a line of text, pixels; a little more than a page's font takes."""
    return size * sum(_advance(character, bold) for character in text)


@lru_cache(maxsize=4096)
def _advance(character: str, bold: bool) -> float:
    """Width of a character at size 1. Kept by character: texts of a patient stay nowhere."""
    prop = FontProperties(family=_FAMILY, size=100, weight="bold" if bold else "normal")
    with _LOCK:
        try:
            return float(text_to_path.get_text_width_height_descent(character, prop, False)[0]) / 100
        except UserWarning:  # where warnings are errors: a script the font does not have
            return 1.0


def folded(text: str, room: float, size: float, *, bold: bool = False, most: int = 3) -> list[str]:
    """The text in lines no wider than ``room``, at most ``most`` of them; what is too long ends in an ellipsis."""
    lines: list[str] = []
    for word in printable(text).split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and wide(longer, size, bold=bold) <= room:
            lines[-1] = longer
        else:
            lines.append(word)
    if len(lines) > most:
        lines = [*lines[: most - 1], " ".join(lines[most - 1 :])]
    return [_cut(line, room, size, bold) for line in lines] or [""]


def _cut(line: str, room: float, size: float, bold: bool) -> str:
    if wide(line, size, bold=bold) <= room:
        return line
    low, high = 0, len(line)
    while low < high:  # the longest beginning that fits
        middle = (low + high + 1) // 2
        low, high = (middle, high) if wide(line[:middle] + "…", size, bold=bold) <= room else (low, middle - 1)
    return line[:low].rstrip() + "…"


def rule(
    axes: Axes,
    xs: Sequence[float],
    ys: Sequence[float],
    tone: Tone,
    *,
    thick: float = 1,
    dashes: Any = "-",
    name: str = "",
    order: float = 2,
    **more: Any,
) -> None:
    """A line."""
    made = Line2D(
        xs,
        ys,
        color=colour(tone),
        linewidth=thick,
        linestyle=dashes,
        zorder=order,
        solid_capstyle="butt",
        solid_joinstyle="round",
        dash_capstyle="butt",
        transform=axes.transData,
        **more,
    )
    if name:
        made.set_gid(part(name))
    axes.add_artist(made)
    made.set_clip_path(None)


def dots(
    axes: Axes,
    xs: Sequence[float],
    ys: Sequence[float],
    tone: Tone,
    *,
    marker: Any = "o",
    size: float = 7,
    hollow: bool = False,
    name: str = "",
    order: float = 4,
) -> None:
    """Markers ``size`` pixels wide, ringed in the colour of the page so that they stand out on a line."""
    rule(
        axes,
        xs,
        ys,
        tone,
        thick=0,
        dashes="none",
        name=name,
        order=order,
        marker=marker,
        markersize=size,
        markerfacecolor=colour("paper" if hollow else tone),
        markeredgecolor=colour(tone if hollow else "paper"),
        markeredgewidth=1.5,
        clip_on=False,  # a dot at the end of an axis is a whole dot
    )
