"""The urine panel: a rank and log odds, never a chance; the graph is the fit; the page says what was measured."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
import yaml

FOLDER = Path(__file__).parents[2] / "models" / "urine-panel"
FIT = json.loads((FOLDER / "fit.json").read_text(encoding="utf-8"))
PEOPLE = [
    {"age": age, "creatinine": creatinine, "lyve1": 3.0 * level, "reg1b": 60.0 * level, "tff1": 300.0 * level}
    for age in (26.0, 60.0, 89.0)
    for creatinine in (0.06, 0.8, 4.0)
    for level in (0.0, 0.1, 1.0, 6.0)
]


def log_odds(p: dict[str, float]) -> float:
    proteins = [np.log(p[name] / p["creatinine"] + 1e-3) for name in ("lyve1", "reg1b", "tff1")]
    design = np.array([(p["age"] - 60) / 10, np.log(p["creatinine"]), *proteins])
    return float(FIT["intercept"] + design @ np.array(FIT["beta"]))


def test_the_graph_is_the_fit(ask) -> None:
    answer = ask("urine-panel", *PEOPLE)
    expected = np.array([log_odds(p) for p in PEOPLE])
    assert np.abs(answer["score"] - (expected - FIT["others"][10])).max() < 1e-9
    assert np.abs(answer["rank"] - np.interp(expected, FIT["others"], FIT["levels"])).max() < 1e-9
    assert (answer["score_lower"] < answer["score"]).all()
    assert (answer["score"] < answer["score_upper"]).all()


def test_the_median_person_without_cancer_scores_zero_and_ranks_in_the_middle() -> None:
    assert FIT["levels"][10] == 50
    assert np.interp(FIT["others"][10], FIT["others"], FIT["levels"]) == 50


def test_it_never_gives_a_probability(registry) -> None:
    manifest = registry["urine-panel"].manifest
    assert {o.kind for o in manifest.outputs} == {"score", "bound", "contributions"}
    assert manifest.status.value == "research"
    assert "never a risk" in manifest.words.limits["en"][0]


def test_its_terms_add_up_to_the_score_but_for_a_constant(ask) -> None:
    answer = ask("urine-panel", *PEOPLE)
    constant = answer["score"] - answer["contributions"].sum(axis=1)
    assert constant == pytest.approx(FIT["intercept"] - FIT["others"][10])


def test_it_is_off_until_a_policy_names_it() -> None:
    policy = yaml.safe_load((FOLDER.parents[1] / "hooks" / "policy.yaml").read_text(encoding="utf-8"))
    assert "urine-panel" not in policy["models"]


def test_manifest_and_page_say_what_was_measured(registry) -> None:
    overall, left_out = registry["urine-panel"].manifest.evidence
    measured = FIT["measured"]["auc"]["cancer against all others"]
    site = FIT["measured"]["site_left_out"]["LIV"]
    for stated, found in ((overall, measured), (left_out, site)):
        assert stated.value == pytest.approx(found["value"], abs=5.1e-4)
        assert stated.interval == pytest.approx((found["lower"], found["upper"]), abs=5.1e-4)
        assert (stated.n, stated.events) == (found["cases"] + found["others"], found["cases"])
    page = (FOLDER / "evaluation.md").read_text(encoding="utf-8")
    for name, found in FIT["measured"]["auc"].items():
        assert f"| {name} | {found['cases']} | {found['others']} | {found['value']:.3f}" in page
    for name, found in FIT["measured"]["subgroups"].items():
        assert f"| {name} | {found['cases']} | {found['others']} | {found['value']:.3f}" in page
    assert "under 55" in FIT["measured"]["subgroups"]


def test_at_no_site_left_out_was_the_mean_chance_the_share_with_cancer() -> None:
    """Why a probability would be wrong."""
    for site in FIT["measured"]["site_left_out"].values():
        assert abs(site["predicted"] - site["observed"]) > 0.05


def test_the_script_fits_a_study_of_the_same_columns(tmp_path) -> None:
    rng = np.random.default_rng(3)
    count = 240
    cancer = rng.random(count) < 0.4
    creatinine = rng.lognormal(-0.4, 0.6, count)
    frame = pd.DataFrame(
        {
            "sample_origin": rng.choice(["A", "B"], count),
            "age": (55 + 8 * cancer + rng.normal(0, 9, count)).round(),
            "diagnosis": np.where(cancer, 3, rng.choice([1, 2], count)),
            "sex": rng.choice(["M", "F"], count),
            "benign_sample_diagnosis": rng.choice(["Pancreatitis (Chronic)", "Gallstones"], count),
            "stage": np.where(cancer, rng.choice(["IIB", "III"], count), None),
            "creatinine": creatinine,
            "LYVE1": creatinine * rng.lognormal(1.5 * cancer, 0.8, count),
            "REG1B": creatinine * rng.lognormal(3, 0.8, count),
            "TFF1": creatinine * rng.lognormal(5, 0.8, count),
            "plasma_CA19_9": np.where(rng.random(count) < 0.6, rng.lognormal(3 + 2 * cancer, 1, count), np.nan),
        }
    )
    frame.to_csv(tmp_path / "study.csv", index=False)
    script().main(tmp_path / "study.csv", tmp_path, draws=10)
    made = json.loads((tmp_path / "fit.json").read_text(encoding="utf-8"))
    effect = dict(zip(made["terms"], made["beta"], strict=True))
    assert effect["ln_lyve1"] > 1
    assert abs(effect["ln_reg1b"]) < 0.8
    assert set(made["measured"]["site_left_out"]) == {"A", "B"}
    assert made["measured"]["auc"]["cancer against all others"]["value"] > 0.8


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fit_urine_panel", FOLDER / "fit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
