"""docs/import-a-network.md, followed with small networks: its commands run, its policy lets the model run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import COARSE_LABELS, FINE_LABELS, NEW, OLD, Trained, plans_of

from cds.inference.model import Model
from cds.inference.registry import read
from cds.policy.schema import Policy
from cds.studies.plan import allowed

PAGE = Path(__file__).resolve().parents[2] / "docs" / "import-a-network.md"
_BLOCK = re.compile(r"^```(?P<language>\w+)(?: file=(?P<file>\S+))?\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
HEAD = {"name": "p", "author": "a", "approver": "b", "effective": "2026-01-01", "reason": "r"}


@pytest.fixture(scope="module")
def followed(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """(the folder, all that was printed)"""
    folder = tmp_path_factory.mktemp("site")
    coarse = plans_of(OLD, [9.0, 4.5, 4.5], [8, 16, 16], (-152.0, 253.0, 42.8, 93.9))
    fine = plans_of(NEW, [3.5, 2.0, 2.0], [8, 16, 16], (-55.0, 430.0, 109.6, 77.4))
    trained(folder / "weights" / "coarse", coarse, COARSE_LABELS, folds=5)
    trained(folder / "weights" / "fine", fine, FINE_LABELS, folds=5, checkpoint="checkpoint_best_panorama.pth")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CDS_")}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    said = ""
    for block in _BLOCK.finditer(PAGE.read_text(encoding="utf-8")):
        if block["file"]:
            (folder / block["file"]).write_text(block["text"], encoding="utf-8")
            continue
        command = ["bash", "-euo", "pipefail", "-c", block["text"]]
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=200, check=False
        )
        assert done.returncode == 0, f"{block['text']}\n{done.stdout}\n{done.stderr}"
        said += done.stdout
    return folder, said


def model_of(folder: Path) -> Model:
    return read(folder / "my-models" / "panorama-baseline")


def test_five_folds_a_stage_are_there_and_nothing_is_for_patients_yet(followed: tuple[Path, str]) -> None:
    manifest = model_of(followed[0]).manifest
    assert manifest.runtime.volume is not None
    assert [len(s.folds) for s in manifest.runtime.volume.stages] == [5, 5]
    assert not manifest.runtime.volume.clinical_use
    assert manifest.status == "unverified"
    assert "Licence of the weights: CC BY-NC 4.0" in followed[1]


def test_what_is_left_is_the_hospitals_own_words_and_the_self_test_passed(followed: tuple[Path, str]) -> None:
    findings = [line for line in followed[1].splitlines() if re.match(r"\S+:\d+: ", line)]
    assert findings
    assert {line.split(":")[0] for line in findings} == {"my-models/attributes.yaml"}


def test_the_pages_policy_lets_it_run_by_hand_and_nothing_more(followed: tuple[Path, str]) -> None:
    folder, _ = followed
    policy = Policy.model_validate(HEAD | yaml.safe_load((folder / "policy-part.yaml").read_text(encoding="utf-8")))
    without = Policy.model_validate(HEAD)
    model = model_of(folder)
    assert allowed(model, without, "production", by_hand=True) == "licence-not-acknowledged"
    assert allowed(model, policy, "production", by_hand=True) == ""
    assert allowed(model, policy, "production", by_hand=False) == "not-for-clinical-use"
