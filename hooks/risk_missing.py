"""What the risk card could not count: values never recorded, and values that were sent and can't be used."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from cds.cards import wording
from cds.inference.explain import spreads
from cds.inference.prediction import NotAssessed, Prediction
from cds.record.facts import UNREADABLE, Refused
from cds.record.features import Feature
from cds.record.inputs import days
from cds.services import Case

RISK, RULES, SCORE = "qcancer-2013-pancreas", "nice-ng12", "endpac"
_GLUCOSE = ("glucose-fasting", "glucose")
_OPEN_FOR = "36m"
"""How long diabetes counts as new to the score: a value from before that would have answered nothing."""


def lines(case: Case, chance: Callable[[float], str], between: Callable[[float, float], str]) -> list[str]:
    """What is not known, and how far it could move the answer. ``chance``, ``between``: as the card tells chances."""
    words, found = case.words, list[str]()
    risk = case.prediction(RISK)
    if risk is not None:
        for feature, low, high in spreads(risk.what_if, "risk", risk.number("risk")).values():
            spread = between(low, high)
            found.append(words("risk.missing.spread", item=wording.absence(words, feature), spread=spread))
    if sexes := by_sex(case):
        female, male = map(chance, sexes)
        found.append(words("risk.missing.sex", female=female, male=male))
    score = case.assessments.get(SCORE)
    told: tuple[str, ...] = ()
    if isinstance(score, NotAssessed) and score.reason == "input-absent" and _may_be_new_diabetes(case, score):
        lacking = _by_itself(score.lacking)
        items = list(dict.fromkeys(_absence(case, feature) for feature in lacking))[:3]
        found.append(words("risk.missing.endpac", items=words.join(items)))
        told = tuple(concept for feature in lacking for concept in feature.input.concepts)
    return found + unusable(case, told)


def by_sex(case: Case) -> tuple[float, ...]:
    """Two-year risk of a woman, and of a man, with the patient's findings; empty where it is not the sex that lacks."""
    return tuple(one.number("risk") for one in either(case, RISK))


def either(case: Case, model: str) -> tuple[Prediction, ...]:
    """A model's answers for a woman, and for a man, where only the sex is lacking."""
    found = case.assessments.get(model)
    return found.by_sex if isinstance(found, NotAssessed) else ()


def unusable(case: Case, told: Iterable[str] = ()) -> list[str]:
    """Results that were sent and can't be used, whether a model asks for them or the clinician would: an HbA1c in g/L
    is no HbA1c that was not taken. So are findings of the guideline that are dated in the future, and results known as
    a bound only. ``told``: concepts the card has spoken of already."""
    newest = (_unanswered(case, concept, days(for_)) for concept, for_ in _recent(case).items() if concept not in told)
    bounds = (r for r in _bounds(case) if r.concept not in told)
    refused = [*(r for r in newest if r is not None), *bounds, *_weights(case, told), *_findings_ahead(case)]
    items = [wording.refusal(case.words, one) for one in refused]
    return [case.words("risk.missing.unusable", items=case.words.join(items))] if items else []


def _recent(case: Case) -> dict[str, str]:
    """Results that are told of whichever model asks for them, and how long a value counts."""
    marker = case.parameters.marker_within
    return {"hba1c": _OPEN_FOR, **dict.fromkeys(_GLUCOSE, _OPEN_FOR), "bilirubin-total": marker, "ca19-9": marker}


def _unanswered(case: Case, concept: str, within: float) -> Refused | None:
    """The newest value of a concept, when that is one that can't be used and nothing usable came after it; one without
    a date, where there is no other that counts still."""
    usable = case.record.has(concept)
    refused = next((r for r in case.record.refused if r.concept == concept and r.detail), None)
    if refused is None:
        undated = (r for r in case.record.refused if r.concept == concept and r.reason == "no-date")
        return None if case.record.has(concept, within_days=within) is not None else next(undated, None)
    if refused.when is None:
        return refused
    answered = usable is not None and usable.when is not None and usable.when.middle >= refused.when.middle
    return None if answered or refused.when.days_before(case.record.now) > within else refused


def _bounds(case: Case) -> list[Refused]:
    """Beyond what the analyser measures, where the score needs the number; or on no known side of the diagnostic value,
    where the guideline's answer hangs on that."""
    found: dict[tuple[str, str], Refused] = {}
    for assessment in (case.assessments.get(RULES), case.assessments.get(SCORE)):
        if assessment is None:
            continue
        asked = _by_itself(assessment.lacking) if isinstance(assessment, NotAssessed) else assessment.features
        for feature in asked:
            if feature.state == "censored":
                concept = feature.input.concepts[0]
                found.setdefault((concept, feature.detail), Refused(concept, "", feature.state, feature.detail))
    return list(found.values())


def _weights(case: Case, told: Iterable[str]) -> list[Refused]:
    """That can't be used, where fasting glucose has risen and the score lacks nothing else: the score would speak, and
    its silence would be taken for a low one."""
    score = case.assessments.get(SCORE)
    if not isinstance(score, NotAssessed) or score.reason != "input-absent" or not _risen(score):
        return []
    lacking = [f for f in score.lacking if f.state in UNREADABLE and f.input.concepts[0] not in (*_recent(case), *told)]
    return [Refused(f.input.concepts[0], "", f.state, f.detail) for f in lacking]


def _risen(score: NotAssessed) -> bool:
    """Whether the rise that the score counts from was found."""
    return all(f.input.anchor is not None for f in score.lacking)


def reached(case: Case) -> bool:
    """Whether a result known as a bound only is at or above the diagnostic value: above 400 is above 126."""
    models = [a.manifest for a in (case.assessments.get(RULES), case.assessments.get(SCORE)) if a is not None]
    limits = {c: i.threshold for m in models for i in m.inputs if i.threshold is not None for c in i.concepts}
    return any(
        fact.original == bound.detail and fact.reaches(limits[bound.concept])
        for bound in _bounds(case)
        if bound.concept in limits
        for fact in case.record.of(bound.concept)
    )


def _findings_ahead(case: Case) -> list[Refused]:
    """Jaundice of the year 2062 is a slip of the pen, and no absence of jaundice."""
    rules = case.assessments.get(RULES)
    concepts = {c for f in rules.features if f.input.is_flag for c in f.input.concepts} if rules is not None else set()
    found = (r for r in case.record.refused if r.reason == "in-the-future" and r.concept in concepts)
    return [r for r in found if case.record.has(r.concept) is None]


def _by_itself(lacking: Sequence[Feature]) -> list[Feature]:
    """Without what is lacking only because the moment it is counted from is: a weight that was recorded all along."""
    names = {feature.input.name for feature in lacking}
    return [f for f in lacking if f.input.anchor is None or f.input.anchor.input not in names]


def _absence(case: Case, feature: Feature) -> str:
    """What was refused is one value, however many of a model's inputs are read from it: it is named once."""
    for refused in case.record.refused:
        if refused.concept in feature.input.concepts and (refused.reason, refused.detail) == (
            feature.state,
            feature.detail,
        ):
            return wording.refusal(case.words, refused)
    return wording.absence(case.words, feature)


def _may_be_new_diabetes(case: Case, score: NotAssessed) -> bool:
    """The score's question is open: a rise that only the weight beside it lacks, diabetes recorded in its window, or a
    value that could not be used."""
    found = case.record.of("diabetes", "type-2-diabetes")
    is_new = (
        bool(found) and found[-1].when is not None and found[-1].when.days_before(case.record.now) <= days(_OPEN_FOR)
    )
    return _risen(score) or is_new or bool(_bounds(case)) or any(r.concept in _GLUCOSE for r in case.record.refused)
