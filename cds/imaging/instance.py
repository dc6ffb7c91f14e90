"""What one DICOM instance says: whose it is, what it shows, where its frames lie (DICOM PS3.3 A.3, A.38, C.7.6).

Reads classic CT (one frame) and enhanced or legacy-converted CT (many), with only the elements that are used. An
instance that is no CT slice is left out with its reason; one that makes the whole series doubtful raises.
"""

from __future__ import annotations

import io
import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

import pydicom
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag

from cds.errors import ConfigurationError
from cds.imaging import codecs
from cds.imaging.codecs import Layout
from cds.imaging.elements import number, numbers, text, texts
from cds.imaging.frames import CT, ENHANCED, Frame, frames_of
from cds.imaging.reasons import Note, Reason, Remark, Unusable
from cds.imaging.scanner import scanner

# real headers bend the rules of value representations; what matters is checked below
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE

_KEYWORDS = (
    "SpecificCharacterSet",
    "ImageType",
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "FrameOfReferenceUID",
    "PatientID",
    "IssuerOfPatientID",
    "Modality",
    "Manufacturer",
    "ManufacturerModelName",
    "SeriesDescription",
    "ProtocolName",
    "BodyPartExamined",
    "ContrastBolusAgent",
    "ContrastBolusStartTime",
    "AcquisitionDate",
    "AcquisitionTime",
    "AcquisitionDateTime",
    "ContentTime",
    "AcquisitionNumber",
    "TemporalPositionIdentifier",
    "ConvolutionKernel",
    "SliceThickness",
    "InstanceNumber",
    "SeriesNumber",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "BitsAllocated",
    "BitsStored",
    "PixelRepresentation",
    "NumberOfFrames",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "RescaleSlope",
    "RescaleIntercept",
    "RescaleType",
    "ModalityLUTSequence",
    "LossyImageCompression",
    "LossyImageCompressionMethod",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
    "ConcatenationUID",
    "InConcatenationNumber",
    "InConcatenationTotalNumber",
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
    "FloatPixelData",
    "DoubleFloatPixelData",
    "PixelData",
)
_TAGS: list[BaseTag | int] = [tag for word in _KEYWORDS if (tag := tag_for_keyword(word)) is not None]
_META = ("TransferSyntaxUID", "MediaStorageSOPClassUID", "MediaStorageSOPInstanceUID")
_PIXEL_DATA = 0x7FE00010
_MOST_SIDE = 4096
"""Pixels along one side: twice what any scanner writes."""
_SMALL = 64_000_000
"""Bytes that a deflated instance may have whatever its ratio: a slice of nothing but air shrinks a thousandfold."""
_MOST_RATIO = 20


@dataclass(frozen=True)
class About:
    """What a series says of itself; taken from its first instance."""

    description: str = ""
    protocol: str = ""
    body_part: str = ""
    contrast_agent: str = ""
    bolus_start: str = ""
    """Time of day as DICOM writes it, HHMMSS.f."""
    scanner: str = ""
    """Maker and model, as ``cds.imaging.scanner`` writes them."""


@dataclass(frozen=True)
class Part:
    """One instance of a concatenation (DICOM PS3.3 C.7.6.16.1.2.2.4)."""

    whole: str
    """UID of the concatenation."""
    number: int
    """From 1; 0: not said."""
    total: int
    """How many there should be, 0: not said, which is allowed."""


@dataclass(frozen=True)
class Instance:
    sop_uid: str
    series_uid: str
    study_uid: str
    patient: tuple[str, str] = field(repr=False)
    """Identifier and issuer, to compare; not to be shown."""
    about: About
    frames: tuple[Frame, ...]
    """Usable CT slices."""
    left_out: tuple[Reason, ...]
    """Why other frames were not."""
    remarks: frozenset[Remark]
    concatenation: Part | None = None
    layout: Layout | None = None
    padding: tuple[int, int] | None = None
    _pixels: tuple[bytes, int, tuple[bytes, bytes] | None] | None = field(default=None, repr=False)

    @property
    def decoded_bytes(self) -> int:
        """Of its usable frames as HU."""
        return 0 if self.layout is None else self.layout.rows * self.layout.columns * 2 * len(self.frames)

    def payloads(self) -> Iterator[tuple[Frame, bytes]]:
        """Each usable frame with its stored bytes. Raises Unusable (pixels-corrupt)."""
        if self.layout is None or self._pixels is None:
            return
        data, count, offsets = self._pixels
        wanted = {frame.number: frame for frame in self.frames}
        last = max(wanted, default=0)
        if self.layout.syntax in codecs.RAW:
            size = self.layout.frame_bytes
            pieces: Iterator[bytes] = (data[at * size : (at + 1) * size] for at in range(count))
        else:
            pieces = generate_frames(data, number_of_frames=count, extended_offsets=offsets)
        found = 0
        try:
            # no further than the last frame described: the count is a claim, and may be thousands of millions
            for index, piece in enumerate(islice(pieces, last), start=1):
                if index in wanted:
                    found += 1
                    yield wanted[index], piece
        except (ValueError, EOFError, IndexError, OverflowError, struct.error) as error:
            raise Unusable(Reason.PIXELS_CORRUPT, "(the frames can't be told apart)") from error
        if found != len(wanted):
            raise Unusable(Reason.PIXELS_CORRUPT, f"({found} of {len(wanted)} frames)")


def read(raw: bytes) -> Instance:
    """One instance as stored (DICOM PS3.10).

    Raises Unusable: not-dicom, decompression-bomb, transfer-syntax, lossy-jpeg, pixel-format, float-pixels,
    not-finite, modality-lut, pixels-corrupt.
    """
    try:
        meta, dataset = _parse(raw)
    except Unusable:
        raise
    except Exception as error:  # whatever damaged bytes make a parser do
        raise Unusable(Reason.NOT_DICOM, f"({type(error).__name__})") from error
    try:
        return _instance(dataset, *(text(meta, word) for word in _META))
    except (Unusable, ConfigurationError):
        raise
    except Exception as error:  # elements are parsed when they are looked at, so damaged bytes may come up here as well
        raise Unusable(Reason.NOT_DICOM, f"({type(error).__name__} in an element)") from error


def _parse(raw: bytes) -> tuple[Dataset, Dataset]:
    """(file meta, what is used of the data set)."""
    if raw[128:132] != b"DICM":
        raise Unusable(Reason.NOT_DICOM, "(no DICM prefix)")
    stream = io.BytesIO(raw)
    stream.seek(132)
    meta = read_dataset(stream, False, True, stop_when=lambda tag, _vr, _length: tag.group != 2)
    syntax = str(meta.get("TransferSyntaxUID", ""))
    if syntax == codecs.DEFLATED:
        stream = io.BytesIO(_inflated(raw[stream.tell() :]))
    implicit, little = syntax == codecs.IMPLICIT, syntax != codecs.BIG_ENDIAN
    dataset = read_dataset(stream, implicit, little, specific_tags=_TAGS)
    return meta, dataset


def _inflated(packed: bytes) -> bytes:
    most = max(_SMALL, _MOST_RATIO * len(packed))
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    plain = inflate.decompress(packed, most)
    if inflate.unconsumed_tail:
        raise Unusable(Reason.BOMB, f"(more than {most} bytes from {len(packed)})")
    return plain


def _instance(dataset: Dataset, syntax: str, stated_class: str, stated_uid: str) -> Instance:
    remarks: set[Remark] = set()
    sop_class = text(dataset, "SOPClassUID") or stated_class
    if not text(dataset, "SOPClassUID") and (sop_class in (CT, *ENHANCED) or text(dataset, "Modality") == "CT"):
        sop_class = sop_class or CT
        remarks.add(Remark(Note.CLASS_ASSUMED))
    uid = text(dataset, "SOPInstanceUID") or stated_uid
    series_uid, study_uid = text(dataset, "SeriesInstanceUID"), text(dataset, "StudyInstanceUID")
    if not uid or not (series_uid or study_uid or "Rows" in dataset):
        raise Unusable(Reason.NOT_DICOM, "(identifiers are missing)")
    dataset.SOPInstanceUID = uid
    concatenation = text(dataset, "ConcatenationUID")
    usable, left_out = frames_of(dataset, sop_class, remarks)
    layout = padding = pixels = None
    if usable:
        if "FloatPixelData" in dataset or "DoubleFloatPixelData" in dataset:
            raise Unusable(Reason.FLOAT_PIXELS)
        layout = _layout(dataset, syntax)
        if codecs.check(syntax, *_loss(dataset)):
            remarks.add(Remark(Note.LOSSY))
        padding = _padding(dataset, layout)
        pixels = _pixels(dataset)
    return Instance(
        sop_uid=uid,
        series_uid=series_uid,
        study_uid=study_uid,
        patient=(text(dataset, "PatientID"), text(dataset, "IssuerOfPatientID")),
        about=About(
            text(dataset, "SeriesDescription"),
            text(dataset, "ProtocolName"),
            text(dataset, "BodyPartExamined"),
            text(dataset, "ContrastBolusAgent"),
            text(dataset, "ContrastBolusStartTime"),
            scanner(text(dataset, "Manufacturer"), text(dataset, "ManufacturerModelName")),
        ),
        frames=tuple(usable),
        left_out=tuple(left_out),
        remarks=frozenset(remarks),
        concatenation=Part(
            concatenation,
            int(number(dataset, "InConcatenationNumber") or 0),
            int(number(dataset, "InConcatenationTotalNumber") or 0),
        )
        if concatenation
        else None,
        layout=layout,
        padding=padding,
        _pixels=pixels,
    )


def _layout(dataset: Dataset, syntax: str) -> Layout:
    rows, columns, allocated, stored = (
        int(number(dataset, word) or 0) for word in ("Rows", "Columns", "BitsAllocated", "BitsStored")
    )
    if not (0 < rows <= _MOST_SIDE and 0 < columns <= _MOST_SIDE):
        raise Unusable(Reason.PIXEL_FORMAT, f"({rows} x {columns})")
    if allocated not in (8, 16) or not 0 < stored <= allocated:
        raise Unusable(Reason.PIXEL_FORMAT, f"({stored} of {allocated} bits)")
    return Layout(syntax, rows, columns, allocated, stored, bool(number(dataset, "PixelRepresentation")))


def _loss(dataset: Dataset) -> tuple[bool, str]:
    methods = texts(dataset, "LossyImageCompressionMethod")
    return text(dataset, "LossyImageCompression") == "01", methods[-1] if methods else ""


def _padding(dataset: Dataset, layout: Layout) -> tuple[int, int] | None:
    """Both elements are bit patterns: their sign is that of the pixels, whatever representation the file names."""
    ends: list[int] = []
    for word in ("PixelPaddingValue", "PixelPaddingRangeLimit"):
        values = numbers(dataset, word)
        if values:
            bits = int(values[0]) & 0xFFFF
            ends.append(bits - 0x10000 if layout.signed and bits & 0x8000 else bits)
    return (min(ends), max(ends)) if ends and "PixelPaddingValue" in dataset else None


def _pixels(dataset: Dataset) -> tuple[bytes, int, tuple[bytes, bytes] | None]:
    if "ModalityLUTSequence" in dataset:
        raise Unusable(Reason.MODALITY_LUT)
    if _PIXEL_DATA not in dataset:
        raise Unusable(Reason.PIXELS_CORRUPT, "(no pixel data)")
    data = dataset.get_item(_PIXEL_DATA).value  # as read: no conversion, no copy
    if not isinstance(data, bytes) or not data:
        raise Unusable(Reason.PIXELS_CORRUPT, "(no pixel data)")
    count = number(dataset, "NumberOfFrames") or 1
    if not math.isfinite(count) or count < 1:
        raise Unusable(Reason.PIXEL_FORMAT, f"({count} frames)")
    offsets = None
    if "ExtendedOffsetTable" in dataset and "ExtendedOffsetTableLengths" in dataset:
        offsets = (bytes(dataset.ExtendedOffsetTable), bytes(dataset.ExtendedOffsetTableLengths))
    return data, int(count), offsets
