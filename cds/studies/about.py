"""What is known of a study before any pixel is fetched, whoever told of it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta

from cds.fhir import resources as fhir
from cds.imaging.dicomweb import StudyRow
from cds.record.moments import Moment, parse

_ORDER = re.compile(r"ServiceRequest/[A-Za-z0-9.-]{1,64}", re.ASCII)
_UID_SYSTEM = "urn:dicom:uid"
_WITHDRAWN = frozenset({"cancelled", "entered-in-error"})
_NOT_MADE = _WITHDRAWN | {"registered"}


@dataclass(frozen=True)
class About:
    uid: str
    modalities: frozenset[str] = frozenset()
    """Empty: not said."""
    texts: tuple[str, ...] = ()
    """Descriptions, procedures, body parts: whatever may name a region."""
    day: date | None = None
    age: int | None = None
    """Of the patient at the scan, years."""
    images: int | None = None
    patient: str | None = None
    """Id of the Patient on the client's FHIR server. Only ever hashed."""
    began: Moment | None = None
    """Where more than the day is known."""

    @property
    def when(self) -> Moment | None:
        """As exactly as it is known; None without a day."""
        return None if self.day is None else self.began or parse(self.day.isoformat())


def from_resource(study: fhir.ImagingStudy, age: int | None = None) -> About | None:
    """None for a study that was never made or has no Study Instance UID."""
    uid = uid_of(study)
    if uid is None or study.status in _NOT_MADE:
        return None
    modalities = {c.code for c in study.modality if c.code}
    modalities |= {s.modality.code for s in study.series if s.modality is not None and s.modality.code}
    texts = [study.description, *(s.description for s in study.series)]
    codes = [*(s.bodySite for s in study.series if s.bodySite), *(c for p in study.procedureCode for c in p.coding)]
    texts += [c.display for c in codes] + [p.text for p in study.procedureCode]
    return About(
        uid=uid,
        modalities=frozenset(modalities),
        texts=tuple(text for text in texts if text),
        day=_day((study.started or "")[:10].replace("-", "")),
        age=age,
        images=study.numberOfInstances,
        patient=fhir.subject_of(study),
        began=parse(study.started or ""),
    )


def withdrawn(study: fhir.ImagingStudy) -> bool:
    """The EHR has taken it back: it was another's, or came to nothing."""
    return study.status in _WITHDRAWN


def uid_of(study: fhir.ImagingStudy) -> str | None:
    """FHIR R4 ImagingStudy.identifier: system urn:dicom:uid, value urn:oid:<Study Instance UID>."""
    for identifier in study.identifier:
        value = (identifier.value or "").removeprefix("urn:oid:")
        if identifier.system == _UID_SYSTEM and is_uid(value):
            return value
    return None


def order_of(study: fhir.ImagingStudy, base: str) -> str | None:
    """The first ServiceRequest it was made for, such as ``ServiceRequest/3``. One that lies on another server than
    ``base`` is not named: there it may be another's."""
    for one in study.basedOn:
        named = (one.reference or "").removeprefix(f"{base.rstrip('/')}/").split("/_history/")[0]
        if _ORDER.fullmatch(named):
            return named
    return None


def from_row(row: StudyRow) -> About:
    """What the image archive's search says."""
    day, born = _day(row.date), _day(row.born)
    age = (
        None if day is None or born is None else day.year - born.year - ((day.month, day.day) < (born.month, born.day))
    )
    return About(
        row.uid, frozenset(row.modalities), (row.description,) if row.description else (), day, age, row.images
    )


def newest_first(studies: Iterable[About]) -> list[About]:
    """Undated last."""
    return sorted(studies, key=lambda about: order(about.when), reverse=True)


def one_each(studies: Iterable[About]) -> list[About]:
    """One of each UID, the newest first: an EHR may have several entries of a study, such as one for each order. It was
    made on the newest day that is told, at the time that is told for that day; whatever any entry names, is in it."""
    by_uid: dict[str, list[About]] = {}
    for study in newest_first(studies):
        by_uid.setdefault(study.uid, []).append(study)
    return newest_first(_one(entries) for entries in by_uid.values())


def _one(entries: list[About]) -> About:
    """Of one study's ``entries``, the newest first."""
    day = max((e.day for e in entries if e.day is not None), default=None)
    of_day = [e for e in entries if e.day == day]
    # a day's middle may come before a time of that day, and says less
    first = next((e for e in of_day if e.when is not None and e.when.earliest == e.when.latest), of_day[0])
    return replace(
        first,
        modalities=frozenset[str]().union(*(e.modalities for e in entries)),
        texts=tuple(dict.fromkeys(text for e in entries for text in e.texts)),
        images=max((e.images for e in entries if e.images is not None), default=None),
    )


def credible(about: About, today: date) -> About:
    """Without a day that is yet to come: somebody's slip, and a scan of 2126 would be the newest for a century."""
    return about if happened(about.day, today) else replace(about, day=None, began=None)


def happened(day: date | None, today: date) -> bool:
    """``today`` as in UTC: the hospital's may have begun."""
    return day is None or day <= today + timedelta(days=1)


def order(when: Moment | None) -> float:
    """For sorting; what has no date comes before all that has."""
    return float("-inf") if when is None else when.stamp


def surely_before(one: Moment | None, other: Moment | None) -> bool:
    """Of two scans of a day whose times nobody knows, and of one without a date, nobody can say which came first."""
    if one is None or other is None:
        return False
    return one.latest <= other.earliest and one.earliest < other.earliest


def is_uid(text: str) -> bool:
    """DICOM PS3.5 9.1, with the leading zeros that some archives have."""
    return 0 < len(text) <= 64 and all(part.isascii() and part.isdigit() for part in text.split("."))


def _day(text: str) -> date | None:
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:8]))
    except ValueError:
        return None
