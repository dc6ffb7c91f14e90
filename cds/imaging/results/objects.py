"""What SEG and SR have in common: codes, the algorithm's name, labels, and that two makings give the same bytes."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime

import highdicom as hd
from highdicom.sr.coding import CodedConcept
from pydicom.dataset import Dataset
from pydicom.filewriter import dcmwrite

from cds.imaging.frames import Frame
from cds.imaging.reasons import Reason, Unusable
from cds.imaging.results.author import SCHEME, Author
from cds.imaging.results.guard import LABEL, Permit
from cds.imaging.results.uids import Uids, uid_of
from cds.inference.volumes.legend import Code

MM = CodedConcept("mm", "UCUM", "millimeter")
ML = CodedConcept("mL", "UCUM", "milliliter")
DEGREES = CodedConcept("deg", "UCUM", "degree")
NO_UNITS = CodedConcept("1", "UCUM", "no units")


def sct(value: str, meaning: str) -> CodedConcept:
    return CodedConcept(value, "SCT", meaning)


def dcm(value: str, meaning: str) -> CodedConcept:
    return CodedConcept(value, "DCM", meaning)


def own(value: str, meaning: str) -> CodedConcept:
    """A code of this product: 16 characters and 64 at most."""
    return CodedConcept(value[:16], SCHEME, meaning[:64])


def concept(code: Code) -> CodedConcept:
    return CodedConcept(code.value, code.scheme, code.meaning)


ANATOMY = sct("123037004", "Anatomical Structure")
ALTERED = sct("49755003", "Morphologically Altered Structure")
AI = dcm("123110", "Artificial Intelligence")
STATUS = own("RESULT_STATUS", "Status of this result")
DEMONSTRATION = own("DEMONSTRATION", LABEL)
UNCONFIRMED = own("UNCONFIRMED", "Found by software, not confirmed by a physician")


def algorithm_name(author: Author, permit: Permit) -> str:
    return permit.titled(author.name)


def names(frames: Iterable[Frame], author: Author, permit: Permit) -> Uids:
    """A demonstration's objects are others than those that count, though made from the same images."""
    version = f"{author.version}-test" if permit.test else author.version
    return Uids.of((frame.sop_uid for frame in frames), author.sha256, version)


@contextmanager
def written() -> Iterator[None]:
    """What the writing library can't put into an object is a reason, not a crash."""
    try:
        yield
    except (ValueError, TypeError, AttributeError, KeyError, IndexError) as error:
        raise Unusable(Reason.NOT_WRITTEN, f"({type(error).__name__}: {str(error)[:120]})") from error


def settled(ds: Dataset, uids: Uids, at: datetime, description: str) -> Dataset:
    """Times and identifiers that the library makes anew each time, from the analysis instead; changed in place."""
    day, hour = at.strftime("%Y%m%d"), at.strftime("%H%M%S")
    for keyword in ("InstanceCreationDate", "ContentDate", "SeriesDate"):
        setattr(ds, keyword, day)
    for keyword in ("InstanceCreationTime", "ContentTime", "SeriesTime"):
        setattr(ds, keyword, hour)
    ds.SeriesDescription = description[:64]
    for sequence in ("DimensionOrganizationSequence", "DimensionIndexSequence"):
        for item in ds.get(sequence, ()):
            if "DimensionOrganizationUID" in item:
                item.DimensionOrganizationUID = uids.uid("dimensions")
    for item in ds.get("ContributingEquipmentSequence", ()):
        item.ContributionDateTime = f"{day}{hour}"
    return ds


def encoded(ds: Dataset) -> bytes:
    """As a PACS stores it (DICOM PS3.10)."""
    out = io.BytesIO()
    with written():
        dcmwrite(out, ds, enforce_file_format=True)
    return out.getvalue()


def device_uid(author: Author) -> str:
    """Of the software as a device: one for each version of each model."""
    return uid_of("device", author.model, author.version, author.sha256)


def tracking(uid: str, identifier: str) -> hd.sr.TrackingIdentifier:
    return hd.sr.TrackingIdentifier(uid=uid, identifier=identifier)
