"""Why a study could not be assessed, what was remarked on the way and what spoke for a series: codes with words.

A ``Reason`` ends the work on a series or a study: the result is "indeterminate", never "negative". A ``Note`` does not
end it but is kept with the result. ``Evidence`` is one argument in the choice of a series. The codes are stable: they
stand in the ledger and in exported results. Words are English and Dutch; they never hold a patient's data.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources

from cds import yaml_lines
from cds.errors import ImagingError


class Reason(StrEnum):
    # the PACS
    PACS_NOT_LISTED = "pacs-not-listed"
    PACS_UNREACHABLE = "pacs-unreachable"
    PACS_TIMEOUT = "pacs-timeout"
    PACS_REFUSED = "pacs-refused"
    PACS_UNTRUSTED = "pacs-untrusted"
    PACS_FAILED = "pacs-failed"
    PACS_REDIRECTED = "pacs-redirected"
    PACS_MALFORMED = "pacs-malformed"
    TRUNCATED = "truncated"
    NOT_FOUND = "not-found"
    TOO_LARGE = "too-large"
    TOO_MANY_SLICES = "too-many-slices"
    INCOMPLETE = "incomplete"
    STUDY_LIMIT = "study-limit"
    # one instance
    NOT_DICOM = "not-dicom"
    BOMB = "decompression-bomb"
    TRANSFER_SYNTAX = "transfer-syntax"
    LOSSY_JPEG = "lossy-jpeg"
    PIXEL_FORMAT = "pixel-format"
    FLOAT_PIXELS = "float-pixels"
    NOT_FINITE = "not-finite"
    PIXELS_CORRUPT = "pixels-corrupt"
    MODALITY_LUT = "modality-lut"
    # one series
    SEVERAL_PATIENTS = "several-patients"
    FOREIGN_INSTANCE = "foreign-instance"
    SOP_CLASS = "wrong-sop-class"
    NO_GEOMETRY = "no-geometry"
    LOCALIZER = "localizer"
    PROJECTION = "projection"
    NOT_AXIAL = "not-axial"
    TOO_FEW_SLICES = "too-few-slices"
    NO_EXTENT = "no-extent"
    SCATTERED = "scattered-slices"
    GAP = "gap"
    MISSING_SLICES = "missing-slices"
    AMBIGUOUS = "ambiguous-slices"
    SEVERAL_MULTIFRAMES = "several-multiframes"
    # the record
    WITHDRAWN = "study-withdrawn"
    # the choice
    NO_CT = "no-ct-series"
    TOO_THICK = "too-thick"
    TOO_SHORT = "too-short"
    HOUNSFIELD = "hounsfield"
    WRONG_PHASE = "wrong-phase"
    PHASE_UNKNOWN = "phase-unknown"
    PHASE_CONFLICT = "phase-conflict"
    # the way back
    NOT_CLINICAL = "not-for-clinical-use"
    SOURCE_CHANGED = "source-changed"
    NOT_WRITTEN = "result-not-written"
    PACS_FULL = "pacs-full"
    STORE_REFUSED = "store-refused"
    STORE_LOST = "store-lost"
    RECORD_FAILED = "record-failed"
    RECORD_REFUSED = "record-refused"


IDENTITY = frozenset({Reason.SEVERAL_PATIENTS, Reason.FOREIGN_INSTANCE})
"""Whose images these are is in doubt: nothing of the study is used."""


class Note(StrEnum):
    CLASS_ASSUMED = "sop-class-assumed"
    LEFT_OUT = "instances-left-out"
    FRAMES_OF_REFERENCE = "frames-of-reference"
    RESCALE_ASSUMED = "rescale-assumed"
    RESCALE_VARIES = "rescale-varies"
    DISPLAY_INVERTED = "display-inverted"
    LOSSY = "lossy-compressed"
    TILT = "tilt-corrected"
    SPACING = "spacing-evened"
    INTERPOLATED = "slices-interpolated"
    DUPLICATES = "duplicates-dropped"
    SPLIT = "phases-split"
    STRAYS = "strays-dropped"
    NOT_WHOLE = "passes-not-whole"
    GROUPS = "several-geometries"
    COMPUTED = "computed-images"
    OTHERS_INCOMPLETE = "other-series-incomplete"


class Evidence(StrEnum):
    DESCRIPTION = "description"
    TIMING = "timing"
    CONTENT = "content"
    ORIGINAL = "original"
    COMPUTED = "computed"
    THIN = "thin"
    SOFT_KERNEL = "soft-kernel"
    SHARP_KERNEL = "sharp-kernel"
    REPAIRED = "repaired"
    ABDOMEN = "abdomen"
    ELSEWHERE = "elsewhere"


LANGUAGES = ("en", "nl")


@cache
def catalogue() -> dict[str, dict[str, str]]:
    """Sentences by code and language."""
    text = resources.files(__package__).joinpath("reasons.yaml").read_text(encoding="utf-8")
    found: dict[str, dict[str, str]] = yaml_lines.plain(text)
    return found


def words(code: Reason | Note | Evidence, language: str = "en") -> str:
    """The sentence (of an ``Evidence``: the phrase) for a code. English where the language is not known."""
    said = catalogue()[code.value]
    return said.get(language, said["en"])


@dataclass(frozen=True)
class Remark:
    """A note with its measure, such as "18.5 deg" or "2": the same in every language."""

    note: Note
    measure: str = ""


class Unusable(ImagingError):
    """A series or study can't be assessed. ``reason`` is what results and ledger keep; ``detail`` is for the log."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{words(reason)} {detail}".strip())
        self.reason = reason
        self.detail = detail
