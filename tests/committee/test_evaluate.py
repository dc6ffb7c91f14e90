"""From rows of the ledger to verdicts: faults are found, chance is not, few people are told as few."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
import yaml
from committee_room import CHARTER, NOW, Room, Said, ago

from cds import services as service_room
from cds.committee import actions
from cds.committee.charter import Charter, version_of
from cds.committee.evaluate import Evaluation, Evaluator
from cds.ids import new_id
from cds.inference.registry import Registry
from cds.ledger.committee_tables import outcome_events, outcome_sweeps
from cds.ledger.outcomes import OutcomeEvent, Sweep
from cds.ledger.standings import every, stops
from cds.ledger.verdicts import history
from cds.policy.packaged import packaged_policy
from cds.policy.schema import Known, Policy, parse
from cds.services.declaration import installed_packages

MODEL = "qcancer-2013-pancreas"
WATCH = {"outcome": "cancer", "output": "risk", "horizon": "2y"}
Evaluate = Callable[..., Evaluation]


@pytest.fixture(scope="session")
def policy(models: Registry) -> Policy:
    path = packaged_policy(installed_packages())
    known = Known(models.thresholds(), service_room.load().parameters())
    return parse(path.read_text(encoding="utf-8"), str(path), known)


@pytest.fixture
def evaluate(room: Room, models: Registry, policy: Policy) -> Evaluate:
    """Call it with changes to the charter and the moment; the evaluation of the model at ``north``."""

    def run(now: Any = NOW, keep: bool = True, **changes: Any) -> Evaluation:
        content = yaml.safe_load(CHARTER) | changes
        found_version = version_of(yaml.safe_dump(content))
        charter = Charter.model_validate(content).model_copy(update={"version": found_version})
        [found] = Evaluator(room.book, models, policy, charter, now).all(MODEL, "north", keep=keep)
        return found

    return run


def version(models: Registry) -> str:
    return models[MODEL].manifest.version


def snapshot(random: np.random.Generator, **changes: dict[str, Any]) -> dict[str, Any]:
    usual: dict[str, dict[str, Any]] = {
        "age": {"state": "found", "value": float(random.integers(40, 90))},
        "male": {"state": "found", "value": float(random.integers(0, 2))},
        "bmi": {"state": "found", "value": float(random.normal(26, 4))},
        "type_2_diabetes": {"state": "found", "value": float(random.random() < 0.15)},
    }
    if random.random() < 0.1:
        usual["bmi"] = {"state": "missing"}
    return usual | changes


def weeks(n: int, random: np.random.Generator, first: float, last: float, **inputs: dict[str, Any]) -> list[Said]:
    """``n`` patients predicted between ``first`` and ``last`` days ago."""
    days = np.sort(random.uniform(last, first, n))[::-1]
    return [
        Said(
            f"p{random.integers(1 << 50)}",
            ago(float(d)),
            {"risk": float(random.beta(1, 60))},
            snapshot(random, **inputs),
        )
        for d in days
    ]


def levels(found: Evaluation) -> dict[str, str]:
    """What is not green."""
    return {f"{f['measure']} {f['about']}".strip(): f["level"] for f in found.verdict.raising}


def test_a_model_whose_inputs_are_as_before_is_green(room: Room, evaluate: Evaluate, models: Registry) -> None:
    random = np.random.default_rng(1)
    room.tell(weeks(1200, random, 210, 30.5) + weeks(600, random, 30, 0), version=version(models))
    found = evaluate()
    assert levels(found) == {}
    assert found.verdict.level == "green"
    told = {(f["measure"], f["about"]): f for f in found.verdict.findings}
    assert told["drift", "age"]["n"] >= 200
    assert told["auc", ""]["lacking"].startswith("not enough data: 0 events, 100 needed")


def test_an_input_that_no_longer_arrives_stops_the_model_the_same_day(
    room: Room, evaluate: Evaluate, models: Registry
) -> None:
    random = np.random.default_rng(2)
    broken = {"age": {"state": "unit-unknown", "sent": "67 furlong"}}
    room.tell(weeks(900, random, 210, 1), version=version(models))
    room.tell(weeks(60, random, 0.9, 0, **broken), version=version(models))
    found = evaluate()
    assert levels(found)["unusable age"] == "stop"
    assert found.verdict.level == "stopped"
    assert found.stop is not None and found.stop.cause == "input-failure"
    assert set(stops(room.book.read(every))) == {(MODEL, "north")}
    again = evaluate(NOW + timedelta(hours=1))
    assert (again.verdict.level, again.stop) == ("stopped", None)


def test_an_optional_input_that_is_gone_is_acted_on_and_stops_nothing(
    room: Room, evaluate: Evaluate, models: Registry
) -> None:
    random = np.random.default_rng(3)
    gone = {"bmi": {"state": "missing"}}
    room.tell(weeks(900, random, 210, 1), version=version(models))
    room.tell(weeks(60, random, 0.9, 0, **gone), version=version(models))
    found = evaluate()
    spec = next(i for i in models[MODEL].manifest.inputs if i.name == "bmi")
    assert spec.absent.does == "assume"
    assert levels(found)["missing bmi"] == "act"
    assert found.stop is None and found.verdict.level == "watch"
    next_day = evaluate(NOW + timedelta(days=1))
    assert next_day.verdict.level in ("act", "watch")


def test_a_shift_of_an_input_is_told_with_its_certainty(room: Room, evaluate: Evaluate, models: Registry) -> None:
    random = np.random.default_rng(4)
    room.tell(weeks(1500, random, 210, 30.5), version=version(models))
    older = [replace(s, inputs={**s.inputs, "age": {"state": "found", "value": 75.0 + float(random.integers(0, 15))}})
             for s in weeks(400, random, 30, 0)]  # fmt: skip
    room.tell(older, version=version(models))
    found = evaluate()
    assert levels(found)["drift age"] == "act"
    assert "drift male" not in levels(found) and "drift bmi" not in levels(found)
    [drift] = [f for f in found.verdict.findings if f["measure"] == "drift" and f["about"] == "age"]
    assert drift["detail"]["p"] < 1e-6


def test_a_model_that_fails_to_run_is_stopped(room: Room, evaluate: Evaluate, models: Registry) -> None:
    random = np.random.default_rng(5)
    room.tell(weeks(300, random, 100, 1), version=version(models))
    failed = [replace(s, outcome="failed", reason="CDS-700", outputs={}) for s in weeks(60, random, 0.9, 0)]
    room.tell(failed, version=version(models))
    found = evaluate()
    assert levels(found)["failed"] == "stop" and found.stop is not None


# outcomes


def cohort_of(room: Room, models: Registry, n: int, *, seed: int, shift: float = 0.0, noise: float = 0.0) -> None:
    """``n`` patients predicted three years ago, of whom some got the outcome within two; ``shift``: on the logit scale,
    of what happens against what is predicted; ``noise``: of the prediction, which then ranks worse."""
    random = np.random.default_rng(seed)
    truth = random.normal(-1.6, 1.1, n)
    said = truth + random.normal(0, noise, n) if noise else truth
    happens = random.random(n) < 1 / (1 + np.exp(-(truth + shift)))
    calls = [
        Said(f"c{i}", ago(1100), {"risk": float(1 / (1 + np.exp(-said[i])))}, snapshot(random), carded=said[i] > -1)
        for i in range(n)
    ]
    room.tell(calls, version=version(models))
    events = [
        OutcomeEvent("north", room.key(f"c{i}"), "event", "cancer", ago(1100 - after).date(), "registry", None)
        for i in np.flatnonzero(happens)
        for after in [float(random.uniform(20, 700))]
    ]
    room.book.put_all(outcome_events, [e.row("s", NOW) for e in events])
    known_until(room)


def known_until(room: Room) -> None:
    sweep = Sweep(new_id(), NOW, "north", "registry", "national", None, ("cancer", "death"), None, NOW.date())
    room.book.put_all(outcome_sweeps, [sweep.row])


def values(found: Evaluation) -> dict[tuple[str, str], Any]:
    return {(f["measure"], f["about"]): f for f in found.verdict.findings}


def test_a_right_model_is_told_as_right_with_every_measure(room: Room, evaluate: Evaluate, models: Registry) -> None:
    cohort_of(room, models, 1500, seed=11)
    found = evaluate(subgroups={"sex": {"label": {"en": "sex"}, "source": "patient.male"}})
    told = values(found)
    assert levels(found) == {}
    assert told["auc", ""]["lower"] > 0.7
    assert told["ratio", ""]["lower"] < 1 < told["ratio", ""]["upper"]
    assert told["slope", ""]["lower"] < 1 < told["slope", ""]["upper"]
    for measure in ("brier", "scaled_brier", "intercept", "ppv", "sensitivity", "evaluate", "benefit", "card_ppv"):
        assert told[measure, ""]["n"] > 100, measure
    assert told["gap_sensitivity", "sex: male"]["lower"] < 0 < told["gap_sensitivity", "sex: male"]["upper"]
    assert found.ascertainment is not None
    assert "outcomes from registry:national" in found.ascertainment.told[0]


def test_a_model_that_underestimates_is_acted_on_the_second_day(
    room: Room, evaluate: Evaluate, models: Registry
) -> None:
    cohort_of(room, models, 1500, seed=12, shift=1.6)
    first = evaluate()
    assert levels(first)["ratio"] == "act" and first.verdict.level == "watch"
    second = evaluate(NOW + timedelta(days=1))
    assert second.verdict.level == "act" and second.stop is None


def test_a_declared_floor_stops_a_model_that_no_longer_ranks(room: Room, evaluate: Evaluate, models: Registry) -> None:
    cohort_of(room, models, 1500, seed=13, noise=8.0)
    floor = {
        "models": {MODEL: {"outcome": "cancer", "output": "risk", "horizon": "2y", "limits": {"auc": {"stop": 0.68}}}}
    }
    assert evaluate(**floor).stop is None
    second = evaluate(NOW + timedelta(days=1), **floor)
    assert second.stop is not None and second.stop.cause == "floor"
    assert "auc" in second.stop.reason


def test_a_few_events_are_told_as_few_and_judge_nothing(room: Room, evaluate: Evaluate, models: Registry) -> None:
    cohort_of(room, models, 90, seed=14, shift=1.6)
    told = values(evaluate())
    assert told["auc", ""]["what"] in ("events", "people without the event")
    assert told["auc", ""]["lacking"].endswith(", 100 needed")
    assert "value" not in told["ratio", ""]


def test_another_version_s_answers_say_nothing_of_this_one_s(room: Room, evaluate: Evaluate, models: Registry) -> None:
    cohort_of(room, models, 300, seed=15)
    room.book.write(lambda c: c.exec_driver_sql("UPDATE predictions SET model_version = '0.0.1'"))
    assert values(evaluate())["auc", ""]["have"] == 0


def test_a_dry_run_leaves_nothing_behind(room: Room, evaluate: Evaluate, models: Registry) -> None:
    random = np.random.default_rng(2)
    room.tell(weeks(300, random, 100, 1), version=version(models))
    room.tell(weeks(60, random, 0.9, 0, age={"state": "unit-unknown"}), version=version(models))
    assert evaluate(keep=False).verdict.level == "stopped"
    assert room.book.read(lambda c: history(c, MODEL, "north")) == ()
    assert room.book.read(every) == ()


def test_a_resumed_model_is_not_stopped_by_what_was_said_before(
    room: Room, evaluate: Evaluate, models: Registry
) -> None:
    cohort_of(room, models, 1500, seed=13, noise=8.0)
    floor = {
        "models": {MODEL: {"outcome": "cancer", "output": "risk", "horizon": "2y", "limits": {"auc": {"stop": 0.68}}}}
    }
    evaluate(**floor)
    assert evaluate(NOW + timedelta(days=1), **floor).stop is not None
    signed = actions.Signatures("A. Bee", "C. Dee", "known and accepted while a new version is made")
    charter = Charter.model_validate(yaml.safe_load(CHARTER))
    actions.resume(room.book, charter, MODEL, "north", signed, NOW + timedelta(days=1, hours=2))
    after = evaluate(NOW + timedelta(days=2), **floor)
    assert (after.verdict.level, after.stop) == ("watch", None)
