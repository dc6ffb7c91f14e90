"""The models of first-line treatment refuse, each by its own manifest, whoever their cohorts did not hold."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from cds.inference.prediction import NotAssessed, Prediction
from cds.record.facts import Fact, Record
from cds.record.moments import parse
from hooks import regimens, stage
from hooks.line import line

MODELS = ("metastatic-os", "pantheia-siri", "msk-prognostic-score", "metastatic-response")
BY_SIRI = tuple(m for m in MODELS if m != "msk-prognostic-score")
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
VALUES = {"neutrophils": 5.1, "monocytes": 0.6, "lymphocytes": 1.4, "albumin": 38.0, "ecog": 1.0}

Change = Callable[[Record], object]


def ago(days: int):
    return parse((NOW - timedelta(days=days)).isoformat())


def condition(record: Record, concept: str, days: int, **fields: str) -> Fact:
    known = {"status": "active", "verification": "confirmed"} | fields
    record.add(fact := Fact(concept, f"Condition/{concept}-{days}", ago(days), **known))
    return fact


def staging(record: Record, answer: str, days: int, concept: str = "stage-group") -> None:
    record.add(Fact(concept, f"Observation/{answer}-{days}", ago(days), answers=(answer,)))


def drug(record: Record, concept: str, *days: int) -> None:
    for day in days:
        record.add(Fact(concept, f"MedicationAdministration/{concept}-{day}", ago(day), status="completed"))


def performance(record: Record, value: float | None, *answers: str, comparator: str | None = None) -> None:
    fact = Fact("ecog", "Observation/ecog-2", ago(1), value, "{score}", comparator=comparator, answers=answers)
    record.add(fact)


def eligible(*changes: Change, values: dict[str, float] = VALUES) -> Record:
    """Stage IV for a month, nothing given yet, gemcitabine to be signed; changed, and in the order of a record."""
    record = Record(NOW, "p", birth=parse("1958-01-01"), male=True)
    record.drafts = Record(NOW, "p")
    condition(record, "pancreatic-cancer", 40)
    staging(record, "stage-iv", 30)
    for name, value in values.items():
        record.add(Fact(name, f"Observation/{name}", ago(5), value, "x", original=f"{value:g} x"))
    drug(record.drafts, "gemcitabine", 0)
    for change in changes:
        change(record)
    record.arrange()
    return record


def without(*concepts: str) -> Change:
    return lambda record: [record.facts.pop(name, None) for name in concepts]


@pytest.mark.parametrize("model", MODELS)
def test_they_answer_about_whom_they_were_made_for(registry, model) -> None:
    assert isinstance(registry[model].assess(eligible()), Prediction)


OUTSIDE: dict[str, tuple[tuple[Change, ...], str]] = {
    "no pancreatic cancer": ((without("pancreatic-cancer"),), "Pancreatic cancer is not on record."),
    "only a suspicion of it": (
        (without("pancreatic-cancer"), lambda r: condition(r, "pancreatic-cancer", 40, verification="provisional")),
        "Pancreatic cancer is not on record.",
    ),
    "a neuroendocrine tumour": ((lambda r: condition(r, "pancreatic-neuroendocrine", 40),), "another type"),
    "an acinar cell carcinoma": ((lambda r: condition(r, "pancreatic-cancer-of-another-type", 40),), "another type"),
    "stage III": ((without("stage-group"), lambda r: staging(r, "stage-iii", 30)), "no distant metastases"),
    "M0": ((without("stage-group"), lambda r: staging(r, "m0", 30, "tnm-m")), "no distant metastases"),
    "metastases that a later staging denies": (
        (
            without("stage-group"),
            lambda r: condition(r, "metastasis-liver", 35),
            lambda r: staging(r, "stage-ii", 20),
        ),
        "no distant metastases",
    ),
    "metastases that may be another cancer's": (
        (
            without("stage-group"),
            lambda r: condition(r, "metastasis-liver", 20),
            lambda r: condition(r, "other-primary-cancer", 900),
        ),
        "Another cancer is on record",
    ),
    "a second line: another drug before": (
        (lambda r: drug(r, "fluorouracil", 60, 46), lambda r: drug(r, "oxaliplatin", 60, 46)),
        "not the first line",
    ),
    "a second line of the same drug, after a pause": (
        (without("stage-group"), lambda r: staging(r, "stage-iv", 500), lambda r: drug(r, "gemcitabine", 480, 460)),
        "not the first line",
    ),
    "a late cycle of the first line": (
        (lambda r: drug(r, "gemcitabine", 120, 106, 92, 78, 64, 50, 36, 22),),
        "began more than three months ago",
    ),
    "ECOG 3": ((lambda r: performance(r, 3.0),), "performance status"),
    "ECOG above 2, known as a bound": ((lambda r: performance(r, 2.0, comparator=">"),), "performance status"),
    "ECOG 4, as a coded answer": ((lambda r: performance(r, None, "ecog-4"),), "performance status"),
}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("case", OUTSIDE)
def test_they_refuse_by_themselves_and_say_why_in_both_languages(registry, model, case) -> None:
    changes, says = OUTSIDE[case]
    answer = registry[model].assess(eligible(*changes))
    assert isinstance(answer, NotAssessed)
    assert answer.reason == "not-eligible"
    assert says in answer.says["en"]
    assert answer.says["nl"]


@pytest.mark.parametrize("model", MODELS)
def test_an_extent_that_nobody_recorded_is_unknown_and_named(registry, model) -> None:
    answer = registry[model].assess(eligible(without("stage-group")))
    assert isinstance(answer, NotAssessed)
    assert answer.reason == "input-absent"
    assert [f.input.name for f in answer.lacking] == ["extent"]


STILL_INSIDE: dict[str, tuple[Change, ...]] = {
    "metastases found after a staging without": (
        without("stage-group"),
        lambda r: staging(r, "stage-ii", 35),
        lambda r: condition(r, "metastasis-liver", 10),
    ),
    "another cancer, and a staging that says which": (lambda r: condition(r, "other-primary-cancer", 900),),
    "another cancer that is over": (
        without("stage-group"),
        lambda r: condition(r, "metastasis-liver", 10),
        lambda r: condition(r, "other-primary-cancer", 3000, status="inactive"),
    ),
    "an adjuvant course that ended more than half a year before": (
        lambda r: drug(r, "gemcitabine", 400, 386, 372, 250),
        lambda r: drug(r, "capecitabine", 400, 250),
    ),
    "the third cycle of the same drug": (lambda r: drug(r, "gemcitabine", 42, 28, 14),),
    "a combination of which one drug started days later": (
        lambda r: drug(r, "nab-paclitaxel", 22),
        lambda r: drug(r, "gemcitabine", 28, 21, 14),
    ),
    "stage IV of another disease, years before this diagnosis": (lambda r: staging(r, "stage-iii", 3000),),
}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("case", STILL_INSIDE)
def test_they_do_not_refuse_whoever_is_inside(registry, model, case) -> None:
    assert isinstance(registry[model].assess(eligible(*STILL_INSIDE[case])), Prediction)


def test_a_staging_from_before_the_diagnosis_is_of_another_disease(registry) -> None:
    answer = registry["metastatic-os"].assess(eligible(without("stage-group"), lambda r: staging(r, "stage-iv", 3000)))
    assert isinstance(answer, NotAssessed)
    assert [f.input.name for f in answer.lacking] == ["extent"]


@pytest.mark.parametrize("model", MODELS)
def test_drugs_that_could_not_be_read_are_named_and_not_taken_for_none(registry, model) -> None:
    answer = registry[model].assess(replace(eligible(), unread=frozenset({"Medication"})))
    assert isinstance(answer, Prediction)
    assert {f.input.name: f.state for f in answer.absent}["line"] == "unread"
    switched = replace(eligible(lambda r: drug(r, "oxaliplatin", 60)), unread=frozenset({"Medication"}))
    assert isinstance(registry[model].assess(switched), NotAssessed), "a second line is one, whatever was not read"


@pytest.mark.parametrize("model", MODELS)
def test_whoever_the_service_knows_to_be_outside_the_manifest_refuses_too(registry, model) -> None:
    """Over a grid of histories: the service's own gate (stage and line) is never the only one."""
    spread = [("stage-iv", 30), ("stage-iii", 30), ("stage-iii", 5)]
    given = [(), (14,), (60,), (120, 100, 80, 60, 40, 20), (300, 290), (400, 200, 100)]
    met, refused = 0, 0
    for (answer, day), sites, first, second in itertools.product(spread, ((), (20,)), given, given):
        record = eligible(
            without("stage-group"),
            lambda r, answer=answer, day=day: staging(r, answer, day),
            lambda r, sites=sites: [condition(r, "metastasis-liver", d) for d in sites],
            lambda r, first=first: drug(r, "gemcitabine", *first),
            lambda r, second=second: drug(r, "fluorouracil", *second),
        )
        if set(first) & set(second):
            continue  # a combination of which one drug is left out now is still the first line
        found = regimens.recognise(record, record.drafts)
        assert found is not None
        extent = stage.extent(record)
        speaks = extent.known == "metastatic" and line(record, found, extent).kind != "not-first"
        assessed = registry[model].assess(record)
        met += 1
        refused += not speaks
        if not speaks:
            assert isinstance(assessed, NotAssessed), (answer, day, sites, first, second)
    assert met > 100
    assert refused > 0.8 * met


# ---- SIRI: the counts may each be possible, and their ratio still be nobody's


def counts(neutrophils: float, monocytes: float, lymphocytes: float) -> dict[str, float]:
    return VALUES | {"neutrophils": neutrophils, "monocytes": monocytes, "lymphocytes": lymphocytes}


@pytest.mark.parametrize("model", BY_SIRI)
@pytest.mark.parametrize(
    ("values", "inside"),
    [
        (counts(0.9, 0.2, 2.0), False),  # 0.09
        (counts(0.92, 0.2, 2.0), True),  # 0.092
        (counts(30.0, 4.5, 1.0), True),  # 135
        (counts(30.0, 4.6, 1.0), False),  # 138
    ],
)
def test_a_siri_outside_the_cohorts_range_is_refused_and_not_held_at_its_edge(registry, model, values, inside) -> None:
    answer = registry[model].assess(eligible(values=values))
    assert isinstance(answer, Prediction) is inside
    if isinstance(answer, NotAssessed):
        assert answer.reason == "not-eligible"
        assert "SIRI" in answer.says["en"]
        assert "SIRI" in answer.says["nl"]
        assert answer.features[-1].value is not None, "the value itself is in the ledger's snapshot"


@pytest.mark.parametrize("model", BY_SIRI)
def test_the_range_of_siri_is_the_fits_own_rounded_inward(registry, model) -> None:
    import json

    fit = json.loads((registry["metastatic-os"].folder / "fit.json").read_text(encoding="utf-8"))
    (test,) = (e for e in registry[model].manifest.population.eligibility if e.input == "siri")
    low, high = np.exp(fit["log_siri_range"])
    assert low <= test.at_least < low * 1.002
    assert high * 0.998 < test.at_most <= high


def test_a_supposed_count_moves_siri_with_it(registry) -> None:
    """On the report a reader may suppose a value; the range holds there, too."""
    model = registry["metastatic-os"]
    answer = model.assess(eligible())
    assert isinstance(answer, Prediction)
    supposed = tuple(
        type(f)(f.input, 60.0, "found") if f.input.name == "neutrophils" else f
        for f in model.assess(eligible(values=counts(5.1, 3.4, 1.4))).features
    )
    found = model.again(supposed)
    assert isinstance(found, NotAssessed)
    assert "SIRI" in found.says["en"]


@pytest.mark.parametrize("model", BY_SIRI)
def test_without_a_count_the_count_is_lacking_and_siri_is_not_named_beside_it(registry, model) -> None:
    answer = registry[model].assess(eligible(without("monocytes")))
    assert isinstance(answer, NotAssessed)
    assert [f.input.name for f in answer.lacking] == ["monocytes"]


def test_what_decides_for_whom_they_speak_is_the_same_in_all_of_them(registry) -> None:
    names = ("diagnosis", "extent", "staged", "other_cancer", "spread", "line", "course")
    ours = [{i.name: i for i in registry[m].manifest.inputs if i.name in names} for m in MODELS]
    assert [tuple(found) for found in ours] == [names] * len(MODELS)
    assert all(found == ours[0] for found in ours)
    assert not any(i.graph for i in ours[0].values())


def test_a_bound_that_does_not_decide_leaves_it_open(registry) -> None:
    """Above 1 may be 2, and at most 2 is no refusal."""
    for comparator, value in ((">", 1.0), ("<=", 2.0)):
        record = eligible(lambda r, c=comparator, v=value: performance(r, v, comparator=c))
        answer = registry["metastatic-os"].assess(record)
        assert isinstance(answer, Prediction)
        assert {f.input.name: f.state for f in answer.absent}["ecog"] == "censored"
