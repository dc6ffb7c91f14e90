"""Writes ``model.onnx`` from ``coefficients.json``: ``python models/qcancer-2013-pancreas/build.py``.

QCancer 2013 is one multinomial logistic model over all cancer sites, a set of equations for each sex:
P(pancreas) = exp(s_pancreas) / (1 + sum over sites of exp(s_site)). The pancreas equation alone would overstate the
risk of people with symptoms, so every site is in the graph. Terms this service does not read are zero.

Portions of the equations: Copyright ClinRisk Ltd., GNU Lesser General Public Licence 3 or later. Not endorsed by its
authors; QCancer is their trade mark and is used here only to name the source.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import spox.opset.ai.onnx.v17 as op
from spox import Var

FOLDER = Path(__file__).parent
TERMS = {
    "type_2_diabetes": "b_type2",
    "chronic_pancreatitis": "b_chronicpan",
    "abdominal_pain": "new_abdopain",
    "appetite_loss": "new_appetiteloss",
    "weight_loss": "new_weightloss",
    "indigestion": "new_indigestion",
    "dysphagia": "new_dysphagia",
    "gastrointestinal_bleed": "new_gibleed",
    "venous_thromboembolism": "new_vte",
    "constipation": "s1_constipation",
    "bowel_habit_change": "s1_bowelchange",
}
INPUTS = ("age", "male", "bmi", "smoking", *TERMS)
POLYNOMIALS = ("age_1", "age_2", "bmi_1", "bmi_2")
BMI_RANGE = (20.0, 40.0)
"""kg/m2; the published software takes values outside as the nearer end."""
BMI_REFERENCE = 26.0
"""kg/m2 where the centred terms are nearly zero in both sexes (25.7 in women, 26.2 in men)."""


def number(value: object) -> Var:
    return op.const(np.asarray(value, dtype=np.float64))


def column(x: Var, name: str) -> Var:
    return op.gather(x, op.const(np.int64(INPUTS.index(name))), axis=1)


def transforms(sex: str, age: Var, bmi: Var) -> dict[str, Var]:
    """The fractional polynomials, age and body-mass index in tens, each centred as published."""
    a, b = op.div(age, number(10.0)), op.div(bmi, number(10.0))
    a2, b2 = (op.div(number(1.0), op.mul(v, v)) for v in (a, b))
    if sex == "female":
        return {
            "age_1": op.sub(a2, number(0.039541322737932)),
            "age_2": op.sub(op.mul(a2, op.log(a)), number(0.063867323100567)),
            "bmi_1": op.sub(b2, number(0.151021569967270)),
            "bmi_2": op.sub(op.mul(b2, op.log(b)), number(0.142740502953529)),
        }
    return {
        "age_1": op.sub(a, number(4.800777912139893)),
        "age_2": op.sub(op.mul(a, op.log(a)), number(7.531354427337647)),
        "bmi_1": op.sub(b2, number(0.146067067980766)),
        "bmi_2": op.sub(b, number(2.616518735885620)),
    }


def stacked(columns: list[Var]) -> Var:
    """[n] each -> [n, len(columns)]"""
    return op.concat([op.unsqueeze(c, op.const(np.array([1]))) for c in columns], axis=1)


def softmax_pancreas(scores: Var, pancreas: int) -> Var:
    """P(pancreas) [n] from the scores of all sites [n, sites], no cancer scoring zero."""
    odds = op.exp(scores)
    total = op.reduce_sum(odds, op.const(np.array([1])), keepdims=0)
    return op.div(op.gather(odds, op.const(np.int64(pancreas)), axis=1), op.add(total, number(1.0)))


def one_sex(x: Var, sex: str, sites: dict) -> tuple[Var, Var, Var]:
    """Risk [n], risk of the same age and sex with nothing else [n], contributions to the pancreas score [n, inputs].

    Each score is the base (intercept and age, body-mass index at its reference) + body-mass index + smoking + flags.
    """
    pancreas = list(sites).index("pancreatic")
    terms = (*POLYNOMIALS, *TERMS.values())
    beta = {term: np.array([site["beta"].get(term, 0.0) for site in sites.values()]) for term in terms}
    bmi = op.clip(column(x, "bmi"), number(BMI_RANGE[0]), number(BMI_RANGE[1]))
    here, reference = transforms(sex, column(x, "age"), bmi), transforms(sex, number([50.0]), number([BMI_REFERENCE]))
    body = number(np.array([beta["bmi_1"], beta["bmi_2"]]))
    at_reference = op.matmul(stacked([reference["bmi_1"], reference["bmi_2"]]), body)
    intercept = op.add(number([[s["intercept"] for s in sites.values()]]), at_reference)
    ages = op.matmul(stacked([here["age_1"], here["age_2"]]), number(np.array([beta["age_1"], beta["age_2"]])))
    base = op.add(intercept, ages)
    bmis = op.sub(op.matmul(stacked([here["bmi_1"], here["bmi_2"]]), body), at_reference)
    smoke = np.array([s.get("smoke", [0.0] * 5) for s in sites.values()]).T
    smoking = op.gather(number(smoke), op.cast(column(x, "smoking"), to=np.int64), axis=0)
    flags = op.slice(x, *(op.const(np.array([v])) for v in (len(INPUTS) - len(TERMS), len(INPUTS), 1)))
    weights = np.array([beta[term] for term in TERMS.values()])
    scores = op.sum([base, bmis, smoking, op.matmul(flags, number(weights))])
    own = op.const(np.array([pancreas]))
    age_and_sex = op.mul(stacked([column(x, "age"), column(x, "male")]), number(0.0))
    parts = [
        age_and_sex,
        op.gather(bmis, own, axis=1),
        op.gather(smoking, own, axis=1),
        op.mul(flags, number(weights[:, pancreas])),
    ]
    return softmax_pancreas(scores, pancreas), softmax_pancreas(base, pancreas), op.concat(parts, axis=1)


def graph() -> bytes:
    from models.pinning import inputs, serialise

    sites = json.loads((FOLDER / "coefficients.json").read_text(encoding="utf-8"))["sites"]
    x = inputs(len(INPUTS))
    male = op.greater(column(x, "male"), number(0.5))
    men, women = one_sex(x, "male", sites["male"]), one_sex(x, "female", sites["female"])
    return serialise(
        x,
        {
            "risk": op.where(male, men[0], women[0]),
            "reference_risk": op.where(male, men[1], women[1]),
            "contributions": op.where(op.unsqueeze(male, op.const(np.array([1]))), men[2], women[2]),
        },
    )


if __name__ == "__main__":
    sys.path.insert(0, str(FOLDER.parents[1]))
    from models.pinning import pin

    print(pin(FOLDER, graph()))
