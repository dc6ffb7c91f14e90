"""The patient's imaging studies as the record tells of them: all of them, whatever they show."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from cds.fhir import resources as fhir
from cds.record.moments import Moment, parse

_NOT_DONE = frozenset({"entered-in-error", "cancelled"})
_UID_SYSTEM = "urn:dicom:uid"


@dataclass(frozen=True)
class Studied:
    source: str
    """``ImagingStudy/id``."""
    title: str
    modality: str
    """CT/PT, as DICOM says it; empty where nobody said."""
    when: Moment | None
    uid: str
    """Study Instance UID; empty where the record holds none."""


def studied(resources: Iterable[Any], patient_id: str, zone: tzinfo) -> tuple[Studied, ...]:
    """Of this patient, the newest first, undated last."""
    found = [
        _studied(one, zone)
        for one in resources
        if isinstance(one, fhir.ImagingStudy) and one.status not in _NOT_DONE and fhir.subject_of(one) == patient_id
    ]
    return tuple(sorted(found, key=lambda s: s.when.stamp if s.when is not None else float("-inf"), reverse=True))


def _studied(study: fhir.ImagingStudy, zone: tzinfo) -> Studied:
    codes = [m.code for m in study.modality if m.code]
    codes += [s.modality.code for s in study.series if s.modality is not None and s.modality.code]
    modality = "/".join(dict.fromkeys(codes))
    named = (study.procedureCode[0].text or next((c.display for c in study.procedureCode[0].coding if c.display), "")
             if study.procedureCode else "")  # fmt: skip
    title = study.description or named or modality or "?"
    uid = next((i.value for i in study.identifier if i.system == _UID_SYSTEM and i.value), "")
    return Studied(
        f"ImagingStudy/{study.id or ''}",
        title if not modality or modality.split("/")[0] in title else f"{modality.split('/')[0]}: {title}",
        modality,
        parse(study.started, zone) if study.started else None,
        uid.removeprefix("urn:oid:"),
    )
