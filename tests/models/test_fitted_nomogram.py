"""The MSKCC nomogram: the published numbers, by plain arithmetic, and off unless a policy names it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

FOLDER = Path(__file__).parents[2] / "models" / "mskcc-nomogram"
PUBLISHED = json.loads((FOLDER / "coefficients.json").read_text(encoding="utf-8"))
BASE = {"age": 65.0, "grade": 2.0, "positive_nodes": 2.0, "negative_nodes": 12.0, "t": 3.0, "size": 3.0}


def by_hand(p: dict[str, float]) -> list[float]:
    """Shares at 12, 24 and 36 months."""
    own = {"body_or_tail": "location_other_than_head"}
    total = PUBLISHED["intercept"]
    for name, value in p.items():
        total += PUBLISHED["terms"].get(own.get(name, name), 0.0) * value
    grade = {1: "diff_well", 3: "diff_poor", 4: "diff_poor"}.get(int(p["grade"]), "")
    total += PUBLISHED["terms"].get(grade, 0.0)
    total += PUBLISHED["terms"].get(f"T{p['t']:g}", 0.0)
    total += PUBLISHED["terms"]["size_cm"] * p["size"]
    for name, weight in PUBLISHED["terms"].items():
        if name.startswith("plus3"):
            which, _, knot = name[6:-1].partition("-")
            value = p["size" if which == "size_cm" else which]
            total += weight * max(value - float(knot or 0), 0.0) ** 3
    return [s0 ** np.exp(total) for s0 in PUBLISHED["s0"].values()]


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"t": 1.0, "grade": 1.0},
        {"t": 2.0, "grade": 3.0, "male": 1.0},
        {"t": 4.0, "size": 9.0, "grade": 4.0},
        {"positive_nodes": 0.0, "negative_nodes": 0.0},
        {"positive_nodes": 20.0, "splenectomy": 1.0, "body_or_tail": 1.0},
        {"portal_vein_resected": 1.0, "resection_margin_positive": 1.0, "posterior_margin_positive": 1.0},
        {"back_pain": 1.0, "weight_loss": 1.0, "age": 33.0},
    ],
    ids=str,
)
def test_the_graph_is_the_published_formula(ask, changed) -> None:
    patient = BASE | changed
    answer = ask("mskcc-nomogram", patient)
    assert answer["survival"][0] == pytest.approx([1.0, *by_hand(patient)], abs=1e-9)
    assert answer["contributions"].sum() + PUBLISHED["intercept"] == pytest.approx(answer["lp"][0], abs=1e-9)


def test_ranges_are_the_calculators(registry) -> None:
    inputs = {i.name: i for i in registry["mskcc-nomogram"].manifest.inputs}
    for name, own in (("age", "age"), ("positive_nodes",) * 2, ("negative_nodes",) * 2, ("size_cm", "size")):
        assert list(inputs[own].range) == PUBLISHED["ranges"][name]


def test_it_is_off_until_a_policy_names_it_and_states_its_licence(registry) -> None:
    manifest = registry["mskcc-nomogram"].manifest
    policy = yaml.safe_load((FOLDER.parents[1] / "hooks" / "policy.yaml").read_text(encoding="utf-8"))
    assert manifest.status.needs_enabling
    assert "mskcc-nomogram" not in policy["models"]
    for language in ("en", "nl"):
        assert "Noncommercial" in manifest.licence.notice[language]
    assert "noncommercial" in manifest.words.limits["en"][0]
