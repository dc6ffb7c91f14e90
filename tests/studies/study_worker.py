"""A worker of study jobs for the tests: ``python study_worker.py SETTINGS LOG [STAGE] [broker]``.

It says in LOG when it is ready and when it reaches a stage. On a job's first attempt it stands still for ever at
STAGE, so that a test can kill it there; ``committing`` stands still within the transaction that ends the job.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from cds.app import create_engine
from cds.jobs import Job, Outcome, Progress
from cds.settings import load
from cds.studies.pipeline import Pipeline
from cds.studies.poll import Poller
from cds.studies.work import Crew


def main() -> None:
    settings, log, halt = load(Path(sys.argv[1])), Path(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else ""

    def say(what: str) -> None:
        with log.open("a", encoding="utf-8") as file:
            file.write(f"{what} {os.getpid()}\n")

    def reached(job: Job, stage: str) -> None:
        say(f"stage-{stage}")
        if stage == halt and job.attempts == 1:
            say("halted")
            while True:
                time.sleep(1)

    class Watched(Progress):
        def __init__(self, real: Progress, job: Job) -> None:
            super().__init__()
            self._real, self._job = real, job

        def __call__(self, stage: str, fraction: float) -> None:
            self._real(stage, fraction)
            reached(self._job, stage)

    class Halting(Pipeline):
        def __call__(self, job: Job, progress: Progress) -> Outcome:
            done = super().__call__(job, Watched(progress, job))

            def also(connection: Connection) -> None:
                done.also(connection)
                reached(job, "committing")

            return Outcome(done.result, also)

    import cds.studies.work as work

    named: Any = work
    named.Pipeline = Halting
    engine = create_engine(settings)
    poller = Poller(settings, engine.studies.intake, engine.now)
    crew = Crew(settings, engine.models, engine.catalogues, engine.policies, engine.ledger, poller, engine.now)
    say("ready")
    crew.run()


if __name__ == "__main__":
    main()
