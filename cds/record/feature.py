"""One input of a model for one patient: its value and where it came from, or why it is not there."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from cds.record.facts import Fact
from cds.record.inputs import Input

HALF_REPORTED = frozenset({"origin-unknown", "significance-unknown"})
_UNUSABLE = frozenset(
    {"censored", "out-of-range", "unit-missing", "unit-unknown", "unit-conflict", "implausible", *HALF_REPORTED}
)


class Feature(msgspec.Struct, frozen=True):
    """One input of one model for one patient."""

    input: Input
    value: float | None
    """In the input's unit; None when absent."""
    state: str
    """``found``; or why it is absent: ``missing``, ``unread`` (its source could not be had), ``unsupported`` (this
    hospital's server has no such source), ``out-of-range``, ``censored`` (known as a bound only), ``no-birth-date`` (it
    is an age, and the patient's birth is not known), ``known-before`` (what it would be the first sign of has been on
    record for longer), or a refusal of the record (``unit-unknown``, ``unit-missing``,
    ``unit-conflict``, ``implausible``, ``in-the-future``, ``no-value``, ``no-date``, and those of genomic results)."""
    facts: tuple[Fact, ...] = ()
    """What the value was read from, newest first."""
    at: datetime | None = None
    """The moment the value stands for; other inputs may be anchored on it."""
    detail: str = ""
    """The value as sent, where it could not be used."""
    known: Fact | None = None
    """What has been on record for longer, or may have been, where it alone makes this no first time."""
    aside: tuple[Fact, ...] = ()
    """What says it may be no first time and was set aside: a diagnosis called off since or without a date, or one high
    value of long ago that a lower one followed."""
    unsure: frozenset[str] = frozenset()
    """Resource types that could not be had whole, where what is older than this first time may be among them."""
    possibly: tuple[str, ...] = ()
    """Concepts of what may be older by what the model's own tests of the patient set aside, or could not read."""
    otherwise: Feature | None = None
    """What it would be without ``known``."""

    @property
    def found(self) -> bool:
        return self.state == "found"

    @property
    def older(self) -> tuple[str, ...]:
        """Concepts of what may be no first time; empty where nothing says so."""
        found = [self.input.diagnosis(fact.concept) for fact in self.aside]
        return tuple(dict.fromkeys([*found, *([self.input.diagnosis()] if self.unsure else []), *self.possibly]))

    @property
    def wanting(self) -> bool:
        """Absent, and worth naming: what is worked out from others is not, and what only decides for whom the model
        speaks is where it stands in the record and could not be read or used."""
        if self.found or self.input.source == "inputs":
            return False
        return self.input.graph or self.state != "missing"

    @property
    def unread(self) -> bool:
        """Its source could not be had: what it says is unknown, not "no"."""
        return self.state in ("unread", "unsupported")

    @property
    def unusable(self) -> bool:
        """A number or a variant stands in the record and can't be used: unknown, not "nothing found"."""
        return self.state in _UNUSABLE


Kinds = Mapping[str, str]
"""Concept name -> the FHIR resource type it is found in."""
