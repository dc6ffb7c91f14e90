"""The two cyst guidelines over real records: what each reads, where they differ, and that neither hides the other."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cds.inference.prediction import NotAssessed, Prediction
from cds.record.facts import Fact, Record
from cds.record.moments import parse

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
EUROPEAN, KYOTO = "ipmn-european-2018", "ipmn-kyoto-2024"


def fact(concept: str, days_ago: float, value: float | None = None, **more: Any) -> Fact:
    when = parse((NOW - timedelta(days=days_ago)).isoformat())
    return Fact(concept, f"Observation/{concept}-{days_ago}", when, value=value, **more)


def found_on(concept: str, answer: str) -> Fact:
    return fact(concept, 20, answers=(answer,))


def patient(*facts: Fact, cyst: str = "ipmn") -> Record:
    made = Record(now=NOW, patient_id="p", birth=parse("1960-05-01"), male=False)
    made.add(fact(cyst, 900, status="active"))
    for item in facts:
        made.add(item)
    made.arrange()
    return made


def said(registry, model: str, *facts: Fact) -> str | None:
    found = registry[model].assess(patient(*facts))
    assert isinstance(found, Prediction), found
    return found.category(found.manifest.outputs[0].name)


SMALL = fact("cyst-size", 20, 15)
HBA1C = fact("hba1c", 600, 6.3), fact("hba1c", 60, 6.6)
SPIKE = fact("hba1c", 1_500, 6.6), fact("hba1c", 1_200, 5.6)
"""One high value years ago and a lower one after it: no diabetes."""
GLUCOSE = fact("glucose-fasting", 600, 118), fact("glucose-fasting", 60, 131)


@pytest.mark.parametrize(
    ("facts", "european", "kyoto"),
    [
        ((SMALL,), "no-indication", "in-surveillance"),
        ((fact("cyst-size", 20, 32),), "no-indication", "worrisome-features"),
        # a value just above the limit after one just below it: new, unless diabetes has been known for longer
        ((SMALL, *HBA1C), "relative-indication", "worrisome-features"),
        ((SMALL, *HBA1C, fact("type-1-diabetes", 9_000, status="active")), "no-indication", "in-surveillance"),
        ((SMALL, *GLUCOSE), "relative-indication", "worrisome-features"),
        ((SMALL, *GLUCOSE, fact("hba1c", 900, 7.1)), "no-indication", "in-surveillance"),
        # nor is it new on the day that somebody codes it at last
        ((SMALL, fact("diabetes", 60)), "relative-indication", "worrisome-features"),
        ((SMALL, fact("diabetes", 60), fact("hba1c", 900, 7.1)), "no-indication", "in-surveillance"),
        ((SMALL, fact("diabetes", 60), *SPIKE), "relative-indication", "worrisome-features"),
        ((SMALL, *HBA1C, *SPIKE), "relative-indication", "worrisome-features"),
        ((fact("cyst-size", 20, 40),), "relative-indication", "worrisome-features"),
        ((fact("cyst-size", 385, 22), fact("cyst-size", 20, 25)), "no-indication", "worrisome-features"),
        ((fact("cyst-size", 385, 18), fact("cyst-size", 20, 24)), "relative-indication", "worrisome-features"),
        # within half a year nothing is worked out by the year: a millimetre is none, a year's growth at once is one
        ((fact("cyst-size", 125, 18), fact("cyst-size", 20, 19)), "no-indication", "in-surveillance"),
        ((fact("cyst-size", 60, 10), fact("cyst-size", 20, 20)), "relative-indication", "worrisome-features"),
        ((fact("cyst-size", 60, 18), fact("cyst-size", 20, 22.9)), "no-indication", "worrisome-features"),
        ((fact("cyst-size", 60, 18), fact("cyst-size", 20, 20.4)), "no-indication", "in-surveillance"),
        ((fact("cyst-size", 199, 18), fact("cyst-size", 20, 23)), "relative-indication", "worrisome-features"),
        # the oldest within half a year is compared; a smaller cyst now is no growth
        (
            (fact("cyst-size", 80, 18), fact("cyst-size", 50, 24), fact("cyst-size", 20, 24)),
            "relative-indication",
            "worrisome-features",
        ),
        ((fact("cyst-size", 60, 24), fact("cyst-size", 20, 18)), "no-indication", "in-surveillance"),
        # of one scan and its second reading, or of two cysts on one scan
        ((fact("cyst-size", 47, 18), fact("cyst-size", 20, 26)), "no-indication", "in-surveillance"),
        ((fact("cyst-size", 48, 18), fact("cyst-size", 20, 26)), "relative-indication", "worrisome-features"),
        ((fact("cyst-size", 201, 18), fact("cyst-size", 20, 19)), "no-indication", "in-surveillance"),
        ((fact("cyst-size", 201, 18), fact("cyst-size", 20, 20)), "no-indication", "worrisome-features"),
        ((fact("cyst-size", 201, 18), fact("cyst-size", 20, 24)), "relative-indication", "worrisome-features"),
        # of three, the two that are far enough apart are compared
        (
            (fact("cyst-size", 400, 18), fact("cyst-size", 110, 18), fact("cyst-size", 20, 19)),
            "no-indication",
            "in-surveillance",
        ),
        ((SMALL, fact("main-duct-diameter", 20, 6)), "relative-indication", "worrisome-features"),
        ((SMALL, fact("main-duct-diameter", 20, 10)), "absolute-indication", "high-risk-stigmata"),
        ((SMALL, fact("mural-nodule-size", 20, 3)), "relative-indication", "worrisome-features"),
        ((SMALL, fact("mural-nodule-size", 20, 0)), "no-indication", "in-surveillance"),
        ((SMALL, fact("mural-nodule-size", 20, 6)), "absolute-indication", "high-risk-stigmata"),
        ((SMALL, found_on("cyst-cytology", "cytology-suspicious")), "no-indication", "high-risk-stigmata"),
        ((SMALL, found_on("cyst-cytology", "cytology-positive")), "absolute-indication", "high-risk-stigmata"),
        ((SMALL, found_on("cyst-cytology", "cytology-negative")), "no-indication", "in-surveillance"),
        ((SMALL, found_on("cyst-wall-thickened", "finding-present")), "no-indication", "worrisome-features"),
        ((SMALL, found_on("cyst-wall-thickened", "finding-absent")), "no-indication", "in-surveillance"),
        ((SMALL, fact("jaundice", 10, status="active")), "absolute-indication", "high-risk-stigmata"),
        ((SMALL, fact("ca19-9", 30, 60)), "relative-indication", "worrisome-features"),
        ((SMALL, fact("ca19-9", 30, 60), fact("bilirubin-total", 30, 4)), "no-indication", "in-surveillance"),
        ((SMALL, fact("acute-pancreatitis", 200, status="inactive")), "no-indication", "in-surveillance"),
        ((SMALL, fact("acute-pancreatitis", 200, status="active")), "relative-indication", "worrisome-features"),
        ((SMALL, fact("type-2-diabetes", 200, status="active")), "relative-indication", "worrisome-features"),
        ((SMALL, fact("type-2-diabetes", 900, status="active")), "no-indication", "in-surveillance"),
        ((SMALL, fact("hba1c", 500, 5.5), fact("hba1c", 30, 7.0)), "relative-indication", "worrisome-features"),
    ],
)
def test_each_finding_counts_as_each_guideline_says(registry, facts, european, kyoto) -> None:
    assert (said(registry, EUROPEAN, *facts), said(registry, KYOTO, *facts)) == (european, kyoto)


@pytest.mark.parametrize("model", [EUROPEAN, KYOTO])
def test_sizes_less_than_half_a_year_apart_leave_growth_unknown(registry, model) -> None:
    found = registry[model].assess(patient(fact("cyst-size", 125, 18), fact("cyst-size", 20, 19)))
    assert isinstance(found, Prediction)
    assert "growth" in {f.input.name for f in found.absent}
    apart = registry[model].assess(patient(fact("cyst-size", 201, 18), fact("cyst-size", 20, 19)))
    assert isinstance(apart, Prediction)
    assert apart.value_of("growth") == pytest.approx(1 / (181 / 365.25))


def test_kyoto_sees_whatever_the_european_guideline_sees(registry) -> None:
    """So one card led by the heavier of the two never leaves out what the other would have said."""
    for size, duct, nodule, growth, cytology, jaundice in itertools.product(
        (15, 35, 45), (3, 7, 12), (0, 3, 6), (0, 3, 6), (0, 1, 2), (0, 1)
    ):
        values = {"cyst_size": size, "main_duct": duct, "nodule": nodule, "growth": growth, "cytology": cytology}
        values |= {"jaundice": jaundice, "measurements": 3, "imaged_days": 10}
        european = registry[EUROPEAN].answer(
            {k: v for k, v in values.items() if k not in ("measurements", "imaged_days")}
        )
        kyoto = registry[KYOTO].answer(values)
        if european.category("indication") == "absolute-indication":
            assert kyoto.category("advice") == "high-risk-stigmata", values
        elif european.category("indication") == "relative-indication":
            assert kyoto.category("advice") in ("worrisome-features", "high-risk-stigmata"), values


def test_the_heavier_advice_leads_the_card(registry) -> None:
    weight = {
        (model, speech.kind): speech.weight
        for model in (EUROPEAN, KYOTO)
        for speech in registry[model].manifest.card.speaks
    }
    order = sorted(weight, key=lambda key: -weight[key])
    assert order == [
        (EUROPEAN, "absolute-indication"),
        (KYOTO, "high-risk-stigmata"),
        (EUROPEAN, "relative-indication"),
        (KYOTO, "worrisome-features"),
        (KYOTO, "surveillance-due"),
    ]
    assert len({registry[model].manifest.card.topic for model in (EUROPEAN, KYOTO)}) == 1


@pytest.mark.parametrize(
    ("sizes", "due"),
    [
        ({200: 15}, True),
        ({170: 15}, False),
        ({400: 15, 200: 15}, False),
        ({800: 15, 560: 15}, True),
        ({800: 25, 400: 25, 380: 25}, True),
        ({800: 25, 400: 25, 300: 25}, False),
        ({400: 25, 200: 25}, True),
    ],
)
def test_imaging_falls_due_by_size_and_number_of_looks(registry, sizes, due) -> None:
    facts = [fact("cyst-size", d, v) for d, v in sizes.items()]
    assert (said(registry, KYOTO, *facts) == "surveillance-due") is due


@pytest.mark.parametrize(
    ("marker", "advice"),
    [
        ((fact("ca19-9", 30, 60),), "worrisome-features"),
        ((fact("ca19-9", 30, 60), fact("bilirubin-total", 30, 4)), "surveillance-due"),
        ((fact("hba1c", 500, 5.5), fact("hba1c", 30, 7.0)), "worrisome-features"),
        ((fact("glucose-fasting", 500, 100), fact("glucose-fasting", 30, 140)), "worrisome-features"),
        ((fact("ca19-9", 30, 20), fact("hba1c", 30, 5.5)), "surveillance-due"),
    ],
)
def test_imaging_due_never_stands_beside_a_worrisome_feature(registry, marker, advice) -> None:
    found = registry[KYOTO].assess(patient(fact("cyst-size", 200, 15), *marker))
    assert isinstance(found, Prediction)
    assert found.category("advice") == advice
    assert any(rule.startswith("KY-DUE") for rule in found.rules) is (advice == "surveillance-due")
    assert found.number("features") == 1


def test_a_later_study_without_a_recorded_size_counts_as_a_look(registry) -> None:
    assert said(registry, KYOTO, fact("cyst-size", 200, 15), fact("pancreas-imaging", 30)) == "in-surveillance"


@pytest.mark.parametrize("model", [EUROPEAN, KYOTO])
@pytest.mark.parametrize("other", ["pancreatic-cancer", "pancreatectomy", "hospice-or-palliative"])
def test_known_cancer_resection_and_hospice_end_it(registry, model, other) -> None:
    found = registry[model].assess(patient(fact("cyst-size", 20, 45), fact(other, 10, status="active")))
    assert isinstance(found, NotAssessed)
    assert found.reason == "not-eligible"


@pytest.mark.parametrize("model", [EUROPEAN, KYOTO])
def test_without_a_recorded_size_nothing_is_concluded(registry, model) -> None:
    found = registry[model].assess(patient(cyst="pancreatic-cyst"))
    assert isinstance(found, NotAssessed)
    assert "cyst_size" in {f.input.name for f in found.lacking}


def test_a_problem_list_that_was_not_read_is_no_reassurance(registry) -> None:
    record = patient(fact("cyst-size", 700, 15), fact("cyst-size", 560, 15))
    record.unread = frozenset({"Condition"})
    for model in (EUROPEAN, KYOTO):
        assert isinstance(registry[model].assess(record), NotAssessed)


@pytest.mark.parametrize("model", [EUROPEAN, KYOTO])
def test_more_than_the_limit_is_no_reassurance(registry, model: str) -> None:
    none = said(registry, model, SMALL)
    for bound in (fact("main-duct-diameter", 20, 10, comparator=">"), fact("ca19-9", 20, 10000, comparator=">")):
        assert said(registry, model, SMALL, bound) != none
    nodule = fact("mural-nodule-size", 20, 5, comparator="<")
    assert isinstance(registry[model].assess(patient(SMALL, nodule)), NotAssessed)


@pytest.mark.parametrize("sizes", list(itertools.permutations([12, 41, 20])))
def test_of_several_cysts_on_one_scan_the_largest_counts_in_whatever_order_they_stand(registry, sizes) -> None:
    facts = tuple(fact("cyst-size", 20 + 0.01 * place, size) for place, size in enumerate(sizes))
    assert said(registry, EUROPEAN, *facts) == "relative-indication"
    assert said(registry, KYOTO, *facts) == "worrisome-features"


def test_a_size_that_nobody_has_on_the_same_scan_leaves_the_largest_unknown(registry) -> None:
    answer = registry[EUROPEAN].assess(patient(fact("cyst-size", 20, 15), fact("cyst-size", 20, 1500)))
    assert isinstance(answer, NotAssessed)
