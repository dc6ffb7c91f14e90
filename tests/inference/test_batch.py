"""Many patients at once get, each, what they would have got alone."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator, Sequence
from datetime import UTC
from pathlib import Path

import orjson
import pytest
import spox.opset.ai.onnx.v17 as op
import tiny_models
from service import NOW, TODAY
from spox import Var
from tiny_models import column

from cds.fhir.decoding import decode
from cds.inference import batch
from cds.inference.model import Model
from cds.inference.prediction import Assessment, Failed, NotAssessed, Prediction
from cds.inference.registry import Registry, installed_folders, load
from cds.record.facts import Record
from cds.record.reading import Reader
from hooks.stories import STORIES, all_resources


@pytest.fixture(scope="module")
def legion() -> Registry:
    return load(installed_folders())


@pytest.fixture(scope="module")
def records(legion: Registry) -> list[Record]:
    """The demonstration's patients, and each of them several times with some of what is known left out."""
    resources = all_resources(TODAY)
    found = [_record(legion, s.id, resources) for s in STORIES]
    chance = random.Random(20261123)
    return found + [_thinned(r, chance) for r in found for _ in range(12)]


def _record(legion: Registry, story: str, resources: Sequence[dict[str, object]]) -> Record:
    mine = [r for r in resources if r["id"] == story or str(r["id"]).startswith(f"{story}-")]
    bundle = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": r} for r in mine]}
    reader = Reader(legion.vocabulary, story, NOW, UTC)
    reader.read(decode(orjson.dumps(bundle)).resources)
    return reader.finish()


def _thinned(record: Record, chance: random.Random) -> Record:
    """Without some of its concepts, sometimes of unknown sex or age, sometimes with sources that could not be read."""
    kept = {name: facts for name, facts in record.facts.items() if chance.random() < 0.7}
    unread = frozenset({"Condition"} if chance.random() < 0.1 else ())
    birth = record.birth if chance.random() < 0.9 else None
    male = record.male if chance.random() < 0.9 else None
    return dataclasses.replace(record, facts=kept, unread=unread, birth=birth, male=male)


def same(one: Assessment, other: Assessment) -> None:
    assert type(one) is type(other)
    assert one.manifest is other.manifest
    assert one.features == other.features
    if isinstance(one, NotAssessed) and isinstance(other, NotAssessed):
        assert (one.reason, one.says, one.lacking) == (other.reason, other.says, other.lacking)
    if isinstance(one, Prediction) and isinstance(other, Prediction):
        assert one.rules == other.rules
        assert one.outputs.keys() == other.outputs.keys()
        pairs = [(one.outputs, other.outputs)]
        assert [(w.feature, w.assumed, w.value) for w in one.what_if] == [
            (w.feature, w.assumed, w.value) for w in other.what_if
        ]
        pairs += [(a.outputs, b.outputs) for a, b in zip(one.what_if, other.what_if, strict=True)]
        for mine, theirs in pairs:
            for name, value in mine.items():
                # a matrix product adds up in another order when there are more rows
                assert theirs[name] == pytest.approx(value, rel=1e-12, abs=1e-12), name


def test_every_model_says_of_every_patient_what_it_says_of_them_alone(legion: Registry, records: list[Record]) -> None:
    models = list(legion.models.values())
    together = list(batch.assess(models, records))
    assert len(together) == len(records)
    kinds = set()
    for record, answers in zip(records, together, strict=True):
        assert len(answers) == len(models)
        for model, answer in zip(models, answers, strict=True):
            alone = model.assess(record)
            same(answer, alone)
            kinds.add((type(alone).__name__, model.graph is not None, bool(getattr(alone, "what_if", ()))))
    # the comparison has met what it is meant to meet: answers with and without what-ifs, rules, abstentions
    assert {("Prediction", True, True), ("Prediction", True, False), ("Prediction", False, False)} <= kinds
    assert {("NotAssessed", True, False), ("NotAssessed", False, False)} <= kinds


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A risk that is integrated over where the marker is missing."""
    content = tiny_models.manifest("mixed")
    content["inputs"][1]["absent"] = {"does": "assume", "value": 30, "vary": [30, 90], "weights": [0.5, 0.5]}
    folder: Path = tmp_path_factory.mktemp("mixed")
    tiny_models.write(folder, content, tiny_models.graph())
    return load([folder])["mixed"]


@pytest.fixture(scope="module")
def impossible(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Its chance is 0.5, but 2 for a marker of 13."""
    folder: Path = tmp_path_factory.mktemp("impossible")

    def outputs(x: Var) -> dict[str, Var]:
        unlucky = op.equal(column(x, 1), tiny_models.number(13.0))
        return {"risk": op.where(unlucky, tiny_models.number(2.0), tiny_models.number(0.5))}

    tiny_models.write(folder, tiny_models.manifest("impossible"), tiny_models.graph(outputs))
    return load([folder])["impossible"]


def test_one_patients_impossible_answer_is_not_the_others_fault(impossible: Model) -> None:
    patients = [tiny_models.patient(marker) for marker in (12, 13, 14)]
    (low,), (unlucky,), (high,) = batch.assess([impossible], patients)
    assert isinstance(low, Prediction)
    assert isinstance(high, Prediction)
    assert low.number("risk") == high.number("risk") == 0.5
    assert isinstance(unlucky, Failed)
    assert "outside 0 to 1" in unlucky.error


@pytest.mark.parametrize(("patients", "rows"), [(1, 1), (3, 2), (7, 1000)])
def test_how_many_are_taken_at_once_changes_nothing(
    mixed: Model, monkeypatch: pytest.MonkeyPatch, patients: int, rows: int
) -> None:
    monkeypatch.setattr(batch, "PATIENTS", patients)
    monkeypatch.setattr(batch, "_MOST_ROWS", rows)
    markers = [20, None, 40, 5000, 60, None, None, 80, 13.5, 1]
    records = [tiny_models.patient(m) for m in markers]
    answers = [a for (a,) in batch.assess([mixed], records)]
    for record, answer in zip(records, answers, strict=True):
        same(answer, mixed.assess(record))
    assert all(isinstance(a, Prediction) for a in answers)


def test_records_are_read_as_they_are_needed(mixed: Model) -> None:
    """A cohort need not fit into memory."""
    read = 0

    def endless() -> Iterator[Record]:
        nonlocal read
        while True:
            read += 1
            yield tiny_models.patient(40)

    answers = batch.assess([mixed], endless())
    next(answers)
    assert read == batch.PATIENTS


def test_nobody_and_nothing(mixed: Model) -> None:
    assert list(batch.assess([mixed], [])) == []
    assert list(batch.assess([], [tiny_models.patient(40)])) == [()]


def test_a_model_that_was_refused_fails_for_everybody(tmp_path: Path) -> None:
    path = tmp_path / "broken" / "model.yaml"
    path.parent.mkdir()
    path.write_text("id: broken\n", encoding="utf-8")
    model = load([tmp_path])["broken"]
    answers = list(batch.assess([model], [tiny_models.patient(40)] * 2))
    assert all(isinstance(a, Failed) for (a,) in answers)
    assert all(str(path) in a.error for (a,) in answers)
