"""Rows of the queue's table to jobs, and the two statements that say more than SQL does by itself."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from cds.jobs.job import RUNNING, Job
from cds.ledger.tables import jobs as table


def held(statement: sa.Update, job: Job) -> sa.Update:
    """Only while this very attempt still has the job."""
    return statement.where(
        table.c.id == job.id,
        table.c.owner == job.owner,
        table.c.attempts == job.attempts,
        table.c.state == RUNNING,
    )


def insert_for(c: sa.Connection) -> Any:
    if c.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as postgresql_insert

        return postgresql_insert
    from sqlalchemy.dialects.sqlite import insert as sqlite_insert

    return sqlite_insert


def one_row(c: sa.Connection, where: sa.ColumnElement[bool]) -> Job:
    return job_of(c.execute(sa.select(*table.c).where(where)).mappings().one())


def first_row(c: sa.Connection, where: sa.ColumnElement[bool]) -> Job | None:
    row = c.execute(sa.select(*table.c).where(where)).mappings().first()
    return None if row is None else job_of(row)


def job_of(row: sa.RowMapping) -> Job:
    return Job(**{**row, "reason": row["reason"] or "", "stage": row["stage"] or ""})
