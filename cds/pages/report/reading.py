"""What a network that reads scans said: of which scan, and each of its answers, the category first."""

from __future__ import annotations

from dataclasses import dataclass

from cds.cards.phrasebook import Phrasebook
from cds.pages.report import words as say
from cds.pages.report.stored import Told


@dataclass(frozen=True)
class Reading:
    day: str
    """Of the scan; empty where the record does not say."""
    modality: str
    """As DICOM says it."""
    study: str
    """Its name in the ledger, which leads back to nobody."""
    answers: tuple[tuple[str, str], ...]
    """(label, value)"""


def reading(words: Phrasebook, told: Told) -> Reading | None:
    """None for a model that reads no scans, and for one that read none."""
    bundle, scan = told.manifest.runtime.volume, told.entry.inputs.get("scan")
    if bundle is None or not scan or told.entry.outcome != "predicted":
        return None
    numbers = told.entry.outputs.get("outputs", {})
    shown = sorted(
        (o for o in told.manifest.outputs if o.shown and o.name in numbers), key=lambda o: o.kind != "category"
    )
    return Reading(
        day=say.day(words, str(scan.get("date") or "")),
        modality=bundle.studies.modality,
        study=str(scan.get("value") or ""),
        answers=tuple((say.output_label(words, o), say.answer(words, o, numbers[o.name])) for o in shown),
    )
