"""What a clinical lead may set for the risk card: what would silence it unnoticed is refused."""

from __future__ import annotations

import pytest

from cds.errors import PolicyError
from cds.policy.schema import Known, Policy, parse
from hooks.risk_decision import RiskParameters


def setting(what: str) -> Policy:
    head = "name: T\nauthor: A\napprover: B\neffective: 2026-01-01\nreason: because\n"
    text = f"{head}services:\n  pancreas-risk:\n    parameters:\n      {what}\n"
    return parse(text, "p.yaml", Known({}, {"pancreas-risk": RiskParameters}))


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("ages: [99, 40]", "ages: nobody is from 99 to 40 years old: the youngest age comes first"),
        ("risk_at_least: .nan", "such as 0.02, not nan"),
        ("marker_above: .nan", "must be more than 0, not nan"),
        ("bilirubin_confounds_above: -.inf", "must be more than 0, not -inf"),
        ("bilirubin_confounds_above: 34", "is in mg/dL, and no limit is 34: 34 µmol/L is 2; .inf: never"),
        ("bilirubin_as_jaundice: 51", "is in mg/dL, and no limit is 51: 51 µmol/L is 3; .inf: never"),
        ("endpac_at_least: .inf", "such as 0.02, not inf"),
        ("endpac_at_least: -9", "must be -6 or more, not -9"),
        ("endpac_at_least: 12", "must be 11 or less, not 12"),
        ("imaging_modalities: [CT, MRI]", "did you mean 'MR'?"),
        ("imaging_modalities: [ct]", "not 'ct'; did you mean 'CT'?"),
        ("imaging_modalities: [SEG]", "'VA' or 'XC', not 'SEG'"),
    ],
)
def test_what_would_hold_every_card_back_or_none_is_refused_with_its_line(what: str, told: str) -> None:
    with pytest.raises(PolicyError) as caught:
        setting(what)
    assert str(caught.value).startswith("p.yaml:9: services.pancreas-risk.parameters.")
    assert str(caught.value).endswith(told)


@pytest.mark.parametrize(
    "what",
    [
        "ages: [50, 50]",
        "endpac_at_least: -6",
        "endpac_at_least: 11",
        "imaging_modalities: [US, ES]",
        "imaging_modalities: []",
        "imaging_modalities: [CT, NM, OT, XA]",
        "marker_above: .inf",
        "bilirubin_confounds_above: .inf",
        "bilirubin_as_jaundice: .inf",
    ],
)
def test_what_a_lead_may_want_is_taken(what: str) -> None:
    setting(what)
