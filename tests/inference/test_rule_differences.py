"""A rule may test the difference of two inputs; what is not known decides nothing."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from cds.inference.manifest import Condition, Rule
from cds.inference.rules import almost, fires
from cds.record.features import Feature
from cds.record.inputs import Input

WORDS = {"en": "x", "nl": "x"}


def rule(**condition: object) -> Rule:
    test = Condition.model_validate({"input": "age", "minus": "youngest", **condition})
    return Rule(id="R", label=WORDS, all=(test,), any=(), needs=1, gives="yes", says=WORDS)


def features(age: float | None, youngest: float | None) -> dict[str, Feature]:
    found = {}
    for name, value in (("age", age), ("youngest", youngest)):
        spec = Input.model_validate({"name": name, "label": WORDS, "source": "constant", "constant": 0})
        found[name] = Feature(spec, value, "missing" if value is None else "found")
    return found


@pytest.mark.parametrize(("age", "holds"), [(41, False), (42, True), (60, True)])
def test_ten_years_before_the_youngest_relative(age: float, holds: bool) -> None:
    assert fires(rule(at_least=-10), features(age, 52)) is holds


@pytest.mark.parametrize("known", [(None, 52.0), (44.0, None), (None, None)])
def test_a_difference_with_an_unknown_is_undecided(known: tuple[float | None, float | None]) -> None:
    found = features(*known)
    assert not fires(rule(at_least=-10), found)
    assert almost(rule(at_least=-10), found) == tuple(n for n, f in found.items() if f.value is None)


def test_presence_of_a_difference_means_nothing() -> None:
    with pytest.raises(ValidationError, match="minus"):
        rule(present=True)
