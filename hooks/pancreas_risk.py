"""patient-view: is there reason to look for pancreatic cancer in this patient now?

At most one risk card: the guideline's criteria first, jaundice that only bilirubin tells of beside them, then the
new-onset diabetes score, then the two-year risk.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from cds.inference.prediction import Failed, NotAssessed, Prediction
from cds.record.features import Feature
from cds.services import Again, Case, Dial, Finding, Suppressed, Weighed, service
from hooks import (
    gates,
    risk_before_scan,
    risk_decision,
    risk_jaundice,
    risk_known,
    risk_missing,
    risk_not_assessed,
    risk_words,
)
from hooks.risk_decision import TOPIC, Kind, RiskParameters, RiskWeighed
from hooks.risk_words import Trigger

MODELS = ("nice-ng12", "endpac", "qcancer-2013-pancreas")
READS = (*gates.READS, *risk_jaundice.READS, *risk_before_scan.READS, "hba1c", "glucose", "diabetes", "ca19-9")


DIALS = (
    Dial(
        "risk_at_least",
        "qcancer-2013-pancreas",
        "risk",
        {"en": "Two-year risk from which a card is given", "nl": "Tweejaarsrisico vanaf waar een kaart komt"},
    ),
    Dial(
        "endpac_at_least",
        "endpac",
        "score",
        {"en": "END-PAC score from which a card is given", "nl": "END-PAC-score vanaf waar een kaart komt"},
    ),
)


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
    orders=(*gates.WORKUP, "hba1c"),
    again=Again(
        risk_decision.decide, risk_decision.TOPICS, DIALS, outcome="pancreatic-cancer", asks=risk_decision.asks
    ),
)
def pancreas_risk(case: Case) -> Iterable[Finding]:
    parameters: RiskParameters = case.parameters
    weighed = _weighed(case)
    yield Weighed(TOPIC, msgspec.to_builtins(weighed))
    kind = risk_decision.kind(case.prediction, weighed, parameters)
    trigger = _trigger(case, kind, parameters) if kind is not None else None
    refers = trigger is not None and trigger.refers
    raised = risk_decision.unasked_jaundice(weighed, parameters) is not None
    held = risk_decision.held_back(weighed, kind, parameters, refers=refers)
    if held is not None:
        told = parameters.say_when_not_assessed and (raised or risk_decision.hangs_on_sex(weighed, parameters))
        if trigger is not None or told or held.reason in ("known-cancer", "deceased", "hospice-or-palliative"):
            yield Suppressed(TOPIC, held.reason, held.until, MODELS, held.source)
        return
    if trigger is not None:
        before = risk_before_scan.sentences(case, weighed, kind, refers=refers)
        flags = risk_decision.flags(weighed, parameters)
        yield risk_words.card(case, trigger, TOPIC, flags, raised=raised, before=before)
        return
    if known := risk_known.in_the_way(case, parameters):
        yield Suppressed(TOPIC, risk_known.KNOWN_BEFORE, models=MODELS, source=known.source)
    if parameters.say_when_not_assessed and risk_decision.unsaid(weighed, parameters):
        yield risk_not_assessed.card(case, weighed)


def _trigger(case: Case, kind: Kind, parameters: RiskParameters) -> Trigger:
    prediction = case.prediction(risk_decision.MODEL_OF[kind])
    assert prediction is not None
    return Trigger(kind, prediction, risk_decision.indicator(kind, parameters))


def _weighed(case: Case) -> RiskWeighed:
    """Whichever of the three would speak under another policy: what then has to be known of the record."""
    newest: dict[str, float] = {}
    guideline = risk_decision.MODEL_OF["guideline"]
    for kind, model in risk_decision.MODEL_OF.items():
        prediction = case.prediction(model) or next(iter(risk_missing.either(case, model)), None)
        if kind == "bilirubin" or prediction is None or (kind == "guideline" and not prediction.rules):
            continue
        moment = Trigger(kind, prediction, "info").newest
        if moment is not None:
            newest[kind] = gates.days_between(moment, case.record.now)
    return RiskWeighed(
        gates.standing(case.record, case.policy),
        newest,
        risk_words.red_flags(case),
        risk_jaundice.readings(case.record),
        unassessed=_unassessed(case) or bool(risk_missing.unusable(case)),
        by_sex=risk_missing.by_sex(case),
        unasked=guideline in case.assessments and (case.prediction(guideline) is None or case.record.age is None),
    )


def _stands_in_the_way(feature: Feature) -> bool:
    """Not read, or an age nobody recorded: what is merely not measured is no fault of the record."""
    return feature.unread or (feature.input.source == "patient.age" and not feature.found)


def _unassessed(case: Case) -> bool:
    """A model failed, or what it needs could not be read: "no card" must not be taken for "no risk". Nor must silence
    about a problem list of which no code could be read: the guideline's findings may be all that stands in it."""
    if case.record.foreign or case.record.malformed or case.record.all_uncoded:
        return True
    for assessment in case.assessments.values():
        if isinstance(assessment, Failed):
            return True
        if isinstance(assessment, NotAssessed) and any(_stands_in_the_way(f) for f in assessment.lacking):
            return True
        if isinstance(assessment, Prediction) and any(f.unread for f in assessment.features):
            return True
    return False
