"""Which orders are ended by others: agreements to stop a drug, and what is signed in an order's place."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import structs

from cds.record import agreements, medications
from cds.record.facts import Fact, Record
from cds.record.moments import Moment


class Stops:
    """Of one record, or of the orders in the making; what ends goes into ``Record.replaced`` and ``Record.stops``."""

    def __init__(self, record: Record, prescriptions: Sequence[tuple[str, bytes]]) -> None:
        """``prescriptions``: on record, as ``Type/id`` with the identifiers as sent; more may be added to it until the
        end."""
        self._record = record
        self._prescriptions = prescriptions
        self._numbered: list[tuple[agreements.Prior, list[Fact]]] = []

    def on_record(self, prior: agreements.Prior, facts: list[Fact], until: Moment | None) -> None:
        """An agreement that stopped a drug on a day. ``facts``: the drug."""
        stops = [structs.replace(fact, when=until) for fact in facts]
        if prior.number and not self._on_record(_source(prior)):
            self._numbered.append((prior, stops))  # the order may be yet to come
        elif not self.signed(prior):
            self._record.stops.extend(stops)

    def signed(self, prior: agreements.Prior) -> bool:
        """Whether it says which order it ends, and that is known."""
        source = _source(prior)
        if prior.number and not self._on_record(source):
            source = agreements.numbered(prior.number, self._prescriptions) or source
        if source is not None:
            self._record.replaced.add(source)
        return source is not None

    def _on_record(self, source: str | None) -> bool:
        return any(source == known for known, _ in self._prescriptions)

    def finish(self) -> None:
        """Of an order that is not on record under its number, its drug is all there is to go by."""
        for prior, stops in self._numbered:
            if not self.signed(prior):
                self._record.stops.extend(stops)


def _source(prior: agreements.Prior) -> str | None:
    """What its reference names in this record: not what is contained in it, or known by the Bundle's own addresses."""
    source = medications.relative(prior.reference) if prior.reference else ""
    return source if source.startswith("MedicationRequest/") else None
