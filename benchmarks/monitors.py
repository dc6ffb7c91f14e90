"""Do the committee's monitors see what goes wrong in a simulated hospital, and how often do they cry wolf?"""

from __future__ import annotations

import json
import statistics
import time
from collections import Counter
from pathlib import Path
from typing import Any

from results import Section
from rich.progress import Progress

from cds.ledger.book import Book
from cds.ledger.migrate import upgrade
from cds.record.moments import YEAR_DAYS
from cds.simulation.hospital import Plan, drawn
from cds.simulation.subject import MEASURED, faults
from cds.simulation.trial import Trial, healthy, injected
from cds.simulation.written import write

SIZES = (60.0, 10.0)
"""Calls of a working day: a hospital as in the table of faults, and a small one."""
YEARS, HOSPITALS, SEEDS = 2, 6, 5
RATE, MOST_FALSE = 20_000, 1.0
WEEKLY = 7
"""Days between two looks at outcomes, which arrive once a week."""


def run(folder: Path, progress: Progress, *, quick: bool) -> Section:
    hospitals, years, seeds = (1, 0.5, 1) if quick else (HOSPITALS, YEARS, SEEDS)
    section = Section(
        "monitors",
        "What the committee's monitors see of a simulated hospital",
        f"Invented patients and an invented model with nine inputs, judged once a day by the committee's own measures, "
        f"limits and verdicts at the charter's defaults (what rests on outcomes once a week, as they arrive). Without "
        f"a fault: {hospitals} hospitals of {years:g} years from their first call, of each of two sizes; a false alarm "
        f"is any verdict worse than the day before's. With a fault: {seeds} hospitals each, "
        f"{SIZES[0]:g} calls a working day; days from the fault to the verdict, the slowest of them.",
    )
    task = progress.add_task("monitors", total=1 + len(SIZES) * hospitals + len(faults()) * seeds)
    measured: dict[str, Any] = {"rate": _rate(folder, 60 if quick else 365), "healthy": [], "faults": {}}
    section.add("patients drawn and written into a ledger", measured["rate"], "a minute", bar=RATE, sense="at least")
    progress.advance(task)
    for size in SIZES:
        trials = []
        for n in range(hospitals):
            trials.append(healthy(Plan(1000 + n, round(years * YEAR_DAYS), size), WEEKLY))
            progress.advance(task)
        measured["healthy"].append(_quiet(size, trials))
        told = measured["healthy"][-1]
        section.add(f"false alarms, {size:g} calls a day", told["per_year"], "a model-year", bar=MOST_FALSE)
        section.raw.append(f"{size:g} calls a day: {told['alarms']} in {told['years']} model-years: {told['reasons']}")
    for name, fault in faults().items():
        found = []
        for n in range(seeds):
            found.append(injected(Plan(500 + n, calls_a_day=SIZES[0], fault=name), WEEKLY))
            progress.advance(task)
        measured["faults"][name] = _seen(found)
        told = measured["faults"][name]
        worst = told["worst_d"] if told["unseen"] == 0 else float("inf")
        section.add(f"{name}: days, the slowest", worst, "days", bar=fault.within_d)
        section.raw.append(f"{name}: {[t.after for t in found]} days, by {told['by']}")
    if not quick:
        MEASURED.write_text(json.dumps(measured, indent=2) + "\n", encoding="utf-8")
    return section


def _rate(folder: Path, days: int) -> float:
    url = f"sqlite:///{folder / 'simulated.db'}"
    upgrade(url)
    begun = time.perf_counter()
    hospital = drawn(Plan(days=days))
    with Book(url) as book:
        write(hospital, book, days)
    return round(60 * hospital.people / (time.perf_counter() - begun))


def _quiet(size: float, trials: list[Trial]) -> dict[str, Any]:
    years = sum(t.watched for t in trials) / YEAR_DAYS
    alarms = sum(t.false_alarms for t in trials)
    reasons = sum((t.reasons for t in trials), Counter[str]())
    return {
        "calls_a_day": size,
        "years": round(years, 1),
        "alarms": alarms,
        "per_year": round(alarms / years, 2),
        "reasons": dict(reasons.most_common()),
    }


def _seen(trials: list[Trial]) -> dict[str, Any]:
    after = [t.after for t in trials if t.after is not None]
    by = sorted({measure for t in trials for measure in t.seen_by})
    return {
        "hospitals": len(trials),
        "unseen": len(trials) - len(after),
        "median_d": statistics.median(after) if after else None,
        "worst_d": max(after, default=None),
        "by": by,
    }
