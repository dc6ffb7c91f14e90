"""A number nobody can have is left out and named; the nearest that somebody can have is read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cds.inference.prediction import NotAssessed, Prediction
from cds.record.facts import Fact, Record, Refused
from cds.record.moments import parse

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def fact(concept: str, days_ago: float | None, value: float | None = None, status: str | None = None) -> Fact:
    when = None if days_ago is None else parse((NOW - timedelta(days=days_ago)).isoformat())
    return Fact(concept, f"X/{concept}-{days_ago}-{value}", when, value=value, status=status, original=f"{value}")


def patient(age: int, *facts: Fact) -> Record:
    birth = NOW.replace(year=NOW.year - age) - timedelta(days=30)
    made = Record(now=NOW, patient_id="p", birth=parse(birth.date().isoformat()), male=False)
    for item in facts:
        made.add(item)
    made.arrange()
    return made


DIABETES = (fact("glucose-fasting", 425, 98), fact("body-weight", 425, 80))
CYST = (fact("ipmn", 900, status="active"),)
TREATED = (fact("pancreatic-cancer", 120, status="active"), *(fact("gemcitabine", d) for d in (90, 60, 30)))

CASES = {
    "fasting glucose": (
        "endpac",
        "glucose_onset",
        (*DIABETES, fact("body-weight", 60, 78)),
        "glucose-fasting",
        1000,
        1001,
    ),
    "weight in pounds": (
        "endpac",
        "weight_change",
        (*DIABETES, fact("glucose-fasting", 60, 142)),
        "body-weight",
        150,
        176,
    ),
    "size of a cyst": ("ipmn-kyoto-2024", "cyst_size", CYST, "cyst-size", 200, 201),
    "no size of a cyst": ("ipmn-european-2018", "cyst_size", CYST, "cyst-size", 1, 0),
    "CA 19-9 against the start": (
        "ca19-9-response",
        "change",
        (*TREATED, fact("ca19-9", 95, 100)),
        "ca19-9",
        1_000_000,
        1_000_200,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_last_plausible_number_is_read_and_the_next_is_not(registry, case: str) -> None:
    model, name, facts, concept, last, beyond = CASES[case]
    read = registry[model].assess(patient(66, *facts, fact(concept, 60 if model == "endpac" else 20, last)))
    assert isinstance(read, Prediction), read
    assert read.feature(name).found
    left_out = registry[model].assess(patient(66, *facts, fact(concept, 60 if model == "endpac" else 20, beyond)))
    assert isinstance(left_out, NotAssessed)
    (feature,) = [f for f in left_out.features if f.input.name == name]
    assert (feature.value, feature.state) == (None, "out-of-range")
    assert name in {f.input.name for f in left_out.lacking}


def relative(onset: float) -> tuple[Fact, ...]:
    concepts = ("first-degree-relative-pancreatic-cancer", "blood-relative-pancreatic-cancer")
    return tuple(fact(concept, None, onset, status="active") for concept in concepts)


def test_a_relative_who_fell_ill_as_a_child_starts_no_surveillance(registry) -> None:
    """Three is a typing error or another tumour: ten years before it would be any age."""
    carrier = fact("germline-brca2-pathogenic", 700, 1.0, status="active")
    young = registry["caps-surveillance"].assess(patient(30, carrier, *relative(3)))
    assert isinstance(young, NotAssessed)
    assert [(f.input.name, f.state) for f in young.lacking] == [("youngest", "out-of-range")]
    plausible = registry["caps-surveillance"].assess(patient(30, carrier, *relative(40)))
    assert isinstance(plausible, Prediction)
    assert plausible.category("eligibility") == "eligible"
    old = registry["caps-surveillance"].assess(patient(45, carrier, *relative(3)))
    assert isinstance(old, Prediction), "from 45 the relative's age changes nothing"
    assert old.category("eligibility") == "eligible"


@pytest.mark.parametrize(("age", "expected"), [(44, "eligible"), (42, "eligible"), (41, None), (30, None)])
def test_one_age_that_nobody_has_does_not_hide_another_and_is_not_taken_for_old(registry, age: int, expected) -> None:
    """Of relatives of 3 and 52 the youngest is 52 at most: from 42 that is enough, and before it nothing is certain."""
    carrier = fact("germline-brca2-pathogenic", 700, 1.0, status="active")
    answer = registry["caps-surveillance"].assess(patient(age, carrier, *relative(3), *relative(52)))
    if expected is None:
        assert isinstance(answer, NotAssessed)
        (youngest,) = answer.lacking
        assert (youngest.input.name, youngest.state, youngest.detail) == ("youngest", "censored", "<=52")
    else:
        assert isinstance(answer, Prediction)
        assert answer.category("eligibility") == expected


IMPOSSIBLE = 5_000_001


@pytest.mark.parametrize(
    "series",
    [{95: 6000, 20: IMPOSSIBLE}, {95: IMPOSSIBLE, 20: 6000}, {95: IMPOSSIBLE, 20: 4_900_000}],
    ids=["the newest", "the first: a fall", "the first: no change"],
)
def test_a_marker_that_nobody_has_drives_no_change(registry, series: dict[int, float]) -> None:
    answer = registry["ca19-9-response"].assess(
        patient(66, *TREATED, *(fact("ca19-9", d, v) for d, v in series.items()))
    )
    assert isinstance(answer, NotAssessed), answer
    assert {f.state for f in answer.lacking} <= {"out-of-range", "censored"}
    assert answer.lacking


def test_low_values_beside_one_that_nobody_has_do_not_mean_that_the_marker_is_not_made(registry) -> None:
    values = (fact("ca19-9", 95, 1), fact("ca19-9", 60, IMPOSSIBLE), fact("ca19-9", 20, 1))
    answer = registry["ca19-9-response"].assess(patient(66, *TREATED, *values))
    assert not isinstance(answer, Prediction) or answer.category("course") != "not-made"


def test_an_unreadable_newer_value_leaves_the_older_change_unsaid(registry) -> None:
    made = patient(66, *TREATED, fact("ca19-9", 95, 100), fact("ca19-9", 40, 150))
    assert registry["ca19-9-response"].assess(made).category("course") == "rising"
    newer = parse((NOW - timedelta(days=5)).isoformat())
    made.refused.append(Refused("ca19-9", "Observation/x", "unit-unknown", "12 furlong", newer))
    answer = registry["ca19-9-response"].assess(made)
    assert isinstance(answer, NotAssessed)
    assert {f.state for f in answer.lacking} == {"unit-unknown"}


@pytest.mark.parametrize("model", ["ipmn-kyoto-2024", "ipmn-european-2018"])
def test_a_growth_that_no_cyst_has_is_not_taken_for_none(registry, model: str) -> None:
    sizes = (fact("cyst-size", 385, 130), fact("cyst-size", 20, 13))
    found = registry[model].assess(patient(66, *CYST, *sizes))
    assert isinstance(found, NotAssessed)
    (growth,) = (f for f in found.lacking if f.input.name == "growth")
    assert growth.detail == "-117 mm/a", "what lies outside, not the size it was made from"
