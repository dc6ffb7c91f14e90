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
from cds.inference.guideline import edition_of
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
        [found] = Evaluator(room.book, models, lambda *_: policy, charter, now).all(MODEL, "north", keep=keep)
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
        # a moment each: of one moment, ids drawn by chance would say who are the newest
        Said(
            f"c{i}",
            ago(1100) + timedelta(seconds=i),
            {"risk": float(1 / (1 + np.exp(-said[i])))},
            snapshot(random),
            carded=said[i] > -1,
        )
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
    curve = told["index", ""]["detail"]
    assert len(curve["curve"]["predicted"]) == 30 and len(curve["groups"]) == 10
    assert told["index", ""]["value"] < curve["if_perfect"]
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


def test_two_files_under_one_version_number_are_not_mixed(room: Room, evaluate: Evaluate, models: Registry) -> None:
    """The other one's answers count nowhere, which is said."""
    random = np.random.default_rng(16)
    with_file = [replace(one, sha256=models[MODEL].manifest.fingerprint) for one in weeks(300, random, 20, 1)]
    other = [replace(one, sha256="ab" * 32) for one in weeks(200, random, 40, 21)]
    room.tell(other + with_file, version=version(models))
    found = evaluate()
    told = {f["measure"]: f for f in found.verdict.findings}
    assert (told["other_file"]["n"], told["other_file"]["events"], told["other_file"]["level"]) == (500, 200, "watch")
    assert found.verdict.raised == "watch"
    assert told["burden"]["n"] == 300
    judged = Evaluator(room.book, models, lambda *_: None, Charter.model_validate(yaml.safe_load(CHARTER)), NOW)  # type: ignore[arg-type,return-value]
    assert len(judged.answers(models[MODEL].manifest, "north")) == 300


def test_inputs_that_break_stop_whichever_file_answers(room: Room, evaluate: Evaluate, models: Registry) -> None:
    """The workers have a new file and the service still answers with the old one, say."""
    random = np.random.default_rng(17)
    installed = [replace(one, sha256=models[MODEL].manifest.fingerprint) for one in weeks(300, random, 100, 1)]
    broken = weeks(60, random, 0.9, 0, age={"state": "unit-unknown"})
    room.tell(installed + [replace(one, sha256="ab" * 32) for one in broken], version=version(models))
    found = evaluate()
    assert found.verdict.level == "stopped"
    assert values(found)["other_file", ""]["level"] == "act"


def test_a_changed_file_does_not_wipe_out_what_was_found(room: Room, evaluate: Evaluate, models: Registry) -> None:
    cohort_of(room, models, 1500, seed=12, shift=1.6)
    assert evaluate().verdict.level == "watch"
    [kept] = room.book.read(lambda c: history(c, MODEL, "north"))
    assert kept.model_sha256 == models[MODEL].manifest.fingerprint, "which file it was that was judged"
    room.book.write(lambda c: c.exec_driver_sql(f"UPDATE predictions SET model_sha256 = '{'ab' * 32}'"))
    assert evaluate(NOW + timedelta(days=1)).verdict.level == "act"


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


# survival, and what clinicians do with cards


def survivors(room: Room, models: Registry, n: int, *, hopeful: float = 1.0) -> None:
    """``n`` patients of a survival model predicted two to five years ago; ``hopeful``: how much too good its curves
    are, as a power of the chance to live."""
    random = np.random.default_rng(21)
    manifest = models["metastatic-os"].manifest
    times = np.asarray(next(o for o in manifest.outputs if o.name == "survival").times)
    hazard = 0.06 * np.exp(random.normal(0, 0.7, n))
    death = random.exponential(1 / hazard)
    said, events = [], []
    for i in range(n):
        days_ago = float(random.uniform(800, 1800))
        curve = np.exp(-hazard[i] / hopeful * times)
        said.append(Said(f"s{i}", ago(days_ago), {"survival": [float(x) for x in curve]}))
        died = days_ago - float(death[i]) * 30.4375
        if died > 0:
            events.append(
                OutcomeEvent("north", room.key(f"s{i}"), "event", "death", ago(died).date(), "registry", None)
            )
    room.tell(said, model="metastatic-os", version=manifest.version)
    room.book.put_all(outcome_events, [e.row("s", NOW) for e in events])
    known_until(room)


@pytest.mark.parametrize(("hopeful", "expected"), [(1.0, "green"), (3.0, "act")])
def test_survival_is_judged_at_6_12_and_24_months(
    room: Room, models: Registry, policy: Policy, hopeful: float, expected: str
) -> None:
    survivors(room, models, 700, hopeful=hopeful)
    content = yaml.safe_load(CHARTER)
    # hazards that vary as here are ranked at 0.66 by a perfect model
    content["models"]["metastatic-os"] = {"outcome": "death", "output": "survival", "limits": {"auc": {"watch": 0.6}}}
    charter = Charter.model_validate(content)
    [found] = Evaluator(room.book, models, lambda *_: policy, charter, NOW).all("metastatic-os", keep=False)
    told = values(found)
    for months in ("6 months", "12 months", "24 months"):
        for measure in ("ratio", "slope", "alive", "auc_at", "index"):
            assert "value" in told[measure, months], (measure, months, told[measure, months])
    assert told["auc", ""]["value"] > 0.6 and "value" in told["integrated_brier", ""]
    assert found.verdict.raised == expected
    if expected == "act":
        assert levels(found)["ratio 12 months"] == "act"


def test_how_much_cards_ask_and_what_is_done_with_them(room: Room, evaluate: Evaluate, models: Registry) -> None:
    random = np.random.default_rng(31)
    said = [replace(s, carded=i % 2 == 0) for i, s in enumerate(weeks(120, random, 25, 0))]
    room.tell(said, version=version(models))
    looked = [
        OutcomeEvent("north", room.key(s.patient), "looked", "cancer", (s.at + timedelta(days=3)).date(), "fhir", None)
        for s in said[:40]
    ]
    room.book.put_all(outcome_events, [e.row("s", NOW) for e in looked])
    found = evaluate()
    told = values(found)
    assert told["burden", ""]["value"] == pytest.approx(50)
    assert levels(found)["burden"] == "act"
    assert told["accepted", ""]["value"] == 0
    assert told["repeated", ""]["value"] == 0
    assert 0.2 < told["looked_within", "14 days"]["value"] < 0.6


def test_cards_of_the_version_before_are_no_burden_of_this_one(
    room: Room, evaluate: Evaluate, models: Registry
) -> None:
    random = np.random.default_rng(32)
    room.tell([replace(s, carded=True) for s in weeks(90, random, 25, 3)], version="0.9.0")
    room.tell([replace(s, carded=i < 4) for i, s in enumerate(weeks(40, random, 2, 0))], version=version(models))
    assert values(evaluate())["burden", ""]["value"] == pytest.approx(10)


def test_numbers_that_can_not_be_computed_cost_no_other_model_its_verdict(
    room: Room, models: Registry, policy: Policy, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    random = np.random.default_rng(33)
    for model in ("endpac", MODEL):
        room.tell(weeks(40, random, 20, 0), model=model, version=models[model].manifest.version)
    charter = Charter.model_validate(yaml.safe_load(CHARTER))
    one = Evaluator.one

    def failing(self: Evaluator, manifest: Any, site: str, *, keep: bool = True) -> Evaluation:
        if manifest.id == "endpac":
            raise ValueError("math domain error")
        return one(self, manifest, site, keep=keep)

    monkeypatch.setattr(Evaluator, "one", failing)
    told = list(Evaluator(room.book, models, lambda *_: policy, charter, NOW).all())
    assert [found.verdict.model for found in told] == [MODEL]
    assert "committee.failed model=endpac site=north error=ValueError" in caplog.text


def test_a_guideline_is_watched_in_the_edition_that_is_in_force(room: Room, models: Registry, policy: Policy) -> None:
    ng12 = models["nice-ng12"]
    edition = edition_of(ng12.manifest).model_dump(mode="json", exclude_none=True) | {"version": "9.0.0"}
    guidelines = policy.guidelines.model_copy(update={"editions": {"nice-ng12": edition}})
    layered = policy.model_copy(update={"guidelines": guidelines})
    evaluator = Evaluator(room.book, models, lambda *_: layered, Charter.model_validate(yaml.safe_load(CHARTER)), NOW)
    assert evaluator.in_force(ng12, "north").version == "9.0.0"
    assert evaluator.in_force(models[MODEL], "north").version == version(models)
