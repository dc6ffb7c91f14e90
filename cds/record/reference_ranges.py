"""The reference range a laboratory sends with a result.

Only one that is plainly this result's is kept: the one that holds for everybody. Of several by age, sex or cycle the
laboratory knows which is the patient's, and does not say; a value called "above" by a wrong one would mislead. What
can't be read or converted costs the range, never the value.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from math import isfinite
from typing import Any

import msgspec

from cds.fhir.resources import UNREADABLE, CodeableConcept, Quantity
from cds.record import units
from cds.record.facts import ReferenceRange
from cds.record.quantities import Spelling

_MEANING = "/referencerange-meaning"
# Free text may hold anything, names too: only what reads as a range is kept. "< 37", "0,5-1,2 mg/dL", "0 tot 37"
_TEXT = re.compile(r"[<>=≤≥]{0,2} ?\d[\d.,]{0,9}(?: ?(?:-|–|to|tot) ?\d[\d.,]{0,9})?(?: (\S{1,12}))?")


class _Sent(msgspec.Struct, gc=False):
    low: Quantity | None = None
    high: Quantity | None = None
    type: CodeableConcept | None = None
    appliesTo: Any = None
    age: Any = None
    text: str | None = None

    @property
    def meaning(self) -> str | None:
        """HL7's code of it, ``normal`` where it says none; None: something else."""
        if self.type is None or not (self.type.coding or self.type.text):
            return "normal"
        return next((c.code for c in self.type.coding if (c.system or "").endswith(_MEANING)), None)


# not strict: numbers sent as texts are numbers; a single range without its list is that range
_decoder = msgspec.json.Decoder(list[_Sent] | _Sent, strict=False)


def read(raw: bytes, spelt: Spelling, spell: Callable[[Quantity], Spelling]) -> ReferenceRange | None:
    """``spelt``: of the value, whose unit limits without one are in; ``spell``: of a limit with a unit of its own."""
    sent = _for_everybody(raw)
    if sent is None:
        return None
    try:
        low, high = _limit(sent.low, spelt, spell), _limit(sent.high, spelt, spell)
    except ValueError:
        return None
    if low is None and high is None:
        return _in_words((sent.text or "").strip())
    if low is not None and high is not None and low[0] >= high[0]:  # also 0 and 0, where there is none
        return None
    return ReferenceRange(
        low=None if low is None else low[0],
        high=None if high is None else high[0],
        written=(None if low is None else low[1], None if high is None else high[1]),
    )


def _for_everybody(raw: bytes) -> _Sent | None:
    try:
        found = _decoder.decode(raw)
    except UNREADABLE:
        return None  # also where one of several can't be read: it may be the one
    sent = found if isinstance(found, list) else [found]
    usual = [s for s in sent if not s.appliesTo and not s.age and s.meaning == "normal"]
    if len(usual) > 1:
        usual = [s for s in usual if s.type is not None]
    return usual[0] if len(usual) == 1 else None


def _limit(
    limit: Quantity | None, spelt: Spelling, spell: Callable[[Quantity], Spelling]
) -> tuple[float, float] | None:
    """(canonical, in the value's unit). Raises ValueError where it can't be told."""
    if limit is None or limit.value is None:
        return None
    convert, value_in = (spell(limit) if limit.unit or limit.code else spelt).convert, spelt.convert
    if convert is None or value_in is None or limit.comparator or not isfinite(limit.value):
        raise ValueError("no limit in a unit that is known")
    canonical = convert(limit.value)
    return canonical, limit.value if convert == value_in else value_in.back(canonical)


def _of_a_unit(text: str) -> bool:
    """And of nothing beside it: an annotation is free text too."""
    return units.known(text) and units.unannotated(text) == text


def _in_words(text: str) -> ReferenceRange | None:
    found = _TEXT.fullmatch(text)
    if found is None or (found[1] is not None and not _of_a_unit(found[1].strip())):
        return None
    return ReferenceRange(text=text)
