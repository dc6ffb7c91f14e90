"""Technical failures of networks that read scans: studies that could not be read, by reason."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

import sqlalchemy as sa

from cds.committee.charter import Charter
from cds.committee.findings import Finding, rising
from cds.ledger.tables import jobs
from cds.measures.estimate import Measured, NotEnough
from cds.measures.proportions import wilson_counts

_ENDED = ("done", "dead")


def study_failures(
    connection: sa.Connection, model: str, site: str, since: datetime, until: datetime, charter: Charter
) -> list[Finding]:
    """Of the studies that ended in the period: those whose work failed for good, and those no answer was possible on,
    each with the reasons."""
    question = sa.select(jobs.c.state, jobs.c.reason, jobs.c.result, jobs.c.payload).where(
        jobs.c.finished_at >= since, jobs.c.finished_at < until, jobs.c.state.in_(_ENDED)
    )
    total, dead, unread = 0, Counter[str](), Counter[str]()
    for state, reason, result, payload in connection.execute(question):
        if payload.get("model") != model or payload.get("client") != site:
            continue
        total += 1
        if state == "dead":
            dead[reason or "unknown"] += 1
        elif (result or {}).get("outcome") != "assessed":
            unread[str((result or {}).get("reason", "unknown"))] += 1
    return [
        rising(
            "failed", "studies", _share(dead.total(), total, charter), charter.limits_of(model, "failed"),
            reasons=dict(dead.most_common()),
        ),
        Finding("indeterminate", "studies", _share(unread.total(), total, charter), detail={"reasons": dict(unread)}),
    ]  # fmt: skip


def _share(count: int, total: int, charter: Charter) -> Measured:
    need = charter.minimum.share
    return wilson_counts(count, total) if total >= need else NotEnough("studies", total, need)
