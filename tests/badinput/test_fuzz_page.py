"""The page of bad input keeps what a run did not repeat, and says when each row was reached."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from fuzz_runs import PAGE, REPOSITORY, Run, page, told

FIRST = Run("fhir", "FHIR resources into facts", "atheris 3.0.0", 1_234_567, 110, 0.25, "", "2026-01-01")


def test_the_page_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "fuzzing.md"
    bad = replace(FIRST, target="dicom", reads="DICOM instances, pixels decoded", fault="struct.error: too short")
    path.write_text(page([FIRST, bad]), encoding="utf-8")
    assert told(path) == [FIRST, replace(bad, fault="**struct.error: too short**")]
    assert page(told(path)) == path.read_text(encoding="utf-8")
    assert "**2,469,134 inputs, 1 faults**" in page(told(path))


def test_a_later_run_takes_the_place_of_its_own_row_alone(tmp_path: Path) -> None:
    other = replace(FIRST, engine="hypothesis 6", inputs=5)
    again = replace(FIRST, inputs=7, engine="atheris 3.1.0", day="2026-02-02")
    path = tmp_path / "fuzzing.md"
    path.write_text(page([FIRST, other, again]), encoding="utf-8")
    assert told(path) == [again, other]


def test_the_page_says_which_engine_is_not_on_it_and_where_that_one_runs() -> None:
    (place,) = set(re.findall(r"schemathesis .*\(`(.+?)`\)", page([FIRST])))
    assert "import schemathesis" in (REPOSITORY / place).read_text(encoding="utf-8")
    assert place in PAGE.read_text(encoding="utf-8")
