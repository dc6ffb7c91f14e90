"""A worker process for the tests: ``python job_worker.py URL LEASE_S LOG [SILENT_S]``.

Its one kind of work writes a line when it begins and one when it ends, and takes as long as its payload says:
``seconds``, or ``first`` at the first attempt; with ``silent`` in it the work says nothing meanwhile. A worker whose
work hangs ends with status 75.
"""

from __future__ import annotations

import math
import os
import signal
import sys
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from cds.jobs import Job, Jobs, Progress, Worker


def main() -> None:
    url, lease_s, log = sys.argv[1], float(sys.argv[2]), Path(sys.argv[3])

    def say(what: str) -> None:
        with log.open("a", encoding="utf-8") as file:
            file.write(what + "\n")

    def sleep(job: Job, progress: Progress) -> Mapping[str, Any]:
        say(f"begin {job.id} {os.getpid()}")
        seconds = job.payload.get("first") if job.attempts == 1 else None
        end = time.monotonic() + float(seconds or job.payload["seconds"])
        while time.monotonic() < end:
            if "silent" not in job.payload:
                progress("sleeping", 0.5)
            time.sleep(0.05)
        say(f"end {job.id} {os.getpid()}")
        return {"by": os.getpid()}

    silent_s = float(sys.argv[4]) if len(sys.argv) > 4 else math.inf
    jobs = Jobs(url, lease=timedelta(seconds=lease_s))
    worker = Worker(jobs, {"sleep": sleep}, poll_s=0.1, silent_s=silent_s, hung=lambda _worker: os._exit(75))
    signal.signal(signal.SIGTERM, lambda *_: worker.stop())
    say(f"ready {os.getpid()}")
    worker.run()


if __name__ == "__main__":
    main()
