"""What is known of a patient's scans by one model: read and fresh, read and stale, being read, or not assessed.

Made from the rows of finished and unfinished study jobs. Nothing here is ever a reassurance: what could not be
assessed has its reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

State = Literal["fresh", "stale", "running", "not-assessed"]
NOTHING_THERE = frozenset({"no-study", "study-too-old"})
"""Reasons of ``not-assessed`` where nobody would expect anything to have been read."""


@dataclass(frozen=True)
class StudyReading:
    model: str
    state: State
    scan: date | None = None
    """Day of the scan that was read, is being read, or could not be."""
    age_days: int | None = None
    """Of that scan, today."""
    since: datetime | None = None
    """``running``: when it was asked for."""
    reason: str = ""
    """``not-assessed``: a code. ``no-study``: there is nothing to assess."""
    says: Mapping[str, str] = field(default_factory=dict)
    """The sentence for ``reason``, or for ``newer`` where that is one, by language. ``running``: why the latest attempt
    failed."""
    newer: str = ""
    """``stale``: what became of a newer scan, or of more images of this one (``running``, ``unread`` or a reason); ""
    when there are none."""
    newer_scan: date | None = None
    same_scan: bool = False
    """``newer`` is of images that came in after this very scan had been read."""
    prediction_id: str = ""
    """Of the stored prediction; fresh and stale only."""
    version: str = ""
    """The model's, when it read the scan."""
    result: Mapping[str, Any] = field(default_factory=dict)
    """As the job stored it: likelihood, category, findings, outputs."""
    study: str = ""
    """Opaque id of the study, as in ``/studies/{id}/analyses``."""

    @property
    def read(self) -> bool:
        """There is a reading to show."""
        return self.state in ("fresh", "stale")
