"""What an update changes, for a terminal: made of its figures alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

Json = Mapping[str, Any]
KEPT = "note: the tests of {rule} change and its words do not: do they still say what is tested?"


def write(console: Console, found: Json) -> None:
    console.print(Text(f"{found['guideline']} {found['before']} -> {found['after']}", style="bold"))
    for each in found["differences"]:
        console.print(Text(each["what"], style="bold"))
        for sign, style, lines in (("-", "red", each["before"]), ("+", "green", each["after"])):
            for line in lines:
                console.print(Text(f"  {sign} {line}", style=style))
    if not found["differences"]:
        console.print("Nothing differs.")
    for rule in found["sentencesKept"]:
        console.print(KEPT.format(rule=rule), style="yellow", markup=False, highlight=False)
    console.print()
    if found["replayed"] is None:
        console.print(f"Patients: not counted; {found['why']}", markup=False, highlight=False)
        return
    _counts(console, found["replayed"], found["days"])


def _counts(console: Console, told: Json, days: int) -> None:
    read = f"{count(told['patients'])} patients of the last {days} days, each by the newest answer; "
    console.print(f"{read}{count(told['tried'])} could be decided again.", highlight=False)
    console.print(f"Counts below {told['leastCount']} are hidden.", style="dim", highlight=False)
    table = Table("", "patients", box=None)
    for label, key in (
        ("a rule holds as in force", "before"),
        ("a rule holds under the update", "after"),
        ("newly", "newly"),
        ("no longer", "noLonger"),
        ("another conclusion", "otherwise"),
        ("not for them, or it could not say so, then", "outside"),
    ):
        table.add_row(label, count(told[key]))
    for why, n in told["notTried"].items():
        table.add_row(f"not decided again: {why}", count(n))
    console.print(table)
    rules = Table("rule holds", "in force", "update", box=None)
    for name, row in told["rules"].items():
        rules.add_row(Text(name), count(row["before"]), count(row["after"]))
    rules.add_row(
        "undecided for want of an input", count(told["undecided"]["before"]), count(told["undecided"]["after"])
    )
    console.print(rules)
    console.print(
        "A rule that holds is no card yet: what the policy shows, and what was shown before, decides that.",
        style="dim",
        highlight=False,
    )


def count(told: Json) -> str:
    if told["count"] is None:
        return f"fewer than {told['below']}"
    return f"about {told['count']}" if told.get("about") else str(told["count"])
