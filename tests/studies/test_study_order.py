"""Which of a patient's scans is the newest: by the time where it is known, and nobody's guess where it is not."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from study_calls import study
from study_charts import Json, cards, only, work
from study_house import House
from study_scene import STUDY, Archive, ct

from cds.record.moments import parse
from cds.studies.about import About, credible, one_each, surely_before

OTHER = f"{STUDY[:-1]}2"
EARLY, LATE = "2026-11-20T08:00:00Z", "2026-11-20T16:00:00Z"


def undated(uid: str = STUDY) -> Json:
    return {name: value for name, value in study(uid).items() if name != "started"}


def asked(house: House) -> list[str]:
    return [str(job.payload["study"]) for job in reversed(house.jobs.newest())]


@pytest.fixture
def read(house: House, archive: Archive) -> House:
    """The scan of 08:00 was read."""
    archive.holds(OTHER, ct(OTHER))
    cards(house, study(started=EARLY))
    work(house)
    return house


@pytest.mark.parametrize(
    ("one", "other", "before"),
    [
        ("2026-11-20T08:00:00Z", "2026-11-20T16:00:00Z", True),
        ("2026-11-20T16:00:00Z", "2026-11-20T08:00:00Z", False),
        ("2026-11-20T08:00:00+02:00", "2026-11-20T07:00:00Z", True),
        ("2026-11-20", "2026-11-20T16:00:00Z", False),
        ("2026-11-20T16:00:00Z", "2026-11-20", False),
        ("2026-11-20", "2026-11-20", False),
        ("2026-11-19", "2026-11-20", True),
        ("2026-11-20", "", False),
        ("", "2026-11-20", False),
    ],
)
def test_one_came_before_another_only_where_that_is_sure(one: str, other: str, before: bool) -> None:
    assert surely_before(parse(one), parse(other)) is before


def test_a_day_to_come_is_no_day_and_tomorrow_may_have_begun_at_the_hospital() -> None:
    today = date(2026, 11, 23)
    days = [credible(About(STUDY, day=date(2026, 11, day)), today).day for day in (23, 24, 25)]
    assert days == [date(2026, 11, 23), date(2026, 11, 24), None]


SECOND_ENTRIES = pytest.mark.parametrize(
    "second",
    [{"started": "2020-01-01"}, {"started": None}, {"started": "2126-01-01"}],
    ids=["of another day", "undated", "of a day to come"],
)


def entry(**changed: Any) -> Json:
    """One more of the study of 20 November, as for another order."""
    made = study(id="another-entry", **changed)
    return {name: value for name, value in made.items() if value is not None}


@SECOND_ENTRIES
@pytest.mark.parametrize("first", [True, False])
def test_a_second_entry_of_a_study_makes_its_reading_no_older(
    read: House, archive: Archive, second: Json, first: bool
) -> None:
    archive.holds(OTHER, ct(OTHER))
    earlier = study(OTHER, "2026-05-01")
    read.ask(why="hand", uid=OTHER, day=date(2026, 5, 1))
    work(read)
    both = [entry(**second), study(started=EARLY)]
    _, detail = only(cards(read, earlier, *(both if first else reversed(both))))
    assert "Read: the scan of 20 Nov 2026 (3 days old)." in detail
    assert "newer" not in detail and "Another" not in detail and "without" not in detail


@SECOND_ENTRIES
@pytest.mark.parametrize("first", [True, False])
def test_a_second_entry_of_a_study_nobody_read_keeps_it_from_no_worker(house: House, second: Json, first: bool) -> None:
    both = [entry(**second), study(started=EARLY)]
    _, detail = only(cards(house, *(both if first else reversed(both))))
    assert "The scan of 20 Nov 2026 was not assessed. The scan has not been analysed yet" in detail
    assert asked(house) == [STUDY]


def test_of_a_study_s_entries_the_newest_day_counts_with_its_time_and_what_any_of_them_names() -> None:
    day = date(2026, 11, 20)
    entries = [
        About(STUDY, frozenset({"SR"}), ("Report",), day, images=3),
        About(OTHER, day=date(2026, 11, 22)),
        About(STUDY, frozenset({"CT"}), ("CT abdomen",), day, images=200, began=parse(EARLY)),
        About(STUDY, texts=("CT thorax",), day=date(2026, 5, 1), began=parse("2026-05-01T23:00:00Z")),
    ]
    for order in (entries, entries[::-1]):
        other, one = one_each(order)
        assert other.uid == OTHER
        assert (one.day, one.began, one.images) == (day, parse(EARLY), 200)
        assert one.modalities == {"CT", "SR"} and set(one.texts) == {"Report", "CT abdomen", "CT thorax"}


@pytest.mark.parametrize(
    ("started", "said"),
    [
        ("٢٠٢٦-١١-٢٠", "The scan of 20 Nov 2026"),
        (" 2026-11-20T08:00:00Z", "A scan without a valid date"),
        ("2026-11-20T08:00:00Z ", "The scan of 20 Nov 2026"),
        # in UTC it was the day before
        ("2026-11-20T00:30:00+01:00", "The scan of 20 Nov 2026"),
        ("2026-11", "A scan without a valid date"),
        ("0000-00-00", "A scan without a valid date"),
    ],
)
def test_whatever_an_ehr_writes_for_a_day_there_is_a_card(house: House, started: str, said: str) -> None:
    _, detail = only(cards(house, study(started=started)))
    assert f"{said} was not assessed." in detail


def test_of_two_scans_of_a_day_the_later_is_asked_for_and_counts_in_whatever_order_they_are_listed(
    read: House,
) -> None:
    both = [study(started=EARLY), study(OTHER, started=LATE)]
    _, detail = only(cards(read, *both))
    assert "Another scan, of 20 Nov 2026, is not counted here. The scan has not been analysed yet" in detail
    assert asked(read) == [STUDY, OTHER]
    _, detail = only(cards(read, *reversed(both)))
    assert "Another scan, of 20 Nov 2026, is being analysed and is not counted here." in detail
    work(read)
    _, detail = only(cards(read, *both))
    assert "Another" not in detail and "newer" not in detail
    # the times were known to be otherwise: now the other one is the later
    _, detail = only(cards(read, study(started=LATE), study(OTHER, started=EARLY)))
    assert "Another" not in detail
    _, detail = only(cards(read, study(started="2026-11-20"), study(OTHER, started="2026-11-20"), language="nl"))
    assert "Een andere scan, van 20 nov 2026, is hier niet meegeteld. Hij heeft een eigen beoordeling" in detail


def test_an_earlier_scan_of_the_day_is_no_word_and_one_without_a_date_is_one(read: House) -> None:
    _, detail = only(cards(read, study(started=LATE), study(OTHER, started=EARLY)))
    assert "Another" not in detail
    _, detail = only(cards(read, study(started=EARLY), undated(OTHER)))
    assert "Read: the scan of 20 Nov 2026 (3 days old)." in detail
    assert "A scan without a valid date is not counted here." in detail
    assert asked(read) == [STUDY]


def test_every_scan_that_may_be_newer_than_the_one_that_was_read_is_asked_for(read: House) -> None:
    third = f"{STUDY[:-1]}3"
    _, detail = only(cards(read, study(started=EARLY), study(OTHER, "2026-11-21"), study(third, "2026-11-22")))
    assert "A newer scan, of 22 Nov 2026, is not counted here." in detail
    assert sorted(asked(read)) == [STUDY, OTHER, third]


def test_a_scan_of_the_next_century_hides_no_real_one_and_has_no_age(house: House, archive: Archive) -> None:
    archive.holds(OTHER, ct(OTHER))
    house.ask(why="hand", day=date(2126, 11, 20))
    assert house.jobs.newest()[0].payload["scan"] is None
    work(house)
    slip, real = study(day="2126-11-20"), study(OTHER, "2026-11-22")
    _, detail = only(cards(house, slip, real))
    assert "Read: a scan without a valid date; nobody can tell how old it is." in detail
    assert "Another scan, of 22 Nov 2026, is not counted here." in detail
    assert "old)" not in detail and "2126" not in detail
    assert asked(house) == [STUDY, OTHER]
    work(house)
    _, detail = only(cards(house, slip, real))
    assert "Read: the scan of 22 Nov 2026 (1 day old)." in detail and "without" not in detail


def test_a_scan_without_a_date_is_said_and_not_asked_for_and_its_reading_is_not_old(house: House) -> None:
    summary, detail = only(cards(house, undated()))
    assert summary == "DEMONSTRATION: Could not be assessed: Tiny network"
    assert "A scan without a valid date was not assessed. Its date is missing or lies in the future" in detail
    _, detail = only(cards(house, study(OTHER, "2024-01-01"), undated()))
    assert "A scan without a valid date was not assessed." in detail
    _, detail = only(cards(house, undated(), language="nl"))
    assert "Een scan zonder geldige datum is niet beoordeeld. De datum ontbreekt" in detail
    assert house.jobs.newest() == []
    house.ask(why="hand")
    _, detail = only(cards(house, undated()))
    assert "A scan without a valid date is being analysed, asked for just now." in detail
    work(house)
    _, detail = only(cards(house, undated()))
    assert "Read: a scan without a valid date" in detail
    assert "The scan is old" not in detail and "no date old" not in detail
    _, detail = only(cards(house, undated(), language="nl"))
    assert "Beoordeeld: een scan zonder geldige datum; niemand weet hoe oud hij is." in detail
    _, detail = only(cards(house, study()))
    assert "Read: the scan of 20 Nov 2026 (3 days old)." in detail, "the chart has its date by now"


def test_work_on_a_scan_without_a_date_is_told_of_beside_an_old_scan(house: House) -> None:
    chart = undated(), study(OTHER, "2015-03-01")
    house.ask(why="hand")
    _, detail = only(cards(house, *chart))
    assert "A scan without a valid date is being analysed, asked for just now." in detail
    [job] = house.jobs.newest()
    house.jobs.cancel(job.id)
    _, detail = only(cards(house, *chart))
    assert "A scan without a valid date was not assessed. The analysis was cancelled." in detail
    house.ask(why="hand")
    work(house)
    _, detail = only(cards(house, *chart))
    assert "Read: a scan without a valid date" in detail
    assert "2015" not in detail and "too old" not in detail
