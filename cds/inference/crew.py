"""Many patients in several processes: the batch scoring of ``cds models score``, and what the benchmark measures.

Processes are forked, so that models and whatever the reader needs are there without being sent; sessions of ONNX
Runtime are opened in each, before the first patient. Results come back in the order of the patients.
"""

from __future__ import annotations

import gc
import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from typing import Any, Generic, TypeVar

from cds.errors import ModelError
from cds.inference import batch
from cds.inference.model import Model
from cds.inference.prediction import Assessment
from cds.record.facts import Record

Item = TypeVar("Item")
Told = TypeVar("Told")

AHEAD = 4
"""Chunks a process that wait or are done and not yet taken: a file larger than memory never lies in it whole."""


class Crew(Generic[Item, Told]):
    """Processes, ready to score. Made by ``crew``."""

    def __init__(
        self, work: Callable[[list[Item]], list[Told]], pool: ProcessPoolExecutor | None, processes: int
    ) -> None:
        self._work, self._pool, self._processes = work, pool, processes

    def score(self, items: Iterable[Item]) -> Iterator[list[Told]]:
        """For each chunk of ``batch.PATIENTS`` items, in order, what was told of each. Raises ModelError when a process
        was killed."""
        chunks = _chunks(items)
        if self._pool is None:
            yield from map(self._work, chunks)
            return
        waiting: deque[Future[list[Told]]] = deque()
        try:
            for chunk in chunks:
                waiting.append(self._pool.submit(_work, chunk))
                if len(waiting) >= AHEAD * self._processes:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool as error:
            raise ModelError("a scoring process was killed, most likely for want of memory; try fewer") from error
        finally:
            for future in waiting:
                future.cancel()


@contextmanager
def crew(
    models: Sequence[Model],
    read: Callable[[Item], Record],
    tell: Callable[[Item, tuple[Assessment, ...]], Told],
    processes: int,
) -> Iterator[Crew[Item, Told]]:
    """``read``: a patient's record out of an item; ``tell``: what is sent back of it, which must be small and can be
    pickled. One process is this one. Raises ModelError for a graph that can't be opened."""

    def work(items: list[Item]) -> list[Told]:
        answers = batch.assess(models, map(read, items))
        return [tell(item, answer) for item, answer in zip(items, answers, strict=True)]

    for model in models:
        if not model.refused:
            model.warm()
    if processes <= 1 or "fork" not in multiprocessing.get_all_start_methods():
        yield Crew(work, None, 1)
        return
    _FORKED.append((work, models))
    gc.collect()
    gc.freeze()  # the collector must not touch, and so copy, what the processes share
    try:
        context = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(processes, mp_context=context, initializer=_ready) as pool:
            list(pool.map(_nothing, range(processes)))  # all are forked now
            yield Crew(work, pool, processes)
    finally:
        _FORKED.pop()
        gc.unfreeze()


_FORKED: list[tuple[Callable[[list[Any]], list[Any]], Sequence[Model]]] = []
"""What the processes of the crew being made find when they begin."""


def _ready() -> None:
    for model in _FORKED[-1][1]:
        if not model.refused:
            model.warm()


def _nothing(_: int) -> None:
    """The first task, which has the processes begin."""


def _work(items: list[Any]) -> list[Any]:
    return _FORKED[-1][0](items)


def _chunks(items: Iterable[Item]) -> Iterator[list[Item]]:
    source = iter(items)
    while chunk := list(islice(source, batch.PATIENTS)):
        yield chunk
