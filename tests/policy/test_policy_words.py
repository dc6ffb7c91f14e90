"""A fault is told to a clinical lead: what stands there, and what may. Nobody reads pydantic's words."""

from __future__ import annotations

import re
from datetime import date
from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from cds.errors import PolicyError
from cds.policy.schema import Known, parse

HEAD = "name: T\nauthor: A\napprover: B\neffective: 2026-01-01\nreason: because\n"
RAW = re.compile(r"[Ii]nput|[Ss]hould|valid (?!YAML)|parse|instance|Tuple|Dictionary|String|fraction|[Dd]atetime")
"""Words of pydantic's."""


class Parameters(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    share: float = Field(0.02, gt=0, lt=1)
    score: float | None = Field(3, ge=-10, le=20)
    count: int = Field(3, ge=1, le=9)
    enabled: bool = True
    ages: tuple[int, int] = (40, 99)
    bands: tuple[float, ...] = ()
    kinds: tuple[Literal["CT", "MR"], ...] = ()
    owner: str = Field("me", min_length=2)
    day: date = date(2026, 1, 1)
    names: dict[str, str] = Field(default_factory=dict, max_length=2)


def faults(more: str) -> list[str]:
    with pytest.raises(PolicyError) as caught:
        parse(HEAD + more, "p.yaml", Known({"m": frozenset({"high"})}, {"s": Parameters}))
    return [line.partition(": ")[2] for line in str(caught.value).splitlines()]


def of(parameters: str) -> str:
    (found,) = faults(f"services: {{s: {{parameters: {{{parameters}}}}}}}\n")
    return found.removeprefix("services.s.parameters.")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("enabled: ja", "enabled: must be true or false (YAML also takes yes, no, on and off), not 'ja'"),
        ("enabled: ", "enabled: must be true or false (YAML also takes yes, no, on and off), and nothing stands here"),
        ("share: 2", "share: must be less than 1, not 2"),
        ("share: 0", "share: must be more than 0, not 0"),
        ("share: '0,02'", "share: must be a number, with a point and without a unit, such as 0.02, not '0,02'"),
        ("share: .nan", "share: must be a number, with a point and without a unit, such as 0.02, not nan"),
        ("score: -11", "score: must be -10 or more, not -11"),
        ("count: 2.5", "count: must be a whole number, such as 3, not 2.5"),
        ("count: 10", "count: must be 9 or less, not 10"),
        ("ages: [40]", "ages.1: an entry is missing here"),
        ("ages: 40", "ages: must be a list, such as [a, b], not 40"),
        ("ages: [1, 2, 3]", "ages: must have 2 entries at most"),
        ("kinds: [mrt]", "kinds.0: must be 'CT' or 'MR', not 'mrt'; did you mean 'MR'?"),
        ("owner: 12", "owner: must be text, not 12: put it in quotes"),
        ("owner: [a]", "owner: must be text, not a list"),
        ("owner: ''", "owner: must have 2 or more characters, and nothing stands here"),
        ("day: soon", "day: must be a day, written as 2026-12-31, not 'soon'"),
        ("names: {a: a, b: b, c: c}", "names: must have 2 entries at most"),
    ],
)
def test_a_value_is_told_with_what_may_stand_in_its_place(given: str, told: str) -> None:
    assert of(given) == told


def test_whatever_stands_there_no_programmers_words_come_out() -> None:
    values = [
        "x",
        "''",
        "2.5",
        "-1e99",
        "99999999999999999999",
        "true",
        "",
        "[a]",
        "{a: b}",
        "[1, 2, 3]",
        ".inf",
        "1e400",
    ]
    values += ["2026-01-01", "2026-01-01 10:00:00", "!!binary aGk="]
    said = []
    for value in values:
        for key in Parameters.model_fields:
            try:
                parse(f"{HEAD}services: {{s: {{parameters: {{{key}: {value}}}}}}}\n", "p", Known({}, {"s": Parameters}))
            except PolicyError as error:
                said += str(error).splitlines()
        said += faults(f"cards: {value}\nmodels: {value or 'a'}\n")
    said += faults("services: {s: {parameters: {on: 1}}}\n")
    assert said[-1] == "services.s.parameters.1: a key must be text, not true: put it in quotes"
    assert len(said) > 120
    assert [line for line in said if RAW.search(line)] == []
