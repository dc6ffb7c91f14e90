"""One threshold as the page shows it: its values, the one chosen, its table and its charts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cds import charts
from cds.cards.phrasebook import Phrasebook
from cds.charts import Line, Mark, Svg, TradeoffWords
from cds.preview import text

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Dial:
    key: str
    label: str
    values: tuple[str, ...]
    """As people write them."""
    value: float
    """The one chosen."""
    chosen: int
    moved: bool
    """It is another value than the policy's that is tried."""
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    marks: Mapping[int, str]
    """What stands beside a row: in force, this policy."""
    expected: bool
    weighed: bool
    """Net benefit is among the figures."""
    charts: tuple[tuple[Svg, Svg], ...]
    """Each for a page and for a phone."""


def dials(told: Json, words: Phrasebook, places: Mapping[str, str]) -> tuple[Dial, ...]:
    """``places``: ``v0``, ``v1`` and so on, the position of the value chosen; by default the policy's own."""
    return tuple(_dial(each, n, words, places) for n, each in enumerate(told["thresholds"]) if each["rows"])


def _dial(told: Json, number: int, words: Phrasebook, places: Mapping[str, str]) -> Dial:
    values = [row["value"] for row in told["rows"]]
    own = values.index(told["after"])
    chosen = _place(places.get(f"v{number}"), own, len(values))
    head, rows = text.columns(told, words)
    marks: dict[int, str] = {}
    for name, at in (("in_force", "before"), ("tried", "after")):
        if told[at] in values:
            place = values.index(told[at])
            said = words(f"preview.threshold.as_{name}")
            marks[place] = f"{marks[place]}, {said}" if place in marks else said
    return Dial(
        key=told["key"],
        label=words.pick(told["label"]),
        values=tuple(text.threshold(value, words) for value in values),
        value=values[chosen],
        chosen=chosen,
        moved=chosen != own,
        head=tuple(head),
        rows=tuple(tuple(row) for row in rows),
        marks=marks,
        expected=text.foretold(told),
        weighed=any("netBenefit" in row for row in told["rows"]),
        charts=_charts(told, marks, words) if charts.available() else (),
    )


def _place(sent: str | None, own: int, count: int) -> int:
    try:
        place = int(sent) if sent is not None else own
    except ValueError:
        return own
    return place if 0 <= place < count else own


def _charts(told: Json, marks: Mapping[int, str], words: Phrasebook) -> tuple[tuple[Svg, Svg], ...]:
    found = []
    kind, across = _kind(told["rows"])
    weekly = all(row["cardsPerWeek"] is not None for row in told["rows"])
    work = "cardsPerWeek" if weekly else "per1000Patients"
    points = [(_across(row, kind), row[work]) for row in told["rows"]]
    if points:
        most = None if kind == "chart_plain" else 100.0
        named_across, up = words(f"preview.page.{across}"), words(f"preview.page.{'y' if weekly else 'y_per_1000'}")
        said = TradeoffWords(named_across, up, lambda v: text.number(v, words), most)
        title, described = words(f"preview.page.{kind}"), words("preview.page.chart_said")
        named = [Mark(place, label) for place, label in marks.items()]
        found.append(
            tuple(charts.tradeoff(points, named, said, title, described, narrow=narrow) for narrow in (False, True))
        )
    if any("netBenefit" in row for row in told["rows"]):
        found.append(tuple(_benefit(told["rows"], words, narrow=narrow) for narrow in (False, True)))
    return tuple((wide, narrow) for wide, narrow in found)


def _kind(rows: list[Json]) -> tuple[str, str]:
    """What stands across: what is found where outcomes are known, else what the model expects, else the threshold."""
    if all(row.get("sensitivity") for row in rows):
        return "chart", "x_found"
    if all(row["expected"] for row in rows):
        return "chart_expected", "x_expected"
    return "chart_plain", "x_value"


def _across(row: Json, kind: str) -> float:
    found: float = row["value"]
    if kind == "chart":
        found = 100 * row["sensitivity"]["value"]
    elif kind == "chart_expected":
        found = 100 * row["expected"]["sensitivity"]["value"]
    return found


def _benefit(rows: list[Json], words: Phrasebook, *, narrow: bool) -> Svg:
    lines = (
        Line(words("preview.page.alerted_by_policy"), [row["netBenefit"] for row in rows]),
        Line(words("preview.page.all"), [row["netBenefitOfAll"] for row in rows], "second"),
        Line(words("preview.page.none"), [0.0 for _ in rows], "soft", dashed=True),
    )
    said = TradeoffWords(
        words("preview.page.x_value"), words("preview.threshold.benefit"), lambda v: text.number(v, words)
    )
    title, described = words("preview.page.benefit"), words("preview.page.benefit_said")
    return charts.benefit([row["value"] for row in rows], lines, said, title, described, narrow=narrow)
