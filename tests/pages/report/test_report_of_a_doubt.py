"""A first time that may be none: the report says so of the criterion, of the finding and of the answer, as the card."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cds.audit import prediction
from cds.cards.phrasebook import Catalogues, Phrasebook
from cds.inference import registry
from cds.inference.prediction import NotAssessed, Prediction
from cds.pages.report import criteria, provenance, what_if
from cds.pages.report import words as say
from cds.pages.report.section import Section, glance, section
from cds.pages.report.stored import Told
from cds.record.facts import Fact
from cds.record.feature import Feature
from cds.record.moments import parse

ROOT = Path(__file__).parents[3]
MODELS = registry.load([ROOT / "models"])
LABELS = {name: one.label for name, one in MODELS.vocabulary.concepts.items()}
BOOKS = Catalogues(sorted(ROOT.glob("cds/**/catalogue")), LABELS)
KYOTO = MODELS["ipmn-kyoto-2024"]
NEW = (Fact("diabetes", "Condition/1", parse("2026-10-01")),)
UNDATED = Fact("diabetes", "Condition/2", None)
VALUES = {"cyst_size": 15.0, "measurements": 2.0, "imaged_days": 20.0, "age": 68.0}


def told(*aside: Fact, unsure: frozenset[str] = frozenset(), pancreatitis: float = 0.0) -> Told:
    """Of a cyst with diabetes of the last year."""
    found = []
    for spec in KYOTO.manifest.inputs:
        if spec.name == "new_diabetes":
            found.append(Feature(spec, 1.0, "found", NEW, aside=aside, unsure=unsure))
        elif spec.name == "pancreatitis":
            found.append(Feature(spec, pancreatitis, "found"))
        elif spec.is_flag or spec.name in VALUES:
            found.append(Feature(spec, VALUES.get(spec.name, 0.0), "found"))
        else:
            found.append(Feature(spec, None, "missing"))
    answer = KYOTO.again(tuple(found))
    assert isinstance(answer, Prediction)
    return Told(KYOTO, prediction(answer))


def first(page: Section) -> criteria.Criterion:
    return page.criteria[0]


@pytest.mark.parametrize(
    ("aside", "unsure"), [((UNDATED,), frozenset[str]()), ((), frozenset({"Condition"}))], ids=["undated", "unread"]
)
def test_criterion_finding_and_data_say_so(aside: tuple[Fact, ...], unsure: frozenset[str]) -> None:
    words, stored = BOOKS.book("en"), told(*aside, unsure=unsure)
    page = section(words, stored)
    assert first(page).name == "New-onset diabetes within a year (diabetes may be older)"
    assert first(page).says == "Worrisome: new-onset diabetes within a year. But diabetes may be older."
    assert first(page).tests[0].fact == "yes, 1 Oct 2026; diabetes may be older"
    assert glance(words, page).said == "New-onset diabetes within a year (diabetes may be older)"
    assert "yes; diabetes may be older" in [line.value for line in page.lines]
    assert "yes; diabetes may be older" in [row.value for row in provenance.data(words, (stored,))]


def test_it_is_said_in_dutch() -> None:
    one = first(section(BOOKS.book("nl"), told(UNDATED)))
    assert one.name == "Nieuwe diabetes binnen een jaar (mogelijk al langer diabetes)"
    assert one.tests[0].fact == "ja, 1 okt 2026; mogelijk al langer diabetes"


def test_new_diabetes_that_nothing_speaks_against_is_told_as_before() -> None:
    page = section(BOOKS.book("en"), told())
    assert first(page).name == "New-onset diabetes within a year"
    assert first(page).tests[0].fact == "yes, 1 Oct 2026"


def test_of_other_criteria_nothing_is_doubted() -> None:
    page = section(BOOKS.book("en"), told(UNDATED, pancreatitis=1.0))
    assert [one.name for one in page.criteria if one.held] == [
        "Acute pancreatitis",
        "New-onset diabetes within a year (diabetes may be older)",
    ]
    assert all("older" not in one.name for one in page.criteria if not one.held)


def supposed(words: Phrasebook, **form: str) -> what_if.Supposed:
    return what_if.suppose(words, told(UNDATED), form)


def test_a_supposed_answer_keeps_the_doubt_until_the_diabetes_itself_is_supposed() -> None:
    words, doubted = BOOKS.book("en"), "New-onset diabetes within a year (diabetes may be older)"
    found = supposed(words, pancreatitis="1")
    assert (found.before, found.after) == (doubted, f"Acute pancreatitis and {doubted}")
    assert supposed(words, new_diabetes="1").after == "New-onset diabetes within a year"


def test_of_a_model_that_was_replaced_whatever_reads_it_is_marked() -> None:
    stored = told(UNDATED)
    older = Told(KYOTO, replace(stored.entry, model_version="0.9.0"))
    assert first(section(BOOKS.book("en"), older)).name.endswith("(diabetes may be older)")


def test_what_a_score_counts_from_says_so_as_well() -> None:
    """Of a score the tests for whom it is hold the doubt, and no criterion."""
    score = MODELS["endpac"]
    (spec,) = [one for one in score.manifest.inputs if one.name == "age_at_onset"]
    fact = Fact("glucose-fasting", "Observation/1", parse("2026-10-24"), value=141.0, original="141 mg/dL")
    onset = Feature(spec, 67.6, "found", (fact,), possibly=("diabetes",))
    entry = prediction(NotAssessed(score.manifest, "input-absent", {}, (onset,)))
    (given,) = Told(score, entry).inputs
    assert say.read(BOOKS.book("en"), given) == "141 mg/dL, at age 67; diabetes may be older"
