"""docs/reliability.md, made of what the tests of faults wrote down in one run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from faults import TESTS, Row

PAGE = TESTS.parent / "docs" / "reliability.md"

PARTS = {
    "FHIR server": "the EHR's, asked for what the call did not bring",
    "image archive": "the PACS, asked by workers for images",
    "ledger's database": "PostgreSQL, or the SQLite file of one machine",
    "disk": "of the service's own folder",
    "web process": "answers the EHR",
    "study worker": "reads scans in the background",
    "queue's broker": "Redis or RabbitMQ; wakes workers sooner than their own look at the queue",
    "model": "a file in its folder",
    "policy": "the clinical lead's file",
    "keys and clock": "who calls us, and when",
}
"""Part -> what it is; the order of the page."""

HEAD = """\
# Reliability
<!-- Written by scripts/reliability-table from a run of the tests marked `fault`; change those, not this page. -->

What happens when something around the service breaks: real processes killed, real sockets cut, real disks full. Each
row is what a test saw: the cards that came back while the fault lasted (and afterwards, where they differ), what could
have been lost and what was, and the time from the moment the cause was gone until everything was as before. A test that
loses anything fails, and its row can't be written. "412", "503" and the like are answers to the EHR, with a sentence
for its operators; an EHR that gets one shows no card and carries on.
"""


def page(rows: Sequence[Row], about: str) -> str:
    """Raises ValueError for a part that the page does not know."""
    if unknown := {row.part for row in rows} - set(PARTS):
        raise ValueError(f"no such part: {', '.join(sorted(unknown))}; there are: {', '.join(PARTS)}")
    lines = [HEAD, about]
    for part, words in PARTS.items():
        of_part: dict[str, list[Row]] = defaultdict(list)
        for row in rows:
            if row.part == part:
                of_part[row.what].append(row)
        if not of_part:
            continue
        lines += ["", f"## {part[0].upper()}{part[1:]}", "", f"{words[0].upper()}{words[1:]}.", ""]
        lines += ["| fault | what the clinician sees | lost | recovered after | test |", "|---|---|---|--:|---|"]
        lines += [_line(what, found) for what, found in of_part.items()]
    return "\n".join([*lines, ""])


def _line(what: str, rows: Sequence[Row]) -> str:
    run = [row for row in rows if not row.not_run]
    files = ", ".join(sorted({f"`{row.test.partition('::')[0].rpartition('/')[2]}`" for row in rows}))
    if not run:
        return f"| {what} | *not run: {rows[0].not_run}* | | | {files} |"
    sees = _once([(row.case, row.during + _then(row)) for row in run])
    lost = _once([("", f"nothing: {_sum(run, of)}") for of in dict.fromkeys(row.of for row in run)])
    taken = [row.recovery_s for row in run if row.recovery_s is not None]
    return f"| {what} | {sees} | {lost} | {_seconds(taken)} | {files} |"


def _then(row: Row) -> str:
    """What came afterwards, where that is more than the same cards without a remark."""
    return f"; then {row.after}" if row.after and not row.during.startswith(row.after) else ""


def _seconds(taken: Sequence[float]) -> str:
    if not taken:
        return "at once"
    return "under 0.1 s" if max(taken) < 0.1 else f"{'at most ' if len(taken) > 1 else ''}{max(taken):.1f} s"


def _sum(rows: Sequence[Row], of: str) -> str:
    counted = [row for row in rows if row.of == of]
    return f"{sum(r.kept for r in counted)} of {sum(r.owed for r in counted)} {of}"


def _once(told: Sequence[tuple[str, str]]) -> str:
    """Cases that were told the same share a line."""
    cases: dict[str, list[str]] = defaultdict(list)
    for case, words in told:
        cases[words.replace("|", "\\|")].append(case)
    named = ((", ".join(dict.fromkeys(c for c in found if c)), words) for words, found in cases.items())
    return "<br>".join(f"*{case}:* {words}" if case else words for case, words in named)


def about(rows: Sequence[Row]) -> str:
    """When, on what version and on what machine it was seen, as the rows themselves say: a page may be written long
    after. Raises ValueError for a record that does not say."""
    if unstamped := [row for row in rows if not (row.at and row.commit and row.machine)]:
        raise ValueError(f"the record does not say when {unstamped[0].test} ran and on what version: record it anew")
    last = max(rows, key=lambda row: row.at)
    first_day, last_day = min(row.at for row in rows)[:10], last.at[:10]
    days = first_day if first_day == last_day else f"{first_day} to {last_day}"
    machines = "; ".join(dict.fromkeys(row.machine for row in rows))
    return (
        f"Runs of {days}, the last on version {last.commit}: {machines}. "
        "Times hold for this machine and say what order of magnitude to expect."
    )
