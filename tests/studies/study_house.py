"""A service with its archive and its network, and the means to do a worker's work step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from ready_ledger import ready
from study_scene import MODEL, STUDY, Archive, jobs_due_now, settings_of, write_model

from cds.app import create_app
from cds.engine import Engine
from cds.jobs import Job, Jobs, Worker
from cds.ledger import tables
from cds.settings import Settings, load
from cds.studies.about import About
from cds.studies.analysed import Writer
from cds.studies.intake import Asked, Intake
from cds.studies.pipeline import Pipeline
from cds.studies.plan import KIND
from cds.studies.writers import writers

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@dataclass
class House:
    """A service in process with its archive, and the means to do a worker's work step by step."""

    app: Flask
    settings: Settings
    archive: Archive
    writers: tuple[Writer, ...] = ()

    @property
    def engine(self) -> Engine:
        found: Engine = self.app.extensions["cds"]
        return found

    @property
    def jobs(self) -> Jobs:
        return self.engine.studies.jobs

    @property
    def intake(self) -> Intake:
        return self.engine.studies.intake

    def ask(self, uid: str = STUDY, why: Any = "call", **known: Any) -> Asked:
        return self.intake.ask(About(uid, **{"patient": "p1", **known}), "demo", why, only=[MODEL])

    def pipeline(self) -> Pipeline:
        engine = self.engine
        chosen = self.writers or tuple(writers(self.settings, engine.catalogues))
        return Pipeline(self.settings, engine.models, engine.policies, engine.now, engine.ledger, self.jobs, chosen)

    def work(self) -> Job | None:
        """One due job, done; None when nothing was due."""
        worker = Worker(self.jobs, {KIND: self.pipeline()})
        return self.jobs.newest(kind=KIND)[0] if worker.once() else None

    def move_up(self) -> None:
        """What waits out a pause is due now."""
        jobs_due_now(self.settings.ledger_url)

    def execute(self, statement: str) -> None:
        database = sa.create_engine(self.settings.ledger_url)
        with database.begin() as connection:
            connection.execute(sa.text(statement))
        database.dispose()

    def rows(self, table: sa.Table) -> list[dict[str, Any]]:
        database = sa.create_engine(self.settings.ledger_url)
        with database.connect() as connection:
            found = [dict(row._mapping) for row in connection.execute(sa.select(table))]
        database.dispose()
        return found

    def predictions(self) -> list[dict[str, Any]]:
        """Those of study jobs."""
        jobs = {row["id"] for row in self.rows(tables.calls) if row["hook"] == "study-job"}
        return [row for row in self.rows(tables.predictions) if row["call_id"] in jobs]


Build = Callable[..., House]


@pytest.fixture
def build(tmp_path: Path, archive: Archive) -> Iterator[Build]:
    """Call it with changed settings for a house whose network is in place unless ``model`` says otherwise."""
    made: list[House] = []

    def house(model: dict[str, Any] | None = None, now: Callable[[], datetime] = lambda: NOW, **changed: Any) -> House:
        write_model(tmp_path, **(model or {}))
        empty = tmp_path / "cds.toml"
        empty.touch()
        settings = load(empty, **settings_of(tmp_path, archive, **changed))
        ready(settings.ledger_url)
        made.append(House(create_app(settings, now=now), settings, archive))
        return made[-1]

    yield house
    for one in made:
        one.engine.ledger.close()
        one.jobs.close()


@pytest.fixture
def house(build: Build, archive: Archive) -> House:
    archive.holds()
    return build()
