"""When a study that was read is read again: more images have come, a person wants it, or what the policy had not
enabled then it has now.

Each time is a reading of its own with a prediction of its own; the earlier ones stay in the ledger. Until the new one
has assessed the scan, and whatever becomes of it, the last one that did is kept and goes on being shown; unless it was
found that the images may be of several patients.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from cds.imaging.reasons import IDENTITY, Reason
from cds.jobs.job import CANCELLED, DEAD, DONE, Job
from cds.jobs.queue import Jobs
from cds.studies.plan import ASSESSED, POLICY_DISABLED

AWAY = frozenset(
    {
        Reason.PACS_UNREACHABLE,
        Reason.PACS_TIMEOUT,
        Reason.PACS_REFUSED,
        Reason.PACS_UNTRUSTED,
        Reason.PACS_FAILED,
        Reason.PACS_MALFORMED,
    }
)
"""The archive could not be asked, or answered as one that is being mended does; the study is as it was."""

_COMES_BACK = AWAY | {Reason.WITHDRAWN}
"""What is asked for again by whoever has the study: its archive may answer by now, the EHR may have given it back."""

OF_THE_STUDY = frozenset({Reason.PACS_REFUSED, Reason.PACS_MALFORMED})
"""Where the same archive has just said what the study holds, it is not away: it is this study that it does not give."""

_MAY_HAVE_PASSED = IDENTITY | {"images-arriving", Reason.TRUNCATED, Reason.INCOMPLETE, Reason.NOT_FOUND}
"""Why a study was given up on that the archive did not have whole, or the EHR had for several patients: news of it says
that there is more by now, or that this was mended."""

_OF_ATTEMPTS = frozenset({"away", "analysed", "revived"})
"""What a payload says of the attempts at one reading."""
_REVIVED_AFTER = timedelta(days=1)

Count = Callable[[], int | None]
"""How many images the archive has now, results not counted; None: it does not say, or can't be asked."""


def grown(job: Job, images: int | None, now: datetime, count: Count = lambda: None) -> bool:
    """The study now has more than when it was read, whatever the reading came to: it may have been of half a liver.
    Or nobody could read it because its images had not come, or kept coming. Where nobody says how many there are,
    nobody can tell; a number is believed once, since an EHR may count otherwise than the archive for good.

    ``images``: as the news has it, with results among them: ``count`` is asked only when there are more.
    """
    if job.state == DEAD:
        return job.reason in _MAY_HAVE_PASSED or lost(job, now)
    result = job.result or {}
    seen = result.get("images")
    if job.state != DONE or images is None or seen is None:
        return False
    if images <= max(int(seen), int(job.payload.get("told") or 0)):
        return False
    return more(result, count())


def lost(job: Job, now: datetime) -> bool:
    """Its archive was away for longer than anybody waits, or the EHR had withdrawn it: whoever asks next, asks for it
    again. When that was of no use either, not before a day has passed, or each open chart would have it tried for
    ever."""
    if job.state != DEAD or job.reason not in _COMES_BACK:
        return False
    return not job.payload.get("revived") or job.finished_at is None or now - job.finished_at >= _REVIVED_AFTER


def withdrawn_unread(job: Job) -> bool:
    """The EHR had withdrawn the study before it was read even once."""
    return job.state == DEAD and job.reason == Reason.WITHDRAWN and before(job) is None


def more(result: Mapping[str, Any], images: int | None) -> bool:
    """There are more images now than that reading looked at, as far as anybody can tell."""
    looked_at = result.get("looked_at")
    return looked_at is None or images is None or images > int(looked_at)


def withheld(result: Mapping[str, Any] | None) -> bool:
    """It was read by hand and nothing was written of it, since the policy had not enabled the network."""
    written: Mapping[str, Mapping[str, Any]] = (result or {}).get("written") or {}
    return any(one.get("reason") == POLICY_DISABLED for one in written.values())


def only_unwritten(job: Job) -> bool:
    """It is read again to be written, and no news has told of more images than the last reading counted."""
    last = before(job)
    return withheld(last) and int(job.payload.get("told") or 0) <= int((last or {}).get("images") or 0)


def unread(job: Job) -> bool:
    """It ended without a reading: failed, cancelled or indeterminate."""
    return job.state in (DEAD, CANCELLED) or (job.state == DONE and not _assessed(job.result))


def kept(job: Job) -> Mapping[str, Any] | None:
    """The last result of this job that assessed the scan: its own, or one of an earlier reading. None since whose
    images these are is in doubt: they may have been somebody else's then, too."""
    if _of_whom(job):
        return None
    if job.state == DONE and _assessed(job.result):
        return job.result
    return before(job)


def of_subject(result: Mapping[str, Any], subject: str | None) -> Mapping[str, Any]:
    """Without the comparison with earlier scans of somebody whose study it no longer is."""
    compared = result.get("comparison")
    return result if compared is None or compared.get("of", subject) == subject else uncompared(result)


def uncompared(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """Without its comparison with earlier scans."""
    return {name: value for name, value in result.items() if name != "comparison"}


def before(job: Job) -> Mapping[str, Any] | None:
    """The result that was assessed when the reading in hand was asked for."""
    found: Mapping[str, Any] | None = job.payload.get("before")
    return found


def repeat(
    jobs: Jobs, job: Job, *, after: timedelta = timedelta(), priority: int | None = None, told: int | None = None
) -> bool:
    """``told``: images that the news spoke of. False: somebody else was quicker. Raises LedgerError."""
    payload = {name: value for name, value in job.payload.items() if name not in _OF_ATTEMPTS}
    if job.state == DEAD and job.reason in _COMES_BACK:
        payload["revived"] = True
    payload["reading"] = number(job.payload) + 1
    if told is not None:
        payload["told"] = told
    payload.pop("before", None)
    if (last := kept(job)) is not None:
        payload["before"] = dict(last)
    return jobs.renewed(job, payload, after=after, priority=priority)


def number(payload: Mapping[str, Any]) -> int:
    """Which reading of the study by this version this is, from 1."""
    return int(payload.get("reading", 1))


def _of_whom(job: Job) -> bool:
    """It ended with the question whose the images are."""
    ended = (job.result or {}).get("reason") if job.state == DONE else job.reason
    return ended in IDENTITY


def _assessed(result: Mapping[str, Any] | None) -> bool:
    return result is not None and result.get("outcome") == ASSESSED
