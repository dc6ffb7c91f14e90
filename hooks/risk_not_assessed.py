"""The card in place of a risk card, where something stood in the way of an answer: modest and visible, for that is no
low risk. Where only the sex is lacking and a scan is due for either, it asks for the scan."""

from __future__ import annotations

from cds.cards import wording
from cds.inference.prediction import Failed
from cds.services import CardDraft, Case
from hooks import risk_before_scan, risk_decision, risk_jaundice, risk_missing, risk_words
from hooks.risk_decision import NOT_ASSESSED, RiskWeighed
from hooks.risk_missing import RISK
from hooks.risk_words import Trigger


def card(case: Case, weighed: RiskWeighed) -> CardDraft:
    words = case.words
    failed = [words.pick(a.manifest.words.title) for a in case.assessments.values() if isinstance(a, Failed)]
    lines = wording.gaps(words, case.evidence, case.record)
    if case.record.age is None:
        lines.append(words("risk.no_age"))
    lines += [words("risk.failed", model=name) for name in failed]
    lines += risk_missing.unusable(case)
    sexless = risk_decision.by_sex_at_least(risk_missing.by_sex(case), case.parameters)
    if sexless:
        lines += risk_words.performance(case, RISK)
    raised = risk_decision.unasked_jaundice(weighed, case.parameters) is not None
    due = sexless == "both"
    beside = [fact] if raised and (fact := risk_jaundice.newest(case.record)) is not None else []
    # in one paragraph: an EHR may show the first alone
    asked = [words(f"risk.recommend.{one}") for one, told in (("bilirubin", raised), ("risk", due)) if told]
    before = risk_before_scan.sentences(case, weighed, None) if due else []
    if raised:
        lines.append(risk_words.limit_of_bilirubin(case))
    kind, heavier = risk_decision.unassessed(due=due, raised=raised)
    return CardDraft(
        topic=NOT_ASSESSED,
        kind=kind,
        quieted_by=heavier,
        rank="action" if due else "information",
        indicator=case.parameters.model_indicator if due else "info",
        summary=_summary(case, sexless, raised),
        detail=wording.paragraphs(
            " ".join((f"**{' '.join(asked)}**", *before)) if asked else "",
            _told(case, raised, sexless),
            _either_sex(case, sexless) if sexless else "",
            risk_words.section(case, "why", _findings(case)) if sexless else "",
            risk_words.section(case, "sure", lines) if sexless else wording.bullets(lines),
            wording.rests_on(words, list(case.assessments.values()), case.policy, case.record, beside=beside),
        ),
        source_label=words("engine.source"),
        proposals=risk_words.proposals(case, _lower(case)) if due else (),
        models=tuple(case.assessments),
        band=risk_decision.band("risk", min(risk_missing.by_sex(case)), case.parameters) if due else 0,
        # of the findings: when there is another, a scan that is due is asked for again
        flags=risk_decision.flags(weighed, case.parameters) if due else (),
        repeat="once" if due else "each-time",  # as the card of a known sex
        beside=tuple(beside),
    )


def _told(case: Case, raised: bool, sexless: str) -> str:
    words = case.words
    if raised:
        ageless = words("risk.not_assessed.ageless") if case.record.age is None else ""
        return wording.paragraphs(risk_words.raised_told(case), ageless)
    if sexless:
        return ""
    if case.record.age is None:
        return words("risk.not_assessed.ageless")
    return words("risk.not_assessed.reached" if risk_missing.reached(case) else "risk.not_assessed.detail")


def _summary(case: Case, sexless: str, raised: bool) -> str:
    words = case.words
    if raised:
        return words("risk.not_assessed.bilirubin", value=risk_words.bilirubin_told(case)[0])
    if sexless == "both":
        return words("risk.not_assessed.at_least", chance=_either_chances(case)[-1])
    return words("risk.not_assessed.sexless" if sexless else "risk.not_assessed.summary")


def _either_sex(case: Case, sexless: str) -> str:
    """What the risk would be with either sex."""
    female, male, limit, _ = _either_chances(case)
    return case.words(f"risk.not_assessed.{sexless}", female=female, male=male, limit=limit)


def _either_chances(case: Case) -> tuple[str, ...]:
    """Of a woman, of a man, the limit, and the lower of the two, of as many people each: the headline has the last."""
    sexes = risk_missing.by_sex(case)
    return wording.chances(case.words, *sexes, case.parameters.risk_at_least, min(sexes))


def _findings(case: Case) -> list[str]:
    return risk_words.reasons(case, [(one, risk_words.raising(one)) for one in risk_missing.either(case, RISK)])


def _lower(case: Case) -> Trigger:
    lower = min(risk_missing.either(case, RISK), key=lambda one: one.number("risk"))
    return Trigger("risk", lower, case.parameters.model_indicator)
