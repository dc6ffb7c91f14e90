"""Dutch medication agreements: one that stops a drug is written like one that orders it, with a mark that says so.

The zib MedicationAgreement (Nictiz nl-core, FHIR R4) is a MedicationRequest. Its modifier extension ``ext-StopType``
makes it an agreement to stop, and its ``authoredOn`` is then the day of stopping; the day the drug was begun stands in
the period of use. Read as an order it would start a treatment on the day it ended. Which agreement it ends,
``priorPrescription`` says: by a reference or by an identifier alone, and not always.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from cds.fhir.resources import UNREADABLE, Identifier, MedicationRequest, Period

_STOP = "http://nictiz.nl/fhir/StructureDefinition/ext-StopType"
_PERIOD_OF_USE = "http://nictiz.nl/fhir/StructureDefinition/ext-TimeInterval.Period"


class _Extension(msgspec.Struct, gc=False):
    url: str
    valuePeriod: msgspec.Raw = msgspec.Raw(b"")


class _Prior(msgspec.Struct, gc=False):
    reference: str | None = None
    identifier: Identifier | None = None


Number = tuple[str, str]
"""An identifier, as (system, value)."""


class Prior(NamedTuple):
    """What an agreement says that it replaces or ends; neither: nothing."""

    reference: str | None = None
    number: Number | None = None


NO_PRIOR = Prior()

_listed = msgspec.json.Decoder(list[msgspec.Raw] | None)
_extension = msgspec.json.Decoder(_Extension)
_period = msgspec.json.Decoder(Period)
_prior = msgspec.json.Decoder(_Prior | None)
_identifiers = msgspec.json.Decoder(list[Identifier] | None)


def stops(request: MedicationRequest) -> bool:
    """Raises ValueError where one that can't be read may say so, and no other does."""
    sent = bytes(request.modifierExtension)
    return bool(sent) and any(extension.url == _STOP for extension in _read(sent))


def use(request: MedicationRequest) -> tuple[str | None, str | None]:
    """First and last day of its period of use, each None where it does not say. Raises ValueError as ``stops`` does."""
    last: str | None = None
    for extension in _read(bytes(request.extension)):
        if extension.url == _PERIOD_OF_USE and extension.valuePeriod:
            try:
                period = _period.decode(extension.valuePeriod)
            except UNREADABLE as error:
                raise ValueError("a period of use that can't be read") from error
            last = period.end or last
            if period.start:
                return period.start, last
    return None, last


def prior(request: MedicationRequest) -> Prior:
    """Raises ValueError where it can't be read."""
    sent = bytes(request.priorPrescription)
    try:
        found = _prior.decode(sent) if sent else None
    except UNREADABLE as error:
        raise ValueError("a prior prescription that can't be read") from error
    return Prior(found.reference, _number(found.identifier)) if found is not None else NO_PRIOR


def numbered(number: Number, prescriptions: Iterable[tuple[str, bytes]]) -> str | None:
    """The prescription of that number. ``prescriptions``: ``Type/id``, and its identifiers as sent."""
    for source, sent in prescriptions:
        try:
            identifiers = (_identifiers.decode(sent) if sent else None) or ()
        except UNREADABLE:
            continue
        if any(_number(identifier) == number for identifier in identifiers):
            return source
    return None


def _number(identifier: Identifier | None) -> Number | None:
    return (identifier.system or "", identifier.value) if identifier is not None and identifier.value else None


def _read(sent: bytes) -> Iterator[_Extension]:
    """Each by itself. Raises ValueError at the end for what can't be read: the others may have said enough."""
    unreadable: Exception | None = None
    try:
        listed = (_listed.decode(sent) if sent else None) or ()
    except UNREADABLE as error:
        raise ValueError("extensions that can't be read") from error
    for one in listed:
        try:
            extension = _extension.decode(one)
        except UNREADABLE as error:
            unreadable = error
        else:
            yield extension
    if unreadable is not None:
        raise ValueError("an extension that can't be read") from unreadable
