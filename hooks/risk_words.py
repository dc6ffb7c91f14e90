"""The risk card in words: recommendation, why, how likely, how sure, what is missing, what it rests on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from cds.cards import wording
from cds.inference.manifest import Rule
from cds.inference.prediction import Assessment, Failed, NotAssessed, Prediction
from cds.inference.rules import holds
from cds.record.facts import Fact
from cds.record.inputs import days
from cds.services import CardDraft, Case, Proposal
from hooks import risk_before_scan, risk_chances, risk_decision, risk_jaundice, risk_known, risk_missing
from hooks.risk_chances import Chances
from hooks.risk_decision import REFERRAL_RULE, Kind
from hooks.risk_missing import RISK, SCORE

NG12_URL = "https://www.nice.org.uk/guidance/ng12"
# log odds: smaller contributions are true, and not worth a busy reader's line
_TELLING = 0.2


@dataclass(frozen=True)
class Trigger:
    """Why a card is given: the first of guideline, bilirubin, new-onset diabetes score, two-year risk."""

    kind: Kind
    prediction: Prediction
    indicator: Literal["info", "warning"]

    @property
    def newest(self) -> datetime | None:
        """When the newest finding it rests on arose: imaging from before that has not answered it."""
        moments = [fact.when.earliest for fact in self._facts() if fact.when is not None]
        return max(moments, default=None)

    def _facts(self) -> list[Fact]:
        if self.kind == "guideline":
            rule = _rule(self)
            names = [c.input for c in (*rule.all, *rule.any)]
        else:
            names = [f.input.name for f in self.prediction.features if f.input.is_flag or f.input.anchor is None]
        found = [self.prediction.feature(name) for name in names]
        # the first fact of a feature is its newest; for "first at or above" it is the one that crossed
        return [f.facts[0] for f in found if f.found and f.value and f.facts]

    @property
    def refers(self) -> bool:
        """The guideline asks for referral rather than a scan first; of bilirubin, once somebody has seen jaundice."""
        return self.kind == "bilirubin" or REFERRAL_RULE in self.prediction.rules


_DIABETES = ("new_diabetes", "diabetes_by_hba1c", "diabetes_by_glucose")


def card(
    case: Case,
    trigger: Trigger,
    topic: str,
    flags: tuple[str, ...],
    *,
    raised: bool = False,
    before: Sequence[str] = (),
) -> CardDraft:
    """``raised``: bilirubin from where jaundice usually shows, and the guideline could not be asked. ``before``:
    what to know before the scan, a sentence each."""
    words = case.words
    if trigger.refers:
        # the equation has no term for jaundice: beside "refer", its low figure would read as a contradiction
        case = replace(case, assessments={k: a for k, a in case.assessments.items() if k != RISK})
    age = case.record.age if case.record.age is not None else words("engine.undated")
    beside = _beside(case, trigger, raised)
    weight = risk_decision.weight(trigger.kind, trigger.prediction.rules, raised=raised)
    chance, older = _chances(case, trigger), _maybe_older(case, trigger)
    missing = risk_missing.lines(case, chance, chance.between)
    detail = wording.paragraphs(
        " ".join((f"**{_recommendation(case, trigger, raised)}**", *before)),
        section(case, "why", [*([raised_told(case)] if raised else []), *_why(case, trigger, older)]),
        section(case, "likely", _likely(case, trigger, chance, older)),
        section(case, "sure", [*_sure(case, trigger, raised), *missing, *_confounders(case)]),
        section(case, "gaps", wording.gaps(words, case.evidence, case.record)),
        wording.rests_on(words, _used(case), case.policy, case.record, beside=beside),
    )
    return CardDraft(
        topic=topic,
        kind=weight,
        quieted_by=risk_decision.quieted_by(weight),
        rank="action",
        indicator=trigger.indicator,
        summary=_summary(case, trigger, age, chance, older),
        detail=detail,
        source_label=words(f"risk.source.{trigger.kind}"),
        source_url=_source_url(trigger),
        proposals=proposals(case, trigger),
        links=_links(case, trigger),
        models=tuple(case.assessments),
        band=_band(case, trigger),
        flags=flags,
        beside=tuple(beside),
    )


def _band(case: Case, trigger: Trigger) -> int:
    risk = trigger.prediction.number("risk") if trigger.kind == "risk" else 0.0
    return risk_decision.band(trigger.kind, risk, case.parameters)


def red_flags(case: Case) -> tuple[str, ...]:
    """Findings of the guideline's criteria that stand in the record, whatever the card rests on."""
    rules = case.prediction("nice-ng12")
    if rules is None:
        return ()
    found = (f.input.name for f in rules.features if f.input.source == "record" and f.found and f.value and f.facts)
    return tuple(dict.fromkeys("new-diabetes" if name in _DIABETES else name for name in found))


def section(case: Case, name: str, lines: Sequence[str]) -> str:
    return f"**{case.words(f'risk.heading.{name}')}**\n{wording.bullets(lines)}" if lines else ""


def _recommendation(case: Case, trigger: Trigger, raised: bool) -> str:
    """In one paragraph, whatever it asks for: an EHR may show the first alone, and the rest on demand."""
    if trigger.kind == "guideline":
        return case.words("risk.recommend.referral" if trigger.refers else "risk.recommend.ct_urgent")
    asked = ["risk.recommend.bilirubin"] if raised else []
    asked.append(f"risk.recommend.{trigger.kind}")
    if _beside_jaundice(trigger):
        asked.append("risk.recommend.bilirubin_or_ct")
    return " ".join(map(case.words, asked))


def _chances(case: Case, trigger: Trigger) -> Chances:
    return Chances(case, _threshold(trigger) if trigger.kind == "guideline" else None)


def _threshold(trigger: Trigger) -> float:
    return float(trigger.prediction.manifest.parameters["threshold"]["ppv"])


def _summary(case: Case, trigger: Trigger, age: int | str, chance: Chances, older: Sequence[str]) -> str:
    words = case.words
    if trigger.kind == "bilirubin":
        key = "bilirubin_unread" if _jaundice_unread(trigger) else "bilirubin"
        return words(f"risk.summary.{key}", age=age, value=bilirubin_told(case)[0])
    if trigger.kind == "endpac":
        key = "endpac_maybe_new" if older else "endpac"
        return words(f"risk.summary.{key}", score=words.number(trigger.prediction.number("score"), 0))
    risk = case.prediction(RISK)
    if trigger.kind == "risk":
        return words("risk.summary.risk", chance=chance.headline(trigger.prediction.number("risk")))
    key = "referral" if trigger.refers else "ct_urgent"
    findings = words.join(_holding(case, trigger, older))
    if risk is not None and risk.number("risk") >= case.parameters.risk_at_least:
        told = chance.headline(risk.number("risk"))
        longer = words(f"risk.summary.{key}_with_risk", age=age, findings=findings, chance=told)
        if len(longer) <= 139:
            return longer
    return words(f"risk.summary.{key}", age=age, findings=findings)


def _rule(trigger: Trigger) -> Rule:
    rules = {rule.id: rule for rule in trigger.prediction.manifest.runtime.rules}
    first = REFERRAL_RULE if trigger.refers else trigger.prediction.rules[0]
    return rules[first]


def _beside_jaundice(trigger: Trigger) -> Rule | None:
    """The rule that asks for a scan whether or not there is jaundice, where bilirubin leads the card."""
    held = trigger.prediction.rules if trigger.kind == "bilirubin" else ()
    return next((rule for rule in trigger.prediction.manifest.runtime.rules if rule.id in held), None)


def _jaundice_unread(trigger: Trigger) -> bool:
    return trigger.kind == "bilirubin" and trigger.prediction.feature("jaundice").unread


def _holding(case: Case, trigger: Trigger, older: Sequence[str]) -> list[str]:
    """The findings that made the rule true, age aside, in words; two of the alternatives are enough for a summary.

    New diabetes is one finding, whether the problem list, HbA1c or glucose says so.
    """
    words, prediction, rule = case.words, trigger.prediction, _rule(trigger)
    new = "maybe_new" if older else "new"

    def label(name: str) -> str:
        return words(f"risk.{new}_diabetes") if name in _DIABETES else words.pick(prediction.feature(name).input.label)

    labels = [label(c.input) for c in rule.all if prediction.feature(c.input).facts]
    features = {f.input.name: f for f in prediction.features}
    telling = [label(c.input) for c in rule.any if holds(c, features) is True]
    labels += list(dict.fromkeys(telling))[:2]
    return [wording.capital(text) if i == 0 else text for i, text in enumerate(labels)]


def _why(case: Case, trigger: Trigger, older: Sequence[str]) -> list[str]:
    """The patient's own facts, three to six, the ones that count most first, none twice."""
    lines: list[str] = []
    if trigger.kind == "bilirubin":
        value, day = bilirubin_told(case)
        key = "bilirubin_unread" if _jaundice_unread(trigger) else "bilirubin"
        lines.append(case.words(f"risk.why.{key}", value=value, day=day))
    told = [*lines, *reasons(case, _telling(case, trigger))][:5]
    return [*told, *older]


def _maybe_older(case: Case, trigger: Trigger) -> list[str]:
    """Why diabetes that the card rests on as new may be older."""
    new = trigger.kind == "endpac" or _on_diabetes(trigger)
    return risk_known.doubts(case, trigger.prediction) if new else []


def _on_diabetes(trigger: Trigger) -> bool:
    rule = _rule(trigger) if trigger.kind == "guideline" else _beside_jaundice(trigger)
    features = {f.input.name: f for f in trigger.prediction.features}
    return rule is not None and any(c.input in _DIABETES and holds(c, features) is True for c in rule.any)


def reasons(case: Case, telling: Sequence[tuple[Prediction, Sequence[str]]]) -> list[str]:
    """A line for each finding among the inputs named, of each answer in turn."""
    lines, seen = list[str](), set[str]()
    for prediction, names in telling:
        for name in names:
            feature = prediction.feature(name)
            sources = {f.source for f in feature.facts}
            if not feature.found or not feature.value or not sources or sources <= seen:
                continue
            seen |= sources
            lines.append(wording.reason(case.words, feature))
    return lines[:5]


def _telling(case: Case, trigger: Trigger) -> list[tuple[Prediction, list[str]]]:
    found: list[tuple[Prediction, list[str]]] = []
    rule = _rule(trigger) if trigger.kind == "guideline" else _beside_jaundice(trigger)
    if rule is not None:
        found.append((trigger.prediction, [c.input for c in (*rule.all, *rule.any)]))
    if (score := case.prediction("endpac")) is not None and trigger.kind != "risk":
        found.append((score, [f.input.name for f in score.features]))
    if (risk := case.prediction(RISK)) is not None:
        found.append((risk, raising(risk)))
    return found


def raising(risk: Prediction) -> list[str]:
    """Names of what makes the two-year risk higher than that of others of this age, the most telling first."""
    weights = dict(zip((f.input.name for f in risk.features), risk.series("contributions"), strict=True))
    return [n for n in sorted(weights, key=lambda n: -weights[n]) if weights[n] > _TELLING and n != "age"]


def _likely(case: Case, trigger: Trigger, chance: Chances, older: Sequence[str]) -> list[str]:
    words, lines = case.words, list[str]()
    if trigger.kind == "guideline":
        lines.append(words("risk.likely.guideline", chance=chance(_threshold(trigger))))
    risk = case.prediction(RISK)
    if risk is not None:
        in_headline = risk.number("risk") >= case.parameters.risk_at_least
        own = (chance.tied if in_headline else chance)(risk.number("risk"))
        reference = chance(risk.number("reference_risk"))
        lines.append(words("risk.likely.qcancer", chance=own, reference=reference))
        if trigger.kind != "risk" and not in_headline:
            lines[-1] += " " + words("risk.likely.qcancer_lower")
    score = case.prediction("endpac")
    if score is not None:
        value = score.number("score")
        band = "high" if risk_chances.high(score) else "intermediate" if value >= 1 else "low"
        made, second, third = map(chance.published, risk_chances.HIGH_BAND)
        figures = {"made": made, "second": second, "third": third} if band == "high" else {}
        lines.append(words(f"risk.likely.endpac_{band}", score=words.number(value, 0), **figures))
        if doubted := [one for one in risk_known.doubts(case, score) if one not in older]:
            lines[-1] += " " + words("risk.likely.endpac_maybe_new", doubts=" ".join(doubted))
    return lines


def _sure(case: Case, trigger: Trigger, raised: bool) -> list[str]:
    words, lines = case.words, list[str]()
    if raised or trigger.kind == "bilirubin":
        lines.append(limit_of_bilirubin(case))
    if trigger.refers:
        lines.append(words("risk.sure.no_jaundice"))
    lines += performance(case, RISK, SCORE)
    lines += [
        words("risk.failed", model=words.pick(a.manifest.words.title))
        for a in case.assessments.values()
        if isinstance(a, Failed)
    ]
    return lines


def limit_of_bilirubin(case: Case) -> str:
    limit = case.parameters.bilirubin_as_jaundice
    molar = case.words.number(limit * risk_jaundice.UMOL_PER_MG_DL, 0)
    return case.words("risk.sure.bilirubin", limit=case.words.number(limit, 1), molar=molar)


def performance(case: Case, *models: str) -> list[str]:
    """How far to trust the figures the card shows."""
    words, used = case.words, {a.manifest.id: a.manifest for a in _used(case)}
    told = [used[model] for model in models if model in used]
    lines = [
        words("risk.sure.performance", model=words.pick(m.words.title), text=wording.performance(words, m))
        for m in told
    ]
    return [*lines, words("risk.sure.qcancer")] if RISK in used else lines


def _markers(case: Case) -> list[Fact]:
    """A recent CA 19-9 above the limit, and the bilirubin that may explain it. Empty where there is none: a low one
    rules nothing out and is not worth a line."""
    recent = days(case.parameters.marker_within)
    marker = case.record.has("ca19-9", within_days=recent)
    bilirubin = case.record.has("bilirubin-total", within_days=recent)
    if marker is None or marker.value is None or marker.comparator in ("<", "<="):
        return []
    if marker.value <= case.parameters.marker_above:
        return []
    confounds = case.parameters.bilirubin_confounds_above
    explained = bilirubin is not None and bilirubin.value is not None and bilirubin.value > confounds
    return [marker, bilirubin] if bilirubin is not None and explained else [marker]


def bilirubin_told(case: Case) -> tuple[str, str]:
    """The newest value as the hospital wrote it, and its day."""
    fact = risk_jaundice.newest(case.record)
    assert fact is not None
    return wording.as_written(case.words, fact.original), case.words.day(fact.when)


def raised_told(case: Case) -> str:
    """Of bilirubin where the guideline could not be asked: what is not known for that, by what stood in the way."""
    value, day = bilirubin_told(case)
    if case.record.age is None:
        key = "raised_ageless"
    else:
        key = "raised" if "Condition" in case.record.unread else "raised_unasked"
    return case.words(f"risk.not_assessed.{key}", value=value, day=day)


def _beside(case: Case, trigger: Trigger, raised: bool) -> list[Fact]:
    """What no model counted and the card rests on all the same."""
    fact = risk_jaundice.newest(case.record) if raised or trigger.kind == "bilirubin" else None
    found = _markers(case)
    return found if fact is None or fact in found else [fact, *found]


def _confounders(case: Case) -> list[str]:
    """CA 19-9 is not part of any score here; if it is there, say what it can and can't mean."""
    told = [wording.fact_text(case.words, fact) for fact in _markers(case)]
    if len(told) == 2:
        return [case.words("risk.marker.cholestasis", value=told[0], bilirubin=told[1])]
    return [case.words("risk.marker.plain", value=text) for text in told]


def proposals(case: Case, trigger: Trigger) -> tuple[Proposal, ...]:
    words = case.words
    reason = words("risk.order_reason")
    scan = not trigger.refers and risk_before_scan.pregnancy(case.record) is None
    ct = Proposal("ct-pancreas", words("risk.order.ct"), "urgent", reason, recommended=scan)
    referral = Proposal(
        "referral-hpb",
        words("risk.order.referral"),
        "urgent",
        reason,
        recommended=trigger.refers and trigger.kind != "bilirubin",
    )
    found = [referral, ct] if trigger.refers else [ct, referral]
    if _hba1c_is_old(case.record.has("hba1c"), case):
        found.append(Proposal("hba1c", words("risk.order.hba1c"), "routine", reason))
    return tuple(p for p in found if p.order in case.policy.orders)


def _hba1c_is_old(fact: Fact | None, case: Case) -> bool:
    return fact is None or fact.when is None or fact.when.days_before(case.record.now) > 92


def _links(case: Case, trigger: Trigger) -> tuple[tuple[str, str], ...]:
    """Where each published number comes from."""
    found = []
    if trigger.kind == "bilirubin":
        found.append((case.words("risk.source.jaundice"), risk_jaundice.LEVEL_URL))
    for assessment in _used(case):
        source = next((s for s in assessment.manifest.sources.values() if s.url), None)
        if source is not None and source.url:
            found.append((case.words.pick(assessment.manifest.words.title), source.url))
    return tuple(found)


def _used(case: Case) -> list[Assessment]:
    """Whatever gave a figure, were it one for either sex."""
    found = case.assessments.values()
    return [a for a in found if isinstance(a, Prediction) or (isinstance(a, NotAssessed) and a.by_sex)]


def _source_url(trigger: Trigger) -> str | None:
    if trigger.kind in ("guideline", "bilirubin"):
        return NG12_URL
    return next((s.url for s in trigger.prediction.manifest.sources.values() if s.url), None)
