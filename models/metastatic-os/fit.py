"""Fits the survival model to a cohort file: ``python models/metastatic-os/fit.py DATA.csv`` writes ``fit.json``.

The file holds one row a patient with metastatic pancreatic cancer at the start of first-line treatment; columns
``age`` (years), ``sex``, ``ecog`` (0, 1, 2+), ``cacs``, ``liver``, ``peritoneum``, ``lung`` (Yes/No), ``log_siri``
(ln of neutrophils x monocytes / lymphocytes, 10^9/L), ``regimen``, ``os_months``, ``os_event``. The rows are not
shipped; the coefficients, their bootstrap and the measured figures are. Deterministic: every draw has a fixed seed.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from lifelines import CoxPHFitter
from validate import measure

COVARIATES = ("age10", "male", "ecog1", "ecog2", "liver", "peritoneum", "lung", "cacs", "log_siri")
REGIMEN = ("gnp", "gemcitabine", "other")
TIMES = tuple(float(t) for t in range(37))
"""Months; at 36 about 25 of 556 were still followed up, beyond that the curve would rest on a handful."""
REPLICATES = 200
SEED = 20250301
OUTPUT = Path(__file__).with_name("fit.json")


def read(path: Path) -> pd.DataFrame:
    """The cohort in the model's coding. A missing sex is given the cohort's share of men: no row is lost to it."""
    raw = pd.read_csv(path)
    male = (raw.sex == "Male").astype(float).where(raw.sex.notna())
    data = pd.DataFrame(
        {
            "age10": (raw.age - 65) / 10,
            "male": male.fillna(male.mean()),
            "ecog1": (raw.ecog == "1").astype(float),
            "ecog2": (raw.ecog == "2+").astype(float),
            "liver": (raw.liver == "Yes").astype(float),
            "peritoneum": (raw.peritoneum == "Yes").astype(float),
            "lung": (raw.lung == "Yes").astype(float),
            "cacs": (raw.cacs == "Yes").astype(float),
            "log_siri": raw.log_siri,
            "gnp": (raw.regimen == "Gem-Abraxane").astype(float),
            "gemcitabine": (raw.regimen == "Gemcitabine mono").astype(float),
            "other": (raw.regimen == "Other").astype(float),
            "months": raw.os_months,
            "died": raw.os_event,
        }
    )
    data.attrs["age_range"] = (float(raw.age.min()), float(raw.age.max()))
    return data


def cox(data: pd.DataFrame, covariates: tuple[str, ...] = COVARIATES) -> CoxPHFitter:
    return CoxPHFitter().fit(data[[*covariates, "months", "died"]], "months", "died")


def cumulative_hazard(fitted: CoxPHFitter, at: tuple[float, ...] = TIMES) -> np.ndarray:
    """Breslow's baseline (all covariates at the cohort's means) as a step function, read at ``at``."""
    baseline = fitted.baseline_cumulative_hazard_.iloc[:, 0]
    position = np.searchsorted(baseline.index.to_numpy(), np.asarray(at), side="right") - 1
    return np.where(position < 0, 0.0, baseline.to_numpy()[np.maximum(position, 0)])


def bootstrap(data: pd.DataFrame, means: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients [B, k] and baselines [B, T]; each baseline is moved to the whole cohort's means."""
    rng = np.random.default_rng(SEED)
    betas, hazards = [], []
    for _ in range(REPLICATES):
        sample = data.iloc[rng.integers(0, len(data), len(data))].reset_index(drop=True)
        fitted = cox(sample)
        beta = fitted.params_[list(COVARIATES)].to_numpy()
        own_means = sample[list(COVARIATES)].mean().to_numpy()
        betas.append(beta)
        hazards.append(cumulative_hazard(fitted) * np.exp(beta @ (means - own_means)))
    return np.array(betas), np.array(hazards)


def main(path: Path) -> None:
    warnings.simplefilter("error")
    data = read(path)
    fitted = cox(data)
    means = data[list(COVARIATES)].mean().to_numpy()
    betas, hazards = bootstrap(data, means)
    result = {
        "n": len(data),
        "events": int(data.died.sum()),
        "covariates": list(COVARIATES),
        "coding": "age10 = (age - 65) / 10; log_siri = ln(neutrophils * monocytes / lymphocytes), 10^9/L",
        "age_range": list(data.attrs["age_range"]),
        "log_siri_range": [float(data.log_siri.min()), float(data.log_siri.max())],
        "means": _rounded(means),
        "beta": _rounded(fitted.params_[list(COVARIATES)].to_numpy()),
        "vcov": _rounded(fitted.variance_matrix_.loc[list(COVARIATES), list(COVARIATES)].to_numpy(), 8),
        "times": list(TIMES),
        "cumulative_hazard": _rounded(cumulative_hazard(fitted)),
        "replicates": {"seed": SEED, "beta": _rounded(betas, 5), "cumulative_hazard": _rounded(hazards, 5)},
        "measured": measure(data, cox, cumulative_hazard, COVARIATES, REGIMEN),
    }
    OUTPUT.write_text(json.dumps(result, separators=(",", ":")).replace("],[", "],\n[") + "\n", encoding="utf-8")


def _rounded(values: np.ndarray, decimals: int = 6) -> list[float]:
    return np.round(np.asarray(values, dtype=float), decimals).tolist()  # type: ignore[no-any-return]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
