"""A hospital with workers as processes, which a test may kill, stop or starve."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from ready_ledger import ready
from study_calls import body, study
from study_scene import MODEL, STUDY, Archive, jobs_due_now, settings_of, write_model, write_toml

from cds.app import create_engine
from cds.engine import Engine
from cds.errors import LedgerError
from cds.jobs import Job
from cds.ledger import tables
from cds.ledger.database import parse_url
from cds.settings import load
from cds.studies.about import About
from cds.studies.plan import Why

SCRIPT = Path(__file__).with_name("study_worker.py")
LEASE_S = 3.0


def until(condition: Callable[[], Any], seconds: float = 45.0) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not happen in time")


@dataclass
class Site:
    """A hospital with workers that can be killed."""

    toml: Path
    log: Path
    engine: Engine
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, halt: str = "") -> subprocess.Popen[bytes]:
        before = len(self.said("ready"))
        with self.log.with_suffix(".err").open("ab") as errors:
            process = subprocess.Popen(
                [sys.executable, str(SCRIPT), str(self.toml), str(self.log), halt], stderr=errors, stdout=errors
            )
        self.workers.append(process)
        until(lambda: len(self.said("ready")) > before)
        return process

    def said(self, word: str) -> list[str]:
        lines = self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []
        return [line for line in lines if line.split()[0] == word]

    def ask(self, uid: str = STUDY, why: Why = "hand") -> Job:
        asked = self.engine.studies.intake.ask(About(uid), "demo", why, only=[MODEL])
        return asked.jobs[0][0]

    def done(self, job: Job, seconds: float = 60.0) -> Job:
        def ended() -> Job | None:
            try:
                found = self.engine.studies.jobs.get(job.id)
            except LedgerError:  # beside the other tests it may need longer than a card would wait for it
                return None
            return found if found is not None and found.state == "done" else None

        found: Job = until(ended, seconds)
        return found

    def retry(self, job: Job) -> Job:
        """As somebody does by hand who has mended the cause; the job when it is done."""
        command = [sys.executable, "-m", "cds", "--settings", str(self.toml), "study", "retry", str(job.id)]
        subprocess.run(command, check=True)
        return self.done(job)

    def cards(self, uid: str = STUDY) -> list[dict[str, Any]]:
        """What the chart of the patient with this scan shows now."""
        given = msgspec.json.encode(body(study(uid)))
        where = "/cds-services/pancreas-imaging"
        answer = self.engine.answer(
            "pancreas-imaging",
            given,
            authorization=None,
            path=where,
            remote_addr="127.0.0.1",
            accept_language="en",
        )
        self.engine.studies.settle()
        return [{"summary": card.summary, "detail": card.detail} for card in answer.response.cards]

    def move_up(self) -> None:
        """What waits out a pause is due now."""
        jobs_due_now(self.engine.settings.ledger_url)

    def stored(self) -> int:
        """Predictions of the network in the ledger that study jobs stored."""
        database = sa.create_engine(parse_url(self.engine.settings.ledger_url))
        by_jobs = tables.predictions.join(tables.calls, tables.calls.c.id == tables.predictions.c.call_id)
        query = sa.select(sa.func.count()).select_from(by_jobs)
        query = query.where(tables.predictions.c.model == MODEL, tables.calls.c.hook == "study-job")
        with database.connect() as connection:
            found = connection.execute(query).scalar_one()
        database.dispose()
        return int(found)


Open = Callable[..., Site]
"""Call it with changed settings; ``onnx``: the network, where not the small one."""


@pytest.fixture
def site(tmp_path: Path, archive: Archive) -> Iterator[Open]:
    made: list[Site] = []

    def build(onnx: bytes | None = None, **changed: Any) -> Site:
        archive.holds()
        write_model(tmp_path, onnx=onnx)
        imaging = {"lease_s": LEASE_S, **changed.pop("imaging", {})}
        toml = write_toml(tmp_path / "cds.toml", settings_of(tmp_path, archive, imaging=imaging, **changed))
        settings = load(toml)
        ready(settings.ledger_url)
        made.append(Site(toml, tmp_path / "work.log", create_engine(settings)))
        return made[-1]

    yield build
    for one in made:
        for process in one.workers:
            process.kill()
            process.wait()
        one.engine.ledger.close()
        one.engine.studies.jobs.close()
