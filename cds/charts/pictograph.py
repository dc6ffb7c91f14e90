"""One hundred people: filled those who live, hollow those who have died; a tile where the interval leaves it open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cds.charts.svg import Svg, require

_A_ROW = 10
_STEP = 22.0


@dataclass(frozen=True)
class PictographWords:
    heading: str
    """Above the people, such as "After 12 months"."""
    alive: str
    died: str
    open: str
    """What a tile means, such as "could be either (41 to 55)"."""


def pictograph(
    alive: int, lower: int, upper: int, words: PictographWords, title: str, description: str, *, narrow: bool = False
) -> Svg:
    """``alive`` of 100, and the bounds of its interval. Filled from the upper left, as one reads.

    Raises ValueError unless 0 <= lower <= alive <= upper <= 100.
    """
    if not 0 <= lower <= alive <= upper <= 100:
        raise ValueError("of 100 people: 0 <= lower <= alive <= upper <= 100")
    require()
    from matplotlib.path import Path

    from cds.charts import sheet as on

    width, left, top = 240, 10.0, 34.0
    said = [("alive", words.alive), ("died", words.died), *([("open", words.open)] if upper > lower else [])]
    lines = [(kind, on.folded(text, width - 44, 13, most=2)) for kind, text in said]
    height = int(top + 10 * _STEP + 12 + sum(8 + 17 * len(text) for _kind, text in lines))
    sheet = on.Sheet(width, height, narrow=narrow)
    page = sheet.page()
    on.write(page, left, 20, on.folded(words.heading, width - 14, 15, bold=True, most=1)[0], size=15, bold=True)
    person = _person(Path)

    def people(which: Sequence[int], *, filled: bool, name: str) -> None:
        if which:
            xs = [left + _STEP * (n % _A_ROW + 0.5) for n in which]
            ys = [top + _STEP * (n // _A_ROW + 0.5) for n in which]
            _draw(page, xs, ys, person, filled=filled, name=name)

    _tiles(page, [(left + _STEP * (n % _A_ROW), top + _STEP * (n // _A_ROW)) for n in range(lower, upper)], name="open")
    people(range(alive), filled=True, name="alive")
    people(range(alive, 100), filled=False, name="died")
    y = top + 10 * _STEP + 16
    for kind, text in lines:
        if kind == "open":
            _tiles(page, [(left, y - 7)], name="")
        else:
            _draw(page, [left + 11], [y + 4], person, filled=kind == "alive", name="")
        for line in text:
            on.write(page, left + 32, y + 8.5, line, size=13)
            y += 17
        y += 8
    return sheet.finish(title, description)


def _person(path: type) -> object:
    """Head and body in a box of 1, head up (matplotlib's markers grow upwards)."""
    head = path.circle((0.0, 0.29), 0.17)  # type: ignore[attr-defined]
    body = path(
        [(-0.3, -0.5), (-0.3, -0.1), (-0.3, 0.06), (0, 0.06), (0.3, 0.06), (0.3, -0.1), (0.3, -0.5), (-0.3, -0.5)],
        [1, 2, 3, 3, 3, 3, 2, 79],
    )
    return path.make_compound_path(head, body)  # type: ignore[attr-defined]


def _draw(page: object, xs: list[float], ys: list[float], person: object, *, filled: bool, name: str) -> None:
    from cds.charts import sheet as on

    on.rule(
        page,  # type: ignore[arg-type]
        xs,
        ys,
        "main" if filled else "soft",
        thick=0,
        dashes="none",
        name=name,
        marker=person,
        markersize=17,
        markerfacecolor=on.colour("main" if filled else "paper"),
        markeredgecolor=on.colour("main" if filled else "soft"),
        markeredgewidth=1.2,
    )


def _tiles(page: object, corners: Sequence[tuple[float, float]], *, name: str) -> None:
    """One shape, however many: each by itself was a third of the time that a page of them took."""
    if not corners:
        return
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    from cds.charts import sheet as on

    square = np.array([(0.5, 0.5), (21.5, 0.5), (21.5, 21.5), (0.5, 21.5), (0.5, 0.5)])
    shape = Path.make_compound_path(*(Path(square + corner, closed=True) for corner in corners))
    page.add_artist(  # type: ignore[attr-defined]
        PathPatch(
            shape,
            facecolor=on.colour("band"),
            edgecolor=on.colour("main"),
            linewidth=0.8,
            linestyle=(0, (2, 2)),
            zorder=1,
            gid=on.part(name) if name else None,
        )
    )
