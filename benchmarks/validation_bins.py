"""What is lost of the exact pooled AUC when hospitals send joined bins, not people, and how long counting takes."""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

import numpy as np
from results import Section
from rich.progress import Progress
from scipy.special import expit

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "plugins"))
from hospitals import asked, exact_auc, hospital

from cds.validation.bins import logit_edges
from cds.validation.pooling.measures import Estimate, auc, pooled_table
from cds.validation.result import WHOLE, counted

BAR = 0.003
PEOPLE = ((9000, 0.0), (4000, 0.2), (2500, -0.2))
"""People of each hospital, and by how much their true risk (logit) is not what the model thinks."""
SETTINGS = ((10, 5), (20, 5), (50, 5), (50, 10))


def run(folder: Path, progress: Progress, *, quick: bool) -> Section:
    rounds = 2 if quick else 20
    section = Section(
        "validation-bins",
        "What joined bins lose of the pooled AUC",
        f"Three drawn hospitals of 9,000, 4,000 and 2,500 people, about 3.6 % events; the AUC pooled from what they "
        f"would send against that of all people in one file. {rounds} draws each; the error is absolute.",
    )
    task = progress.add_task("validation-bins", total=len(SETTINGS) * rounds)
    seconds: list[float] = []
    for bins, smallest in SETTINGS:
        errors = []
        for seed in range(rounds):
            error, took = _error(bins, smallest, seed)
            errors.append(error)
            seconds.append(took)
            progress.advance(task)
        name = f"{bins} bins, no cell below {smallest}"
        bar = {"bar": BAR} if (bins, smallest) == (50, 5) else {}
        section.add(f"{name}: largest error", max(errors), "", **bar)
        section.raw.append(f"{name}: median {statistics.median(errors):.4f}, largest {max(errors):.4f}")
    section.add("counting one hospital of 9,000", statistics.median(seconds), "s")
    return section


def _error(bins: int, smallest: int, seed: int) -> tuple[float, float]:
    question = asked(edges=logit_edges(0.0005, 0.5, bins), minimum_cell=smallest, subgroups={})
    houses = [hospital(n, seed * 10 + i, shift=shift) for i, (n, shift) in enumerate(PEOPLE)]
    cases = [one.cases() for one in houses]
    begun = time.perf_counter()
    results = [counted(question, cases[0], "H0", question.issued)]
    took = time.perf_counter() - begun
    results += [counted(question, one, f"H{i}", question.issued) for i, one in enumerate(cases[1:], start=1)]
    tables = [table.rows() for result in results if (table := result.table(None, WHOLE))]
    found = auc(pooled_table(question.edges, tables))
    assert isinstance(found, Estimate)
    scores = np.concatenate([one.scores for one in houses])
    events = np.concatenate([one.events for one in houses])
    return abs(float(expit(found.value)) - exact_auc(scores, events)), took
