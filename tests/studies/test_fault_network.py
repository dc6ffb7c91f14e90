"""A CT network's file goes bad on the worker's disk: the scan is said to be unread, and is read when it is mended."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from faults import Seen
from study_scene import MODEL
from study_site import Open, until

pytestmark = pytest.mark.system
FAILED = "The network could not run. The error has been logged."


def cut_short(file: Path) -> None:
    """A download that broke off."""
    file.write_bytes(file.read_bytes()[:-100])


@pytest.mark.fault("model", "a CT network's file is corrupt or gone")
@pytest.mark.parametrize("spoil", [cut_short, Path.unlink], ids=["cut short", "removed"])
def test_a_scan_whose_network_is_corrupt_is_not_assessed_until_it_is_mended(
    site: Open, seen: Seen, request: pytest.FixtureRequest, spoil: object
) -> None:
    here = site(imaging={"most_attempts": 2})
    file = here.toml.parent / "models" / MODEL / "look.onnx"
    good = file.read_bytes()
    assert callable(spoil)
    spoil(file)
    jobs, worker = here.engine.studies.jobs, here.start()
    job = here.ask()
    until(lambda: (jobs.get(job.id) or job).reason == "model-failed")
    here.move_up()
    until(lambda: (jobs.get(job.id) or job).state == "dead")
    assert (jobs.get(job.id) or job).reason == "model-failed"
    during = here.cards()
    [card] = during
    assert "Could not be assessed" in card["summary"]
    assert FAILED in card["detail"]
    assert "suspicion low" not in card["summary"] + card["detail"]
    assert here.stored() == 0
    file.write_bytes(good)
    begun = time.monotonic()
    here.retry(job)
    recovery = time.monotonic() - begun
    assert worker.poll() is None  # the same one
    after = here.cards()
    assert "suspicion high" in after[0]["summary"]
    seen(
        "model",
        "a CT network's file is corrupt or gone",
        during=[during],
        after=[after],
        also=FAILED,
        of="results, each stored once",
        owed=1,
        kept=here.stored(),
        recovery_s=recovery,
        case=request.node.callspec.id,
    )
