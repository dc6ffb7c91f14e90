"""The runtime can't allocate: the study goes to another worker or is said to be unread, and is read when there is room.

No GPU is here. What is provoked is what happens on one: the arena of ONNX Runtime, which is the same for a GPU's memory
and for the machine's, is refused what it asks for, by the kernel, because the worker's address space is limited.
"""

from __future__ import annotations

import resource
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import spox.opset.ai.onnx.v17 as op
from faults import Seen
from spox import Var
from study_scene import graph
from study_site import Open, Site, until

pytestmark = pytest.mark.system
COPIES = 16_384
"""Of a window of 32 kB: half a gigabyte at a time."""
ROOM = 200 * 2**20
"""Bytes a worker may take beyond what it has when it is ready: enough for everything but the network."""
HOW = "provoked without a GPU: ONNX Runtime's arena is refused memory by the system (RLIMIT_AS)"


def hungry() -> bytes:
    """The small network of the scene by a way that takes half a gigabyte for each window; its answers are the same."""

    def most_of_many(x: Var) -> Var:
        many = op.expand(op.unsqueeze(x, op.const(np.array([0]))), op.const(np.array([COPIES, 1, 1, 1, 1, 1])))
        return op.reduce_max(many, axes=[0], keepdims=0)

    return graph(seen=most_of_many)


@contextmanager
def little_memory(worker: subprocess.Popen[bytes]) -> Iterator[None]:
    before = resource.prlimit(worker.pid, resource.RLIMIT_AS)
    status = Path(f"/proc/{worker.pid}/status").read_text(encoding="ascii")
    taken = int(status.partition("VmSize:")[2].split()[0]) * 1024
    resource.prlimit(worker.pid, resource.RLIMIT_AS, (taken + ROOM, before[1]))
    yield
    resource.prlimit(worker.pid, resource.RLIMIT_AS, before)


def refused_by_the_arena(here: Site) -> bool:
    """It was the runtime that could not allocate, while it ran the network, and nothing before or after it."""
    told = here.log.with_suffix(".err").read_text(encoding="utf-8", errors="replace")
    return "BFCArena" in told and "the graph failed: too little free memory" in told


@pytest.mark.fault("study worker", "GPU out of memory, another worker with enough")
def test_a_study_that_one_worker_has_no_memory_for_is_read_by_another(site: Open, seen: Seen) -> None:
    here = site(onnx=hungry(), imaging={"most_attempts": 50})
    jobs, poor = here.engine.studies.jobs, here.start()
    with little_memory(poor):
        job = here.ask()
        until(lambda: (jobs.get(job.id) or job).reason == "out-of-memory")
        assert refused_by_the_arena(here)
        during = here.cards()
        rival = here.start()
        begun = time.monotonic()
        while (jobs.get(job.id) or job).state != "done":
            here.move_up()
            assert time.monotonic() - begun < 60.0, jobs.get(job.id)
            time.sleep(0.2)
        recovery = time.monotonic() - begun
        assert f"stage-store {rival.pid}" in here.said("stage-store")
        assert poor.poll() is None  # it lives on
        assert here.stored() == 1
        seen(
            "study worker",
            "GPU out of memory, another worker with enough",
            during=[during],
            after=[here.cards()],
            of="results, each stored once",
            owed=1,
            kept=here.stored(),
            recovery_s=recovery,
            case=HOW,
        )


@pytest.mark.fault("study worker", "GPU out of memory at every attempt")
def test_a_study_nobody_has_memory_for_is_said_to_be_unread_and_can_be_read_later(site: Open, seen: Seen) -> None:
    here = site(onnx=hungry(), imaging={"most_attempts": 2})
    jobs, worker = here.engine.studies.jobs, here.start()
    with little_memory(worker):
        job = here.ask()
        until(lambda: (jobs.get(job.id) or job).reason == "out-of-memory")
        here.move_up()
        until(lambda: (jobs.get(job.id) or job).state == "dead")
        during = here.cards()
        assert "There was too little memory for the scan." in during[0]["detail"]
        assert refused_by_the_arena(here)
        assert here.stored() == 0
    begun = time.monotonic()
    here.retry(job)
    recovery = time.monotonic() - begun
    seen(
        "study worker",
        "GPU out of memory at every attempt",
        during=[during],
        after=[here.cards()],
        also="There was too little memory for the scan.",
        of="results, each stored once",
        owed=1,
        kept=here.stored(),
        recovery_s=recovery,
        case=HOW,
    )
