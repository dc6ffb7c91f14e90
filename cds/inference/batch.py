"""Many patients at once: for validation, and for trying a threshold before it is set.

The answers are those of ``Model.assess``, patient by patient: eligibility, abstention, what-ifs and the integration
over missing inputs included. Only the graph is run once for many, which is where the time goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np

from cds.errors import ModelError
from cds.inference.model import Model, Question
from cds.inference.prediction import Assessment
from cds.record.facts import Record
from cds.record.features import Already

PATIENTS = 256
"""Records read before the graphs run: enough to spread the cost of a run, few enough to keep memory flat."""
_MOST_ROWS = 1024
"""Rows of one run. A graph with bootstrap replicates holds some 100 kB a row while it runs."""


def assess(models: Sequence[Model], records: Iterable[Record]) -> Iterator[tuple[Assessment, ...]]:
    """For each record, in order, what each model says of it, in the models' order. Never raises for a model's fault:
    that patient's answer is then ``Failed``."""
    source = iter(records)
    while chunk := list(islice(source, PATIENTS)):
        read: list[Already] = [{} for _ in chunk]
        columns = (_column(model, chunk, read) for model in models)
        yield from zip(*columns, strict=True) if models else [()] * len(chunk)


def _column(model: Model, records: Sequence[Record], read: Sequence[Already]) -> list[Assessment]:
    """One model's answers for all ``records``. ``read``: what has been read of each."""
    found: list[Assessment | None] = []
    waiting: list[tuple[int, Question]] = []
    rows = 0
    for position, (record, already) in enumerate(zip(records, read, strict=True)):
        asked = model.ask(record, already)
        if not isinstance(asked, Question):
            found.append(asked)
            continue
        found.append(None)
        if waiting and rows + len(asked.rows) > _MOST_ROWS:
            _answer(model, waiting, found)
            waiting, rows = [], 0
        waiting.append((position, asked))
        rows += len(asked.rows)
    _answer(model, waiting, found)
    return [answer for answer in found if answer is not None]


def _answer(model: Model, waiting: Sequence[tuple[int, Question]], found: list[Assessment | None]) -> None:
    """Fill in the answers of all who wait. When the run fails, each is asked alone: one patient's impossible answer
    is not the others' fault."""
    if not waiting:
        return
    try:
        results = model.run(np.concatenate([asked.rows for _, asked in waiting]))
    except ModelError:
        for position, asked in waiting:
            found[position] = model.answered(asked)
        return
    start = 0
    for position, asked in waiting:
        end = start + len(asked.rows)
        found[position] = model.told(asked, results, slice(start, end))
        start = end
