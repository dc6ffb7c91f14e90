"""The list of long files names files that are there."""

from __future__ import annotations

from pathlib import Path

import pytest
from longest_early import LONGEST

TESTS = Path(__file__).parents[1]


@pytest.mark.parametrize("name", LONGEST)
def test_a_file_that_is_begun_first_exists(name: str) -> None:
    assert (TESTS / name).is_file()
