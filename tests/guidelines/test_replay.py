"""Last month's patients under other rules: who would newly be spoken of, and who no longer, in counts that give nobody
away."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from ledger_entries import KEY, NOW, call, prediction

from cds.guidelines.replay import Tally, replayed, told
from cds.inference.guideline import edition_of, under
from cds.inference.model import Model
from cds.inference.registry import Registry
from cds.ledger import Ledger
from cds.ledger.kept_answers import newest_by_patient
from cds.ledger.migrate import upgrade

FLAGS = ("jaundice", "weight_loss", "diarrhoea", "back_pain", "abdominal_pain", "nausea", "vomiting", "constipation")


@pytest.fixture(scope="module")
def ng12(shipped: Registry) -> Model:
    return shipped["nice-ng12"]


def later(model: Model, age: int) -> Model:
    """Jaundice counts from another age; the other rule is as it was."""
    edition = edition_of(model.manifest).model_dump(mode="json", exclude_none=True) | {"version": "99.0.0"}
    edition["rules"][0]["all"][0]["at_least"] = age
    return under(model, {"nice-ng12": edition})


class Hospital:
    """A ledger with answers of NG12 in it."""

    def __init__(self, folder: Path, model: Model) -> None:
        self.url = f"sqlite:///{folder / 'ledger.sqlite'}"
        upgrade(self.url)
        self.ledger = Ledger(self.url, KEY, folder / "spool")
        self.model, self.people = model, 0

    def asked(self, count: int, age: float | None, *found: str, days_ago: float = 1, **changes: Any) -> None:
        """``count`` further patients of an age with these symptoms."""
        for _ in range(count):
            self.people += 1
            self.again(self.people, age, *found, days_ago=days_ago, **changes)

    def again(self, person: int, age: float | None, *found: str, days_ago: float = 1, **changes: Any) -> None:
        inputs: dict[str, Any] = {name: {"state": "found", "value": float(name in found)} for name in FLAGS}
        inputs["new_diabetes"] = {"state": "found", "value": 0.0}
        inputs |= {name: {"state": "missing"} for name in ("diabetes_by_hba1c", "diabetes_by_glucose")}
        inputs["age"] = {"state": "missing"} if age is None else {"state": "found", "value": age, "unit": "a"}
        rules = ["NG12-1.2.4"] if age is not None and age >= 40 and "jaundice" in found else []
        kept = {"outcome": "predicted", "outputs": {"criteria": len(rules), "rules": rules}}
        given = {"model": "nice-ng12", "model_version": self.model.manifest.version, "inputs": inputs, **kept}
        entry = prediction(**given | changes)
        at = NOW - timedelta(days=days_ago)
        row = call(predictions=0, cards=0, suppressions=(), at=at, patient_key=f"{person:064x}")
        self.ledger.record_call(replace(row, predictions=(entry,)))

    def tally(self, then: Model, days: int = 30) -> Tally:
        return replayed(self.model, then, newest_by_patient(self.url, "nice-ng12", NOW - timedelta(days=days), NOW))


@pytest.fixture
def hospital(tmp_path: Path, ng12: Model) -> Iterator[Hospital]:
    made = Hospital(tmp_path, ng12)
    yield made
    made.ledger.close()


def test_who_is_newly_spoken_of_and_who_no_longer(hospital: Hospital, ng12: Model) -> None:
    hospital.asked(7, 42.0, "jaundice")
    hospital.asked(6, 62.0, "jaundice")
    hospital.asked(20, 50.0)
    found = told(hospital.tally(later(ng12, 45)))
    assert found["noLonger"] == {"count": 7} and found["newly"] == {"count": 0}
    assert found["before"] == {"count": 13} and found["after"] == {"count": 6}
    assert found["rules"]["NG12-1.2.4"] == {"before": {"count": 13}, "after": {"count": 6}}
    assert found["patients"] == found["tried"] == {"count": 33}
    hospital.asked(8, 38.0, "jaundice")
    found = told(hospital.tally(later(ng12, 35)))
    assert found["newly"] == {"count": 8} and found["noLonger"] == {"count": 0}


def test_a_patient_counts_once_by_the_newest_answer_of_the_time_asked_about(hospital: Hospital, ng12: Model) -> None:
    hospital.asked(5, 42.0, "jaundice", days_ago=20)
    for person in range(1, 6):
        hospital.again(person, 42.0, days_ago=2)
    assert told(hospital.tally(later(ng12, 45)))["noLonger"] == {"count": 0}
    hospital.asked(9, 42.0, "jaundice", days_ago=40)
    assert hospital.tally(later(ng12, 45)).read == 5
    assert hospital.tally(later(ng12, 45), days=60).read == 14


def test_small_counts_are_hidden_and_no_whole_gives_them_away(hospital: Hospital, ng12: Model) -> None:
    hospital.asked(3, 42.0, "jaundice")
    hospital.asked(14, 62.0, "jaundice")
    found = told(hospital.tally(later(ng12, 45)))
    assert found["noLonger"] == {"count": None, "below": 5}
    assert found["before"] == {"count": 15, "about": True} and found["after"] == {"count": 15, "about": True}
    assert found["rules"]["NG12-1.2.4"]["before"] == {"count": 15, "about": True}
    numbers = json.dumps({k: v for k, v in found.items() if k != "leastCount"})
    assert not any(f" {n}" in numbers for n in (3, 14, 17))


def test_what_an_input_leaves_open_is_undecided_under_both(hospital: Hospital, ng12: Model) -> None:
    hospital.asked(6, None, "jaundice", outcome="not-assessed", reason="input-absent", outputs={})
    found = told(hospital.tally(later(ng12, 45)))
    assert found["undecided"] == {"before": {"count": 6}, "after": {"count": 6}}


def test_who_the_guideline_was_not_for_stays_as_it_was(hospital: Hospital, ng12: Model) -> None:
    hospital.asked(6, 42.0, "jaundice", outcome="not-assessed", reason="not-eligible", outputs={})
    found = told(hospital.tally(later(ng12, 45)))
    assert found["outside"] == {"count": 6} and found["tried"] == {"count": 0}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"inputs": {"age": {"state": "found", "value": 42.0}}}, "did not read all of its inputs then"),
        ({"outputs": {"criteria": 0, "rules": []}}, "do not give the answer that was kept"),
        ({"outcome": "failed", "reason": "CDS-700"}, "could not run then"),
    ],
)
def test_what_cannot_be_decided_again_is_counted_with_its_reason(
    hospital: Hospital, ng12: Model, changes: dict[str, Any], why: str
) -> None:
    hospital.asked(5, 42.0, "jaundice", **changes)
    found = told(hospital.tally(later(ng12, 45)))
    ((said, count),) = found["notTried"].items()
    assert why in said and count == {"count": 5} and found["tried"] == {"count": 0}


def test_a_value_known_as_a_bound_is_not_guessed(hospital: Hospital, ng12: Model) -> None:
    hospital.asked(5, 42.0, "jaundice")
    kept = next(newest_by_patient(hospital.url, "nice-ng12", NOW - timedelta(days=30), NOW))
    inputs = {**kept.inputs, "age": {"state": "censored", "sent": ">89 a"}}
    hospital.asked(5, 42.0, "jaundice", inputs=inputs)
    ((said, _),) = told(hospital.tally(later(ng12, 45)))["notTried"].items()
    assert "known as a bound only" in said
