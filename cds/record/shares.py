"""One measurement as a share of an earlier one."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from msgspec import structs

from cds.record.facts import Fact

_WHOLE_FROM = 10.0
_SIDES = {">": ROUND_FLOOR, ">=": ROUND_FLOOR, "<": ROUND_CEILING, "<=": ROUND_CEILING}
"""Where a bound is rounded to, so that it still holds: what is more than 1,181.9 is more than 1,181, and may not be
more than 1,182."""


def share(value: float, divisor: float, unit: str) -> float:
    return value / divisor * (100.0 if unit == "%" else 1.0)


def follows(later: Fact, first: Fact) -> bool:
    return later.when is not None and first.when is not None and later.when.middle >= first.when.middle


def of_bound(bound: Fact, first: Fact | None, unit: str) -> tuple[Fact, ...]:
    """A value known as a bound, as the bound of its share: ``>12000`` beside 500 is more than 24 times as much. Empty
    where there is no number before it, and for a comparator that tells no side (FHIR's ``ad``)."""
    if first is None or not first.value or bound.value is None or not follows(bound, first):
        return ()
    if bound.comparator not in _SIDES:
        return ()
    value = share(bound.value, first.value, unit)
    told = f"{bound.comparator}{_rounded(value, _SIDES[bound.comparator])} {'' if unit == '1' else unit}".strip()
    return (structs.replace(bound, value=value, original=told),)


def _rounded(value: float, side: str) -> str:
    """Whole from ten on, else of two digits; never 2.4e+03."""
    number = Decimal(f"{value:.12g}")  # a fraction that only the binary number has is no more than the bound
    if value >= _WHOLE_FROM:
        return f"{number.to_integral_value(side):f}"
    return f"{number.quantize(Decimal((0, (1,), number.adjusted() - 1)), side).normalize():f}"
