"""How far the analysis of each of a patient's scans is: as the archive shows it, and as the service tells meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from cds.pages.cds_client import CdsClient
from cds.pages.scans import Scan, Study

_UNDER_WAY = frozenset({"queued", "running"})


@dataclass(frozen=True)
class StudyProgress:
    study: Study
    state: Literal["running", "read", "unread"]
    """unread: nothing lies beside it, and nothing is known to be under way."""
    stage: str = ""
    """The service's own code."""
    share: float | None = None
    """Done, from 0 to 1; None where the service does not tell."""
    why: str = ""
    """Why there is no reading, in the service's words."""


def progress(scans: Sequence[Scan], cds: CdsClient, *, awaited: bool, study: str) -> tuple[StudyProgress, ...]:
    """``awaited``: the newest was just sent. ``study``: its opaque id at the service; empty if it told none."""
    found = []
    for position, scan in enumerate(scans):
        if scan.report is not None:
            found.append(StudyProgress(scan.study, "read"))
            continue
        told = cds.analyses(study) if study and position == 0 else []
        found.append(_told(scan.study, told, awaited=awaited and position == 0))
    return tuple(found)


def _told(study: Study, analyses: Sequence[dict[str, Any]], *, awaited: bool) -> StudyProgress:
    busy = [a for a in analyses if a.get("state") in _UNDER_WAY]
    if busy:
        # one that waits has not begun: nothing done is no share
        begun = [a for a in busy if a.get("state") == "running"]
        shares = [float(a["progress"]) for a in begun if isinstance(a.get("progress"), int | float)]
        return StudyProgress(study, "running", str(busy[0].get("stage") or ""), min(shares, default=None))
    if any(a.get("state") == "assessed" for a in analyses):
        return StudyProgress(study, "read")
    reasons = [a["reason"]["text"] for a in analyses if isinstance(a.get("reason"), dict) and "text" in a["reason"]]
    if analyses or not awaited:
        return StudyProgress(study, "unread", why=str(reasons[0]) if reasons else "")
    return StudyProgress(study, "running")
