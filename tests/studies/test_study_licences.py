"""Imported weights run only where the policy has acknowledged their very licence, by hand no less than unasked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cds.inference.manifest import Licence, Runtime
from cds.inference.model import Model
from cds.inference.registry import read
from cds.policy.schema import ModelPolicy, Policy
from cds.studies.plan import allowed
from cds.studies.reasons import words

STAGE = {
    "name": "detect",
    "folds": [{"file": "detect.onnx", "sha256": "0" * 64}],
    "classes": ["background", "lesion"],
    "spacing": [3, 2, 2],
    "patch": [16, 16, 16],
    "normalise": {"clip": [-100, 200], "mean": 50, "deviation": 100},
}
BUNDLE = {
    "stages": [STAGE],
    "likelihood": {"of": "lesion"},
    "operating_points": [{"category": "unrated", "at_least": 0}],
    "clinical_use": True,
}


@pytest.fixture
def imported() -> Model:
    model = read(Path(__file__).parents[2] / "models" / "breast-triage")
    licence = Licence(name="CC BY-NC 4.0", notice="Not for commercial use.", acknowledge=True)
    runtime = Runtime.model_validate({"kind": "volume", "volume": BUNDLE})
    manifest = model.manifest.model_copy(update={"id": "imported", "licence": licence, "runtime": runtime})
    return Model(manifest, model.folder, None)


def policy(**said: Any) -> Policy:
    head = {"name": "p", "author": "a", "approver": "b", "effective": "2026-01-01", "reason": "r"}
    return Policy.model_validate(head | {"models": {"imported": ModelPolicy(**said)}})


@pytest.mark.parametrize("by_hand", [True, False])
@pytest.mark.parametrize("said", [{}, {"enabled": True}, {"licence_acknowledged": "CC BY 4.0"}])
def test_without_its_licence_it_does_not_run_and_says_why(imported: Model, said: dict[str, Any], by_hand: bool) -> None:
    reason = allowed(imported, policy(**said), "production", by_hand=by_hand)
    assert reason == "licence-not-acknowledged"
    assert "licence" in words(reason)["en"]
    assert "licentie" in words(reason)["nl"]


def test_with_its_licence_it_runs(imported: Model) -> None:
    said = policy(licence_acknowledged="CC BY-NC 4.0")
    assert allowed(imported, said, "production", by_hand=False) == ""


def test_acknowledging_is_no_switching_on(imported: Model) -> None:
    said = policy(licence_acknowledged="CC BY-NC 4.0", enabled=False)
    assert allowed(imported, said, "production", by_hand=False) == "policy-disabled"
