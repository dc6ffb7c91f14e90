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
    """``rows``: of the installed version, whatever the file. Which share of them is left out; nothing where there is
    none. That is to be looked at while one of them is newer than ``since``, and to be acted on while the newest answer
    of all is another file's: then what is measured here is not what answers."""
    others = [row for row in rows if not of_file(row, manifest)]
    if not others:
        return []
    level: Level = "watch" if any(row.at >= since for row in others) else "green"
    if not of_file(max(rows, key=lambda row: row.at), manifest):
        level = "act"
    return [Finding("other_file", "", wilson_counts(len(others), len(rows)), level)]


def answering(rows: Sequence[PredictedRow], manifest: Manifest) -> list[PredictedRow]:
    """Those of the file that gave the newest answer, whether it is the installed one or not: inputs that break are to
    stop what answers."""
    newest = max(rows, key=lambda row: row.at, default=None)
    if newest is None or of_file(newest, manifest):
        return [row for row in rows if of_file(row, manifest)]
    return [row for row in rows if row.model_sha256 == newest.model_sha256]
