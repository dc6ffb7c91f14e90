"""When a condition began: a day, or the age that the patient had."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo

import msgspec

from cds.fhir import resources as fhir
from cds.record import moments
from cds.record.moments import YEAR_DAYS, Moment

_YEARS = {"a": 1.0, "year": 1.0, "years": 1.0, "yr": 1.0, "mo": 1 / 12, "month": 1 / 12, "months": 1 / 12}

_quantity = msgspec.json.Decoder(fhir.Quantity)


def years(age: fhir.Quantity | None) -> float | None:
    """Years, from years or months; None for anything else, and for what no age can be."""
    if age is None or age.value is None or age.comparator is not None:
        return None
    factor = _YEARS.get(age.code or age.unit or "")
    if factor is None or not 0 <= age.value * factor <= 120:
        return None
    return age.value * factor


def _at_age(sent: bytes) -> float | None:
    try:
        return years(_quantity.decode(sent)) if sent else None
    except msgspec.MsgspecError:
        return None


def began(condition: fhir.Condition, birth: Moment | None, now: datetime, zone: tzinfo) -> Moment | None:
    """The onset; else when it was recorded, unless the age at onset says that it is older than that. ``birth`` and
    ``now``: without the one no age tells anything, and no year of life lasts longer than the other."""
    period = condition.onsetPeriod
    for text in (condition.onsetDateTime, period.start if period else None):
        if text and (day := moments.parse(text, zone)) is not None:
            return day
    recorded = moments.parse(condition.recordedDate, zone) if condition.recordedDate else None
    age = _at_age(bytes(condition.onsetAge))
    if age is None or birth is None:
        return recorded
    first = birth.earliest + timedelta(days=age * YEAR_DAYS)
    last = birth.latest + timedelta(days=(age + 1) * YEAR_DAYS)  # an age is of completed years
    if recorded is not None and last >= recorded.earliest:
        return recorded  # more exact, and in that year of life or before it
    last = max(first, min(last, now))
    return Moment(first, last, str((first + (last - first) / 2).year))
