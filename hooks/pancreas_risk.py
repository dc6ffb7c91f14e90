"""patient-view: is there reason to look for pancreatic cancer in this patient now?

At most one risk card: the guideline's criteria first, then the new-onset diabetes score, then the two-year risk.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from cds.inference.prediction import Failed, NotAssessed, Prediction
from cds.record.features import Feature
from cds.record.inputs import Length
from cds.services import Case, Finding, Suppressed, service
from hooks import gates, risk_missing, risk_words
from hooks.risk_words import Trigger

TOPIC = "pancreas-risk"
MODELS = ("nice-ng12", "endpac", "qcancer-2013-pancreas")
READS = (*gates.READS, "hba1c", "glucose", "diabetes", "bilirubin-total", "ca19-9")


class RiskParameters(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    ages: tuple[int, int] = Field((40, 99), description="Youngest and oldest age, in years, that get a risk card.")
    risk_at_least: float = Field(
        0.02, gt=0, lt=1, description="Two-year risk from which a card is given; 0.02 is 2 in 100."
    )
    risk_bands: tuple[float, ...] = Field(
        (0.03, 0.05, 0.1),
        description="Two-year risks that begin a higher band: a card shown before comes again when one is reached.",
    )
    endpac_at_least: float = Field(3, ge=-10, le=20, description="END-PAC score from which a card is given.")
    guideline_indicator: Literal["info", "warning"] = Field(
        "warning", description="Urgency of a card whose reason is the guideline's referral criteria."
    )
    model_indicator: Literal["info", "warning"] = Field("info", description="Urgency of a card that rests on a model.")
    recent_imaging: Length = Field("3m", description="A CT or MR of the abdomen this recent holds the card back.")
    active_order: Length = Field("3m", description="A work-up ordered this recently holds the card back.")
    imaging_modalities: tuple[str, ...] = Field(("CT", "MR"), description="DICOM modalities that count as imaging.")
    marker_within: Length = Field("6m", description="A CA 19-9 or bilirubin older than this is not mentioned.")
    marker_above: float = Field(37, gt=0, description="CA 19-9 in U/mL from which a card mentions it, and its limits.")
    bilirubin_confounds_above: float = Field(
        2.0, gt=0, description="Bilirubin in mg/dL above which a raised CA 19-9 is put down to cholestasis first."
    )
    say_when_not_assessed: bool = Field(
        True, description="true: an info card says so when data could not be read and no card could be given."
    )

    @field_validator("risk_bands")
    @classmethod
    def _rising(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if any(not 0 < limit < 1 for limit in value) or list(value) != sorted(set(value)):
            raise ValueError("bands are risks between 0 and 1, each above the one before")
        return value


@service(
    id="pancreas-risk",
    hook="patient-view",
    title="Pancreatic cancer: is there reason to look?",
    description=(
        "When a chart is opened: referral criteria (NICE NG12), new-onset diabetes score (END-PAC) and two-year risk "
        "(QCancer 2013) from the record, as one card with what to do next."
    ),
    models=MODELS,
    reads=READS,
    parameters=RiskParameters,
)
def pancreas_risk(case: Case) -> Iterable[Finding]:
    parameters: RiskParameters = case.parameters
    trigger = _trigger(case, parameters)
    held = gates.held_back(
        case.record,
        case.policy,
        ages=parameters.ages,
        recent_imaging=parameters.recent_imaging,
        active_order=parameters.active_order,
        modalities=parameters.imaging_modalities,
        since=trigger.newest if trigger is not None else None,
        red_flag=trigger is not None and trigger.refers,
    )
    if held is not None:
        if trigger is not None or held.reason in ("known-cancer", "deceased", "hospice-or-palliative"):
            source = held.fact.source if held.fact is not None else ""
            yield Suppressed(TOPIC, held.reason, held.until, MODELS, source)
        return
    if trigger is not None:
        yield risk_words.card(case, trigger, TOPIC)
    elif parameters.say_when_not_assessed and (_unassessed(case) or risk_missing.unusable(case)):
        yield risk_words.not_assessed(case)


def _trigger(case: Case, parameters: RiskParameters) -> Trigger | None:
    rules = case.prediction("nice-ng12")
    if rules is not None and rules.rules:
        return Trigger("guideline", rules, parameters.guideline_indicator)
    score = case.prediction("endpac")
    if score is not None and score.number("score") >= parameters.endpac_at_least:
        return Trigger("endpac", score, parameters.model_indicator)
    risk = case.prediction("qcancer-2013-pancreas")
    if risk is not None and risk.number("risk") >= parameters.risk_at_least:
        return Trigger("risk", risk, parameters.model_indicator)
    return None


def _stands_in_the_way(feature: Feature) -> bool:
    """Not read, or an age nobody recorded: what is merely not measured is no fault of the record."""
    return feature.unread or (feature.input.source == "patient.age" and not feature.found)


def _unassessed(case: Case) -> bool:
    """A model failed, or what it needs could not be read: "no card" must not be taken for "no risk"."""
    if case.record.foreign or case.record.malformed:
        return True
    for assessment in case.assessments.values():
        if isinstance(assessment, Failed):
            return True
        if isinstance(assessment, NotAssessed) and any(_stands_in_the_way(f) for f in assessment.lacking):
            return True
        if isinstance(assessment, Prediction) and any(f.unread for f in assessment.features):
            return True
    return False
