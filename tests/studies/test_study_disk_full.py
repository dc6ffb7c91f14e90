"""A disk that is really full, at each moment of a study's way: nothing is lost, nothing half-written, and it goes on.

The ledger lies on a file system of two megabytes of its own; mounting one takes root, and elsewhere these are skipped.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from faults import Seen
from small_disk import SmallDisk, small_disk
from study_calls import body, study
from study_house import NOW, Build, House
from study_scene import Archive

from cds.errors import LedgerError
from cds.ledger import tables
from cds.studies.analysed import Analysed

pytestmark = pytest.mark.system


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "small") as disk:
        yield disk


@pytest.fixture
def here(build: Build, archive: Archive, disk: SmallDisk) -> House:
    """The ledger is on the small disk. Each look at the clock is ten seconds later, so that leases run out."""
    archive.holds()
    seconds = itertools.count(0, 10)
    return build(
        database_url=f"sqlite:///{disk.folder / 'ledger.db'}", now=lambda: NOW + timedelta(seconds=next(seconds))
    )


def sound(house: House) -> bool:
    """SQLite's own judgement of its file."""
    database = sa.create_engine(house.settings.ledger_url)
    with database.connect() as connection:
        found = connection.execute(sa.text("PRAGMA integrity_check")).scalar_one()
    database.dispose()
    return bool(found == "ok")


def cards(house: House) -> list[dict[str, Any]]:
    """What the chart of the patient with this scan shows now."""
    answer = house.app.test_client().post("/cds-services/pancreas-imaging", json=body(study()))
    assert answer.status_code == 200
    found: list[dict[str, Any]] = answer.get_json()["cards"]
    return found


class Fills:
    """Writes its result back while somebody else takes the last of the disk."""

    name = "fills"

    def __init__(self, disk: SmallDisk) -> None:
        self._disk, self.written = disk, 0

    def write(self, analysed: Analysed) -> Mapping[str, Any]:
        self.written += 1
        if self.written == 1:
            self._disk.fill()
        return {"objects": 1}


@pytest.mark.fault("disk", "full when a study's result is to be stored")
def test_a_result_that_no_longer_fits_is_stored_once_when_there_is_room(
    here: House, disk: SmallDisk, seen: Seen
) -> None:
    writer = Fills(disk)
    here.writers = (writer,)
    here.ask(why="hand")
    with pytest.raises(LedgerError):
        here.work()
    assert here.predictions() == [] and here.rows(tables.calls) == []
    [waiting] = here.jobs.newest()
    assert (waiting.state, waiting.result) == ("running", None)
    assert sound(here)
    during = cards(here)
    disk.free()
    begun = time.monotonic()
    job = here.work()
    recovery = time.monotonic() - begun
    assert job is not None and (job.state, job.attempts) == ("done", 2)
    assert len(here.predictions()) == 1 and writer.written == 2
    assert sound(here)
    seen(
        "disk",
        "full when a study's result is to be stored",
        during=[during],
        after=[cards(here)],
        of="results, each stored once",
        owed=1,
        kept=len(here.predictions()),
        recovery_s=recovery,
    )


def test_on_a_full_disk_news_is_refused_and_none_of_it_is_kept(here: House, disk: SmallDisk) -> None:
    # the log may hold a few rows more than the disk
    disk.fill()
    with pytest.raises(LedgerError):
        for number in range(200):
            here.ask(f"1.2.3.{number}", why="notification")
    disk.free()
    before = len(here.jobs.newest(most=1000))
    assert here.ask("1.2.4", why="notification").jobs
    assert len(here.jobs.newest(most=1000)) == before + 1
    assert sound(here)


def test_work_that_can_not_be_claimed_waits(here: House, disk: SmallDisk) -> None:
    here.ask(why="hand")
    disk.fill()
    # what SQLite already has room for may go through; what matters is that no row is in between
    with contextlib.suppress(LedgerError):
        here.work()
    assert here.predictions() == [] or here.jobs.newest()[0].state == "done"
    disk.free()
    here.work()
    assert here.jobs.newest()[0].state == "done"
    assert len(here.predictions()) == 1
    assert sound(here)
