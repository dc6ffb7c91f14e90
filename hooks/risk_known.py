"""Diabetes that has been known for longer is not new, and brings no card; where it alone was in the way of one, that is
said to the clinical lead, since what stands in a record for years may be wrong."""

from __future__ import annotations

from cds.cards import doubts as sentence
from cds.inference import eligibility, rules
from cds.inference.prediction import NotAssessed, Prediction
from cds.record.facts import Fact
from cds.services import Case
from hooks.risk_decision import MODEL_OF, RiskParameters

KNOWN_BEFORE = "known-before"
_DISEASE = "diabetes"
_SOURCES = frozenset({"Condition", "Observation"})
"""Where diabetes, or a value that shows it, would stand."""


def in_the_way(case: Case, parameters: RiskParameters) -> Fact | None:
    """What kept the guideline's rule from holding, or the score from being given that asks for a card."""
    guideline = case.prediction(MODEL_OF["guideline"])
    return (_of_rules(guideline) if guideline is not None else None) or _of_score(case, parameters)


def doubts(case: Case, prediction: Prediction) -> list[str]:
    """Why diabetes that an answer takes for new may be older, a sentence each: it was called off once, it has no date,
    one high value of long ago was followed by a lower one, or it may stand where nobody could read."""
    tests = prediction.manifest.population.eligibility
    told = [*(fact for f in prediction.features for fact in f.aside), *eligibility.set_aside(tests, case.record)]
    aside = {fact.source: fact for fact in told}.values()
    sentences = [sentence.once(case.words, fact, _DISEASE) for fact in aside]
    return [*sentences, *sentence.unsure(case.words, _unread(case, prediction), _DISEASE)]


def _unread(case: Case, prediction: Prediction) -> frozenset[str]:
    lost = frozenset[str]().union(*(f.unsure for f in prediction.features))
    if any(eligibility.of_age(test) for test in prediction.manifest.population.eligibility):
        lost |= case.record.unread & _SOURCES
    return lost


def _of_rules(guideline: Prediction) -> Fact | None:
    features = {f.input.name: f.otherwise or f for f in guideline.features}
    for rule in guideline.manifest.runtime.rules:
        if rule.id not in guideline.rules and rules.fires(rule, features):
            return next((f.known for f in guideline.features if f.known is not None), None)
    return None


def _of_score(case: Case, parameters: RiskParameters) -> Fact | None:
    score = case.assessments.get(MODEL_OF["endpac"])
    if not isinstance(score, NotAssessed) or score.otherwise is None:
        return None
    if score.otherwise.number("score") < parameters.endpac_at_least:
        return None
    features = {f.input.name: f for f in score.features}
    return eligibility.known_before(score.manifest.population.eligibility, features, case.record)
