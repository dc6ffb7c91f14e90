"""One measurement as a share of an earlier one."""

from __future__ import annotations

from msgspec import structs

from cds.record.facts import Fact

_WHOLE_FROM = 10.0


def share(value: float, divisor: float, unit: str) -> float:
    return value / divisor * (100.0 if unit == "%" else 1.0)


def follows(later: Fact, first: Fact) -> bool:
    return later.when is not None and first.when is not None and later.when.middle >= first.when.middle


def of_bound(bound: Fact, first: Fact | None, unit: str) -> tuple[Fact, ...]:
    """A value known as a bound, as the bound of its share: ``>12000`` beside 500 is more than 24 times as much. Empty
    where there is no number before it."""
    if first is None or not first.value or bound.value is None or not follows(bound, first):
        return ()
    value = share(bound.value, first.value, unit)
    number = f"{value:.0f}" if value >= _WHOLE_FROM else f"{value:.2g}"  # never 2.4e+03
    told = f"{bound.comparator}{number} {'' if unit == '1' else unit}".strip()
    return (structs.replace(bound, value=value, original=told),)
