"""Whether the test patients' problems can be read: under codes that nobody mapped, no criterion that rests on one is
ever met, and no call would say so of more than its own patient."""

from __future__ import annotations

from collections.abc import Iterable

from cds.record.facts import Record
from cds.site.findings import Findings

_DO = "have them sent with SNOMED CT or ICD-10 beside their own code, or map those codes (concept_map)"


def look(findings: Findings, part: str, records: Iterable[Record]) -> None:
    counts = [(record.problems, record.uncoded) for record in records]
    read, unread = sum(one for one, _ in counts), sum(one for _, one in counts)
    what = "problem lists"
    if not unread:
        findings.good(part, f"{read} problems, each with a code of a system that is known here", what)
    elif read:
        findings.note(part, f"{unread} of {read + unread} problems have no code that is known here: {_DO}", what)
    else:
        findings.fault(part, f"none of {unread} problems has a code that is known here: {_DO}", what)
