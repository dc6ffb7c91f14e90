"""Who the models speak for, from a record: new-onset diabetes by glucose, ages, missing inputs and what they change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cds.inference.prediction import NotAssessed, Prediction
from cds.record.facts import Fact, Record
from cds.record.moments import parse

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)


def record(age: int = 68, *, male: bool | None = True) -> Record:
    born = NOW.replace(year=NOW.year - age) - timedelta(days=30)
    return Record(now=NOW, patient_id="p", birth=parse(born.date().isoformat()), male=male)


def on(days_ago: int):
    return parse((NOW - timedelta(days=days_ago)).isoformat())


def with_values(patient: Record, concept: str, **values: float) -> Record:
    """``d30=126`` is a value of 126, 30 days ago."""
    for when, value in values.items():
        patient.add(Fact(concept, f"Observation/{concept}-{when}", on(int(when[1:])), value=value, unit="x"))
    patient.arrange()
    return patient


def coded(patient: Record, concept: str, days_ago: int = 20, answers: tuple[str, ...] = ()) -> Record:
    patient.add(Fact(concept, f"Condition/{concept}", on(days_ago), status="active", answers=answers))
    patient.arrange()
    return patient


def test_endpac_scores_new_onset_diabetes_with_weight_loss(registry) -> None:
    patient = with_values(record(72), "glucose-fasting", d60=142, d425=98)
    with_values(patient, "body-weight", d60=74.0, d425=81.0)
    assessment = registry["endpac"].assess(patient)
    assert isinstance(assessment, Prediction)
    # age 71 at onset +1, glucose category 4 - 1 = 3, seven kilos lost in a year +6
    assert assessment.number("score") == 10
    assert assessment.number("band") == 2


def test_endpac_sees_two_kilos_lost_over_the_days_of_a_leap_year_as_two_kilos(registry) -> None:
    patient = with_values(record(65), "glucose-fasting", d60=126, d426=120)
    with_values(patient, "body-weight", d60=78.0, d426=80.0)
    assessment = registry["endpac"].assess(patient)
    assert isinstance(assessment, Prediction)
    assert assessment.value_of("weight_change") == pytest.approx(-1.996, abs=5e-4)
    assert assessment.category("band") == "high"


def test_endpac_does_not_speak_without_an_earlier_lower_glucose(registry) -> None:
    patient = with_values(record(72), "glucose-fasting", d60=142, d425=139)
    with_values(patient, "body-weight", d60=74.0, d425=81.0)
    assert isinstance(registry["endpac"].assess(patient), NotAssessed)


def test_endpac_does_not_read_a_random_glucose_as_diabetes(registry) -> None:
    patient = with_values(record(72), "glucose", d60=142, d425=98)
    with_values(patient, "body-weight", d60=74.0, d425=81.0)
    assert isinstance(registry["endpac"].assess(patient), NotAssessed)


def test_endpac_is_for_an_onset_at_fifty_or_over_in_the_last_three_years(registry) -> None:
    young = with_values(record(49), "glucose-fasting", d60=142, d425=98)
    assessment = registry["endpac"].assess(with_values(young, "body-weight", d60=74.0, d425=81.0))
    assert isinstance(assessment, NotAssessed)
    assert assessment.reason == "not-eligible"
    old = with_values(record(72), "glucose-fasting", d1200=142, d1565=98)
    assert isinstance(registry["endpac"].assess(with_values(old, "body-weight", d1200=74.0, d1565=81.0)), NotAssessed)


LONG_AGO = [
    pytest.param(lambda p: coded(p, "diabetes", 13_000), id="diabetes"),
    pytest.param(lambda p: coded(p, "type-1-diabetes", 13_000), id="type 1"),
    pytest.param(lambda p: coded(p, "type-2-diabetes", 6_000), id="type 2"),
    pytest.param(lambda p: with_values(p, "hba1c", d2000=8.4), id="by HbA1c"),
    pytest.param(lambda p: with_values(p, "glucose-fasting", d2000=190), id="by fasting glucose"),
]


@pytest.mark.parametrize("known", LONG_AGO)
def test_endpac_refuses_diabetes_known_before_its_window_and_says_so(registry, known) -> None:
    patient = with_values(record(72), "glucose-fasting", d60=142, d425=98)
    assessment = registry["endpac"].assess(known(with_values(patient, "body-weight", d60=74.0, d425=81.0)))
    assert isinstance(assessment, NotAssessed)
    assert assessment.reason == "not-eligible"
    assert all(word in assessment.says[language].split() for language, word in (("en", "not"), ("nl", "niet")))


@pytest.mark.parametrize("rise", [("hba1c", 6.3, 6.6), ("glucose-fasting", 118, 131)])
@pytest.mark.parametrize("known", LONG_AGO)
def test_the_guideline_does_not_take_diabetes_known_for_longer_as_new(registry, known, rise) -> None:
    """In well-treated diabetes of decades a value just above the limit follows one just below it."""
    concept, before, after = rise
    patient = coded(with_values(record(71), concept, d60=after, d620=before), "weight-loss")
    assert registry["nice-ng12"].assess(patient).rules == ("NG12-1.2.5",)
    assessment = registry["nice-ng12"].assess(known(patient))
    assert assessment.rules == ()
    route = "diabetes_by_hba1c" if concept == "hba1c" else "diabetes_by_glucose"
    assert assessment.feature(route).state == "known-before"


@pytest.mark.parametrize(
    "beside",
    [
        pytest.param(lambda p: coded(p, "type-2-diabetes", 30), id="coded in the window"),
        pytest.param(lambda p: with_values(p, "hba1c", d2000=6.4), id="lower then"),
    ],
)
def test_what_does_not_say_that_diabetes_is_older_leaves_it_new(registry, beside) -> None:
    patient = with_values(record(72), "glucose-fasting", d60=142, d425=98)
    with_values(coded(patient, "weight-loss"), "body-weight", d60=74.0, d425=81.0)
    beside(patient)
    assert isinstance(registry["endpac"].assess(patient), Prediction)
    assert registry["nice-ng12"].assess(patient).rules == ("NG12-1.2.5",)


def test_a_score_kept_back_for_what_is_known_is_worked_out_for_the_ledger_alone(registry) -> None:
    patient = with_values(record(72), "glucose-fasting", d60=142, d425=98)
    with_values(patient, "body-weight", d60=74.0, d425=81.0)
    plain = registry["endpac"].assess(patient)
    kept = registry["endpac"].assess(coded(patient, "type-2-diabetes", 6_000))
    assert isinstance(kept, NotAssessed)
    assert kept.otherwise is not None
    assert kept.otherwise.outputs == plain.outputs
    assert registry["endpac"].assess(coded(patient, "type-1-diabetes", 6_000)).otherwise is None, "for another reason"


def high_then_normal(patient: Record) -> Record:
    return with_values(with_values(patient, "glucose-fasting", d2000=130), "hba1c", d1500=5.6)


@pytest.mark.parametrize(
    "beside",
    [
        pytest.param(lambda p: with_values(p, "hba1c", d2000=6.6, d1500=5.6), id="one high HbA1c, then a lower"),
        pytest.param(lambda p: with_values(p, "glucose-fasting", d2000=130, d1500=96), id="one high glucose"),
        pytest.param(high_then_normal, id="one high glucose, then a lower HbA1c"),
        pytest.param(lambda p: called_off(p, "diabetes"), id="diabetes that was called off"),
    ],
)
def test_what_was_contradicted_long_ago_keeps_no_score_back(registry, beside) -> None:
    patient = with_values(record(72), "glucose-fasting", d60=142, d425=98)
    assessment = registry["endpac"].assess(beside(with_values(patient, "body-weight", d60=74.0, d425=81.0)))
    assert isinstance(assessment, Prediction)
    assert assessment.number("score") == 10


@pytest.mark.parametrize(
    ("lower", "speaks"),
    [(425, True), (1_110, False)],  # the second not known to have been lower in the window
)
def test_the_score_takes_what_was_called_off_as_the_guideline_does(registry, lower: int, speaks: bool) -> None:
    risen = lower - 365
    patient = with_values(record(72), "glucose-fasting", **{f"d{risen}": 142, f"d{lower}": 98})
    with_values(patient, "body-weight", **{f"d{risen}": 74.0, f"d{lower}": 81.0})
    coded(called_off(patient, "diabetes"), "weight-loss")
    assert isinstance(registry["endpac"].assess(patient), Prediction) is speaks
    assert bool(registry["nice-ng12"].assess(patient).rules) is speaks


def called_off(patient: Record, concept: str) -> Record:
    patient.add(Fact(concept, "Condition/old", on(13_000), status="inactive"))
    patient.arrange()
    return patient


def test_a_suspicion_of_diabetes_long_ago_makes_nothing_old(registry) -> None:
    patient = coded(with_values(record(71), "hba1c", d60=6.6, d620=6.3), "weight-loss")
    suspected = Fact("diabetes", "Condition/d", on(6_000), status="active", verification="provisional")
    patient.add(suspected)
    patient.arrange()
    assert registry["nice-ng12"].assess(patient).rules == ("NG12-1.2.5",)


def test_endpac_names_the_weight_it_lacks(registry) -> None:
    patient = with_values(record(72), "glucose-fasting", d60=142, d425=98)
    assessment = registry["endpac"].assess(patient)
    assert isinstance(assessment, NotAssessed)
    assert [f.input.name for f in assessment.lacking] == ["weight_change"]


def test_qcancer_without_weight_or_smoking_says_what_they_would_change(registry) -> None:
    assessment = registry["qcancer-2013-pancreas"].assess(coded(record(70), "abdominal-pain"))
    assert isinstance(assessment, Prediction)
    assert {f.input.name for f in assessment.absent} == {"bmi", "smoking"}
    varied = {(w.feature.input.name, w.value) for w in assessment.what_if}
    assert varied == {("bmi", 20.0), ("bmi", 40.0), ("smoking", 4.0)}


def test_qcancer_refuses_other_ages_and_unknown_sex(registry) -> None:
    for patient in (record(90), record(24), record(70, male=None)):
        assert isinstance(registry["qcancer-2013-pancreas"].assess(patient), NotAssessed)


def test_what_lacks_only_the_sex_is_worked_out_for_both_and_is_nobodys_answer(registry) -> None:
    model = registry["qcancer-2013-pancreas"]
    assessment = model.assess(coded(record(70, male=None), "abdominal-pain"))
    assert isinstance(assessment, NotAssessed)
    woman, man = (model.assess(coded(record(70, male=male), "abdominal-pain")) for male in (False, True))
    assert [one.outputs for one in assessment.by_sex] == [woman.outputs, man.outputs]
    assert woman.outputs != man.outputs
    assert model.assess(record(90, male=None)).by_sex == ()
    ageless = Record(now=NOW, patient_id="p")
    assert (len(model.assess(ageless).lacking), model.assess(ageless).by_sex) == (2, ())


def metastatic(patient: Record) -> Record:
    coded(patient, "pancreatic-cancer", 40)
    coded(patient, "stage-group", 30, ("stage-iv",))
    for concept, value in (("neutrophils", 5.1), ("monocytes", 0.6), ("lymphocytes", 1.4)):
        with_values(patient, concept, d5=value)
    return patient


def test_survival_without_performance_status_shows_each_one(registry) -> None:
    assessment = registry["metastatic-os"].assess(coded(metastatic(record()), "metastasis-liver"))
    assert isinstance(assessment, Prediction)
    shown = [(w.value, w.outputs["survival"][12]) for w in assessment.what_if if w.feature.input.name == "ecog"]
    assert [value for value, _ in shown] == [0, 1, 2]
    (_, best), (_, between), (_, worst) = shown
    assert worst < between < best
    assert worst < assessment.series("survival")[12] < best


def test_decline_that_nobody_coded_is_unknown_and_shown_both_ways(registry) -> None:
    silent = registry["metastatic-os"].assess(metastatic(record()))
    told = registry["metastatic-os"].assess(coded(metastatic(record()), "cachexia"))
    assert isinstance(silent, Prediction)
    assert isinstance(told, Prediction)
    without, with_decline = (w.outputs["survival"][12] for w in silent.what_if if w.feature.input.name == "cacs")
    assert with_decline == pytest.approx(told.series("survival")[12]), "what if it were known is what it is when known"
    assert with_decline < silent.series("survival")[12] < without


def test_survival_needs_all_three_counts(registry) -> None:
    patient = coded(coded(record(), "pancreatic-cancer", 40), "metastasis-liver")
    with_values(patient, "neutrophils", d5=5.1)
    assessment = registry["metastatic-os"].assess(patient)
    assert isinstance(assessment, NotAssessed)
    assert [f.input.name for f in assessment.lacking] == ["monocytes", "lymphocytes"]


def test_survival_does_not_change_with_the_regimen_ordered(registry) -> None:
    plain = registry["metastatic-os"].assess(metastatic(record()))
    ordered = registry["metastatic-os"].assess(coded(metastatic(record()), "regimen", answers=("regimen-folfirinox",)))
    assert isinstance(plain, Prediction)
    assert isinstance(ordered, Prediction)
    assert plain.outputs == ordered.outputs


def test_pantheia_takes_the_commonest_regimen_of_its_cohort_and_varies_no_regimen(registry) -> None:
    silent = registry["pantheia-siri"].assess(metastatic(record()))
    told = registry["pantheia-siri"].assess(coded(metastatic(record()), "regimen", answers=("regimen-gnp",)))
    assert isinstance(silent, Prediction)
    assert isinstance(told, Prediction)
    assert silent.outputs == told.outputs
    assert "regimen" in {f.input.name for f in silent.absent}
    assert "regimen" not in {w.feature.input.name for w in silent.what_if}


def test_survival_is_silent_where_the_cohort_holds_nobody_so_unwell(registry) -> None:
    for status, speaks in ((0, True), (2, True), (3, False), (4, False)):
        assessment = registry["metastatic-os"].assess(with_values(metastatic(record()), "ecog", d5=status))
        assert isinstance(assessment, Prediction) is speaks
        if isinstance(assessment, NotAssessed):
            assert assessment.reason == "not-eligible"
            assert "ECOG" in assessment.says["nl"]


# ---- who is for adults says so, and refuses a child

FOR_ADULTS = {
    "nice-ng12": (),
    "caps-surveillance": ("first-degree-relative-pancreatic-cancer", "familial-pancreatic-cancer"),
    "ipmn-kyoto-2024": ("ipmn",),
    "ipmn-european-2018": ("ipmn",),
    "molecular-targets": ("pancreatic-cancer", "kras-g12c"),
    "ca19-9-response": ("pancreatic-cancer", "gemcitabine"),
    "msk-prognostic-score": ("pancreatic-cancer",),
    "pantheia-siri": ("pancreatic-cancer",),
}
MEASURED = {
    "cyst-size": {"d20": 15.0},
    "ca19-9": {"d20": 400.0, "d60": 900.0},
    "albumin": {"d5": 38.0},
    "neutrophils": {"d5": 5.0},
    "monocytes": {"d5": 0.5},
    "lymphocytes": {"d5": 1.5},
    "blood-relative-pancreatic-cancer": {"d90": 24.0},
}


def of_age(age: int, concepts: tuple[str, ...]) -> Record:
    patient = record(age)
    for concept in concepts:
        coded(patient, concept, 50)
    for concept, values in MEASURED.items():
        with_values(patient, concept, **values)
    return coded(patient, "stage-group", 40, ("stage-iv",))


@pytest.mark.parametrize("model", FOR_ADULTS)
def test_a_model_for_adults_refuses_a_child_and_answers_an_adult(registry, model: str) -> None:
    child = registry[model].assess(of_age(17, FOR_ADULTS[model]))
    assert isinstance(child, NotAssessed)
    assert child.reason == "not-eligible"
    assert "younger than 18" in child.says["en"]
    assert "jonger dan 18" in child.says["nl"]
    assert isinstance(registry[model].assess(of_age(18, FOR_ADULTS[model])), Prediction)


def test_every_manifest_that_says_adults_tests_the_age(registry) -> None:
    for model in registry.models.values():
        if model.manifest.population.description["en"].startswith("Adults"):
            needs = [n for test in model.manifest.population.eligibility for n in test.needs if n.input == "age"]
            assert any((n.at_least or 0) >= 18 for n in needs), model.manifest.id
