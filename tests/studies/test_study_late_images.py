"""Images that come after a study was read: it is read again, once for each growth, and never for our own results."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from study_calls import body, study
from study_house import NOW, Build, House
from study_scene import STUDY, Archive, away, ct

from cds.jobs import Job
from cds.studies.again import kept
from cds.studies.poll import Poller
from cds.studies.view import analysis


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
    assert kept(waiting) == first.result
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


@pytest.fixture
def assessed(polling: House, archive: Archive) -> House:
    """Its scan has been read: suspicion high."""
    archive.holds()
    polled(polling)
    read(polling)
    return polling


def card(house: House, language: str = "en") -> tuple[str, str]:
    answer = house.app.test_client().post(
        "/cds-services/pancreas-imaging", json=body(study()), headers={"Accept-Language": language}
    )
    house.engine.studies.settle()
    [found] = answer.get_json()["cards"]
    return found["summary"], found["detail"]


def saved(archive: Archive, modality: str) -> None:
    """By a radiologist, beside the images."""
    archive.studies[STUDY][f"{STUDY}.9"] = [b"one"]
    archive.modalities[f"{STUDY}.9"] = modality


@pytest.mark.parametrize("modality", ["PR", "KO", "SR"])
def test_what_a_radiologist_saves_beside_the_images_repeats_nothing(
    assessed: House, archive: Archive, modality: str
) -> None:
    first = card(assessed)
    saved(archive, modality)
    assert polled(assessed) == 0
    assert assessed.work() is None
    assert card(assessed) == first and "suspicion high" in first[0]


def test_news_that_does_not_say_what_came_is_looked_into_before_a_scan_is_read_again(
    assessed: House, archive: Archive
) -> None:
    [before] = assessed.jobs.newest()
    saved(archive, "PR")
    fetched = len(archive.server.hits)
    assessed.ask(why="notification", images=31)
    again = read(assessed)
    assert before.result is not None and again.result == {**before.result, "images": 31}
    assert not [hit for hit in archive.server.hits[fetched:] if hit.path.endswith(f"{STUDY}.1")], "images were fetched"
    assert len(assessed.predictions()) == 1
    assessed.ask(why="notification", images=31)
    assert assessed.work() is None


WAITS: dict[str, Callable[[House], Any]] = {
    "queued": lambda house: None,
    "failed": lambda house: house.jobs.fail(house.jobs.claim("w", ["study"]), "pacs-failed", again=False),  # type: ignore[arg-type]
    "cancelled": lambda house: house.jobs.cancel(house.jobs.newest()[0].id),
}


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ("queued", "more images of it have come in, are being read and are not counted here"),
        ("failed", "more images of it have come in and are not counted here. The image archive"),
        ("cancelled", "more images of it have come in and are not counted here. The analysis was cancelled."),
    ],
)
def test_while_a_scan_is_read_again_and_when_that_fails_the_earlier_reading_stays_on_the_card(
    assessed: House, archive: Archive, state: str, says: str
) -> None:
    archive.studies[STUDY][f"{STUDY}.2"] = ct(series=f"{STUDY}.2")
    assert polled(assessed) == 1
    archive.broken = away()
    WAITS[state](assessed)
    [job] = assessed.jobs.newest()
    summary, detail = card(assessed)
    assert "suspicion high" in summary
    assert f"This is an older reading of the scan of 20 Nov 2026: {says}" in detail
    assert "Dit is een eerdere beoordeling van de scan van 20 nov 2026" in card(assessed, "nl")[1]
    told = analysis(job)
    assert (told["state"], told["before"]["category"], "result" in told) == (state, "high", False)


def test_more_images_that_allow_no_answer_do_not_take_the_earlier_reading_away(
    assessed: House, archive: Archive
) -> None:
    archive.studies[STUDY] = {f"{STUDY}.1": ct(slices=12), f"{STUDY}.2": ct(series=f"{STUDY}.2", slices=19)}
    polled(assessed)
    assert read(assessed).result["outcome"] == "indeterminate"  # type: ignore[index]
    summary, detail = card(assessed)
    assert "suspicion high" in summary and "covers too little of the body" in detail
    assert "This is an older reading" in detail


def test_a_card_that_was_seen_comes_again_when_more_images_of_its_scan_have_been_read(
    build: Build, archive: Archive
) -> None:
    now = [NOW]
    house = build(now=lambda: now[0], pacs={"poll": True})
    archive.holds()
    polled(house)
    read(house)
    assert [seen_on(house, now, day) for day in (0, 1)] == [1, 0]
    archive.studies[STUDY][f"{STUDY}.2"] = ct(series=f"{STUDY}.2")
    polled(house)
    assert seen_on(house, now, 2) == 0, "of more images nothing is known yet"
    read(house)
    assert [seen_on(house, now, day) for day in (3, 4)] == [1, 0]


def seen_on(house: House, now: list[datetime], day: int) -> int:
    """How many cards come so many days later."""
    now[0] = NOW + timedelta(days=day)
    answer = house.app.test_client().post("/cds-services/pancreas-imaging", json=body(study()))
    house.engine.studies.settle()
    return len(answer.get_json()["cards"])


def test_images_of_somebody_else_among_those_that_came_take_the_earlier_reading_away(
    assessed: House, archive: Archive
) -> None:
    archive.studies[STUDY] = {f"{STUDY}.1": [*ct(), *ct(slices=2, PatientID="SOMEBODY-ELSE")]}
    polled(assessed)
    doubt = read(assessed)
    assert doubt.result is not None and doubt.result["reason"] == "several-patients"
    summary, detail = card(assessed)
    assert "Could not be assessed" in summary and "more than one patient" in detail
    assert kept(doubt) is None and "before" not in analysis(doubt)
    assert assessed.ask(why="hand").jobs[0][1]
    again = assessed.jobs.newest()[0]
    assert (again.state, kept(again)) == ("queued", None), "nor while it is read once more"


def test_an_ehr_that_counts_otherwise_is_believed_once(polling: House) -> None:
    polled(polling)
    read(polling)
    polling.ask(why="notification", images=40)
    read(polling)
    polling.ask(why="notification", images=40)
    assert polling.work() is None


@pytest.mark.parametrize("reason", ["images-arriving", "not-found", "incomplete", "truncated", "several-patients"])
def test_a_study_that_was_given_up_on_for_what_may_have_passed_is_read_at_the_next_news(
    polling: House, reason: str
) -> None:
    ((job, _),) = polling.ask(why="notification").jobs
    claimed = polling.jobs.claim("w", ["study"])
    assert claimed is not None
    polling.jobs.fail(claimed, reason, again=False)
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
