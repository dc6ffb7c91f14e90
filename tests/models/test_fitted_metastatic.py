"""Survival in metastatic disease: the page says what was measured, and the script fits any cohort of its columns."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

FOLDER = Path(__file__).parents[2] / "models" / "metastatic-os"
FIT = json.loads((FOLDER / "fit.json").read_text(encoding="utf-8"))
MEASURED = FIT["measured"]


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fit_metastatic_os", FOLDER / "fit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_says_what_was_measured() -> None:
    page = (FOLDER / "evaluation.md").read_text(encoding="utf-8")
    for name, found in MEASURED["competition"]["table"].items():
        kind = "second" if name in script().contest.SECOND_ROUND else "first"
        assert f"| {name} | {kind} | {found['value']:.3f} ({found['lower']:.3f} to {found['upper']:.3f})" in page
    for name, found in MEASURED["subgroups"].items():
        assert f"| {name} | {found['n']} | {found['deaths']} | {found['c_index']['value']:.3f}" in page
    for row in MEASURED["calibration"]:
        assert f"| {row['months']:g} | {row['predicted']:.3f} | {row['observed']:.3f}" in page
    assert "does not earn its place" in page
    assert (FOLDER / "figures" / "calibration.svg").stat().st_size < 60_000


def test_the_reference_is_not_beaten_and_the_page_says_so_and_why() -> None:
    page = (FOLDER / "evaluation.md").read_text(encoding="utf-8")
    own, regimen, gain = (MEASURED[k] for k in ("c_index", "c_index_with_regimen", "regimen_gain"))
    assert own["value"] < 0.664 < own["upper"]
    assert "The reference figure, 0.664, is not beaten" in page
    assert f"| with the regimen | 0.664 (0.635 to 0.694) | {regimen['value']:.3f}" in page
    assert f"the regimen alone is worth {gain['value']:+.3f} ({gain['lower']:+.3f} to {gain['upper']:+.3f})" in page


@pytest.mark.parametrize(("name", "to_be"), [("worst to best case", 0.8), ("typical", 0.5)])
def test_one_patients_range_holds_as_often_as_it_is_made_to_and_the_manifest_says_how_often(
    registry, name, to_be
) -> None:
    found = MEASURED["range"][name]
    assert found["lower"] < to_be < found["upper"]
    assert found["before"] + found["within"] + found["after"] == pytest.approx(1, abs=3e-4)
    evidence = registry["metastatic-os"].manifest.evidence
    (stated,) = (e for e in evidence if isinstance(e.metric, dict) and f"made to hold {to_be:.0%}" in e.metric["en"])
    assert (stated.value, stated.interval) == (found["within"], (found["lower"], found["upper"]))
    assert f"{found['before']:.1%}" in stated.note["en"]
    assert f"{found['after']:.1%}" in stated.note["en"]
    assert f"| {name} | {found['before']:.1%} | {found['within']:.1%}" in (FOLDER / "evaluation.md").read_text("utf-8")


def test_all_candidates_were_tried_and_none_has_the_regimen() -> None:
    contest = script().contest
    table = MEASURED["competition"]["table"]
    assert list(table) == list(contest.CANDIDATES)
    assert set(table) > contest.SECOND_ROUND
    assert MEASURED["competition"]["chosen"] == contest.SHIPPED
    assert not set(contest.REGIMEN) & {*contest.WITH_IMAGING, *contest.SPLINES, *contest.INTERACTIONS}


def test_shares_alive_agree_with_those_seen_in_every_group_large_enough_to_tell() -> None:
    for name, group in MEASURED["subgroups"].items():
        assert group["lower"] <= group["predicted"] <= group["upper"], name


def test_the_script_fits_a_cohort_of_the_same_columns(tmp_path) -> None:
    rng = np.random.default_rng(5)
    count = 220
    liver, siri = rng.random(count) < 0.6, rng.normal(0.8, 1, count)
    months = rng.exponential(14 / np.exp(0.9 * liver + 0.2 * siri)) + 0.1
    yes = {name: rng.choice(["Yes", "No"], count) for name in ("cacs", "peritoneum", "lung")}
    frame = pd.DataFrame(
        {
            "age": rng.normal(66, 10, count).round().clip(26, 90),
            "sex": rng.choice(["Male", "Female", None], count, p=[0.5, 0.45, 0.05]),
            "ecog": rng.choice(["0", "1", "2+"], count),
            **yes,
            "liver": np.where(liver, "Yes", "No"),
            "log_siri": siri,
            "sum_of_diameters": rng.choice(["LE5", "GT5", "NonMeasurable"], count),
            "regimen": rng.choice(["FOLFIRINOX", "Gem-Abraxane", "Gemcitabine mono", "Other"], count),
            "os_months": np.minimum(months, 60),
            "os_event": (months < 60).astype(int),
        }
    )
    frame.to_csv(tmp_path / "cohort.csv", index=False)
    fit = script()
    few = {name: fit.contest.CANDIDATES[name] for name in ("Cox", "Cox with imaging")}
    fit.main(tmp_path / "cohort.csv", tmp_path, few, repeats=1, draws=6)
    made = json.loads((tmp_path / "fit.json").read_text(encoding="utf-8"))
    effect = dict(zip(made["covariates"], made["beta"], strict=True))
    assert effect["liver"] == pytest.approx(0.9, abs=0.4)
    assert made["n"] == count
    assert set(made["measured"]["competition"]["table"]) == set(few)
    assert "Survival in metastatic disease" in (tmp_path / "evaluation.md").read_text(encoding="utf-8")


def test_the_hazard_is_breslows() -> None:
    """Worked by hand: deaths at 1 (of 3 at risk) and 3 (of 1), one censored at 2, all with the same risk."""
    ev = script().ev
    hazard = ev.breslow(np.array([3.0, 1.0, 2.0]), np.array([1.0, 1.0, 0.0]), np.zeros(3), (0.5, 1.0, 2.9, 3.0))
    assert hazard == pytest.approx([0, 1 / 3, 1 / 3, 4 / 3])


def test_concordance_counts_ties_half_and_leaves_out_pairs_that_can_not_be_compared() -> None:
    ev = script().ev
    months, died = np.array([1.0, 2.0, 3.0]), np.array([1.0, 0.0, 1.0])
    # pairs: (1, 2) and (1, 3); the one censored at 2 can't be compared with 3
    assert ev.pairs(months, died, np.array([1.0, 1.0, 0.0])) == (1.5, 2.0)
    assert ev.c_index(months, died, np.array([2.0, 1.0, 0.0])) == 1.0
