"""Patients scored in several processes: the same answers in the same order, and a process that dies is told of."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import tiny_models

from cds.errors import ModelError
from cds.inference import batch
from cds.inference.crew import AHEAD, crew
from cds.inference.model import Model
from cds.inference.prediction import Assessment, Prediction
from cds.inference.registry import load
from cds.record.facts import Record


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder: Path = tmp_path_factory.mktemp("crew")
    tiny_models.write(folder, tiny_models.manifest("crew"), tiny_models.graph())
    return load([folder])["crew"]


def risk(_: int, answers: tuple[Assessment, ...]) -> float:
    (answer,) = answers
    assert isinstance(answer, Prediction)
    return answer.number("risk")


def read(marker: int) -> Record:
    return tiny_models.patient(marker % 1000)


MANY = range(batch.PATIENTS * (2 * AHEAD + 3))
"""More chunks than may wait at once."""


def test_two_processes_say_what_one_says_in_the_same_order(model: Model) -> None:
    with crew([model], read, risk, 1) as one, crew([model], read, risk, 2) as two:
        alone = [value for told in one.score(MANY) for value in told]
        shared = [value for told in two.score(MANY) for value in told]
    assert len(alone) == len(MANY)
    assert alone == shared


def test_a_process_that_is_killed_is_a_fault_and_no_silence(model: Model) -> None:
    def dies(marker: int) -> Record:
        if marker == 5:
            os._exit(1)
        return read(marker)

    with (
        crew([model], dies, risk, 2) as hands,
        pytest.raises(ModelError, match="a scoring process was killed, most likely for want of memory"),
    ):
        list(hands.score(MANY))


def test_who_stops_asking_waits_for_nothing(model: Model) -> None:
    with crew([model], read, risk, 2) as hands:
        first = next(iter(hands.score(MANY)))
    assert len(first) == batch.PATIENTS
