"""A verdict worsens when it is said again on another day, gets better slowly, stops at once only for broken input."""

from __future__ import annotations

from datetime import timedelta

import pytest
from committee_room import NOW

from cds.committee.charter import Limits, Steadiness
from cds.committee.findings import Finding, Level, falling, off_one, rising, worst
from cds.committee.steadiness import Reached, reached
from cds.ledger.verdicts import Verdict, VerdictLevel
from cds.measures.estimate import Estimate, NotEnough

RULE = Steadiness(act=2, stop=2, better=3)
FINE = Estimate(0.8, 0.75, 0.85, 500, 200)


def finding(level: Level, measure: str = "auc") -> Finding:
    return Finding(measure, "", FINE, level)


def verdict(days_ago: float, raised: str, level: VerdictLevel) -> Verdict:
    at = NOW - timedelta(days=days_ago)
    return Verdict(str(days_ago), at, "m", "s", "1", "c", at, at, level, raised, 1, ())


def judge(raised: Level, *history: tuple[float, str, VerdictLevel], measure: str = "auc", **more: object) -> Reached:
    """``history``: (days ago, raised, level), newest first."""
    given = {"stopped": False, **more}
    return reached([finding(raised, measure)], [verdict(*h) for h in history], RULE, NOW, **given)  # type: ignore[arg-type]


def test_a_first_doubt_is_watched_and_a_second_day_of_it_is_acted_on() -> None:
    assert judge("act").level == "watch"
    assert judge("act", (1, "act", "watch")).level == "act"
    assert judge("act", (1, "watch", "watch")).level == "watch"


def test_asking_again_on_the_same_day_makes_nothing_worse() -> None:
    assert judge("act", (0.1, "act", "watch"), (0.2, "act", "watch")).level == "watch"


def test_a_floor_stops_on_the_second_day_below_it() -> None:
    first = judge("stop")
    assert (first.level, first.stop) == ("watch", None)
    second = judge("stop", (1, "stop", "watch"))
    assert (second.level, second.stop) == ("stopped", "floor")


@pytest.mark.parametrize("measure", ["unusable", "missing", "failed"])
def test_broken_input_stops_at_once(measure: str) -> None:
    assert judge("stop", measure=measure).stop == "input-failure"


def test_what_is_stopped_stays_stopped_however_good_it_looks() -> None:
    found = judge("green", (1, "green", "stopped"), stopped=True)
    assert (found.level, found.stop) == ("stopped", None)


def test_better_only_after_three_better_days() -> None:
    act = ((1, "green", "act"), (2, "green", "act"), (3, "act", "act"), (4, "act", "act"))
    assert judge("green", *act[1:]).level == "act"
    assert judge("green", *act).level == "green"
    assert judge("watch", (1, "watch", "act"), (2, "green", "act"), (3, "act", "act")).level == "watch"


def test_a_mild_doubt_of_one_day_is_no_alarm() -> None:
    assert judge("watch").level == "green"
    assert judge("watch", (1, "green", "green"), (2, "watch", "green")).level == "green"
    assert judge("watch", (1, "watch", "green")).level == "watch"
    assert judge("watch", (0.1, "watch", "green")).level == "green", "asked again on the same day"


def test_a_verdict_does_not_flicker_between_watch_and_green() -> None:
    levels: list[tuple[float, str, VerdictLevel]] = []
    said: list[Level] = ["watch", "watch", "green", "watch", "green", "watch"]
    for raised in said:
        shifted = [(ago + 1, r, level) for ago, r, level in levels]
        levels = [(0.0, raised, judge(raised, *shifted).level), *shifted]
    assert [level for _, _, level in reversed(levels)] == ["green", *["watch"] * 5]


def test_what_was_said_before_a_model_was_resumed_does_not_count() -> None:
    old = ((2, "stop", "stopped"), (3, "stop", "watch"))
    found = judge("stop", *old, since=NOW - timedelta(days=1))
    assert (found.level, found.stop) == ("watch", None)


def test_the_streak_counts_days_at_least_so_bad() -> None:
    assert judge("watch", (1, "act", "act"), (2, "watch", "watch"), (3, "green", "green")).streak == 3


# levels of one measure


def test_a_limit_is_reached_when_the_whole_interval_lies_beyond_it() -> None:
    limits = Limits(watch=0.7, act=0.65, stop=0.5)
    assert falling("auc", "", Estimate(0.66, 0.60, 0.72, 1, 1), limits).level == "green"
    assert falling("auc", "", Estimate(0.66, 0.63, 0.69, 1, 1), limits).level == "watch"
    found = falling("auc", "", Estimate(0.45, 0.41, 0.49, 1, 1), limits)
    assert (found.level, found.limit) == ("stop", 0.5)
    up = Limits(watch=0.1, act=0.2, stop=None)
    assert rising("x", "", Estimate(0.15, 0.11, 0.3, 1, 1), up).level == "watch"


def test_a_ratio_is_off_either_way() -> None:
    limits = Limits(watch=1.25, act=2, stop=None)
    assert off_one("ratio", "", Estimate(3, 2.1, 4, 1, 1), limits).level == "act"
    assert off_one("ratio", "", Estimate(0.4, 0.3, 0.49, 1, 1), limits).level == "act"
    assert off_one("ratio", "", Estimate(1.4, 1.1, 1.8, 1, 1), limits).level == "green"


def test_too_few_people_never_make_a_level() -> None:
    limits = Limits(watch=0.9, act=0.8, stop=0.7)
    found = falling("auc", "", NotEnough("events", 14, 100), limits)
    assert found.level == "green"
    assert found.plain["lacking"] == "not enough data: 14 events, 100 needed"
    assert worst([]) == "green"
