"""The console has a word for whatever a verdict or a finding may say."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
import yaml

from cds.committee.findings import ORDER
from cds.ledger.verdicts import VerdictLevel
from cds.pages.committee import pages
from cds.pages.committee.words import GROUPS

CATALOGUE = Path(pages.__file__).parent / "catalogue"


@pytest.mark.parametrize("language", ["en", "nl"])
def test_each_level_and_each_measure_has_a_word(language: str) -> None:
    words = yaml.safe_load((CATALOGUE / f"{language}.yaml").read_text(encoding="utf-8"))["committee"]
    assert set(words["level"]) == {*ORDER, *get_args(VerdictLevel)}
    assert {m for _, measures in GROUPS for m in measures} <= set(words["measure"])
