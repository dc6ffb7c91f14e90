"""The patient's imaging studies as the record tells of them: all of them, whatever they show."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from cds.cards.coded import Coded
from cds.cards.phrasebook import Phrasebook
from cds.fhir import resources as fhir
from cds.record.moments import Moment, parse

_NOT_DONE = frozenset({"entered-in-error", "cancelled"})
_UID_SYSTEM = "urn:dicom:uid"


@dataclass(frozen=True)
class Studied:
    source: str
    """``ImagingStudy/id``."""
    title: str
    language: str
    """Of the title: the hospital's own words, or a name of the code."""
    modality: str
    """CT/PT, as DICOM says it; empty where nobody said."""
    when: Moment | None
    uid: str
    """Study Instance UID; empty where the record holds none."""


def studied(
    resources: Iterable[Any], patient_id: str, zone: tzinfo, words: Phrasebook, local: str
) -> tuple[Studied, ...]:
    """Of this patient, the newest first, undated last. ``local``: the language the hospital writes in."""
    found = [
        _studied(one, zone, words, local)
        for one in resources
        if isinstance(one, fhir.ImagingStudy) and one.status not in _NOT_DONE and fhir.subject_of(one) == patient_id
    ]
    return tuple(sorted(found, key=lambda s: s.when.stamp if s.when is not None else float("-inf"), reverse=True))


def _studied(study: fhir.ImagingStudy, zone: tzinfo, words: Phrasebook, local: str) -> Studied:
    codes = [m.code for m in study.modality if m.code]
    codes += [s.modality.code for s in study.series if s.modality is not None and s.modality.code]
    modality = "/".join(dict.fromkeys(codes))
    written = study.description or (study.procedureCode[0].text if study.procedureCode else None)
    title, language = (written, local) if written else _named(study, words)
    title = title or modality or "?"
    uid = next((i.value for i in study.identifier if i.system == _UID_SYSTEM and i.value), "")
    return Studied(
        f"ImagingStudy/{study.id or ''}",
        title if not modality or modality.split("/")[0] in title else f"{modality.split('/')[0]}: {title}",
        language,
        modality,
        parse(study.started, zone) if study.started else None,
        uid.removeprefix("urn:oid:"),
    )


def _named(study: fhir.ImagingStudy, words: Phrasebook) -> tuple[str, str]:
    """(name of what was done, its language): of the first code that a catalogue knows, else as the code was sent."""
    codings = study.procedureCode[0].coding if study.procedureCode else ()
    named = [Coded(c.system or "", c.code or "", c.display or "").named(words) for c in codings]
    known = [one for one in named if one[0]]
    return next((one for one in known if one[1] == words.language), known[0] if known else ("", words.language))
