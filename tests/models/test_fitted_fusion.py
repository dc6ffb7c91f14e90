"""Kinds of evidence joined: what is missing widens the interval, and docs/fusion.md says what was measured."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cds.inference import marginal, ordinary
from cds.record.facts import Fact, Record
from cds.record.features import Feature
from cds.record.moments import parse

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "fusion.md").read_text(encoding="utf-8")
FITS = {
    name: json.loads((ROOT / "models" / name / "fit.json").read_text(encoding="utf-8"))
    for name in ("metastatic-os", "resected-os", "metastatic-response")
}
KNOWN = {
    "metastatic-os": {
        "age": 68.0, "male": 1.0, "ecog": 1.0, "neutrophils": 5.0, "monocytes": 0.6, "lymphocytes": 1.4,
        "liver": 1.0, "peritoneum": 0.0, "lung": 0.0, "cacs": 1.0, "basal_like": 0.0,
    },
    "metastatic-response": {
        "ecog": 1.0, "cacs": 1.0, "neutrophils": 5.0, "monocytes": 0.6, "lymphocytes": 1.4, "age": 68.0, "drafted": 1.0,
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
        Feature(i, None, "missing") if i.name in missing or not i.graph else Feature(i, known[i.name], "found")
        for i in model.manifest.inputs
    ]
    assumed = [f.value if f.value is not None else float(f.input.absent.value or 0) for f in features]
    mixed = marginal.mixture(features, assumed)
    if mixed is None:
        return {name: values[0] for name, values in model.score(np.array([assumed])).items()}
    found = marginal.averaging(model.manifest.outputs)(model.run(mixed.rows), mixed.weights)
    return {name: values[0] for name, values in found.items()}


def logit(p: Any) -> float:
    return float(np.log(p / (1 - p)))


def width(answer: dict[str, np.ndarray], months: int) -> float:
    return float(answer["survival_upper"][months] - answer["survival_lower"][months])


@pytest.mark.parametrize("model_id", ["metastatic-os", "resected-os", "metastatic-response"])
def test_a_kind_of_evidence_that_is_missing_altogether_widens_the_interval(registry, model_id) -> None:
    """On average over its values knowing it would have told more; of what was fitted, whichever value the patient had.
    The effect of the subtype, published for 199 patients, is so uncertain that a basal-like tumour tells no more."""
    model = registry[model_id]
    main = "response" if model_id == "metastatic-response" else "alive_12"
    fitted_elsewhere = set(FITS[model_id].get("fusion", {}))
    specs = [i for i in model.manifest.inputs if i.graph and i.absent.weights]
    kinds = {s.modality for s in specs}
    assert kinds
    for kind in kinds:
        mine = [s for s in specs if s.modality is kind]
        without = answered(registry, model_id, *(s.name for s in mine))
        unknown, average = logit(without[f"{main}_upper"]) - logit(without[f"{main}_lower"]), 0.0
        for chosen in itertools.product(*(zip(s.absent.vary, s.absent.weights, strict=True) for s in mine)):
            known = dict(zip([s.name for s in mine], [value for value, _ in chosen], strict=True))
            there = answered(registry, model_id, **known)
            width_there = logit(there[f"{main}_upper"]) - logit(there[f"{main}_lower"])
            average += float(np.prod([weight for _, weight in chosen])) * width_there
            assert unknown > width_there or fitted_elsewhere & set(known), (kind, known)
        assert unknown > average, kind


@pytest.mark.parametrize("model_id", ["metastatic-os", "resected-os"])
def test_an_unknown_subtype_lies_between_the_two_and_widens_the_interval_of_most(registry, model_id) -> None:
    classical, unknown = answered(registry, model_id), answered(registry, model_id, "basal_like")
    basal = answered(registry, model_id, basal_like=1.0)
    assert basal["survival"][12] < unknown["survival"][12] < classical["survival"][12]
    share = FITS[model_id]["fusion"]["basal_like"]["share"]
    assert width(unknown, 12) > width(classical, 12) + 0.02
    assert width(unknown, 12) > (1 - share) * width(classical, 12) + share * width(basal, 12) + 0.02


def test_the_more_of_the_pathology_is_missing_the_wider_the_interval(registry) -> None:
    widths = [width(answered(registry, "resected-os", *("n", "grade", "t")[:count]), 24) for count in range(4)]
    assert widths == sorted(widths)
    assert widths[3] > widths[0] + 0.1


def test_a_curve_with_missing_inputs_never_rises(registry) -> None:
    answer = answered(registry, "resected-os", "male", "t", "n", "grade", "basal_like")
    for name in ("survival", "survival_lower", "survival_upper"):
        assert (np.diff(answer[name]) <= 1e-9).all()


# ---- whom an estimate is held against: the same age and sex, otherwise as the cohort was


def resected(age: int, *, male: bool | None = True, **stage: tuple[str, ...]) -> Record:
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    record = Record(now, "p", birth=parse(f"{2026 - age}-01-01"), male=male)
    for name in ("pancreatic-cancer", "pancreatectomy"):
        record.add(Fact(name, f"Resource/{name}", parse("2026-10-01"), status="active"))
    for concept, answers in stage.items():
        record.add(Fact(concept.replace("_", "-"), "Observation/s", parse("2026-10-01"), answers=answers))
    record.arrange()
    return record


def test_the_ordinary_patient_is_one_of_whom_nothing_but_age_and_sex_is_known(registry) -> None:
    model = registry["resected-os"]
    poor = model.assess(resected(70, tnm_t=("t3",), tnm_n=("n1",), histologic_grade=("grade-3",)))
    unknown = model.assess(resected(70))
    for name, value in poor.ordinary.items():
        assert value == pytest.approx(unknown.outputs[name]), name
    assert poor.number("alive_12") < poor.ordinary["alive_12"]
    assert model.assess(resected(50)).ordinary["alive_12"] > poor.ordinary["alive_12"]
    assert model.assess(resected(70, male=False)).ordinary["alive_12"] > poor.ordinary["alive_12"]


def test_the_ordinary_patient_of_the_metastatic_cohort_is_at_its_means(registry) -> None:
    """Kaplan-Meier of the whole cohort beside the average patient of its mean age: near, since effects are moderate."""
    fit = FITS["metastatic-os"]
    means = dict(zip(fit["covariates"], fit["means"], strict=True))
    inputs = {i.name: i for i in registry["metastatic-os"].manifest.inputs}
    for name in ("liver", "peritoneum", "lung"):
        assert inputs[name].reference == means[name]
    counts = [inputs[n].reference for n in ("neutrophils", "monocytes", "lymphocytes")]
    assert np.log(counts[0] * counts[1] / counts[2]) == pytest.approx(means["log_siri"], abs=1e-3)
    own = [66.0 if i.source == "patient.age" else None for i in inputs.values()]
    x, weights = ordinary.rows(tuple(inputs.values()), own)
    model = registry["metastatic-os"]
    found = marginal.averaging(model.manifest.outputs)(model.run(x), weights[None])
    seen = registry["metastatic-os"].manifest.parameters["cohort"]["alive"]
    for months in (6, 12, 24):
        assert found[f"alive_{months}"][0] == pytest.approx(seen[str(months)], abs=0.03)


def test_where_the_manifest_does_not_say_how_the_cohort_was_there_is_no_ordinary_patient(registry) -> None:
    inputs = registry["mskcc-nomogram"].manifest.inputs
    assert ordinary.rows(inputs, [None] * len(inputs)) is None


def test_the_page_says_what_was_measured() -> None:
    metastatic, resected = FITS["metastatic-os"]["measured"], FITS["resected-os"]["measured"]
    imaging = metastatic["competition"]["imaging"]["Cox"]
    spread = metastatic["range"]["worst to best case"]
    response = FITS["metastatic-response"]["measured"]
    shipped = response["competition"][response["chosen"]]
    sized = response["competition"]["logistic: the same and imaging"]
    for text in (
        f"AUC {response['auc']['value']:.3f} (response)",
        f"AUC {shipped['value']:.3f} to {sized['value']:.3f} for response, within one standard error "
        f"({shipped['se']:.3f})",
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
