"""The analysed images once more, without their pixels: what SEG and SR must repeat of patient, study and geometry.

Asked of the PACS when results are written, so that they carry what the archive says today, such as a corrected name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.valuerep import DA, TM, DSfloat

from cds.imaging.dicomweb import DicomWeb
from cds.imaging.elements import numbers, text
from cds.imaging.frames import CT, Frame
from cds.imaging.geometry import places, same_directions
from cds.imaging.reasons import Reason, Unusable
from cds.imaging.results.uids import uid_of

_MUST_BE_THERE = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "ReferringPhysicianName",
    "PositionReferenceIndicator",
)
"""Type 2: present, if empty (DICOM PS3.3 C.7.1.1, C.7.2.1, C.7.4.1)."""
_STAMPS: Mapping[str, tuple[Callable[[str], Any], str]] = {
    "PatientBirthDate": (DA, "."),
    "StudyDate": (DA, "."),
    "StudyTime": (TM, ":"),
}
"""Read by the writing library; and what older files put between their parts (DICOM PS3.5 6.2, of ACR-NEMA)."""
_SEXES = ("M", "F", "O")


@dataclass(frozen=True, eq=False)
class Source:
    """Headers of the analysed series, one an instance."""

    study_uid: str
    series_uid: str
    instances: tuple[Dataset, ...]
    """In the order of the volume's frames."""

    @property
    def multiframe(self) -> bool:
        return "NumberOfFrames" in self.instances[0]

    @property
    def scanned(self) -> str:
        """YYYYMMDD, "" if not said."""
        first = self.instances[0]
        return str(first.get("AcquisitionDate") or first.get("StudyDate") or "")[:8]


def headers(web: DicomWeb, study_uid: str, series_uid: str) -> list[Dataset]:
    """WADO-RS metadata (DICOM PS3.18 §10.4.1.1.4). Raises Unusable."""
    path = f"/studies/{study_uid}/series/{series_uid}/metadata"
    rows = web.connection.patiently(partial(web.rows, path, {}, what="metadata"))
    try:
        return [Dataset.from_json(_without_bulk(row)) for row in rows]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Unusable(Reason.PACS_MALFORMED, f"({type(error).__name__} in the series' metadata)") from error


def _without_bulk(row: dict[str, Any]) -> dict[str, Any]:
    """Pixels and other large values are links, in makers' own sequences as well; none is needed."""
    kept = {tag: value for tag, value in row.items() if isinstance(value, dict) and "BulkDataURI" not in value}
    for tag, value in kept.items():
        if value.get("vr") == "SQ":
            items = [_without_bulk(item) if isinstance(item, dict) else item for item in value.get("Value", ())]
            kept[tag] = {**value, "Value": items}
    return kept


def source(instances: Sequence[Dataset], frames: Sequence[Frame], study_uid: str, series_uid: str) -> Source:
    """Those of ``instances`` that were analysed, mended where a writer would stumble; ``instances`` stay as they are.

    Raises Unusable: source-changed, or result-not-written for frames spread over several multi-frame instances.
    """
    by_uid = {str(ds.get("SOPInstanceUID", "")): ds for ds in instances}
    wanted = list(dict.fromkeys(frame.sop_uid for frame in frames))
    if missing := sum(uid not in by_uid for uid in wanted):
        raise Unusable(Reason.SOURCE_CHANGED, f"({missing} of {len(wanted)} images are gone)")
    found = [_mended(by_uid[uid]) for uid in wanted]
    if any(
        str(ds.get("StudyInstanceUID")) != study_uid or str(ds.get("SeriesInstanceUID")) != series_uid for ds in found
    ):
        raise Unusable(Reason.SOURCE_CHANGED, "(the images belong to another study or series)")
    # as they were compared when the pixels were read: padding is no part of an identifier
    if len({text(ds, "PatientID") for ds in found}) > 1:
        raise Unusable(Reason.SEVERAL_PATIENTS)
    if len(found) > 1 and any("NumberOfFrames" in ds for ds in found):
        raise Unusable(Reason.NOT_WRITTEN, "(the series is spread over several multi-frame instances)")
    reference = str(found[0].get("FrameOfReferenceUID") or "") or uid_of(series_uid, "frame-of-reference")
    for ds in found:
        # slices of one volume lie in one frame of reference, whatever an anonymiser wrote
        _put(ds, "FrameOfReferenceUID", reference)
    if "NumberOfFrames" in found[0]:
        _share(found[0], frames)
    else:
        _level(found, frames)
    return Source(study_uid, series_uid, tuple(found))


def _mended(ds: Dataset) -> Dataset:
    own = Dataset()
    own.update(ds)
    for keyword in _MUST_BE_THERE:
        if own.get(keyword) is None:
            _put(own, keyword, "")
    if "NumberOfFrames" in own and "PerFrameFunctionalGroupsSequence" not in own:
        # some archives say 1 of every image, and the writing library would take it for an enhanced one
        del own.NumberOfFrames
    if not own.get("SOPClassUID"):
        _put(own, "SOPClassUID", CT)
    for keyword, (kind, between) in _STAMPS.items():
        _put(own, keyword, _stamp(text(own, keyword).replace(between, ""), kind))
    sex = text(own, "PatientSex").upper()
    _put(own, "PatientSex", sex if sex in _SEXES else "")
    # JSON is Unicode already; written so, no name can fail to be encoded
    _put(own, "SpecificCharacterSet", "ISO_IR 192")
    return own


def _stamp(value: str, kind: Callable[[str], Any]) -> str:
    """Empty, which is allowed, for what is no date or time of day: the result is worth more than a damaged one."""
    try:
        kind(value)
    except ValueError:
        return ""
    return value


def _level(found: Sequence[Dataset], frames: Sequence[Frame]) -> None:
    """The writing library takes slices of one direction, to the last digit, that say how thick they are. The volume
    lies as its first slice does."""
    first, thickness = found[0].get("ImageOrientationPatient"), _apart(frames)
    for ds in found:
        if same_directions(numbers(found[0], "ImageOrientationPatient"), numbers(ds, "ImageOrientationPatient")):
            _put(ds, "ImageOrientationPatient", first)
        if not ds.get("SliceThickness"):
            _put(ds, "SliceThickness", thickness)
        if min(numbers(ds, "SpacingBetweenSlices"), default=1.0) <= 0:
            # some scanners count downwards; of a segmentation it may not be, and places say it anyway
            del ds.SpacingBetweenSlices


def _share(whole: Dataset, frames: Sequence[Frame]) -> None:
    """The same of a multi-frame instance, which may say of each frame what the writing library looks for once."""
    shared = Dataset()
    shared.update((whole.get("SharedFunctionalGroupsSequence") or [Dataset()])[0])
    if not shared.get("PlaneOrientationSequence"):
        lying = Dataset()
        _put(lying, "ImageOrientationPatient", [DSfloat(v, auto_format=True) for v in frames[0].orientation])
        _put(shared, "PlaneOrientationSequence", [lying])
    measures = Dataset()
    measures.update((shared.get("PixelMeasuresSequence") or [Dataset()])[0])
    if not measures.get("PixelSpacing"):
        _put(measures, "PixelSpacing", [DSfloat(v, auto_format=True) for v in frames[0].spacing])
    if not measures.get("SliceThickness"):
        _put(measures, "SliceThickness", _apart(frames))
    _put(shared, "PixelMeasuresSequence", [measures])
    _put(whole, "SharedFunctionalGroupsSequence", [shared])


def _apart(frames: Sequence[Frame]) -> DSfloat:
    """mm between slices: where nobody says how thick they are, they leave no gap and do not overlap."""
    return DSfloat(float(np.median(np.abs(np.diff(places(frames))))), auto_format=True)


def _put(ds: Dataset, keyword: str, value: Any) -> None:
    """A new element: setting an attribute would change the element that the original shares."""
    tag = tag_for_keyword(keyword)
    assert tag is not None
    ds.add_new(tag, dictionary_VR(tag), value)
