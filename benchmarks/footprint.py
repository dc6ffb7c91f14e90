"""Memory of each worker after 500 calls, and time from `cds serve` to the first card."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import servers
from cpu import templates
from patient_view import USER, WITH_CARD, Ehr, body
from results import Section
from rich.progress import Progress

MEGABYTES, SECONDS = 250, 3.0


def run(folder: Path, progress: Progress, *, quick: bool) -> Section:
    starts, calls = (1, 100) if quick else (5, 1000)
    section = Section(
        "footprint",
        "Memory per worker and time to the first answer",
        f"Memory after {calls} calls of 50 kB over two workers: resident, and proportional (what forked workers share "
        "is counted once). Start: from launching `cds serve` on an empty folder (ledger made, models loaded) to the "
        f"first card received, median of {starts}.",
    )
    ehr = Ehr()
    ehr.tokens("warm", 1)  # the key is made before any clock starts
    task = progress.add_task("footprint", total=starts + 1)
    with servers.ours(ehr, Path(tempfile.mkdtemp(dir=folder))) as server:
        sent = body(WITH_CARD, templates(server))
        servers.Load(server, sent, ehr, folder, clients=8, calls=calls, patient=WITH_CARD, user=USER).run()
        memory = server.memory_mb()
        progress.advance(task)
    seconds = []
    for _ in range(starts):
        place = Path(tempfile.mkdtemp(dir=folder))
        begin = time.perf_counter()
        with servers.ours(ehr, place) as server:
            servers.Load(server, sent, ehr, place, clients=1, calls=1).run()
            seconds.append(time.perf_counter() - begin)
        progress.advance(task)
    workers = {pid: both for pid, both in memory.items() if pid != server_pid(memory)}
    section.raw += [f"{'worker' if p in workers else 'master'}: resident {r:.0f} MB, proportional {s:.0f} MB"
                    for p, (r, s) in memory.items()]  # fmt: skip
    section.raw.append("starts: " + " ".join(f"{s:.2f} s" for s in seconds))
    section.add("resident memory, largest worker", max(r for r, _ in workers.values()), "MB", bar=MEGABYTES)
    section.add("proportional memory, largest worker", max(s for _, s in workers.values()), "MB")
    section.add("proportional memory, whole service", sum(s for _, s in memory.values()), "MB")
    section.add("start to first card", statistics.median(seconds), "s", bar=SECONDS)
    return section


def server_pid(memory: dict[int, tuple[float, float]]) -> int:
    """The master: the first of the tree."""
    return next(iter(memory))
