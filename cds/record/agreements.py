"""Dutch medication agreements: one that stops a drug is written like one that orders it, with a mark that says so.

The zib MedicationAgreement (Nictiz nl-core, FHIR R4) is a MedicationRequest. Its modifier extension ``ext-StopType``
makes it an agreement to stop, and its ``authoredOn`` is then the day of stopping; the day the drug was begun stands in
the period of use. Read as an order it would start a treatment on the day it ended.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from cds.fhir.resources import MedicationRequest, Period

_STOP = "http://nictiz.nl/fhir/StructureDefinition/ext-StopType"
_PERIOD_OF_USE = "http://nictiz.nl/fhir/StructureDefinition/ext-TimeInterval.Period"


class _Extension(msgspec.Struct, gc=False):
    url: str
    valuePeriod: msgspec.Raw = msgspec.Raw(b"")


_UNREADABLE = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)
_listed = msgspec.json.Decoder(list[msgspec.Raw] | None)
_extension = msgspec.json.Decoder(_Extension)
_period = msgspec.json.Decoder(Period)


def stops(request: MedicationRequest) -> bool:
    """Raises ValueError where one that can't be read may say so, and no other does."""
    sent = bytes(request.modifierExtension)
    return bool(sent) and any(extension.url == _STOP for extension in _read(sent))


def began(request: MedicationRequest) -> str | None:
    """The first day of its period of use; None where it does not say. Raises ValueError as ``stops`` does."""
    for extension in _read(bytes(request.extension)):
        if extension.url == _PERIOD_OF_USE and extension.valuePeriod:
            try:
                period = _period.decode(extension.valuePeriod)
            except _UNREADABLE as error:
                raise ValueError("a period of use that can't be read") from error
            if period.start:
                return period.start
    return None


def _read(sent: bytes) -> Iterator[_Extension]:
    """Each by itself. Raises ValueError at the end for what can't be read: the others may have said enough."""
    unreadable: Exception | None = None
    try:
        listed = (_listed.decode(sent) if sent else None) or ()
    except _UNREADABLE as error:
        raise ValueError("extensions that can't be read") from error
    for one in listed:
        try:
            extension = _extension.decode(one)
        except _UNREADABLE as error:
            unreadable = error
        else:
            yield extension
    if unreadable is not None:
        raise ValueError("an extension that can't be read") from unreadable
