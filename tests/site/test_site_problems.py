"""A site whose problem lists nobody here can read is told so before its first call."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cds.record.facts import Record
from cds.site.findings import Finding, Findings
from cds.site.problems import look


def told(*counts: tuple[int, int]) -> Finding:
    findings, now = Findings(), datetime(2026, 11, 23, tzinfo=UTC)
    look(findings, "client x", (Record(now=now, patient_id="p", problems=read, uncoded=not_) for read, not_ in counts))
    (row,) = findings.rows
    assert row.name == "client x: problem lists"
    return row


@pytest.mark.parametrize(
    ("counts", "verdict", "begins"),
    [
        (((3, 0), (0, 0)), "good", "3 problems, each with a code"),
        (((3, 1), (0, 2)), "note", "3 of 6 problems have no code that is known here: have them sent with SNOMED CT"),
        (((0, 4), (0, 1)), "fault", "none of 5 problems has a code that is known here: have them sent with SNOMED CT"),
    ],
)
def test_it_is_told_how_many_can_be_read(counts: tuple[tuple[int, int], ...], verdict: str, begins: str) -> None:
    row = told(*counts)
    assert (row.verdict, row.why[: len(begins)]) == (verdict, begins)
