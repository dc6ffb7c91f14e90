"""NICE NG12 1.2.4 and 1.2.5 as a truth table over real records."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from cds.inference.prediction import NotAssessed, Prediction
from cds.record.facts import Fact, Record
from cds.record.moments import parse

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)
OTHER = ("diarrhoea", "back-pain", "abdominal-pain", "nausea", "vomiting", "constipation")


def record(age: int, **days_ago: int) -> Record:
    born = NOW.replace(year=NOW.year - age) - timedelta(days=30)
    made = Record(now=NOW, patient_id="p", birth=parse(born.date().isoformat()), male=True)
    for name, days in days_ago.items():
        concept = name.replace("_", "-")
        when = parse((NOW - timedelta(days=days)).date().isoformat())
        made.add(Fact(concept, f"Condition/{concept}", when, status="active"))
    made.arrange()
    return made


def with_values(patient: Record, concept: str, **values: float) -> Record:
    """``d30=6.8`` is a value of 6.8, 30 days ago."""
    for when, value in values.items():
        moment = parse((NOW - timedelta(days=int(when[1:]))).isoformat())
        patient.add(Fact(concept, f"Observation/{concept}-{when}", moment, value=value, unit="x"))
    patient.arrange()
    return patient


def fired(registry, patient: Record) -> tuple[str, ...]:
    assessment = registry["nice-ng12"].assess(patient)
    assert isinstance(assessment, Prediction)
    assert assessment.number("criteria") == len(assessment.rules)
    return assessment.rules


@pytest.mark.parametrize(
    ("age", "jaundice", "expected"),
    [(39, True, ()), (40, True, ("NG12-1.2.4",)), (85, True, ("NG12-1.2.4",)), (40, False, ()), (85, False, ())],
)
def test_jaundice_refers_from_forty(registry, age, jaundice, expected) -> None:
    assert fired(registry, record(age, **({"jaundice": 5} if jaundice else {}))) == expected


@pytest.mark.parametrize("other", [*OTHER, "diabetes", "type-2-diabetes"])
@pytest.mark.parametrize(("age", "loss"), [*itertools.product((59, 60), (True, False))])
def test_weight_loss_and_one_more_from_sixty(registry, other, age, loss) -> None:
    patient = record(age, **{other.replace("-", "_"): 40}, **({"weight_loss": 30} if loss else {}))
    assert fired(registry, patient) == (("NG12-1.2.5",) if age >= 60 and loss else ())


def test_an_obstructed_bile_duct_is_jaundice(registry) -> None:
    assert fired(registry, record(52, cholestasis=5)) == ("NG12-1.2.4",)


@pytest.mark.parametrize(
    ("concept", "values", "expected"),
    [
        ("hba1c", {"d500": 5.4, "d60": 8.5}, ("NG12-1.2.5",)),
        ("hba1c", {"d500": 5.4, "d60": 6.5}, ("NG12-1.2.5",)),
        ("hba1c", {"d500": 5.4, "d60": 6.4}, ()),
        ("hba1c", {"d60": 8.5}, ()),  # one high value ever: how long it has been high is not known
        ("hba1c", {"d500": 8.1, "d60": 8.5}, ()),
        ("hba1c", {"d1500": 5.4, "d1200": 8.5, "d60": 8.5}, ()),  # first high more than three years ago
        ("hba1c", {"d1400": 5.4, "d60": 8.5}, ()),  # the lower value is too far before it
        ("glucose-fasting", {"d500": 95, "d60": 126}, ("NG12-1.2.5",)),
        ("glucose-fasting", {"d500": 95, "d60": 125}, ()),
        ("glucose-fasting", {"d60": 180}, ()),
        ("glucose", {"d500": 95, "d60": 180}, ()),  # not known to be fasting
    ],
)
def test_diabetes_that_shows_in_the_laboratory_is_new_diabetes(registry, concept, values, expected) -> None:
    assert fired(registry, with_values(record(66, weight_loss=30), concept, **values)) == expected
    assert fired(registry, with_values(record(66), concept, **values)) == ()
    assert fired(registry, with_values(record(58, weight_loss=30), concept, **values)) == ()


def test_weight_loss_alone_is_not_enough(registry) -> None:
    assert fired(registry, record(75, weight_loss=10)) == ()


def test_both_criteria_can_hold(registry) -> None:
    assert fired(registry, record(70, jaundice=3, weight_loss=30, nausea=10)) == ("NG12-1.2.4", "NG12-1.2.5")


def test_old_symptoms_and_old_diabetes_do_not_count(registry) -> None:
    assert fired(registry, record(70, jaundice=200)) == ()
    assert fired(registry, record(70, weight_loss=400, nausea=10)) == ()
    assert fired(registry, record(70, weight_loss=30, back_pain=400)) == ()
    assert fired(registry, record(70, weight_loss=30, diabetes=1200)) == ()


@pytest.mark.parametrize(("values", "expected"), [({"d1200": 8.0}, ()), ({"d1200": 6.0}, ("NG12-1.2.5",))])
def test_diabetes_coded_years_after_the_laboratory_told_of_it_is_not_new(registry, values, expected) -> None:
    assert fired(registry, with_values(record(70, weight_loss=30, diabetes=40), "hba1c", **values)) == expected


@pytest.mark.parametrize(
    ("concept", "values", "expected"),
    [
        ("hba1c", {"d2400": 6.6, "d2000": 5.6, "d900": 5.7, "d60": 9.1}, ("NG12-1.2.5",)),
        ("hba1c", {"d2400": 6.6, "d2350": 7.0, "d2000": 5.6, "d900": 5.7, "d60": 9.1}, ()),  # repeated
        ("hba1c", {"d2400": 6.6, "d1800": 5.6, "d1300": 6.7, "d900": 5.7, "d60": 9.1}, ()),  # and again later
        ("hba1c", {"d2400": 6.6, "d900": 5.7, "d60": 9.1}, ()),  # not known to have been lower before the window
        ("glucose-fasting", {"d4000": 128, "d2000": 98, "d900": 95, "d60": 170}, ("NG12-1.2.5",)),
    ],
)
def test_one_high_value_long_ago_with_a_lower_one_after_it_is_no_diabetes(registry, concept, values, expected) -> None:
    for coded in ({}, {"diabetes": 40}):
        patient = with_values(record(68, weight_loss=30, **coded), concept, **values)
        assert fired(registry, patient) == expected


def test_two_results_of_one_day_are_one_sample(registry) -> None:
    patient = with_values(record(68, weight_loss=30, diabetes=40), "hba1c", d2400=6.6, d2000=5.6)
    again = parse((NOW - timedelta(days=2400)).isoformat())
    patient.add(Fact("hba1c", "Observation/in-mmol-per-mol", again, value=6.63, unit="x"))
    patient.arrange()
    assert fired(registry, patient) == ("NG12-1.2.5",)


@pytest.mark.parametrize(
    ("glucose", "hba1c", "expected"),
    [
        ({"d4000": 128}, {"d2000": 5.6}, ("NG12-1.2.5",)),
        ({"d4000": 128}, {"d4100": 5.6}, ()),  # from before it
        ({"d4000": 128}, {"d900": 5.6}, ()),
        ({"d4000": 128}, {"d3900": 6.9, "d2000": 5.6}, ()),  # one confirms the other
        ({"d1500": 118}, {"d2000": 7.1}, ()),  # a fasting glucose tells of one morning
    ],
)
def test_a_fasting_glucose_of_long_ago_yields_to_an_hba1c_and_not_the_other_way(
    registry, glucose, hba1c, expected
) -> None:
    patient = with_values(record(68, weight_loss=30, diabetes=40), "glucose-fasting", **glucose)
    assert fired(registry, with_values(patient, "hba1c", **hba1c)) == expected


@pytest.mark.parametrize(
    ("status", "values", "expected"),
    [
        ("inactive", {"d900": 5.7, "d60": 9.1}, ("NG12-1.2.5",)),
        ("active", {"d900": 5.7, "d60": 9.1}, ()),
        ("inactive", {"d1150": 5.7, "d1000": 9.1}, ()),  # not known to have been lower in the window
        ("inactive", {"d2000": 7.0, "d1900": 7.2, "d900": 5.7, "d60": 9.1}, ()),  # the laboratory says so, too
    ],
)
def test_diabetes_called_off_long_ago_does_not_void_a_rise(registry, status, values, expected) -> None:
    patient = with_values(record(68, weight_loss=30, diabetes=40), "hba1c", **values)
    patient.add(Fact("diabetes", "Condition/old", parse("1990-03-01"), status=status))
    patient.arrange()
    assert fired(registry, patient) == expected


@pytest.mark.parametrize("drug", ["insulin", "metformin"])
def test_a_diabetes_drug_is_no_onset_of_diabetes(registry, drug) -> None:
    assert fired(registry, record(70, weight_loss=30, **{drug: 20})) == ()


def test_known_cancer_is_not_assessed(registry) -> None:
    assessment = registry["nice-ng12"].assess(record(70, jaundice=3, pancreatic_cancer=10))
    assert isinstance(assessment, NotAssessed)
    assert assessment.reason == "not-eligible"


def test_unread_conditions_leave_it_undecided_not_negative(registry) -> None:
    patient = record(70)
    patient.unread = frozenset({"Condition"})
    assessment = registry["nice-ng12"].assess(patient)
    assert isinstance(assessment, NotAssessed)
    assert assessment.reason == "input-absent"


def test_unread_laboratory_values_leave_weight_loss_undecided(registry) -> None:
    patient = record(70, weight_loss=30)
    patient.unread = frozenset({"Observation"})
    assessment = registry["nice-ng12"].assess(patient)
    assert isinstance(assessment, NotAssessed)
    assert [f.input.name for f in assessment.lacking] == ["diabetes_by_hba1c", "diabetes_by_glucose"]
