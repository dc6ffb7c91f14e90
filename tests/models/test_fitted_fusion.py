"""Kinds of evidence joined: what is missing widens the interval, and docs/fusion.md says what was measured."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cds.inference import marginal
from cds.record.features import Feature

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "fusion.md").read_text(encoding="utf-8")
FITS = {
    name: json.loads((ROOT / "models" / name / "fit.json").read_text(encoding="utf-8"))
    for name in ("metastatic-os", "resected-os")
}
KNOWN = {
    "metastatic-os": {
        "age": 68.0, "male": 1.0, "ecog": 1.0, "neutrophils": 5.0, "monocytes": 0.6, "lymphocytes": 1.4,
        "liver": 1.0, "peritoneum": 0.0, "lung": 0.0, "cacs": 1.0, "basal_like": 0.0,
    },
    "resected-os": {
        "age": 66.0, "male": 1.0, "t": 3.0, "n": 1.0, "grade": 2.0, "basal_like": 0.0, "stage": 0.0, "drafted": 1.0,
    },
}  # fmt: skip


def answered(registry, model_id: str, *missing: str, **changed: float) -> dict[str, np.ndarray]:
    """As the engine answers with these inputs missing, and these other than in ``KNOWN``."""
    model = registry[model_id]
    known = KNOWN[model_id] | changed
    features = [
        Feature(i, None, "missing") if i.name in missing else Feature(i, known[i.name], "found")
        for i in model.manifest.inputs
    ]
    assumed = [f.value if f.value is not None else float(f.input.absent.value or 0) for f in features]
    mixed = marginal.mixture(features, assumed)
    if mixed is None:
        return {name: values[0] for name, values in model.score(np.array([assumed])).items()}
    return marginal.integrate(model.manifest.outputs, model.score(mixed.rows), mixed.weights)


def width(answer: dict[str, np.ndarray], months: int) -> float:
    return float(answer["survival_upper"][months] - answer["survival_lower"][months])


@pytest.mark.parametrize("model_id", KNOWN)
def test_an_unknown_subtype_lies_between_the_two_and_widens_the_interval(registry, model_id) -> None:
    known, unknown = answered(registry, model_id), answered(registry, model_id, "basal_like")
    basal = answered(registry, model_id, basal_like=1.0)
    assert basal["survival"][12] < unknown["survival"][12] < known["survival"][12]
    assert width(unknown, 12) > max(width(known, 12), width(basal, 12)) + 0.02


def test_the_more_of_the_pathology_is_missing_the_wider_the_interval(registry) -> None:
    widths = [width(answered(registry, "resected-os", *("n", "grade", "t")[:count]), 24) for count in range(4)]
    assert widths == sorted(widths)
    assert widths[3] > widths[0] + 0.1


def test_a_curve_with_missing_inputs_never_rises(registry) -> None:
    answer = answered(registry, "resected-os", "male", "t", "n", "grade", "basal_like")
    for name in ("survival", "survival_lower", "survival_upper"):
        assert (np.diff(answer[name]) <= 1e-9).all()


def test_the_page_says_what_was_measured() -> None:
    metastatic, resected = FITS["metastatic-os"]["measured"], FITS["resected-os"]["measured"]
    imaging = metastatic["competition"]["imaging"]["Cox"]
    spread = metastatic["range"]["worst to best case"]
    for text in (
        f"C-index {metastatic['c_index']['value']:.3f} (metastatic)",
        f"{resected['c_index']['value']:.3f} (resected, one cohort left out)",
        f"C-index {imaging['gain']:+.3f} ({imaging['gain_lower']:+.3f} to {imaging['gain_upper']:+.3f})",
        f"log hazard {FITS['resected-os']['between_cohorts']['sd']:.2f})",
        f"{100 * spread['before']:.0f}% died before it, {100 * spread['within']:.0f}% within and "
        f"{100 * spread['after']:.0f}% after it",
    ):
        assert text.replace("\n", " ") in PAGE.replace("\n", " "), text
    ratio, low, high = FITS["metastatic-os"]["fusion"]["basal_like"]["hazard_ratio"]
    assert f"hazard ratio {ratio} ({low} to {high})" in PAGE
    assert FITS["metastatic-os"]["fusion"] == FITS["resected-os"]["fusion"]
