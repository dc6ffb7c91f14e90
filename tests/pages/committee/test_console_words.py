"""The console has a word for whatever a verdict or a finding may say."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
import yaml

from cds.committee.findings import ORDER
from cds.ledger.verdicts import VerdictLevel
from cds.pages.committee import pages
from cds.pages.committee.words import GROUPS, by_need

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
