"""The frames of a CT instance, each with its place in the patient and its rescale; what is no slice is left out.

Classic CT says it once per instance, enhanced and legacy-converted CT in functional groups, shared or per frame
(DICOM PS3.3 C.7.6.16, C.8.2, C.8.15).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from operator import mul

from pydicom.dataset import Dataset

from cds.imaging.elements import number, numbers, text, texts
from cds.imaging.reasons import Note, Reason, Remark, Unusable

CT = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED = ("1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2")
"""Enhanced CT, Legacy Converted Enhanced CT."""
_WORDS = re.compile(r"[A-Z0-9]+")
_PROJECTION = re.compile(
    r"\b(?:\w*(?:MI?NIP|MIP)S?(?:\d\w*|THIN|THICK|SLAB|PV|VEN\w*|ART\w*|AX\w*|COR\w*|SAG\w*|R|Z)?|"
    r"(?:AVG|AVE|MEAN) ?IP|(?:MAX|MIN)(?:IMUM)? ?(?:IP|INTENSITY)|PROJECTION|RAY ?SUM|"
    r"VRT?|SSD|VOLREN|VOLUME RENDER\w*)\b"
)
"""As words: makers write CT_SOM5 MIP, MIP THIN, MIP10, SlabMIP, AXMIP, 8x3MIP, MNIP, MAX_IP. No hemiparesis."""
_PROJECTED_KIND = re.compile(r"\b(?:MAXIMUM|MINIMUM)\b")
"""In enhanced images (C.8.16.1.4); in descriptions it may be the dose that is minimal."""
_NO_PROJECTION = re.compile(r"\b(?:NO|NON|WITHOUT|W O|OHNE|KEINE?|ZONDER|GEEN|SANS) \w*(?:MI?NIP|MIP)S?\b")
_MONOCHROME = ("MONOCHROME1", "MONOCHROME2")
_HOUNSFIELD = ("", "HU", "US")
"""Rescale Type: Hounsfield units, or not said. Others are maps of iodine, energy and the like."""
_LARGEST_SLOPE = 1_000.0
"""HU a stored step: 8 bits that span all of CT need 16. Beyond it the tag is damaged, and 32 bits overflow."""
_LARGEST_INTERCEPT = 100_000.0
"""HU: scanners write -1024, -8192, at most the half of 16 bits."""

_WIDEST_MM = 1_000.0
"""Of an image: no scanner's opening is wider than 90 cm. Beyond it the spacing is damaged, and a volume resampled by it
takes gigabytes."""
_FARTHEST_MM = 100_000.0
"""From the origin, along any axis; a table moves 2 m."""
_SQUARE = 5e-3
"""Most that a direction may lack of unit length, or two of a right angle: three decimals, rounded, lack 2e-3."""


@dataclass(frozen=True)
class Frame:
    """One axial-to-be slice, all but its pixels. Lengths in mm, positions in LPS."""

    sop_uid: str
    number: int
    """Within its instance, from 1."""
    position: tuple[float, ...]
    """Centre of the first voxel: x, y, z."""
    orientation: tuple[float, ...]
    """Direction in which columns count (3), direction in which rows count (3)."""
    spacing: tuple[float, ...]
    """Between rows, between columns."""
    size: tuple[int, int]
    """Rows, columns."""
    slope: float
    intercept: float
    image_type: tuple[str, ...] = ()
    kernel: str = ""
    thickness: float | None = None
    temporal: str = ""
    acquisition: str = ""
    time: str = ""
    """Of acquisition, HHMMSS.f."""
    made: str = ""
    """Time of the image itself: at or after that of acquisition."""
    frame_of_reference: str = ""
    multiframe: bool = False
    """Of an instance made for several frames."""


def frames_of(dataset: Dataset, sop_class: str, remarks: set[Remark]) -> tuple[list[Frame], list[Reason]]:
    """(usable frames, why the others are not). ``remarks`` is added to."""
    if sop_class != CT and sop_class not in ENHANCED:
        return [], [Reason.SOP_CLASS]
    if number(dataset, "SamplesPerPixel") not in (None, 1.0) or (
        text(dataset, "PhotometricInterpretation") not in ("", *_MONOCHROME)
    ):
        return [], [Reason.PIXEL_FORMAT]
    if text(dataset, "PhotometricInterpretation") == "MONOCHROME1":
        # polarity of the display only: the rescaled values are Hounsfield units all the same
        remarks.add(Remark(Note.DISPLAY_INVERTED))
    found: list[Frame] = []
    left_out: list[Reason] = []
    for source in [_classic(dataset)] if sop_class == CT else _enhanced(dataset):
        frame = _frame(dataset, source, remarks)
        if isinstance(frame, Reason):
            left_out.append(frame)
        else:
            found.append(frame)
    return found, left_out


@dataclass(frozen=True)
class _Source:
    """Which dataset holds what, for one frame."""

    number: int
    position: Dataset
    orientation: Dataset
    measures: Dataset
    rescale: Dataset
    image_type: tuple[str, ...]
    kernel: str
    temporal: str
    acquisition: str
    time: str
    made: str = ""


def _classic(dataset: Dataset) -> _Source:
    return _Source(
        number=1,
        position=dataset,
        orientation=dataset,
        measures=dataset,
        rescale=dataset,
        image_type=texts(dataset, "ImageType"),
        kernel=text(dataset, "ConvolutionKernel"),
        temporal=text(dataset, "TemporalPositionIdentifier"),
        acquisition=text(dataset, "AcquisitionNumber"),
        time=text(dataset, "AcquisitionTime") or _time_of(text(dataset, "AcquisitionDateTime")),
        made=text(dataset, "ContentTime"),
    )


def _enhanced(dataset: Dataset) -> list[_Source]:
    empty = Dataset()
    shared = (dataset.get("SharedFunctionalGroupsSequence") or [empty])[0]
    sources = []
    for index, own in enumerate(dataset.get("PerFrameFunctionalGroupsSequence") or [], start=1):

        def group(*names: str, own: Dataset = own) -> Dataset:
            for name in names:
                for place in (own, shared):
                    if place.get(name):
                        item: Dataset = place.get(name)[0]
                        return item
            return empty

        content = group("FrameContentSequence")
        kind = texts(group("CTImageFrameTypeSequence"), "FrameType")
        sources.append(
            _Source(
                number=index,
                position=group("PlanePositionSequence"),
                orientation=group("PlaneOrientationSequence"),
                measures=group("PixelMeasuresSequence"),
                rescale=group("PixelValueTransformationSequence"),
                image_type=kind or texts(dataset, "ImageType"),
                kernel=text(group("CTReconstructionSequence"), "ConvolutionKernel"),
                temporal=text(content, "TemporalPositionIndex"),
                acquisition=text(content, "FrameAcquisitionNumber"),
                time=_time_of(text(content, "FrameAcquisitionDateTime")),
            )
        )
    return sources


def _frame(dataset: Dataset, source: _Source, remarks: set[Remark]) -> Frame | Reason:
    kind = {part.upper() for part in source.image_type}
    if "LOCALIZER" in kind:
        return Reason.LOCALIZER
    if any(projected(part) or _PROJECTED_KIND.search(_as_words(part)) for part in kind):
        return Reason.PROJECTION
    # what was acquired may be meant for a projection and say so; what was computed and says so is one
    if "ORIGINAL" not in kind and projected(text(dataset, "SeriesDescription")):
        return Reason.PROJECTION
    position = numbers(source.position, "ImagePositionPatient")
    orientation = numbers(source.orientation, "ImageOrientationPatient")
    spacing = numbers(source.measures, "PixelSpacing")
    size = (int(number(dataset, "Rows") or 0), int(number(dataset, "Columns") or 0))
    if not (_somewhere(position) and _square(orientation) and _on_a_body(spacing, size)):
        return Reason.NO_GEOMETRY
    if text(source.rescale, "RescaleType").upper() not in _HOUNSFIELD:
        return Reason.HOUNSFIELD
    slope, intercept = number(source.rescale, "RescaleSlope"), number(source.rescale, "RescaleIntercept")
    if slope is None or intercept is None:
        if "ModalityLUTSequence" in source.rescale:
            raise Unusable(Reason.MODALITY_LUT)
        remarks.add(Remark(Note.RESCALE_ASSUMED))
    if slope is not None and not 0 < abs(slope) <= _LARGEST_SLOPE:
        raise Unusable(Reason.HOUNSFIELD, f"(slope {slope:g})")
    if intercept is not None and not abs(intercept) <= _LARGEST_INTERCEPT:
        raise Unusable(Reason.HOUNSFIELD, f"(intercept {intercept:g})")
    return Frame(
        sop_uid=text(dataset, "SOPInstanceUID"),
        number=source.number,
        position=position,
        orientation=orientation,
        spacing=spacing,
        size=size,
        slope=1.0 if slope is None else slope,
        intercept=0.0 if intercept is None else intercept,
        image_type=source.image_type,
        multiframe="PerFrameFunctionalGroupsSequence" in dataset,
        kernel=source.kernel,
        thickness=number(source.measures, "SliceThickness"),
        temporal=source.temporal,
        acquisition=source.acquisition,
        time=source.time,
        made=source.made,
        frame_of_reference=text(dataset, "FrameOfReferenceUID"),
    )


def _somewhere(position: tuple[float, ...]) -> bool:
    return len(position) == 3 and max(map(abs, position)) <= _FARTHEST_MM


def _square(orientation: tuple[float, ...]) -> bool:
    """Two unit vectors at a right angle: DICOM PS3.3 C.7.6.2.1.1."""
    if len(orientation) != 6:
        return False
    rows, columns = orientation[:3], orientation[3:]
    lengths_off = max(abs(math.hypot(*direction) - 1) for direction in (rows, columns))
    return lengths_off <= _SQUARE and abs(sum(map(mul, rows, columns))) <= _SQUARE


def _on_a_body(spacing: tuple[float, ...], size: tuple[int, int]) -> bool:
    return len(spacing) == 2 and all(mm > 0 and mm * n <= _WIDEST_MM for mm, n in zip(spacing, size, strict=True))


@lru_cache(maxsize=256)
def projected(says: str) -> bool:
    """Whether a description or image type names a projection."""
    return _PROJECTION.search(_NO_PROJECTION.sub(" ", _as_words(says))) is not None


def _as_words(value: str) -> str:
    return " ".join(_WORDS.findall(value.upper()))


def seconds(time: str) -> float | None:
    """Since midnight, of a time as DICOM writes it (HHMMSS.f); None for none."""
    found = re.match(r"(\d\d):?(\d\d):?(\d\d(?:\.\d+)?)", time)
    return None if found is None else int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3])


def _time_of(stamp: str) -> str:
    """The time of day in a DICOM date-time, "" for none."""
    return stamp[8:].partition("+")[0].partition("-")[0] if len(stamp) > 8 else ""
