"""Counts of people, with the small ones hidden: who is one of four can be found out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

LEAST = 5
"""Smallest count of people that is told; a site may set up to 10."""


def rounded(value: int, least: int) -> int:
    """To the nearest that hides a part of fewer; a rate beside such a count is made of it, too."""
    return round(value / least) * least


@dataclass(frozen=True)
class Count:
    value: int
    """Not for telling where it is hidden."""
    least: int = LEAST
    about: bool = False
    """Rounded, so that a hidden part can't be worked out from the whole."""

    @property
    def hidden(self) -> bool:
        return 0 < self.value < self.least

    @property
    def told(self) -> int | None:
        if self.hidden:
            return None
        return rounded(self.value, self.least) if self.about else self.value

    @property
    def json(self) -> dict[str, int | bool | None]:
        if self.hidden:
            return {"count": None, "below": self.least}
        found: dict[str, int | bool | None] = {"count": self.told}
        return found | {"about": True} if self.about and self.value else found

    def __str__(self) -> str:
        if self.hidden:
            return f"fewer than {self.least}"
        return f"about {self.told}" if self.about and self.value else str(self.told)


def small(values: Iterable[int], least: int) -> bool:
    """Whether one of them has to be hidden."""
    return any(0 < value < least for value in values)


def together(parts: Mapping[str, int], wholes: Mapping[str, int], least: int) -> dict[str, Count]:
    """Parts and the wholes they make up: where one has to be hidden, the wholes are rounded, and where that is a whole
    the parts, too: a whole less a part is another whole. Without a part all wholes are the same."""
    of_wholes = any(parts.values()) and small(wholes.values(), least)
    about = of_wholes or small(parts.values(), least)
    shown = {name: Count(value, least, of_wholes) for name, value in parts.items()}
    return shown | {name: Count(value, least, about) for name, value in wholes.items()}


def spread(values: list[int], least: int) -> dict[str, Count]:
    """How many have how much, in bands; neighbouring bands are joined until none is small."""
    edges = (0, 1, 2, 5, 10, 20, 50)
    bands: list[tuple[str, int]] = []
    for n, low in enumerate(edges):
        high = edges[n + 1] if n + 1 < len(edges) else None
        count = sum(low <= v and (high is None or v < high) for v in values)
        bands.append((_band(low, high), count))
    joined: list[tuple[str, int]] = []
    for name, count in bands:
        if joined and (0 < joined[-1][1] < least or 0 < count < least):
            first = joined.pop()
            name, count = _from_to(first[0], name), first[1] + count
        joined.append((name, count))
    while len(joined) > 1 and 0 < joined[-1][1] < least:
        (name, count), first = joined.pop(), joined.pop()
        joined.append((_from_to(first[0], name), first[1] + count))
    return {name: Count(count, least) for name, count in joined if count}


def _band(low: int, high: int | None) -> str:
    if high is None:
        return f"{low}+"
    return str(low) if high == low + 1 else f"{low}-{high - 1}"


def _from_to(first: str, last: str) -> str:
    low = first.split("-")[0].rstrip("+")
    high = last.split("-")[-1]
    return f"{low}+" if high.endswith("+") else f"{low}-{high}"
