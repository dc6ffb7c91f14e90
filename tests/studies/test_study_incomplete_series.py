"""A series of which the archive lists more than it sends: it is waited for, and in the end costs only itself."""

from __future__ import annotations

from collections.abc import Callable

from dicomweb_answers import sends_series
from servers import Exchange
from study_house import Build, House
from study_scene import STUDY, Archive, ct

from cds.jobs import Job

WHOLE, OTHER = f"{STUDY}.1", f"{STUDY}.2"


def short(archive: Archive, *lacking: str) -> Callable[[Exchange], None]:
    """Sends all but the last image of these series."""

    def answer(exchange: Exchange) -> None:
        uid = exchange.hit.path.partition("?")[0].rpartition("/")[2]
        images = archive.studies[STUDY][uid]
        sends_series(images[:-1] if uid in lacking else images)(exchange)

    return answer


def attempted(house: House, times: int) -> Job:
    house.ask()
    for _ in range(times):
        house.move_up()
        job = house.work()
    assert job is not None
    return job


def two_series(build: Build, archive: Archive) -> House:
    archive.holds()
    archive.studies[STUDY][OTHER] = ct(slices=31, series=OTHER)
    return build(imaging={"most_attempts": 2})


def test_a_series_that_never_comes_whole_costs_only_itself_on_the_last_attempt(build: Build, archive: Archive) -> None:
    house = two_series(build, archive)
    archive.series_answers = short(archive, OTHER)
    first = attempted(house, 1)
    assert (first.state, first.reason) == ("queued", "incomplete")
    last = attempted(house, 1)
    assert last.state == "done" and last.result is not None
    assert (last.result["outcome"], last.result["series"]) == ("assessed", WHOLE)
    assert ["other-series-incomplete", "1"] in last.result["remarks"]
    assert {row["series"]: row["refused"] for row in last.result["considered"]} == {WHOLE: None, OTHER: "incomplete"}


def test_where_nothing_whole_can_be_used_the_study_ends_as_incomplete(build: Build, archive: Archive) -> None:
    house = two_series(build, archive)
    archive.studies[STUDY][WHOLE] = ct(slices=12)
    archive.series_answers = short(archive, OTHER)
    last = attempted(house, 2)
    assert (last.state, last.reason, last.result) == ("dead", "incomplete", None)


def test_a_study_that_comes_whole_says_nothing_of_it(build: Build, archive: Archive) -> None:
    last = attempted(two_series(build, archive), 1)
    assert last.result is not None
    assert "other-series-incomplete" not in [note for note, _measure in last.result["remarks"]]
