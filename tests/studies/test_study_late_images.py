"""Images that come after a study was read: it is read again, once for each growth, and never for our own results."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from study_house import NOW, Build, House
from study_scene import STUDY, Archive, ct

from cds.jobs import Job
from cds.studies.poll import Poller


def polled(house: House) -> int:
    """By a worker that has just started: it remembers nothing."""
    return Poller(house.settings, house.intake, lambda: datetime(2026, 11, 23, 12, tzinfo=UTC)).once()


@pytest.fixture
def polling(build: Build, archive: Archive) -> House:
    archive.holds(instances=ct(slices=12))
    return build(pacs={"poll": True})


def read(house: House) -> Job:
    found = house.work()
    assert found is not None and found.state == "done" and found.result is not None
    return found


def test_a_scan_that_was_incomplete_is_read_when_the_rest_has_come(polling: House, archive: Archive) -> None:
    polled(polling)
    before = read(polling)
    assert before.result is not None and before.result["reason"] == "too-short"
    archive.holds()
    assert polled(polling) == 1
    after = read(polling)
    assert after.id == before.id and after.result is not None
    assert after.result["outcome"] == "assessed"
    assert [row["outcome"] for row in polling.predictions()] == ["not-assessed", "predicted"], "both readings are kept"


def test_an_assessed_scan_that_grew_is_read_again_and_meanwhile_is_being_read(polling: House, archive: Archive) -> None:
    archive.holds()
    polled(polling)
    first = read(polling)
    archive.studies[STUDY][f"{STUDY}.2"] = ct(series=f"{STUDY}.2")
    polled(polling)
    waiting = polling.jobs.get(first.id)
    assert waiting is not None and (waiting.state, waiting.result) == ("queued", None)
    second = read(polling)
    assert first.result is not None and second.result is not None
    assert second.result["prediction"] != first.result["prediction"]
    assert len(polling.predictions()) == 2


def test_news_of_a_study_that_did_not_grow_reads_nothing_again(polling: House) -> None:
    polled(polling)
    read(polling)
    assert polled(polling) == 0
    polling.ask(why="notification", images=12)
    polling.ask(why="notification", images=None)
    polling.ask(why="call", images=30)
    assert polling.work() is None


def test_results_stored_beside_the_images_are_no_late_images(polling: House, archive: Archive) -> None:
    class Stores:
        name = "pacs"

        def write(self, analysed: Any) -> dict[str, Any]:
            archive.studies[STUDY][f"{STUDY}.9"] = [b"seg", b"sr"]
            archive.modalities[f"{STUDY}.9"] = "SEG"
            return {}

    archive.holds()
    polling.writers = (Stores(),)
    polled(polling)
    assert read(polling).result["images"] == 32  # type: ignore[index]
    assert polled(polling) == 0
    assert polling.work() is None


def test_an_ehr_that_counts_otherwise_is_believed_once(polling: House) -> None:
    polled(polling)
    read(polling)
    polling.ask(why="notification", images=40)
    read(polling)
    polling.ask(why="notification", images=40)
    assert polling.work() is None


def test_a_study_whose_images_kept_coming_is_read_at_the_next_news(polling: House) -> None:
    ((job, _),) = polling.ask(why="notification").jobs
    claimed = polling.jobs.claim("w", ["study"])
    assert claimed is not None
    polling.jobs.fail(claimed, "images-arriving", again=False)
    polling.ask(why="notification")
    again = polling.jobs.get(job.id)
    assert again is not None and again.state == "queued"


def test_what_grew_waits_out_the_quiet_period_and_by_hand_an_indeterminate_one_does_not(
    build: Build, archive: Archive
) -> None:
    archive.holds(instances=ct(slices=12))
    house = build(imaging={"quiet_period_s": 300.0})
    house.ask(why="hand")
    read(house)
    ((grown, new),) = house.ask(why="notification", images=30).jobs
    assert (new, grown.run_at) == (True, NOW + timedelta(seconds=300))
    house.move_up()
    read(house)
    ((again, _),) = house.ask(why="hand").jobs
    assert (again.state, again.run_at) == ("queued", NOW)
