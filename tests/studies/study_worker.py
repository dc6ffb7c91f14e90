"""A worker of study jobs for the tests: ``python study_worker.py SETTINGS LOG [STAGE] [broker]``.

It says in LOG when it is ready and when it reaches a stage. The first time that it reaches STAGE it stands still there
for ever, so that a test can kill it; ``committing`` is within the transaction that ends the job, ``SEG`` and ``SR`` are
when the archive has that object.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from sqlalchemy import Connection

from cds.app import create_engine
from cds.imaging.dicomweb import DicomWeb
from cds.imaging.results import store
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

    halted = threading.Event()

    def reached(stage: str) -> None:
        say(f"stage-{stage}")
        if stage == halt and not halted.is_set():
            halted.set()
            say("halted")
            while True:
                time.sleep(1)

    class Watched(Progress):
        def __init__(self, real: Progress) -> None:
            super().__init__()
            self._real = real

        def __call__(self, stage: str, fraction: float) -> None:
            self._real(stage, fraction)
            reached(stage)

    storing: Any = store
    stored_one = storing._one

    def store_one(web: DicomWeb, ds: Dataset, alive: Callable[[], None], deadline: float) -> bool:
        sent: bool = stored_one(web, ds, alive, deadline)
        reached(ds.Modality)
        return sent

    storing._one = store_one

    class Halting(Pipeline):
        def __call__(self, job: Job, progress: Progress) -> Outcome:
            done = super().__call__(job, Watched(progress))

            def also(connection: Connection) -> None:
                done.also(connection)
                reached("committing")

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
