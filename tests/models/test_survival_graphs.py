"""The survival graphs say what their coefficients say, worked out here by plain numpy."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from published_vectors import PANTHEIA

from models import survival_graph as sg

FOLDER = Path(__file__).parents[2] / "models"

FIT = json.loads((FOLDER / "metastatic-os" / "fit.json").read_text(encoding="utf-8"))
MILESTONES = (6, 12, 24)


def patients() -> list[dict[str, float]]:
    rows = []
    sites = itertools.product((0.0, 1.0), repeat=4)
    for number, (liver, peritoneum, lung, cacs) in enumerate(sites):
        for ecog in (0.0, 1.0, 2.0, 4.0):
            rows.append(
                {
                    "age": 26.0 + 4 * number,
                    "male": float(number % 2),
                    "ecog": ecog,
                    "neutrophils": 2.0 + 1.5 * number,
                    "monocytes": 0.3 + 0.1 * number,
                    "lymphocytes": 2.4 - 0.12 * number,
                    "liver": liver,
                    "peritoneum": peritoneum,
                    "lung": lung,
                    "cacs": cacs,
                    "basal_like": (0.0, 0.19, 1.0)[number % 3],
                }
            )
    return rows


def covariates(p: dict[str, float]) -> np.ndarray:
    log_siri = np.log(p["neutrophils"] * p["monocytes"] / p["lymphocytes"])
    return np.array(
        [
            (p["age"] - 65) / 10,
            p["male"],
            p["ecog"] == 1,
            p["ecog"] >= 2,
            p["liver"],
            p["peritoneum"],
            p["lung"],
            p["cacs"],
            log_siri,
            p["basal_like"],
        ],
        dtype=np.float64,
    )


def test_the_cox_graph_is_the_fitted_cox_model(ask) -> None:
    rows = patients()
    subtype = FIT["fusion"]["basal_like"]
    z = np.array([covariates(p) for p in rows]) - [*FIT["means"], subtype["share"]]
    lp = z @ np.array([*FIT["beta"], subtype["log_hazard_ratio"]])
    expected = np.exp(-np.exp(lp)[:, None] * np.array(FIT["cumulative_hazard"])[None, :])
    answer = ask("metastatic-os", *rows)
    assert np.abs(answer["survival"] - expected).max() < 1e-9
    assert np.abs(answer["lp"] - lp).max() < 1e-9
    assert np.abs(answer["contributions"].sum(axis=1) - lp).max() < 1e-9


def test_the_bounds_follow_from_the_covariance_and_contain_the_estimate(ask) -> None:
    rows = patients()
    expected = sg.expected(np.array([covariates(p) for p in rows]), FIT)
    answer = ask("metastatic-os", *rows)
    for name in ("survival_lower", "survival_upper"):
        assert np.abs(answer[name] - expected[name]).max() < 1e-9
    assert (answer["survival_lower"] <= answer["survival"]).all()
    assert (answer["survival"] <= answer["survival_upper"]).all()
    # where nearly nobody lives there is nothing to be unsure of
    unsure = answer["survival"][:, list(MILESTONES)] > 0.02
    width = (answer["survival_upper"] - answer["survival_lower"])[:, list(MILESTONES)]
    assert (width[unsure] > 0.03).all()


def test_one_patients_range_is_where_the_curve_passes_nine_and_one_in_ten(ask) -> None:
    answer = ask("metastatic-os", *patients())
    for curve, low, high in zip(answer["survival"], answer["dead_1_in_10"], answer["alive_1_in_10"], strict=True):
        assert np.interp(low, range(37), curve) == pytest.approx(0.9, abs=1e-9)
        assert high == 36 or np.interp(high, range(37), curve) == pytest.approx(0.1, abs=1e-9)
        assert low < high


def test_of_patients_not_fitted_on_eight_in_ten_died_within_their_range() -> None:
    found = FIT["measured"]["range"]["worst to best case"]
    assert found["within"] == pytest.approx(0.8, abs=0.03)


def test_what_is_shipped_is_what_the_rule_chose_and_imaging_did_not_earn_its_place(registry) -> None:
    contest = FIT["measured"]["competition"]
    assert contest["chosen"] == "Cox"
    assert next(iter(contest["table"])) == "Cox"
    best = contest["table"][contest["best"]]
    assert contest["table"]["Cox"]["value"] >= best["value"] - best["se"]
    assert all(g["gain_lower"] <= 0 for g in contest["imaging"].values())
    assert not any(i.modality.value == "imaging" for i in registry["metastatic-os"].manifest.inputs)


def test_a_missing_input_is_weighted_by_the_cohorts_shares(registry) -> None:
    inputs = {i.name: i for i in registry["metastatic-os"].manifest.inputs}
    mean = dict(zip(FIT["covariates"], FIT["means"], strict=True))
    assert inputs["male"].absent.weights[1] == mean["male"]
    ecog = (1 - mean["ecog1"] - mean["ecog2"], mean["ecog1"], mean["ecog2"])
    assert inputs["ecog"].absent.weights == pytest.approx(ecog, abs=2e-6)
    assert inputs["cacs"].absent.weights[1] == pytest.approx(mean["cacs"], abs=0.005)
    assert inputs["basal_like"].absent.weights[1] == FIT["fusion"]["basal_like"]["share"]


def test_survival_starts_at_one_and_never_rises(ask) -> None:
    answer = ask("metastatic-os", *patients())
    for name in ("survival", "survival_lower", "survival_upper"):
        assert (answer[name][:, 0] == 1.0).all()
        assert (np.diff(answer[name], axis=1) <= 1e-12).all()


def test_worse_function_higher_counts_and_more_sites_shorten_survival(ask) -> None:
    base = patients()[0]
    worse = [
        {**base, "ecog": 1.0},
        {**base, "ecog": 2.0},
        {**base, "neutrophils": 12.0},
        {**base, "liver": 1.0},
        {**base, "cacs": 1.0},
    ]
    survival = ask("metastatic-os", base, *worse)["survival"][:, 12]
    assert (survival[1:] < survival[0]).all()
    assert survival[2] < survival[1]


def test_the_default_model_has_no_regimen(registry) -> None:
    """A regimen's term in such data is prognosis, and the estimate must not change with the drug being ordered."""
    assert not any("regimen" in i.name for i in registry["metastatic-os"].manifest.inputs)


def named(evidence) -> str:
    """Its metric, in English."""
    return evidence.metric if isinstance(evidence.metric, str) else evidence.metric["en"]


def test_the_manifests_figures_are_those_the_fit_measured(registry) -> None:
    listed = registry["metastatic-os"].manifest.evidence
    evidence = {named(e): e for e in listed if not named(e).startswith("within one patient's")}
    measured = FIT["measured"]
    c = measured["c_index"]
    assert evidence["C-index"].value == pytest.approx(c["value"], abs=5.1e-4)
    assert evidence["C-index"].interval == pytest.approx((c["lower"], c["upper"]), abs=5.1e-4)
    slope = measured["calibration_slope"]
    assert evidence["calibration slope"].value == slope["value"]
    assert evidence["calibration slope"].interval == (slope["lower"], slope["upper"])
    for row in measured["calibration"]:
        metric, stated = next(x for x in evidence.items() if x[0].startswith(f"alive at {row['months']:g} months"))
        assert stated.value == row["observed"]
        assert stated.interval == (row["lower"], row["upper"])
        predicted = float(metric.rsplit(" ", 1)[1].rstrip("%")) / 100
        assert predicted == pytest.approx(row["predicted"], abs=6e-4)
    assert evidence["integrated Brier score, 1 to 24 months"].value == measured["brier"]["integrated"]
    cohort = registry["metastatic-os"].manifest.parameters["cohort"]
    assert cohort["alive"] == {f"{row['months']:g}": row["observed"] for row in measured["calibration"]}
    assert cohort["median_months"] == measured["median_months"]
    assert all(e.n == FIT["n"] and e.events == FIT["events"] for e in evidence.values())


def pantheia_row(v) -> dict[str, float]:
    return {
        "regimen": v.regimen,
        "ecog": v.ecog,
        "cacs": v.cacs,
        "diameters": v.diameters,
        "neutrophils": float(np.exp(v.log_siri)),
        "monocytes": 1.0,
        "lymphocytes": 1.0,
    }


@pytest.mark.parametrize("vector", PANTHEIA, ids=lambda v: f"median-{v.median}")
def test_pantheia_gives_the_published_predictor_and_median(ask, vector) -> None:
    answer = ask("pantheia-siri", pantheia_row(vector))
    assert answer["lp"][0] == pytest.approx(vector.lp, abs=1e-6)
    assert answer["median"][0] == pytest.approx(vector.median, abs=0.05)


def test_pantheias_curve_is_weibull_and_passes_one_half_at_its_median(ask) -> None:
    for vector in PANTHEIA:
        answer = ask("pantheia-siri", pantheia_row(vector))
        months = np.arange(37.0)
        expected = np.exp(-((months / np.exp(answer["lp"][0])) ** (1 / 0.8739813830979)))
        assert np.abs(answer["survival"][0] - expected).max() < 1e-12
        assert np.interp(answer["median"][0], months, expected) == pytest.approx(0.5, abs=0.002)


def test_pantheia_has_no_regimen_it_was_not_made_for_and_assumes_the_commonest(registry) -> None:
    regimen = registry["pantheia-siri"].manifest.inputs[0]
    assert "regimen-nalirifox" not in regimen.values
    assert regimen.absent.value == regimen.values["regimen-gnp"]
    assert not regimen.absent.vary


def test_pantheia_states_that_it_promises_too_much(registry) -> None:
    twelve = [e for e in registry["pantheia-siri"].manifest.evidence if named(e).startswith("alive at 12 months")]
    assert [(e.n, e.value) for e in twelve] == [(593, 0.391), (62, 0.387)]
    for e in twelve:
        assert e.value is not None
        assert float(named(e).rsplit(" ", 1)[1].rstrip("%")) / 100 > e.value


@pytest.mark.parametrize(
    ("albumin", "neutrophils", "lymphocytes", "group"),
    [
        (40.0, 4.0, 1.0, 0),  # both exactly at the border: no point
        (39.9, 4.0, 1.0, 1),
        (40.0, 4.01, 1.0, 1),
        (39.9, 4.01, 1.0, 2),
        (45.0, 3.0, 1.5, 0),
        (25.0, 12.0, 0.6, 2),
    ],
)
def test_msk_prognostic_score_groups(ask, albumin, neutrophils, lymphocytes, group) -> None:
    row = {"albumin": albumin, "neutrophils": neutrophils, "lymphocytes": lymphocytes}
    answer = ask("msk-prognostic-score", row)
    assert answer["group"][0] == group
    assert answer["nlr"][0] == neutrophils / lymphocytes


def test_msk_prognostic_score_names_its_medians_and_their_source(registry) -> None:
    manifest = registry["msk-prognostic-score"].manifest
    medians = manifest.parameters["median_survival_months"]
    assert medians["groups"] == {"0": 12.9, "1": 9.0, "2": 5.4}
    assert "PMC8084949" in (manifest.sources[medians["source"]].url or "")


def test_msk_prognostic_scores_number_of_patients_cites_the_abstracts(registry) -> None:
    manifest = registry["msk-prognostic-score"].manifest
    (counted,) = [e for e in manifest.evidence if e.n is not None]
    assert (counted.n, counted.source) == (833, "mps-abstracts")
