"""CA 19-9 under treatment: direction from real records, confounders first, and never a word of stopping."""

from __future__ import annotations

import itertools
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cds.inference.prediction import NotAssessed, Prediction
from cds.record.facts import Fact, Record
from cds.record.moments import parse

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
FOLFIRINOX = ("fluorouracil", "irinotecan", "oxaliplatin")


def fact(concept: str, days_ago: float, value: float | None = None, **more: Any) -> Fact:
    when = parse((NOW - timedelta(days=days_ago)).isoformat())
    return Fact(concept, f"Observation/{concept}-{days_ago}", when, value=value, **more)


def patient(
    series: dict[int, float],
    *others: Fact,
    cycles: tuple[int, ...] = (60, 46, 32, 18),
    drugs: tuple[str, ...] = ("gemcitabine",),
    bilirubin: float | None = 0.6,
) -> Record:
    made = Record(now=NOW, patient_id="p", birth=parse("1960-05-01"), male=False)
    made.add(fact("pancreatic-cancer", 70, status="active"))
    for days_ago, value in series.items():
        made.add(fact("ca19-9", days_ago, value))
        if bilirubin is not None:
            made.add(fact("bilirubin-total", days_ago, bilirubin))
    for days_ago, drug in itertools.product(cycles, drugs):
        made.add(fact(drug, days_ago, status="completed"))
    for other in others:
        made.add(other)
    made.arrange()
    return made


def course(registry, record: Record) -> str | None:
    found = registry["ca19-9-response"].assess(record)
    return found.category("course") if isinstance(found, Prediction) else None


@pytest.mark.parametrize(
    ("series", "expected"),
    [
        ({65: 1000, 4: 500}, "falling"),
        ({65: 1000, 4: 800}, "falling"),
        ({65: 1000, 4: 801}, "stable"),
        ({65: 1000, 4: 1199}, "stable"),
        ({65: 1000, 4: 1200}, "rising"),
        ({65: 1000, 30: 100, 4: 130}, "rising-again"),
        ({65: 1000, 30: 20, 4: 36}, "falling"),  # a rise inside the normal range is none
        ({65: 30, 4: 20}, "never-raised"),
        ({65: 30, 4: 300}, "rising"),
    ],
)
def test_the_course_follows_the_value_at_the_start_and_the_lowest(registry, series, expected) -> None:
    assert course(registry, patient(series)) == expected


@pytest.mark.parametrize(
    ("start", "bound", "expected"),
    [
        (500.0, {"days_ago": 4, "value": 12000.0, "comparator": ">"}, "rising"),
        (10000.0, {"days_ago": 4, "value": 12000.0, "comparator": ">="}, "rising"),
        (11000.0, {"days_ago": 4, "value": 12000.0, "comparator": ">"}, None),
        (20000.0, {"days_ago": 4, "value": 12000.0, "comparator": ">"}, None),
        (500.0, {"days_ago": 61, "value": 12000.0, "comparator": ">"}, None),
    ],
    ids=["surely", "just", "may be stable", "may be falling", "too long ago"],
)
def test_a_newest_value_known_as_a_bound_rises_where_whatever_it_is_would(registry, start, bound, expected) -> None:
    newest = fact("ca19-9", **bound, original=">12000 U/mL")
    normal = fact("bilirubin-total", bound["days_ago"], 0.6)
    cycles = (90, 76, 62) if bound["days_ago"] > 60 else (60, 46, 32, 18)
    record = patient({max(cycles) + 5: start}, newest, normal, cycles=cycles)
    assert course(registry, record) == expected


ATC = "http://www.whocc.no/atc"


@pytest.mark.parametrize("system", [ATC, "urn:oid:2.16.840.1.113883.6.73"])
@pytest.mark.parametrize(
    ("code", "begins"),
    [("L01BA01", False), ("L01AA01", False), ("L01XD04", False), ("L01FG01", False), ("L01XA01", True)],
)
def test_a_drug_for_another_disease_begins_no_course(registry, system: str, code: str, begins: bool) -> None:
    """Methotrexate for arthritis, taken for years, made the marker's start a day years ago, or a treatment of none."""
    weekly = [fact("antineoplastic", days_ago, codes=((system, code),)) for days_ago in range(3, 120, 14)]
    series = {65: 1000.0, 4: 500.0}
    assert course(registry, patient(series, *weekly)) == (None if begins else "falling")  # 65 days: after that start
    assert (course(registry, patient({110: 1000.0, 4: 500.0}, *weekly, cycles=())) == "falling") is begins


@pytest.mark.parametrize(
    "record",
    [
        patient({4: 500}),  # one value
        patient({65: 1000}),  # none since
        patient({130: 1000, 4: 500}),  # too long before the start to be the start
        patient({65: 1000, 4: 500}, cycles=()),  # no treatment
        patient({400: 1000, 340: 400}, cycles=(400, 386)),  # a course that ended a year ago
    ],
    ids=["one value", "none since", "too early", "untreated", "ended"],
)
def test_without_two_values_under_treatment_nothing_is_said(registry, record) -> None:
    assert isinstance(registry["ca19-9-response"].assess(record), NotAssessed)


def test_an_earlier_course_does_not_move_the_start(registry) -> None:
    adjuvant = [fact("gemcitabine", d, status="completed") for d in (700, 686, 672)]
    record = patient({710: 40, 65: 1000, 4: 500}, *adjuvant)
    found = registry["ca19-9-response"].assess(record)
    assert isinstance(found, Prediction)
    assert found.feature("baseline").value == 1000
    assert found.category("course") == "falling"


def test_the_first_four_weeks_are_too_early(registry) -> None:
    assert course(registry, patient({30: 1000, 3: 2500}, cycles=(29, 15, 1))) == "too-early"


@pytest.mark.parametrize(
    "confounder",
    [
        fact("bilirubin-total", 64, 3.1),
        fact("bilirubin-total", 3, 2.0),
        fact("jaundice", 20, status="active"),
        fact("cholestasis", 55, status="active"),
    ],
    ids=lambda f: f.source,
)
@pytest.mark.parametrize("series", [{65: 1000, 4: 100}, {65: 1000, 4: 4000}])
def test_obstructed_bile_at_either_moment_makes_it_unreadable(registry, confounder, series) -> None:
    record = patient(series, confounder, bilirubin=None)
    found = registry["ca19-9-response"].assess(record)
    assert isinstance(found, Prediction)
    assert found.rules == ("CA199-OBSTRUCTED",)


def test_bilirubin_that_was_not_measured_is_named_as_missing(registry) -> None:
    found = registry["ca19-9-response"].assess(patient({65: 1000, 4: 500}, bilirubin=None))
    assert isinstance(found, Prediction)
    assert {"bilirubin_start", "bilirubin_latest"} <= {f.input.name for f in found.absent}


def test_a_marker_that_is_never_above_two_is_not_made(registry) -> None:
    below = [fact("ca19-9", d, 2.0, comparator="<", original="<2 U/mL") for d in (65, 30, 4)]
    assert course(registry, patient({}, *below)) == "not-made"
    assert course(registry, patient({}, *below, cycles=())) == "not-made"
    assert course(registry, patient({}, *below[:1])) is None  # one value proves nothing
    assert course(registry, patient({300: 44}, *below)) is None  # the marker was made once


def locally_advanced(series: dict[int, float], *others: Fact, ecog: float = 0, **more: Any) -> Record:
    stage = fact("stage-group", 66, answers=("stage-iii",))
    return patient(series, stage, fact("ecog", 5, ecog), *others, **more)


@pytest.mark.parametrize(
    ("record", "met"),
    [
        (locally_advanced({65: 400, 4: 49}, drugs=FOLFIRINOX), True),
        (locally_advanced({65: 400, 4: 50}, drugs=FOLFIRINOX), False),
        (locally_advanced({65: 200, 4: 40}, drugs=FOLFIRINOX), False),  # a fall of exactly 80%
        (locally_advanced({65: 400, 4: 49}, drugs=FOLFIRINOX, ecog=1), False),
        (locally_advanced({65: 400, 4: 49}), False),  # another regimen
        (locally_advanced({65: 400, 4: 49}, fact("metastasis-liver", 9, status="active"), drugs=FOLFIRINOX), False),
        (patient({65: 400, 4: 49}, fact("ecog", 5, 0.0), drugs=FOLFIRINOX), False),  # stage not known
    ],
    ids=["met", "50", "80%", "ECOG 1", "gemcitabine", "metastasis", "no stage"],
)
def test_the_taps_criterion_needs_each_of_its_parts(registry, record, met) -> None:
    found = registry["ca19-9-response"].assess(record)
    assert isinstance(found, Prediction)
    assert ("CA199-TAPS" in found.rules) is met


@pytest.mark.parametrize(
    ("series", "start", "met"),
    [
        ({125: 150, 4: 99}, 122, True),
        ({125: 1000, 4: 299}, 122, True),
        ({125: 1000, 4: 300}, 122, False),
        ({85: 150, 4: 99}, 80, False),  # before the third month
        ({175: 150, 4: 99}, 170, False),  # after the fifth
    ],
)
def test_the_four_month_criterion_holds_around_four_months(registry, series, start, met) -> None:
    cycles = tuple(range(start, 3, -14))
    found = registry["ca19-9-response"].assess(locally_advanced(series, cycles=cycles))
    assert isinstance(found, Prediction)
    assert ("CA199-LAPC-4M" in found.rules) is met


def test_what_could_not_be_read_decides_nothing(registry) -> None:
    record = patient({65: 1000, 4: 500})
    record.unread = frozenset({"Condition"})
    assert isinstance(registry["ca19-9-response"].assess(record), NotAssessed)


def test_no_sentence_tells_to_stop_or_change_treatment(registry) -> None:
    card = registry["ca19-9-response"].manifest.card
    assert card is not None
    for speech in card.speaks:
        for language, pattern in (("en", r"\bstop|\bswitch|\bchange treatment"), ("nl", r"\bstop|\bwissel")):
            for words in (speech.summary, speech.recommendation, speech.more):
                said = words.get(language, "")
                allowed = re.sub(r"no reason to stop treatment[^.]*|geen reden om de behandeling te stoppen", "", said)
                assert not re.search(pattern, allowed, re.IGNORECASE), said


def test_an_opened_chart_shows_no_figure_of_survival(registry) -> None:
    """Somebody may be looking along; prognosis has its own moment."""
    manifest = registry["ca19-9-response"].manifest
    said = [*(s.more for s in manifest.card.speaks), *(r.says for r in manifest.runtime.rules)]
    said += [words for item in manifest.evidence for words in (item.cohort, item.note)]
    for words in said:
        assert not re.search(
            r"\d[.,]?\d* (months of survival|maanden overleving)|mediane? (over|surv)|hazard", str(words)
        )
    assert all(item.value is None for item in manifest.evidence)
    assert manifest.parameters["metastatic_first_line"]["median_survival_months"]["rising"]["value"] == 5.4


def test_a_rise_asks_for_review_and_ct(registry) -> None:
    card = registry["ca19-9-response"].manifest.card
    assert card is not None
    (rising,) = (s for s in card.speaks if s.kind == "rising")
    assert "plan a CT" in rising.recommendation["en"]
    assert [p.order for p in rising.proposals if p.recommended] == ["ct-restaging"]
