"""A slice as a picture: windowed, in the radiologist's orientation, with outlines; nothing written into it.

The picture holds grey values and contours only: no name, no number, no text, and no metadata in the PNG. A series that
says it has writing burned into its pixels is not shown at all.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from pydicom.errors import InvalidDicomError

from cds.imaging.dicomweb import DicomWeb
from cds.imaging.frames import Frame
from cds.imaging.geometry import directions
from cds.imaging.instance import read
from cds.imaging.pixels import hounsfield
from cds.imaging.reasons import Reason, Unusable
from cds.imaging.stacks import Slice

Mask = NDArray[np.bool_]
Pixels = TypeVar("Pixels", bound=np.generic)


@dataclass(frozen=True)
class Window:
    """HU shown as black to white."""

    centre: float
    width: float


WINDOWS: Mapping[str, Window] = {
    "soft": Window(50, 400),
    "narrow": Window(90, 180),
    "bone": Window(400, 1800),
}
"""Soft tissue; the same narrower, where small differences show; bone."""

_GREYS = 250
"""Of 256 entries of the palette; the others are colours."""
COLOURS: Mapping[str, tuple[int, int, int]] = {"finding": (255, 176, 0), "organ": (64, 200, 230), "edge": (0, 0, 0)}
_ENTRY = {name: _GREYS + number for number, name in enumerate(COLOURS)}
_PALETTE = [value for n in range(_GREYS) for value in [round(n * 255 / (_GREYS - 1))] * 3] + [
    value for colour in COLOURS.values() for value in colour
]
_MOST_PIXELS = 1200


@dataclass(frozen=True)
class Segment:
    """One outline of a segmentation."""

    number: int
    label: str
    finding: bool
    """A lesion, as against normal anatomy."""
    tracking_uid: str = ""


@dataclass(frozen=True, eq=False)
class Outlines:
    """What a segmentation says of its source's slices."""

    segments: tuple[Segment, ...] = ()
    labels: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)
    """By SOP Instance UID of the source slice: [rows, columns], 0 or a segment's number."""
    series_uid: str = ""
    """Of the source."""

    def of(self, sop_uid: str, *, finding: bool) -> Mask | None:
        """All lesions, or all normal anatomy, of a slice; None where there is none."""
        labels = self.labels.get(sop_uid)
        if labels is None:
            return None
        found: Mask = np.isin(labels, [s.number for s in self.segments if s.finding is finding])
        return found if found.any() else None

    def area(self, sop_uid: str, segment: int) -> int:
        """Pixels of the segment in a slice."""
        labels = self.labels.get(sop_uid)
        return 0 if labels is None else int((labels == segment).sum())


def outlines(raw: bytes) -> Outlines:
    """Of a stored DICOM segmentation, binary or label map. Raises Unusable (not-dicom)."""
    from highdicom.seg import segread  # slow to import, and only pictures of results need it

    try:
        found = segread(io.BytesIO(raw))
        segments = tuple(
            Segment(
                number,
                str(found.get_segment_description(number).segment_label),
                _is_finding(found.get_segment_description(number)),
                str(found.get_segment_description(number).tracking_uid or ""),
            )
            for number in found.segment_numbers
        )
        sources = [str(uid) for _study, _series, uid in found.get_source_image_uids()]
        series = {str(series) for _study, series, _uid in found.get_source_image_uids()}
        labels = found.get_pixels_by_source_instance(
            sources, combine_segments=True, assert_missing_frames_are_empty=True, skip_overlap_checks=True
        )
    except (InvalidDicomError, ValueError, TypeError, AttributeError, LookupError, RuntimeError, EOFError) as error:
        raise Unusable(Reason.NOT_DICOM, f"(the segmentation: {type(error).__name__})") from error
    held = {uid: layer.astype(np.uint8) for uid, layer in zip(sources, labels, strict=True) if layer.any()}
    return Outlines(segments, held, series.pop() if len(series) == 1 else "")


def _is_finding(description: pydicom.Dataset) -> bool:
    """DICOM CID 7150: not what a healthy body has."""
    return str(description.SegmentedPropertyCategoryCodeSequence[0].CodeValue) == "49755003"


def read_slices(web: DicomWeb, study_uid: str, series_uid: str) -> tuple[Slice, ...]:
    """A series' slices as stored, from the feet to the head. Raises Unusable: of the PACS, or burned-in."""
    found: list[Slice] = []
    decoded = 0
    with web.series_parts(study_uid, series_uid, web.connection.deadline()) as parts:
        for raw in parts:
            instance = read(raw)
            stated = pydicom.dcmread(io.BytesIO(raw), specific_tags=["BurnedInAnnotation"], stop_before_pixels=True)
            if str(stated.get("BurnedInAnnotation", "NO")).upper() == "YES":
                raise Unusable(Reason.PIXEL_FORMAT, "(writing is burned into the images)")
            decoded += instance.decoded_bytes
            if decoded > web.limits.max_decoded_bytes:
                raise Unusable(Reason.TOO_LARGE)
            for frame, payload in instance.payloads():
                assert instance.layout is not None
                hu = hounsfield(payload, instance.layout, frame.slope, frame.intercept, instance.padding)
                found.append(Slice(frame, hu))
            if len(found) > web.limits.max_slices:
                raise Unusable(Reason.TOO_MANY_SLICES)
    if not found:
        raise Unusable(Reason.NOT_FOUND)
    normal = directions(found[0].frame)[2]
    return tuple(sorted(found, key=lambda one: float(np.dot(one.frame.position, normal))))


def picture(
    one: Slice,
    window: Window,
    *,
    finding: Mask | None = None,
    organ: Mask | None = None,
    crop: tuple[slice, slice] | None = None,
    side: int = 560,
) -> bytes:
    """PNG of the slice, its longer side ``side`` pixels, square millimetres: the patient's right at the left, the
    front above. ``crop``: rows and columns to show, of the source."""
    rows, columns = crop or (slice(None), slice(None))
    hu, (row_mm, column_mm) = _upright(one.hu[rows, columns], one.frame), _spacing(one.frame)
    height_mm, width_mm = hu.shape[0] * row_mm, hu.shape[1] * column_mm
    scale = min(side, _MOST_PIXELS) / max(height_mm, width_mm)
    size = (max(1, round(width_mm * scale)), max(1, round(height_mm * scale)))
    low = window.centre - window.width / 2
    shown = np.clip((hu.astype(np.float32) - low) / window.width, 0, 1) * (_GREYS - 1)
    grey = np.asarray(Image.fromarray(shown, "F").resize(size, Image.Resampling.BICUBIC))
    painted = np.clip(np.rint(grey), 0, _GREYS - 1).astype(np.uint8)
    bold = max(1, round(3 * side / 560))
    for mask, name, wide in ((organ, "organ", 1), (finding, "finding", bold)):
        if mask is not None:
            _contour(painted, _upright(mask[rows, columns], one.frame), name, wide)
    image = Image.fromarray(painted, "P")
    image.putpalette(_PALETTE)
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()


def around(labels: Sequence[Mask], frame: Frame, margin_mm: float) -> tuple[slice, slice] | None:
    """Rows and columns of the source that hold all masks, with a margin, square in millimetres; None for nothing."""
    rows = np.flatnonzero(np.any([m.any(axis=1) for m in labels], axis=0)) if labels else np.array([])
    columns = np.flatnonzero(np.any([m.any(axis=0) for m in labels], axis=0)) if labels else np.array([])
    if not len(rows):
        return None
    row_mm, column_mm = frame.spacing
    half = max((rows[-1] - rows[0]) * row_mm, (columns[-1] - columns[0]) * column_mm) / 2 + margin_mm
    cuts = []
    for ends, mm, most in ((rows, row_mm, frame.size[0]), (columns, column_mm, frame.size[1])):
        middle = (ends[0] + ends[-1]) / 2
        cuts.append(slice(max(0, int(middle - half / mm)), min(most, int(middle + half / mm) + 1)))
    return cuts[0], cuts[1]


def _contour(painted: NDArray[np.uint8], mask: Mask, name: str, wide: int) -> None:
    """The mask's outer edge, ``wide`` pixels, between thin dark lines so that it shows on bright tissue, too."""
    size = (painted.shape[1], painted.shape[0])
    large = Image.fromarray(mask.astype(np.uint8) * 255).resize(size, Image.Resampling.BICUBIC)
    # half a voxel of the source: takes off the stairs, keeps the place of the edge
    smooth = large.filter(ImageFilter.GaussianBlur(0.5 * size[0] / mask.shape[1]))
    inside = smooth.point([0] * 128 + [255] * 128)
    # outside the structure, so that the line covers nothing of it
    outer = np.asarray(inside.filter(ImageFilter.MaxFilter(2 * wide + 1))) > 0
    body = np.asarray(inside) > 0
    if wide > 1:
        halo = np.asarray(inside.filter(ImageFilter.MaxFilter(2 * wide + 3))) > 0
        painted[halo & ~body] = _ENTRY["edge"]
    painted[outer & ~body] = _ENTRY[name]


def _upright(pixels: NDArray[Pixels], frame: Frame) -> NDArray[Pixels]:
    """Rows to the patient's back, columns to the left."""
    across, down = np.array(frame.orientation[:3]), np.array(frame.orientation[3:])
    if abs(across[0]) < abs(across[1]):
        pixels, across, down = pixels.T, down, across
    if across[0] < 0:
        pixels = pixels[:, ::-1]
    return pixels[::-1] if down[1] < 0 else pixels


def _spacing(frame: Frame) -> tuple[float, float]:
    """mm between rows, columns of the upright picture."""
    row_mm, column_mm = frame.spacing
    turned = abs(frame.orientation[0]) < abs(frame.orientation[1])
    return (column_mm, row_mm) if turned else (row_mm, column_mm)
