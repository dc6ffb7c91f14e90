"""Transfer syntaxes and their decoders (DICOM PS3.5 §8.2, §10; Annex A).

imagecodecs, because its decoders release the interpreter lock: slices decode side by side and the rest of the process
goes on. Before a compressed frame is decoded its header is read here, so that a frame that claims to be larger than
its instance, of several components or deeper than its instance, or lossy where its syntax says lossless, is refused
before memory is spent on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cds.errors import ConfigurationError
from cds.imaging.reasons import Reason, Unusable

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
ENCAPSULATED_RAW = "1.2.840.10008.1.2.1.98"
DEFLATED = "1.2.840.10008.1.2.1.99"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
RLE = "1.2.840.10008.1.2.5"
_JPEG = "1.2.840.10008.1.2.4."

RAW = frozenset({IMPLICIT, EXPLICIT, DEFLATED, BIG_ENDIAN})
# the decoder of imagecodecs that reads it
_DECODERS = {
    _JPEG + "57": "jpeg8_decode",
    _JPEG + "70": "jpeg8_decode",
    _JPEG + "80": "jpegls_decode",
    _JPEG + "81": "jpegls_decode",
    _JPEG + "90": "jpeg2k_decode",
    _JPEG + "91": "jpeg2k_decode",
    _JPEG + "201": "htj2k_decode",
    _JPEG + "202": "htj2k_decode",
    _JPEG + "203": "htj2k_decode",
}
# the header of the others is JPEG 2000's
_JPEG_MARKERS = frozenset(_JPEG + end for end in ("57", "70", "80", "81"))
_JPEG_2000 = b"\xff\x4f\xff\x51"  # SOC, SIZ
_MAY_BE_LOSSY = frozenset({_JPEG + "81", _JPEG + "91", _JPEG + "203"})
# 8- and 12-bit DCT: on a CT off by thousands of units
LOSSY_JPEG = frozenset(_JPEG + end for end in ("50", "51", "52", "53", "54", "55", "56"))


@dataclass(frozen=True)
class Layout:
    """How one instance stores a frame."""

    syntax: str
    rows: int
    columns: int
    allocated: int
    """Bits: 8 or 16."""
    stored: int
    """Bits, the lowest of ``allocated``."""
    signed: bool

    @property
    def dtype(self) -> np.dtype[Any]:
        order = ">" if self.syntax == BIG_ENDIAN else "<"
        return np.dtype(f"{order}u{self.allocated // 8}")

    @property
    def frame_bytes(self) -> int:
        return self.rows * self.columns * self.allocated // 8


def check(syntax: str, lossy: bool, method: str) -> bool:
    """Whether frames were compressed with tolerable loss (to be flagged).

    ``lossy``: Lossy Image Compression (0028,2110) is "01"; ``method``: (0028,2114).
    Raises Unusable: lossy-jpeg, transfer-syntax.
    """
    if syntax in LOSSY_JPEG:
        raise Unusable(Reason.LOSSY_JPEG)
    if syntax not in RAW and syntax not in _DECODERS and syntax not in (RLE, ENCAPSULATED_RAW):
        raise Unusable(Reason.TRANSFER_SYNTAX, f"({syntax or 'none stated'})")
    if lossy and syntax not in _MAY_BE_LOSSY and not method.startswith(("ISO_14495", "ISO_15444")):
        # unpacked since, but its values are still those of a lossy JPEG, or nobody says of what
        raise Unusable(Reason.LOSSY_JPEG)
    return lossy


def stored_values(payload: bytes, layout: Layout) -> NDArray[Any]:
    """One frame as stored, [rows, columns], 8 or 16 bits as ``layout`` says, signed if it says so.

    Raises Unusable: pixels-corrupt, decompression-bomb, lossy-jpeg, pixel-format.
    """
    if layout.syntax in RAW or layout.syntax == ENCAPSULATED_RAW:
        if len(payload) < layout.frame_bytes:
            raise Unusable(Reason.PIXELS_CORRUPT, f"({len(payload)} of {layout.frame_bytes} bytes)")
        values = np.frombuffer(payload, layout.dtype, layout.rows * layout.columns)
        values = values.astype(layout.dtype.newbyteorder("="), copy=False).reshape(layout.rows, layout.columns)
    elif layout.syntax == RLE:
        values = _run_lengths(payload, layout)
    else:
        if layout.syntax not in _JPEG_MARKERS:
            payload = _codestream(payload)
        _check_header(payload, layout)
        try:
            values = getattr(codecs(), _DECODERS[layout.syntax])(payload)
        except Exception as error:  # each codec has an error type of its own, and some raise ValueError
            raise Unusable(Reason.PIXELS_CORRUPT, f"({type(error).__name__})") from error
        if values.shape != (layout.rows, layout.columns) or values.dtype.kind not in "ui":
            raise Unusable(Reason.PIXEL_FORMAT, f"({values.dtype} {values.shape})")
    return _low_bits(values, layout)


def _low_bits(values: NDArray[Any], layout: Layout) -> NDArray[Any]:
    """Only the stored bits count: others may hold an old overlay, and codecs disagree about the sign."""
    size = np.dtype(f"{'i' if layout.signed else 'u'}{max(layout.allocated // 8, values.dtype.itemsize)}")
    if values.dtype.itemsize != size.itemsize:
        values = values.astype(f"{values.dtype.kind}{size.itemsize}")
    values = values.view(size)
    spare = size.itemsize * 8 - layout.stored
    if spare and layout.signed:
        values = (values << spare) >> spare
    elif spare:
        values = values & size.type((1 << layout.stored) - 1)
    return values


def _run_lengths(payload: bytes, layout: Layout) -> NDArray[Any]:
    try:
        raw = codecs().dicomrle_decode(payload, layout.dtype, out=layout.frame_bytes)
    except Exception as error:
        raise Unusable(Reason.PIXELS_CORRUPT, f"({type(error).__name__})") from error
    if len(raw) != layout.frame_bytes:
        raise Unusable(Reason.PIXELS_CORRUPT, f"({len(raw)} of {layout.frame_bytes} bytes)")
    return np.frombuffer(raw, layout.dtype).reshape(layout.rows, layout.columns)


def _check_header(payload: bytes, layout: Layout) -> None:
    said = _stated(payload, layout.syntax)
    if (said.rows, said.columns) != (layout.rows, layout.columns):
        size = f"{said.rows} x {said.columns} in an image of {layout.rows} x {layout.columns}"
        raise Unusable(Reason.BOMB, f"(a frame of {size})")
    if said.components != 1:
        raise Unusable(Reason.BOMB, f"(a frame of {said.components} components in an image of one)")
    if said.bits > layout.allocated:
        raise Unusable(Reason.BOMB, f"(a frame of {said.bits} bits in an image of {layout.allocated})")
    if not said.lossless:
        raise Unusable(Reason.LOSSY_JPEG)


@dataclass(frozen=True)
class _Stated:
    """What a frame's own header says."""

    rows: int
    columns: int
    components: int
    bits: int
    """Of one sample, the most of all components."""
    lossless: bool
    """No DCT."""


def _codestream(payload: bytes) -> bytes:
    """JPEG 2000 without its JP2 wrapper (ISO 15444-1 annex I), which DICOM does not allow, but which is met: what is
    judged here is then also all that is decoded. Raises Unusable (pixels-corrupt)."""
    if payload.startswith(_JPEG_2000):
        return payload
    at = 0
    while at + 8 <= len(payload):
        size, kind, begins = int.from_bytes(payload[at : at + 4]), payload[at + 4 : at + 8], at + 8
        if size == 1:
            size, begins = int.from_bytes(payload[at + 8 : at + 16]), at + 16
        ends = at + size if size else len(payload)  # 0: to the end
        if ends < begins:
            break
        if kind == b"jp2c" and payload.startswith(_JPEG_2000, begins):
            return payload[begins:ends]
        at = ends
    raise Unusable(Reason.PIXELS_CORRUPT, "(no frame header)")


def _stated(payload: bytes, syntax: str) -> _Stated:
    """By the transfer syntax, as the decoder that it calls for will read it: one format's header may stand in a comment
    of another. Raises Unusable (pixels-corrupt)."""
    return _stated_by_jpeg(payload) if syntax in _JPEG_MARKERS else _stated_by_jpeg_2000(payload)


def _stated_by_jpeg_2000(payload: bytes) -> _Stated:
    """ISO 15444-1 A.5.1; HTJ2K has the same."""
    if len(payload) < 43:
        raise Unusable(Reason.PIXELS_CORRUPT, "(no frame header)")
    x, y, x0, y0 = (int.from_bytes(payload[at : at + 4]) for at in range(8, 24, 4))
    components = int.from_bytes(payload[40:42])
    bits = max(((depth & 0x7F) + 1 for depth in payload[42 : 42 + 3 * components : 3]), default=0)
    return _Stated(y - y0, x - x0, components, bits, lossless=True)


def _stated_by_jpeg(payload: bytes) -> _Stated:
    """ISO 10918-1 B.1.1, B.2.2; JPEG-LS has the same."""
    at = 2
    while payload[:2] == b"\xff\xd8" and at + 10 <= len(payload) and payload[at] == 0xFF:
        marker, length = payload[at + 1], int.from_bytes(payload[at + 2 : at + 4])
        if marker == 0xFF:  # fill byte
            at += 1
        elif marker == 0x01 or 0xD0 <= marker <= 0xD7:  # these stand alone: what follows is no length
            at += 2
        elif marker in (0x00, 0xD8, 0xD9, 0xDA) or length < 2:
            break
        elif marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)):
            rows, columns = int.from_bytes(payload[at + 5 : at + 7]), int.from_bytes(payload[at + 7 : at + 9])
            return _Stated(rows, columns, payload[at + 9], payload[at + 4], lossless=marker in (0xC3, 0xF7))
        else:
            at += 2 + length
    raise Unusable(Reason.PIXELS_CORRUPT, "(no frame header)")


@cache
def codecs() -> ModuleType:
    """imagecodecs. Raises ConfigurationError where the extra was not installed."""
    try:
        import imagecodecs
    except ImportError as error:
        raise ConfigurationError(
            "images can't be decoded: install this package with its extra 'imaging' (pip install '<package>[imaging]')"
        ) from error
    module: ModuleType = imagecodecs
    return module
