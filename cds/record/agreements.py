"""Dutch medication agreements: one that stops a drug is written like one that orders it, with a mark that says so.

The zib MedicationAgreement (Nictiz nl-core, FHIR R4) is a MedicationRequest. Its modifier extension ``ext-StopType``
makes it an agreement to stop, and its ``authoredOn`` is then the day of stopping; the day the drug was begun stands in
the period of use. Read as an order it would start a treatment on the day it ended.
"""

from __future__ import annotations

import msgspec

from cds.fhir.resources import MedicationRequest, Period

_STOP = "http://nictiz.nl/fhir/StructureDefinition/ext-StopType"
_PERIOD_OF_USE = "http://nictiz.nl/fhir/StructureDefinition/ext-TimeInterval.Period"


class _Extension(msgspec.Struct, gc=False):
    url: str | None = None
    valuePeriod: Period | None = None


_decoder = msgspec.json.Decoder(list[_Extension])


def stops(request: MedicationRequest) -> bool:
    sent = bytes(request.modifierExtension)
    return bool(sent) and any(extension.url == _STOP for extension in _read(sent))


def began(request: MedicationRequest) -> str | None:
    """The first day of its period of use; None where it does not say."""
    periods = (e.valuePeriod for e in _read(bytes(request.extension)) if e.url == _PERIOD_OF_USE)
    return next((period.start for period in periods if period is not None and period.start), None)


def _read(sent: bytes) -> list[_Extension]:
    try:
        return _decoder.decode(sent)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return []
