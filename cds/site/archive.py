"""An image archive: searched, one series fetched and timed, and whether it would take results, without storing any."""

from __future__ import annotations

import io
import time
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta

import pydicom
from pydicom.uid import UID

from cds.errors import CdsError
from cds.imaging.dicomweb import DicomWeb, SeriesRow
from cds.imaging.fetch import read_series
from cds.imaging.reasons import Unusable
from cds.settings import Settings
from cds.site.findings import Findings
from cds.studies.archives import opened

_BOUNDARY = "cds-site-check"
_LEAST_SLICES = 10


class Archive:
    def __init__(self, name: str, settings: Settings, findings: Findings) -> None:
        self._part, self._settings, self._name, self._findings = f"image archive {name}", settings, name, findings

    def look(self, study: str | None, today: date) -> None:
        """``study``: UID of one that may be read for this; else the newest CT that a poll would find."""
        try:
            web = opened(self._settings, self._name)
        except CdsError as error:
            self._findings.fault(self._part, f"{error.code}: {error}")
            return
        try:
            chosen = study or self._newest(web, today)
            if chosen is not None:
                series = self._series(web, chosen)
                if series is not None:
                    self._fetched(web, chosen, series)
            self._takes(web)
        finally:
            web.close()

    def _newest(self, web: DicomWeb, today: date) -> str | None:
        since = today - timedelta(days=self._settings.imaging.lookback_days)
        start = time.monotonic()
        try:
            rows = web.studies(StudyDate=f"{since:%Y%m%d}-", ModalitiesInStudy="CT", includefield="StudyDescription")
        except Unusable as error:
            self._findings.fault(self._part, str(error), "search (QIDO-RS)")
            return None
        took = 1000 * (time.monotonic() - start)
        if not rows:
            why = f"it answers, and has no CT since {since}; name a study with --study"
            self._findings.note(self._part, why, "search (QIDO-RS)", took)
            return None
        self._findings.good(self._part, f"{len(rows)} CT studies since {since}", "search (QIDO-RS)", took)
        return max(rows, key=lambda row: (row.date, row.time)).uid

    def _series(self, web: DicomWeb, study: str) -> SeriesRow | None:
        try:
            rows = [row for row in web.series(study) if row.modality == "CT"]
        except Unusable as error:
            self._findings.fault(self._part, str(error), "series of a study")
            return None
        usable = [row for row in rows if (row.instances or _LEAST_SLICES) >= _LEAST_SLICES]
        if not usable:
            self._findings.note(self._part, "the study has no CT series to try; name another with --study", "series")
            return None
        if any(row.instances is None for row in usable):
            why = "it does not say how many images a series has, so one cut short could be taken for whole"
            self._findings.note(self._part, why, "series of a study")
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
            self._findings.fault(self._part, told, "fetching a series (WADO-RS)")
            return
        took = time.monotonic() - start
        speed = sum(sizes) / took / 1e6
        size = f"{len(found.slices)} slices, {sum(sizes) / 1e6:.0f} MB in {took:.1f} s ({speed:.0f} MB/s)"
        why = f"{size}; {', '.join(syntaxes)}"
        self._findings.good(self._part, why, "fetching a series (WADO-RS)", 1000 * took)

    def _takes(self, web: DicomWeb) -> None:
        """A part that is no DICOM must be refused as such: by an archive that takes STOW-RS, from one who may store."""
        if not self._settings.imaging.write_pacs:
            self._findings.note(self._part, "imaging.write_pacs is false: nothing is stored", "storing (STOW-RS)")
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
            self._findings.fault(self._part, str(error), "storing (STOW-RS)")
            return
        if status in (401, 403):
            self._findings.fault(self._part, f"HTTP {status}: these credentials may not store", "storing (STOW-RS)")
        elif status in (404, 405, 501):
            self._findings.fault(self._part, f"HTTP {status}: it takes no STOW-RS", "storing (STOW-RS)")
        elif status in (200, 202):
            why = f"HTTP {status} for something that is no DICOM: what it says of storing can't be relied on"
            self._findings.note(self._part, why, "storing (STOW-RS)")
        else:
            self._findings.good(
                self._part, f"would take results: refused what is no DICOM ({status})", "storing (STOW-RS)"
            )


def _syntax(part: bytes) -> str:
    try:
        meta = pydicom.dcmread(io.BytesIO(part), stop_before_pixels=True, specific_tags=[], force=True).file_meta
    except (pydicom.errors.InvalidDicomError, EOFError, ValueError):
        return "not DICOM"
    return UID(str(meta.get("TransferSyntaxUID", "unknown"))).name
