"""What was found, in units, and against the same patient's earlier scans as the ledger has them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import msgspec

from cds import __version__
from cds.errors import LedgerError
from cds.imaging.results.author import Author
from cds.imaging.results.comparison import Comparison, compared
from cds.imaging.results.findings import Findings, restored
from cds.imaging.results.measure import measured
from cds.imaging.volume import Volume
from cds.inference.manifest import Manifest
from cds.inference.volumes.analyse import Assessed
from cds.inference.volumes.bundle import Bundle
from cds.jobs.job import Job
from cds.jobs.queue import Jobs
from cds.studies.again import kept
from cds.studies.plan import KIND, scan_day

_log = logging.getLogger("cds.studies")
_MOST = 50


def author_of(manifest: Manifest, bundle: Bundle) -> Author:
    titles = manifest.words.title
    title = titles.get("en") or next(iter(titles.values()), "")
    return Author(manifest.id, manifest.version, bundle.fingerprint, __version__, title)


def measure(
    job: Job,
    author: Author,
    bundle: Bundle,
    found: Assessed,
    volume: Volume,
    series_uid: str,
    jobs: Jobs | None,
    theirs: Callable[[Job], bool],
) -> tuple[Findings, Comparison | None]:
    """With earlier scans where the patient is known and has any. Raises Unfinished never: a look-up that fails leaves
    the scan without a comparison, which is said by its absence. ``theirs``: an earlier scan is still the patient's."""
    findings = measured(
        found,
        volume,
        bundle,
        author,
        study_uid=str(job.payload["study"]),
        series_uid=series_uid,
        scanned=str(job.payload.get("scan") or "").replace("-", ""),
    )
    before = _earlier(job, jobs, theirs) if jobs is not None and job.subject is not None else []
    comparison = compared(before, findings, bundle.operating_points[0].category)
    return (comparison.findings if comparison is not None else findings), comparison


def _earlier(job: Job, jobs: Jobs, theirs: Callable[[Job], bool]) -> list[Findings]:
    """Oldest first. Only scans with a day before this one's: of others nobody can say what came first."""
    try:
        found = jobs.concerning(KIND, subject=job.subject, most=_MOST)
    except LedgerError as error:
        _log.warning("study.uncompared job=%s error=%s", job.id, error)
        return []
    own = scan_day(job)
    read: list[tuple[date, Findings]] = []
    for one in found:
        day, last = scan_day(one), kept(one) or {}
        raw = last.get("findings")
        if raw is None or day is None or own is None or day >= own:
            continue
        if one.payload.get("model") != job.payload.get("model") or not theirs(one):
            continue
        try:
            # what was stored by earlier versions says beside its findings that the scan was cut
            read.append((day, replace(restored(raw), cut_off=bool(last.get("cut_off")))))
        except msgspec.ValidationError as error:
            _log.warning("study.uncompared job=%s with=%s error=%s", job.id, one.id, type(error).__name__)
    return [findings for _, findings in sorted(read, key=lambda pair: pair[0])]


def told(comparison: Comparison) -> dict[str, Any]:
    """A comparison as the job's result keeps it; AI-measured throughout."""
    found: dict[str, Any] = msgspec.to_builtins(comparison)
    found.pop("findings")
    return found
