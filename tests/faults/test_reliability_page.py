"""docs/reliability.md names each fault the tests cause and no other; a row can't be written of something lost."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import faults
import pytest
import reliability_page
from faults import Row, Seen, marked_in_source

FAULT = ("disk", "full")


def written() -> set[tuple[str, str]]:
    """(part, fault) of every row of the page."""
    found: set[tuple[str, str]] = set()
    part = ""
    for line in reliability_page.PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            part = next(p for p in reliability_page.PARTS if p.lower() == line[3:].lower())
        elif line.startswith("| ") and not line.startswith("| fault |"):
            found.add((part, line.split(" | ")[0].removeprefix("| ")))
    return found


def test_the_page_names_exactly_the_faults_that_are_tested() -> None:
    marked = {fault for faults in marked_in_source().values() for fault in faults}
    assert marked
    assert written() == marked, "run scripts/reliability-table"


def test_every_table_is_one() -> None:
    """A row between the head and its rule makes Markdown show the whole table as text."""
    lines = reliability_page.PAGE.read_text(encoding="utf-8").splitlines()
    for above, line in pairwise(lines):
        assert above.startswith("| fault |") == line.startswith("|---"), above[:80]


def test_every_row_was_run_or_says_why_not() -> None:
    rows = [line for line in reliability_page.PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    for row in rows:
        assert row.startswith("| fault |") or re.search(r"nothing: (\d+) of \1 ", row) or "*not run: " in row, row


@pytest.fixture
def taken() -> Seen:
    return Seen(frozenset({FAULT}), "tests/x/test_x.py::test_y")


def test_what_lost_something_is_no_row(taken: Seen) -> None:
    with pytest.raises(AssertionError, match="of 3 calls there are 2"):
        taken(*FAULT, during=[[]], of="calls", owed=3, kept=2, recovery_s=None)
    with pytest.raises(AssertionError, match="proves nothing"):
        taken(*FAULT, during=[[]], of="calls", owed=0, kept=0, recovery_s=None)
    with pytest.raises(AssertionError, match="not marked"):
        taken("disk", "melted", during=[[]], of="calls", owed=1, kept=1, recovery_s=None)
    assert taken.rows == []


def test_cases_of_one_fault_share_a_row_that_shows_the_slowest(taken: Seen) -> None:
    card = {"summary": "As before"}
    for case, seconds in (("a", 0.2), ("b", 1.9)):
        taken(*FAULT, during=[[card], [card], None], of="calls", owed=2, kept=2, recovery_s=seconds, case=case)
    made = reliability_page.page(taken.rows, "")
    assert '| full | *a, b:* 2 × "As before"; 1 × no answer (connection ended) | nothing: 4 of 4 calls | ' in made
    assert "| at most 1.9 s | `test_x.py` |" in made


def test_a_fault_that_was_not_run_says_why() -> None:
    row = Row("model", "no room", "", "tests/x/test_x.py::test_y", "", "", "", 0, 0, None, "no GPU here")
    assert "| no room | *not run: no GPU here* | | | `test_x.py` |" in reliability_page.page([row], "")


SEEN = Row("disk", "full", "", "tests/x/test_x.py::test_y", "", "", "calls", 1, 1, None)
STAMPED = replace(SEEN, at="2026-02-03T10:00:00Z", commit="aaaaaaaaaa", machine="2 processors")


def test_the_page_says_when_its_rows_were_seen_and_not_when_it_was_written() -> None:
    later = replace(STAMPED, at="2026-02-05T09:00:00Z", commit="bbbbbbbbbb")
    assert reliability_page.about([STAMPED]).startswith("Runs of 2026-02-03, the last on version aaaaaaaaaa: 2 proc")
    both = reliability_page.about([later, STAMPED])
    assert both.startswith("Runs of 2026-02-03 to 2026-02-05, the last on version bbbbbbbbbb: 2 proc")
    with pytest.raises(ValueError, match=r"test_y ran and on what version: record it anew"):
        reliability_page.about([STAMPED, SEEN])


def test_what_a_test_saw_is_recorded_with_its_moment_version_and_machine(tmp_path: Path) -> None:
    faults._write(tmp_path / "record", [SEEN])
    [row] = faults.read(tmp_path / "record")
    asked = ["git", "-C", str(faults.TESTS), "rev-parse", "HEAD"]
    head = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", row.at)
    assert head.startswith(row.commit) if head else row.commit == "unknown"
    assert "Python" in row.machine
    assert replace(row, at="", commit="", machine="") == SEEN
