"""Verdicts as they were reached. Each function takes a connection; none opens one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from cds.ledger.committee_tables import verdicts

VerdictLevel = Literal["green", "watch", "act", "stopped"]


@dataclass(frozen=True)
class Verdict:
    """On one model at one site."""

    id: str
    at: datetime
    model: str
    site: str
    model_version: str
    charter_version: str
    since: datetime
    """Beginning of the period that inputs and drift were judged on."""
    until: datetime
    level: VerdictLevel
    raised: str
    """What this evaluation alone says: green, watch, act or stop."""
    streak: int
    """For how many evaluations in a row, one a day, it has said at least so much."""
    findings: tuple[Mapping[str, Any], ...]
    model_sha256: str | None = None
    """Fingerprint of the file that was judged: of two under one version number, which. None: from before that."""

    @property
    def row(self) -> dict[str, Any]:
        return {**self.__dict__, "findings": [dict(f) for f in self.findings]}

    @property
    def raising(self) -> tuple[Mapping[str, Any], ...]:
        """Findings that are not green, the worst first."""
        order = ("stop", "act", "watch")
        found = [f for f in self.findings if f["level"] in order]
        return tuple(sorted(found, key=lambda f: order.index(f["level"])))


def history(connection: sa.Connection, model: str, site: str, most: int = 60) -> tuple[Verdict, ...]:
    """Newest first."""
    question = (
        sa.select(verdicts)
        .where(verdicts.c.model == model, verdicts.c.site == site)
        .order_by(verdicts.c.at.desc(), verdicts.c.id.desc())
        .limit(most)
    )
    return tuple(_read(row) for row in connection.execute(question).mappings())


def on_versions(
    connection: sa.Connection, site: str, versions: Collection[tuple[str, str]]
) -> dict[tuple[str, str], Verdict]:
    """The newest on each (model, version), in one query: what was measured of another version says nothing of it."""
    version = sa.tuple_(verdicts.c.model, verdicts.c.model_version)
    latest = (
        sa.select(verdicts.c.model, verdicts.c.model_version, sa.func.max(verdicts.c.at).label("at"))
        .where(verdicts.c.site == site, version.in_(versions))
        .group_by(verdicts.c.model, verdicts.c.model_version)
        .subquery()
    )
    same = sa.and_(*(verdicts.c[name] == latest.c[name] for name in ("model", "model_version", "at")))
    question = sa.select(verdicts).join(latest, same).where(verdicts.c.site == site).order_by(verdicts.c.id)
    found = (_read(row) for row in connection.execute(question).mappings())
    return {(v.model, v.model_version): v for v in found}


def newest(connection: sa.Connection) -> tuple[Verdict, ...]:
    """The newest of each model and site, by name."""
    return _newest(connection, sa.true())


def newest_until(connection: sa.Connection, since: datetime, until: datetime) -> tuple[Verdict, ...]:
    """The newest of each that was reached in this time."""
    return _newest(connection, (verdicts.c.at >= since) & (verdicts.c.at < until))


def _newest(connection: sa.Connection, of: sa.ColumnElement[bool]) -> tuple[Verdict, ...]:
    latest = (
        sa.select(verdicts.c.model, verdicts.c.site, sa.func.max(verdicts.c.at).label("at"))
        .where(of)
        .group_by(verdicts.c.model, verdicts.c.site)
    )
    newest_of = latest.subquery()
    question = (
        sa.select(verdicts)
        .join(
            newest_of,
            (verdicts.c.model == newest_of.c.model)
            & (verdicts.c.site == newest_of.c.site)
            & (verdicts.c.at == newest_of.c.at),
        )
        .order_by(verdicts.c.model, verdicts.c.site, verdicts.c.id)
    )
    found = {(v.model, v.site): v for v in (_read(row) for row in connection.execute(question).mappings())}
    return tuple(found.values())


def verdict(connection: sa.Connection, verdict_id: str) -> Verdict | None:
    row = connection.execute(sa.select(verdicts).where(verdicts.c.id == verdict_id)).mappings().first()
    return None if row is None else _read(row)


def _read(row: Any) -> Verdict:
    return Verdict(**{**row, "findings": tuple(row["findings"])})
