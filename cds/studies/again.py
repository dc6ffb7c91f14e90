"""When a study that was read is read again: more images have come, or a person wants it.

Each time is a reading of its own with a prediction of its own; the earlier ones stay in the ledger.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from cds.jobs.job import CANCELLED, DEAD, DONE, Job
from cds.jobs.queue import Jobs
from cds.studies.plan import ASSESSED


def grown(job: Job, images: int | None) -> bool:
    """The study now has more than when it was read, whatever the reading came to: it may have been of half a liver.
    Or nobody could read it because images kept coming. Where nobody says how many there are, nobody can tell; a number
    is believed once, since an EHR may count otherwise than the archive for good."""
    if job.state == DEAD:
        return job.reason == "images-arriving"
    seen = (job.result or {}).get("images")
    if job.state != DONE or images is None or seen is None:
        return False
    return images > max(int(seen), int(job.payload.get("told") or 0))


def unread(job: Job) -> bool:
    """It ended without a reading: failed, cancelled or indeterminate."""
    return job.state in (DEAD, CANCELLED) or (
        job.state == DONE and (job.result is None or job.result.get("outcome") != ASSESSED)
    )


def repeat(
    jobs: Jobs, job: Job, *, after: timedelta = timedelta(), priority: int | None = None, told: int | None = None
) -> bool:
    """``told``: images that the news spoke of. False: somebody else was quicker. Raises LedgerError."""
    payload = {**job.payload, "reading": number(job.payload) + 1}
    if told is not None:
        payload["told"] = told
    return jobs.renewed(job, payload, after=after, priority=priority)


def number(payload: Mapping[str, Any]) -> int:
    """Which reading of the study by this version this is, from 1."""
    return int(payload.get("reading", 1))
