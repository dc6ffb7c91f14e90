"""What the committee's monitors see, and how soon: the table of faults and what was last measured of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from cds.docs.reference import GENERATED
from cds.simulation.subject import MEASURED, Fault, charter, faults

_HEAD = """\
`cds simulate-hospital` draws years of an invented hospital: calls, what records lack, answers, cards, what clinicians
do with them, outcomes and when they reach the record. The committee's own measures, limits and verdicts judge it once
a day, at the charter's defaults. Then something goes wrong in it.

The patients and the model are invented, and chance is all that disturbs them: weekends, days on which more is missing,
winters, values in odd units now and then. A real hospital changes in more ways, so a real site has more alarms than
stand here, and some of them are right. What the page does show: which kinds of fault a monitor sees at all, how soon
with so many patients, and that it does not take chance for a fault.""".splitlines()

_AFTER = """\
Days are from the beginning of the fault to a verdict that is not green because of it, at {calls:g} calls a working day
(about {mean:.0f} a day), with outcomes of {share} within the model's horizon of three months. A fault that shows in
inputs is seen in days; one that shows in outcomes alone has to wait until they have happened and reached the record
(`maturity`), however good the monitor. In a smaller hospital all but an input lost altogether takes longer, since
the charter asks for certainty; how much longer was not measured. Rare outcomes may take years, and the days above say
nothing of them.""".splitlines()


def monitors_page() -> str:
    measured = json.loads(MEASURED.read_text(encoding="utf-8")) if MEASURED.exists() else {}
    return "\n".join(
        [
            "# What the monitors see, and how soon",
            GENERATED,
            "",
            *_HEAD,
            "",
            "## Faults",
            "",
            "| fault | what goes wrong | seen by | within | measured: median, slowest | hospitals |",
            "|---|---|---|--:|--:|--:|",
            *(_row(fault, measured.get("faults", {}).get(fault.name)) for fault in faults().values()),
            "",
            *(line.format(calls=60, mean=60 * 5.5 / 7, share="7 in 100 people") for line in _AFTER),
            "",
            "## False alarms",
            "",
            "Hospitals in which nothing goes wrong, watched from their first call on. A false alarm is any verdict",
            "that is worse than the day before's.",
            "",
            "| calls a working day | model-years | false alarms | a model-year | by |",
            "|--:|--:|--:|--:|---|",
            *_quiet(measured.get("healthy", [])),
            "",
            *_rate(measured),
            "## How",
            "",
            "```sh",
            "cds simulate-hospital --fault all        # every fault, each in a hospital of its own",
            "cds simulate-hospital --hospitals 10     # nothing goes wrong in ten hospitals",
            "python benchmarks/run.py monitors        # the figures of this page, which is then to be generated anew",
            "```",
            "",
            f"A verdict asks for {charter().steadiness.watch} evaluations in a row that say 'watch'. What inputs lack "
            "and whether they drift is tested for all",
            f"of them together, wrong by chance in {1000 * charter().chance:g} of 1,000 evaluations. What rests on "
            f"outcomes is judged by the newest {charter().newest} of",
            "them. Each is a key of [the charter](charter.md).",
            "",
        ]
    )


def _row(fault: Fault, told: Mapping[str, Any] | None) -> str:
    by = ", ".join(dict.fromkeys(f"`{measure}`" for measure, _ in fault.seen_by))
    shown, number = "not measured", ""
    if told is not None:
        number = str(told["hospitals"])
        median, worst = told["median_d"], told["worst_d"]
        shown = f"{median:g}, {worst} days" if median is not None else "never seen"
        if told["unseen"]:
            shown += f"; not seen in {told['unseen']}"
    return f"| `{fault.name}` | {fault.says} | {by} | {fault.within_d} days | {shown} | {number} |"


def _quiet(healthy: list[Mapping[str, Any]]) -> Iterator[str]:
    for told in healthy:
        why = ", ".join(f"{name} ({count})" for name, count in told["reasons"].items()) or "none"
        yield f"| {told['calls_a_day']:g} | {told['years']:g} | {told['alarms']} | {told['per_year']:g} | {why} |"


def _rate(measured: Mapping[str, Any]) -> list[str]:
    if "rate" not in measured:
        return []
    return [f"Patients are drawn and written into a ledger at {measured['rate']:,} a minute.", ""]
