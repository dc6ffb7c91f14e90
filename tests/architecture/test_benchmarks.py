"""The benchmarks put their clocks around parts of the product by name: a part that moves must not be lost from them."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

import cds

BENCHMARKS = Path(cds.__file__).parents[1] / "benchmarks"


def test_every_part_of_a_call_that_is_measured_is_where_the_clock_looks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    split = importlib.import_module("split")
    assert [name for name, owner, attribute in split.PARTS if not callable(getattr(owner, attribute, None))] == []
