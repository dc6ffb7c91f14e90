"""Two files under one version number are two models: what the other one answered says nothing of the installed one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from cds.committee.findings import Finding, Level
from cds.inference.manifest import Manifest
from cds.ledger.cohort import PredictedRow
from cds.measures.proportions import wilson_counts


def of_file(row: PredictedRow, manifest: Manifest) -> bool:
    """The installed file answered. Rows of rules from before rules had a fingerprint hold none: their version tells."""
    return row.model_sha256 in ("", manifest.fingerprint)


def other_file(rows: Sequence[PredictedRow], manifest: Manifest, since: datetime) -> list[Finding]:
    """``rows``: of the installed version, whatever the file. Which share of them is left out, and that is to be looked
    at while one of them is newer than ``since``; nothing where there is none."""
    others = [row for row in rows if not of_file(row, manifest)]
    if not others:
        return []
    level: Level = "watch" if any(row.at >= since for row in others) else "green"
    return [Finding("other_file", "", wilson_counts(len(others), len(rows)), level)]


def first_of_file(rows: Sequence[PredictedRow], manifest: Manifest, now: datetime) -> datetime | None:
    """When the installed file first answered, where another did before: verdicts of before are on that one. None: no
    other did."""
    if all(of_file(row, manifest) for row in rows):
        return None
    return min((row.at for row in rows if of_file(row, manifest)), default=now)
