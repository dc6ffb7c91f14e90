"""The console has a word for whatever a verdict or a finding may say."""

from __future__ import annotations

import ast
import inspect
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest
import yaml

from cds.cards.phrasebook import Catalogues
from cds.committee import actions, incidents
from cds.committee.charter import Charter
from cds.committee.findings import ORDER
from cds.inference.manifest import Output
from cds.ledger.cohort import PredictedRow
from cds.ledger.verdicts import VerdictLevel
from cds.pages.committee import pages
from cds.pages.committee.lists import answer
from cds.pages.committee.words import GROUPS, about, by_need

CATALOGUE = Path(pages.__file__).parent / "catalogue"


@pytest.mark.parametrize("language", ["en", "nl"])
def test_each_level_and_each_measure_has_a_word(language: str) -> None:
    words = yaml.safe_load((CATALOGUE / f"{language}.yaml").read_text(encoding="utf-8"))["committee"]
    assert set(words["level"]) == {*ORDER, *get_args(VerdictLevel)}
    assert {m for _, measures in GROUPS for m in measures} <= set(words["measure"])
    assert set(words["means"]) == set(words["measure"])


def test_what_needs_eyes_stands_first() -> None:
    given = [(0.0, "green"), (0.08, "green"), (0.12, "watch"), (0.4, "act")]
    found = by_need({"measure": "drift", "value": value, "level": level} for value, level in given)
    assert [one["value"] for one in found] == [0.4, 0.12, 0.08, 0.0]


@pytest.mark.parametrize(
    ("language", "said"), [("en", "sex: male (after 12 months)"), ("nl", "geslacht: man (na 12 maanden)")]
)
def test_a_group_s_survival_is_told_with_the_time_it_was_compared_at(language: str, said: str) -> None:
    charter = Charter.model_validate(
        {
            "name": "n",
            "author": "a",
            "approver": "b",
            "effective": "2026-01-01",
            "subgroups": {"sex": {"label": {"en": "sex", "nl": "geslacht"}, "source": "patient.male"}},
        }
    )
    finding = {"measure": "gap_auc", "about": "sex: male", "detail": {"months": 12.0}}
    assert about(Catalogues([CATALOGUE]).book(language), finding, None, charter) == said


@pytest.mark.parametrize(
    ("language", "value", "said"),
    [("en", 2.0, "high-risk"), ("nl", 2.0, "hoog risico"), ("nl", 1.0, "unlabelled"), ("nl", 0.25, "0,25")],
)
def test_a_single_call_s_category_is_told_as_people_call_it(language: str, value: float, said: str) -> None:
    output = Output(
        name="category",
        kind="category",
        label={"en": "category"},
        categories={"1": "unlabelled", "2": "high"},
        category_labels={"high": {"en": "high-risk", "nl": "hoog risico"}},
    )
    at = datetime(2026, 1, 1, tzinfo=UTC)
    row = PredictedRow("p", at, "c", "k", "en", "1", "predicted", None, {}, {"category": value}, False, "")
    assert answer(Catalogues([CATALOGUE]).book(language), [output], row) == said


@pytest.mark.parametrize("source", [actions, incidents.act, pages])
def test_whatever_is_refused_has_a_sentence_in_the_catalogues(source: object) -> None:
    """With the same values in it, so that no reader of Dutch gets the command line's English."""
    words = Catalogues([CATALOGUE]).book("nl")
    raised = [
        node
        for node in ast.walk(ast.parse(inspect.getsource(source)))  # type: ignore[arg-type]
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "CommitteeError"
    ]
    assert raised
    for node in raised:
        assert len(node.args) == 2 and isinstance(node.args[1], ast.Constant), ast.unparse(node)
        key = f"committee.acted.why.{node.args[1].value}"
        said = words(key, **{str(given.arg): "X" for given in node.keywords})
        assert said.count("X") == len(node.keywords), ast.unparse(node)
