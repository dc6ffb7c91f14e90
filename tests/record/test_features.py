"""Each input with where it came from, or why it is not there."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cds.record import written
from cds.record.facts import Fact, Record, Refused
from cds.record.features import Feature, extract
from cds.record.inputs import Input
from cds.record.moments import parse

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def fact(concept: str, days_ago: int, value: float | None = None, **more: Any) -> Fact:
    day = (NOW - timedelta(days=days_ago)).date().isoformat()
    return Fact(concept, f"Observation/{concept}-{days_ago}", parse(day), value=value, **more)


def record(*facts: Fact) -> Record:
    made = Record(now=NOW, patient_id="p1", birth=parse("1956-01-01"), male=True)
    for item in facts:
        made.add(item)
    made.arrange()
    return made


def spec(**fields: Any) -> Input:
    return Input.model_validate({"name": "x", "label": {"en": "x"}, "concepts": ["a"]} | fields)


def one(spec: Input, made: Record) -> Feature:
    return extract([spec], made, {"a": "Observation", "b": "Condition"})[0]


def test_a_drug_that_a_text_names_is_being_ordered_only_for_who_asks_for_texts() -> None:
    made, drafts = record(), record()
    order = fact("", 0, texts=("a 5 mg",))
    for reading in (drafts.untold, drafts.unrecognised, drafts.supposed):
        drafts.written.clear()
        reading[:] = [order]
        written.read(drafts, [lambda text: ("a", "elsewhere") if "a 5" in text else ()], {"a", "b"})
        made.drafts = drafts
        asked = spec(source="drafts", reduce="presence", named_in_text=True)
        found = one(asked, made)
        assert (found.value, [(f.concept, f.in_words) for f in found.facts]) == (1.0, [("a", True)])
        plain = one(spec(source="drafts", reduce="presence"), made)
        other = one(asked.model_copy(update={"concepts": ("b",)}), made)
        assert (plain.value, other.value) == ((None if drafts.unrecognised else 0.0), 0.0)
        reading.clear()
    with pytest.raises(ValueError, match="named_in_text"):
        spec(reduce="presence", named_in_text=True)


def test_latest_takes_the_newest_inside_the_window() -> None:
    made = record(fact("a", 10, 5.0), fact("a", 400, 9.0))
    assert one(spec(reduce="latest", within="12m"), made).value == 5.0
    assert one(spec(reduce="latest", within="5d"), made).state == "missing"


def test_concepts_are_alternatives_in_order_of_preference() -> None:
    made = record(fact("b", 1, 1.0), fact("a", 30, 2.0))
    assert one(spec(concepts=["a", "b"], reduce="latest"), made).value == 2.0


def test_out_of_range_is_absent_with_that_reason() -> None:
    feature = one(spec(reduce="latest", range=[0, 4]), record(fact("a", 1, 5.0, original="5 mg/dL")))
    assert (feature.value, feature.state, feature.detail) == (None, "out-of-range", "5 mg/dL")


def test_a_refused_value_explains_the_absence() -> None:
    made = record()
    made.refused.append(Refused("a", "Observation/9", "unit-unknown", "65 g/L"))
    feature = one(spec(reduce="latest"), made)
    assert (feature.state, feature.detail) == ("unit-unknown", "65 g/L")


def test_of_several_refused_values_the_newest_explains_it_in_whatever_order_they_were_sent() -> None:
    older = Refused("a", "Observation/1", "unit-missing", "99", parse("2025-11-20"))
    newer = Refused("a", "Observation/2", "unit-missing", "148", parse("2026-11-20"))
    for sent in ([older, newer], [newer, older]):
        made = record()
        made.refused.extend(sent)
        made.arrange()
        assert one(spec(reduce="latest"), made).detail == "148"


def test_new_is_true_only_when_the_first_ever_lies_in_the_window() -> None:
    new = spec(reduce="new", within="12m")
    assert one(new, record(fact("a", 100))).value == 1
    assert one(new, record(fact("a", 100), fact("a", 900))).value == 0
    assert one(new, record()).value == 0


@pytest.mark.parametrize("days_ago", [900, None])
def test_a_suspicion_from_before_makes_a_diagnosis_no_less_new(days_ago: int | None) -> None:
    new, confirmed = spec(reduce="new", within="12m"), fact("a", 100, verification="confirmed")
    when = None if days_ago is None else fact("a", days_ago).when
    for verification, expected in (("provisional", 1.0), ("differential", 1.0), ("confirmed", 0.0), (None, 0.0)):
        before = Fact("a", "Condition/before", when, verification=verification)
        feature = one(new, record(confirmed, before))
        assert (feature.value, feature.facts == (confirmed,)) == (expected, bool(expected))
    alone = record(fact("a", 100, verification="provisional"), fact("a", 900, verification="provisional"))
    assert one(new, alone).value == 0.0


def test_new_is_false_where_something_else_has_said_the_same_for_longer() -> None:
    new = spec(reduce="new", within="12m", unless=[{"concepts": ["b"], "at_least": 6.5}])
    for days_ago, value, expected in ((900, 8.0, 0.0), (900, 6.0, 1.0), (100, 8.0, 1.0)):
        feature = one(new, record(fact("a", 100), fact("b", days_ago, value)))
        assert (feature.value, feature.state) == (expected, "found")


def test_presence_ignores_what_is_inactive() -> None:
    assert one(spec(reduce="presence"), record(fact("a", 100, status="inactive"))).value == 0


def test_a_flag_whose_source_could_not_be_read_is_unknown_not_no() -> None:
    made = record()
    made.unread = frozenset({"Condition"})
    assert one(spec(concepts=["b"], reduce="presence"), made).state == "unread"
    assert one(spec(concepts=["a"], reduce="presence"), made).state == "found"


def test_what_was_found_stands_though_its_source_was_cut_off() -> None:
    made = record(fact("b", 10))
    made.unread = frozenset({"Condition"})
    assert one(spec(concepts=["b"], reduce="presence"), made).value == 1


ONSET = {"name": "onset", "reduce": "first_at_least", "threshold": 126, "preceded_by": "18m", "within": "36m"}


@pytest.mark.parametrize(
    ("series", "found"),
    [
        ([(400, 97), (30, 141)], True),
        ([(30, 141)], False),  # never known to have been lower: not new
        ([(900, 97), (30, 141)], False),  # the lower value is too old to date the onset
        ([(1500, 97), (1400, 141), (30, 150)], False),  # long ago
        ([(400, 97), (30, 110)], False),
        ([(1400, 141), (400, 97), (30, 150)], True),  # one high value long ago, and lower since
        ([(1400, 141), (1300, 150), (400, 97), (30, 150)], False),
    ],
)
def test_an_onset_needs_a_lower_value_before_it(series: list[tuple[int, float]], found: bool) -> None:
    feature = one(spec(**ONSET), record(*(fact("a", d, v) for d, v in series)))
    assert feature.found is found
    if found:
        assert feature.value == pytest.approx(70.8, abs=0.1)  # the patient's age then


@pytest.mark.parametrize(
    ("earlier", "later", "state", "detail"),
    [
        ((97, None), (500, ">"), "found", ""),
        ((97, None), (126, ">="), "found", ""),
        ((60, "<"), (141, None), "found", ""),
        ((126, "<"), (141, None), "found", ""),
        ((60, "<"), (500, ">"), "found", ""),
        ((97, None), (100, ">"), "censored", ">100"),  # below it, or at it, or above
        ((97, None), (300, "<"), "censored", "<300"),
        ((126, "<="), (141, None), "censored", "<=126"),
        ((97, None), (120, "<"), "missing", ""),
        ((400, ">"), (500, ">"), "missing", ""),
    ],
)
def test_an_onset_is_where_a_bound_decides_on_which_side_the_value_is(
    earlier: tuple[int, str | None], later: tuple[int, str | None], state: str, detail: str
) -> None:
    facts = [
        fact("a", days, value, comparator=sign, original=f"{sign or ''}{value}")
        for days, (value, sign) in ((400, earlier), (30, later))
    ]
    feature = one(spec(**ONSET), record(*facts))
    assert (feature.state, feature.detail) == (state, detail)
    if state == "found":
        assert [f.when for f in feature.facts] == [facts[1].when, facts[0].when]


@pytest.mark.parametrize(("days", "value", "sign", "state"), [(400, 60, "<", "censored"), (10, 500, ">", "missing")])
def test_a_bound_explains_an_absence_only_where_the_value_was_looked_for(
    days: int, value: int, sign: str, state: str
) -> None:
    year_before = {"anchor": {"input": "onset", "offset": "-12m", "window": ["-18m", "-6m"]}}
    made = record(fact("a", 200, 97.0), fact("a", 30, 141.0), fact("a", days, value, comparator=sign))
    inputs = [spec(**ONSET), spec(name="then", **year_before, reduce="nearest")]
    assert extract(inputs, made, {})[1].state == state


def test_many_values_from_before_the_window_are_read_in_time_that_grows_with_their_number() -> None:
    # all at one moment: one sample, with lower values after it
    high, low = (fact("a", days_ago, value) for days_ago, value in ((2_000, 130.0), (1_500, 100.0)))
    series = (*[high] * 8_000, *[low] * 8_000, fact("a", 10, value=130.0))
    began = time.process_time()
    assert one(spec(reduce="first_at_least", threshold=126, within="36m"), record(*series)).found
    assert time.process_time() - began < 1.0


def test_a_crossing_can_be_void_only_where_it_says_what_is_long() -> None:
    known = [{"concepts": ["b"]}]
    assert (
        one(spec(**ONSET, unless=known), record(fact("b", 2000), fact("a", 400, 97), fact("a", 30, 141))).value is None
    )
    without = {key: value for key, value in ONSET.items() if key != "within"}
    for wrong in ({**without, "unless": known}, {"reduce": "presence", "within": "12m", "unless": known}):
        with pytest.raises(ValueError, match="'unless': that needs 'reduce: new' or 'first_at_least', and 'within'"):
            spec(**wrong)


def test_a_change_is_per_year_and_needs_two_values_apart() -> None:
    inputs = [
        spec(**ONSET),
        spec(
            name="change",
            concepts=["w"],
            reduce="change_per_year",
            anchor={"input": "onset", "offset": "-12m", "window": ["-18m", "-6m"]},
        ),
    ]
    made = record(fact("a", 400, 97.0), fact("a", 30, 141.0), fact("w", 395, 80.0), fact("w", 30, 74.0))
    change = extract(inputs, made, {})[1]
    assert change.value == pytest.approx(-6.0, abs=0.05)
    assert [f.value for f in change.facts] == [74.0, 80.0]


def test_a_coded_answer_becomes_its_number() -> None:
    made = record(fact("a", 5, answers=("ex",)))
    assert one(spec(reduce="coded", values={"never": 0, "ex": 1}), made).value == 1
    assert one(spec(reduce="coded", values={"never": 0}), made).state == "missing"


def test_a_coded_answer_counts_beside_plain_numbers() -> None:
    latest = spec(reduce="latest", values={"grade-two": 2})
    assert one(latest, record(fact("a", 5, answers=("grade-two",)), fact("a", 50, 1.0))).value == 2
    assert one(latest, record(fact("a", 5, answers=("other",)), fact("a", 50, 1.0))).value == 1
    assert one(latest, record(fact("a", 5, 0.0), fact("a", 50, answers=("grade-two",)))).value == 0


def test_what_records_often_lack_can_be_declared_unknown() -> None:
    assert one(spec(reduce="presence", unrecorded="unknown"), record()).state == "missing"
    assert one(spec(reduce="presence", unrecorded="unknown"), record(fact("a", 5))).value == 1


def test_a_bound_is_not_a_value() -> None:
    made = record(fact("a", 5, 130.0, comparator="<", original="<130 mg/dL"))
    feature = one(spec(reduce="latest"), made)
    assert (feature.value, feature.state, feature.detail) == (None, "censored", "<130 mg/dL")
    below = fact("a", 30, 130.0, comparator="<", original="<130 mg/dL")
    assert not one(spec(**ONSET), record(fact("a", 400, 97.0), below)).found


def test_an_active_entry_without_a_date_is_there_but_not_new() -> None:
    undated = Fact("a", "Condition/1", None, status="active")
    assert one(spec(reduce="presence", within="6m"), record(undated)).value == 1
    assert one(spec(reduce="new", within="12m"), record(undated, fact("a", 30))).value == 0


def test_an_older_value_does_not_stand_in_for_a_newer_one_that_cannot_be_read() -> None:
    made = record(fact("a", 30, 42.0))
    made.refused.append(Refused("a", "Observation/2", "unit-missing", "25", parse("2026-11-20")))
    found = one(spec(reduce="latest"), made)
    assert (found.value, found.state, found.detail) == (None, "unit-missing", "25")
    made.refused[:] = [Refused("a", "Observation/2", "unit-missing", "25", parse("2026-01-10"))]
    assert one(spec(reduce="latest"), made).value == 42.0
