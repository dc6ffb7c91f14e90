"""What leaves a hospital gives nobody away, not even by subtraction."""

from __future__ import annotations

import re
from datetime import date

import pytest
from hospitals import Hospital, asked, hospital

from cds.errors import ValidationRoundError
from cds.validation.bins import safe
from cds.validation.cases import Case
from cds.validation.result import WHOLE, Result, counted, parsed, plain

TODAY = date(2026, 11, 28)


def people(group: str, number: int, events: int, score: float = 0.01) -> list[Case]:
    return [Case({None: score * (1 + i / number)}, i < events, 0.0, {"sex": group}) for i in range(number)]


def test_totals_are_exact_and_no_cell_is_small() -> None:
    one = hospital(4000, 1)
    result = counted(asked(), one.cases(), "North", TODAY)
    whole = result.table(None, WHOLE)
    assert whole is not None
    assert sum(b.people for b in whole.bins) == 4000
    assert sum(b.events for b in whole.bins) == one.events.sum()
    assert sum(b.score_sum for b in whole.bins) == pytest.approx(one.scores.sum(), abs=1e-3)
    assert all(safe(table.rows(), 5) for table in result.tables)
    assert {table.group for table in result.tables} == {WHOLE, "sex=female", "sex=male"}


def test_a_hospital_may_be_stricter_than_the_round() -> None:
    result = counted(asked(), hospital(4000, 1).cases(), "North", TODAY, minimum=10)
    assert all(safe(table.rows(), 10) for table in result.tables)
    assert counted(asked(), hospital(4000, 1).cases(), "North", TODAY, minimum=3).minimum_cell == 5


def test_the_small_group_is_hidden_and_with_it_the_one_that_would_give_it_away() -> None:
    cases = people("female", 300, 40) + people("male", 8, 3)
    result = counted(asked(), cases, "North", TODAY)
    assert result.hidden == ("sex=female", "sex=male")
    assert [table.group for table in result.tables] == [WHOLE]


def test_two_small_groups_hide_together_and_a_third_is_shown() -> None:
    three = asked(subgroups={"scanner": ("a", "b", "c")})
    cases = [
        Case(case.scores, case.event, 0.0, {"scanner": name})
        for name, number, events in (("a", 300, 40), ("b", 9, 4), ("c", 9, 4))
        for case in people("", number, events)
    ]
    assert counted(three, cases, "North", TODAY).hidden == ("scanner=b", "scanner=c")


def test_no_difference_between_the_whole_and_its_groups_is_a_small_cell() -> None:
    for seed in range(4):
        result = counted(asked(), hospital(3000, seed).cases(), "North", TODAY)
        whole, female = result.table(None, WHOLE), result.table(None, "sex=female")
        assert whole is not None and female is not None
        for b in female.bins:
            inside = [w for w in whole.bins if b.low <= w.low and w.high <= b.high]
            assert (inside[0].low, inside[-1].high) == (b.low, b.high), "a group's bins are joined bins of the whole"
            for part in ("events", "others"):
                rest = sum(getattr(w, part) for w in inside) - getattr(b, part)
                assert rest == 0 or rest >= 5


def test_too_few_people_send_nothing() -> None:
    with pytest.raises(ValidationRoundError, match="not enough data: 8 people, 3 with the event"):
        counted(asked(), people("female", 8, 3), "North", TODAY)
    with pytest.raises(ValidationRoundError, match="not enough data: 0 people"):
        counted(asked(), [], "North", TODAY)


def test_a_result_with_a_small_cell_is_no_result() -> None:
    text = plain(counted(asked(), people("female", 60, 30), "North", TODAY)).decode()
    spoiled = re.sub(r'"events": [1-9]\d*', '"events": 2', text, count=1)
    assert spoiled != text
    with pytest.raises(ValidationRoundError, match="a cell below 5"):
        parsed(spoiled.encode(), "draft.json")


def test_what_is_written_is_what_is_read() -> None:
    result = counted(asked(horizons=(6, 12)), censored(hospital(2000, 5)), "North", TODAY)
    assert parsed(plain(result), "draft.json") == result
    assert isinstance(result, Result)
    assert {table.horizon for table in result.tables} == {6, 12}
    assert all(table.observed is not None for table in result.tables)


def censored(one: Hospital) -> list[Case]:
    return [
        Case({6: float(s) / 2, 12: float(s)}, bool(e), float(1 + i % 30), {"sex": "female" if f else "male"})
        for i, (s, e, f) in enumerate(zip(one.scores, one.events, one.female, strict=True))
    ]
