"""How many images of a study an archive has, and how much beside them that nobody reads here."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from cds.imaging.dicomweb import DicomWeb
from cds.imaging.reasons import Unusable

_log = logging.getLogger("cds.studies")
_NOT_READ = frozenset({"SEG", "SR", "PR", "KO", "DOC", "REG", "RTSTRUCT"})
"""Results, reports, what was marked: a radiologist who saves one has made no new image (DICOM PS3.3 C.7.3.1.1.1)."""


@dataclass(frozen=True)
class Counted:
    """As the archive counts them now; None where it does not say."""

    images: int | None
    others: int | None

    @property
    def whole(self) -> int | None:
        """All objects of the study, which is what a search for studies tells."""
        return None if self.images is None or self.others is None else self.images + self.others


def counted(web: DicomWeb, study_uid: str) -> Counted:
    """Raises Unusable."""
    rows = web.series(study_uid)
    counts = [row.instances for row in rows]
    if not rows or None in counts:
        return Counted(None, None)
    others = sum(row.instances or 0 for row in rows if row.modality in _NOT_READ)
    return Counted(sum(count or 0 for count in counts) - others, others)


def counted_again(web: DicomWeb, study_uid: str, images: int | None) -> Counted:
    """``images``, and whatever else lies in the study now. An archive that fails does not cost the result."""
    try:
        return Counted(images, counted(web, study_uid).others)
    except Unusable as error:
        _log.warning("study.uncounted reason=%s", error.reason.value)
        return Counted(images, None)
