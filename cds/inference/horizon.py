"""Whether what an answer is called says already for what time it holds: of one label, cards and the papers on a model
must not think differently."""

from __future__ import annotations

import re
from collections.abc import Callable

_UNITS = {"d": "day", "m": "month", "y": "year"}


def unsaid(label: str, horizon: str, length: Callable[[str], str]) -> str | None:
    """What is to be put behind the label, such as "2 years"; None where the label has it, in years or in months.

    ``length`` writes a duration (``24m``) in the label's language.
    """
    spans = _written(horizon)
    return None if any(_says(label, one, length) for one in spans) else length(spans[-1])


def in_english(duration: str) -> str:
    """For papers that are in English, whatever the language of the cards."""
    count = int(duration[:-1])
    return f"{count} {_UNITS[duration[-1]]}{'s' if count != 1 else ''}"


def _says(label: str, span: str, length: Callable[[str], str]) -> bool:
    """Also as "2-year risk"; the 5 of "1.5 years" is no five."""
    count, unit = span[:-1], span[-1]
    one = length(f"1{unit}").removeprefix("1").strip()
    return any(
        re.search(rf"(?<![\d.,]){form}", label) for form in (re.escape(length(span)), rf"{count}[\s-]{re.escape(one)}")
    )


def _written(horizon: str) -> tuple[str, ...]:
    """In months and in years where both are whole; last, as it is put behind a label."""
    count, unit = int(horizon[:-1]), horizon[-1]
    if unit == "y":
        return (f"{12 * count}m", horizon)
    return (horizon, f"{count // 12}y") if unit == "m" and count % 12 == 0 else (horizon,)
