"""An image archive: searched, one series fetched and timed, and whether it would take results, without storing any."""

from __future__ import annotations

import io
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta

import pydicom
from pydicom.uid import UID

from cds.errors import CdsError
from cds.imaging.dicomweb import DicomWeb, SeriesRow
from cds.imaging.fetch import read_series
from cds.imaging.reasons import Reason, Unusable
from cds.settings import Settings
from cds.site.archive_faults import told
from cds.site.findings import Findings, Verdict
from cds.studies.archives import opened

_BOUNDARY = "cds-site-check"
_LEAST_SLICES = 10


class Archive:
    def __init__(self, name: str, settings: Settings, findings: Findings) -> None:
        self.part, self._settings, self._name, self._findings = f"image archive {name}", settings, name, findings
        self._asked = ""
        """What it was asked last, for which a fault is told."""

    def look(self, study: str | None, today: date) -> None:
        """``study``: UID of one that may be read for this; else the newest CT that a poll would find."""
        try:
            with closing(opened(self._settings, self._name)) as web:
                chosen = study or self._newest(web, today)
                if chosen is not None:
                    series = self._series(web, chosen)
                    if series is not None:
                        self._fetched(web, chosen, series)
                self._takes(web)
        except CdsError as error:  # with which nothing further would be answered
            if study is not None and isinstance(error, Unusable) and error.reason is Reason.NOT_FOUND:
                self._findings.fault(self.part, "it has no such study: name one that it has with --study", self._asked)
                return
            self._findings.fault(self.part, told(error, self._name, self._settings.pacs[self._name]), self._asked)

    def _newest(self, web: DicomWeb, today: date) -> str | None:
        """Raises Unusable."""
        self._asked = "search (QIDO-RS)"
        since = today - timedelta(days=self._settings.imaging.lookback_days)
        start = time.monotonic()
        rows = web.studies(StudyDate=f"{since:%Y%m%d}-", ModalitiesInStudy="CT", includefield="StudyDescription")
        took = 1000 * (time.monotonic() - start)
        if not rows:
            why = f"it answers, and has no CT since {since}; name a study with --study"
            self._findings.note(self.part, why, "search (QIDO-RS)", took)
            return None
        self._findings.good(self.part, f"{len(rows)} CT studies since {since}", "search (QIDO-RS)", took)
        return max(rows, key=lambda row: (row.date, row.time)).uid

    def _series(self, web: DicomWeb, study: str) -> SeriesRow | None:
        """Raises Unusable."""
        self._asked = "series of a study"
        rows = [row for row in web.series(study) if row.modality == "CT"]
        usable = [row for row in rows if (row.instances or _LEAST_SLICES) >= _LEAST_SLICES]
        if not usable:
            self._findings.note(self.part, "the study has no CT series to try; name another with --study", "series")
            return None
        if any(row.instances is None for row in usable):
            why = "it does not say how many images a series has, so one cut short could be taken for whole"
            self._findings.note(self.part, why, "series of a study")
        return min(usable, key=lambda row: row.instances or 10_000)

    def _fetched(self, web: DicomWeb, study: str, series: SeriesRow) -> None:
        sizes: list[int] = []
        syntaxes: Counter[str] = Counter()

        def counted(parts: Iterator[bytes]) -> Iterator[bytes]:
            for part in parts:
                sizes.append(len(part))
                syntaxes[_syntax(part)] += 1
                yield part

        start = time.monotonic()
        try:
            with web.series_parts(study, series.uid, web.connection.deadline()) as parts:
                found = read_series(counted(parts), web.limits, study, series.uid, expected=series.instances)
        except CdsError as error:  # of the archive, of the images, or of decoders that are not installed
            told = f"{error}; {', '.join(syntaxes)}" if syntaxes else str(error)
            self._findings.fault(self.part, told, "fetching a series (WADO-RS)")
            return
        took = time.monotonic() - start
        speed = sum(sizes) / took / 1e6
        size = f"{len(found.slices)} slices, {sum(sizes) / 1e6:.0f} MB in {took:.1f} s ({speed:.0f} MB/s)"
        why = f"{size}; {', '.join(syntaxes)}"
        self._findings.good(self.part, why, "fetching a series (WADO-RS)", 1000 * took)

    def _takes(self, web: DicomWeb) -> None:
        """A part that is no DICOM must be refused as such: by an archive that takes STOW-RS, from one who may store."""
        if not self._settings.imaging.write_pacs:
            self._findings.note(self.part, "imaging.write_pacs is false: nothing is stored", "storing (STOW-RS)")
            return
        body = (
            f"--{_BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n"
            f"not DICOM, and not to be stored\r\n--{_BOUNDARY}--\r\n"
        ).encode()
        kind = f'multipart/related; type="application/dicom"; boundary={_BOUNDARY}'
        try:
            with web.connection.post("/studies", body, kind, "application/dicom+json", web.connection.deadline()) as (
                status,
                _headers,
                pieces,
            ):
                for _ in pieces:
                    pass
        except Unusable as error:
            self._findings.fault(self.part, str(error), "storing (STOW-RS)")
            return
        verdict, why = _would_take(status)
        say = {"good": self._findings.good, "note": self._findings.note, "fault": self._findings.fault}[verdict]
        say(self.part, why, "storing (STOW-RS)")


def _would_take(status: int) -> tuple[Verdict, str]:
    """From what was answered to something that is no DICOM."""
    if status in (401, 403):
        return "fault", (
            f"HTTP {status}: these credentials may not store; its team has to allow STOW-RS, or set "
            "imaging.write_pacs = false"
        )
    if status in (404, 405, 501):
        return "fault", (
            f"HTTP {status}: it, or a proxy before it, takes no STOW-RS; have it switched on, or set "
            "imaging.write_pacs = false"
        )
    if status in (200, 202):
        return "note", f"HTTP {status} for something that is no DICOM: what it says of storing can't be relied on"
    if status in (400, 409, 415, 422):
        return "good", f"would take results: refused what is no DICOM ({status})"
    if status == 500:
        return "note", f"HTTP {status} for something that is no DICOM: whether it would take results is not known"
    return "fault", f"HTTP {status} where something that is no DICOM should be refused: ask its team what its log says"


def _syntax(part: bytes) -> str:
    try:
        meta = pydicom.dcmread(io.BytesIO(part), stop_before_pixels=True, specific_tags=[], force=True).file_meta
    except (pydicom.errors.InvalidDicomError, EOFError, ValueError):
        return "not DICOM"
    return UID(str(meta.get("TransferSyntaxUID", "unknown"))).name
