"""A count that is hidden can't be worked out from those that are told."""

from __future__ import annotations

from cds.preview.cells import spread, together
from cds.preview.figures import hiding
from cds.preview.followed import Cohort, Found

COHORT = Cohort(frozenset(f"case-{n}" for n in range(100)), frozenset(f"other-{n}" for n in range(400)), 0, 0)
MANY = {f"{who}-{n}" for who in ("case", "other") for n in range(50)}


def test_a_hidden_whole_is_not_what_the_others_leave() -> None:
    """Of 13 alerted, ten newly: three under both."""
    told = together({"newly": 10, "noLonger": 0}, {"both": 3, "before": 3, "after": 13}, 5)
    assert {name: count.json for name, count in told.items()} == {
        "newly": {"count": 10, "about": True},
        "noLonger": {"count": 0},
        "both": {"count": None, "below": 5},
        "before": {"count": None, "below": 5},
        "after": {"count": 15, "about": True},
    }
    assert str(told["noLonger"]) == "0", "nobody is not about nobody"


def test_where_nothing_is_small_nothing_is_rounded() -> None:
    told = together({"newly": 7, "noLonger": 0}, {"both": 9, "before": 9, "after": 16}, 5)
    assert [count.json for count in told.values()] == [{"count": n} for n in (7, 0, 9, 9, 16)]


def test_a_few_clinicians_with_most_cards_stand_with_their_neighbours() -> None:
    """Else they are all clinicians less the others."""
    assert {band: count.told for band, count in spread([0] * 10 + [3] * 3, 5).items()} == {"0+": 13}
    assert {band: count.told for band, count in spread([0] * 10 + [3] * 6, 5).items()} == {"0": 10, "2-4": 6}
    assert [count.hidden for count in spread([3] * 4, 5).values()] == [True], "there are no others"


def test_two_cases_among_thirty_newly_alerted_are_hidden() -> None:
    """The difference of two exact sensitivities times the number of cases is two."""
    newly = {"case-60", "case-61"} | {f"other-{n}" for n in range(60, 88)}
    assert hiding(COHORT, MANY, MANY | newly, 5) == 5
    assert hiding(COHORT, MANY, MANY | {f"{who}-{n}" for who in ("case", "other") for n in range(60, 70)}, 5) == 1


def test_and_so_are_few_found_few_missed_and_few_alerted_in_vain() -> None:
    others = {f"other-{n}" for n in range(50)}
    assert hiding(COHORT, others | {"case-1"}, others | {"case-1"}, 5) == 5
    missed = COHORT.cases - {"case-1", "case-2"} | others
    assert hiding(COHORT, missed, missed, 5) == 5
    in_vain = COHORT.cases | {"other-1"}
    assert hiding(COHORT, in_vain, in_vain, 5) == 5
    assert hiding(COHORT, set(), MANY, 5) == 1, "none at all is told"


def test_a_policy_that_misses_somebody_is_never_told_to_miss_nobody() -> None:
    """98 of 100 rounded is 100."""
    of_missed = {n: Found.of(COHORT, COHORT.cases - {f"case-{m}" for m in range(n)}, 5).missed for n in range(9)}
    assert {n: missed.part for n, missed in of_missed.items() if missed is not None} == {
        0: 0,
        **dict.fromkeys(range(1, 8), 5),
        8: 10,
    }
