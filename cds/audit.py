"""One call as the ledger keeps it: inputs as a replayable snapshot, what was said, what was held back and why.

No name, number or birth date goes in: the patient is a keyed hash, and a snapshot holds values, units, dates and the
references of the resources they came from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec

from cds.errors import RequestError
from cds.inference.prediction import Assessment, Failed, NotAssessed, Prediction
from cds.ledger import CallEntry, CardEntry, Ledger, PredictionEntry, ShadowCard, SuppressionEntry
from cds.ledger.cohort import SHADOW
from cds.policy.schema import Policy
from cds.protocol.response import Card
from cds.record.facts import Fact, ReferenceRange
from cds.record.features import Feature
from cds.services import CardDraft, Case, Service, Suppressed
from cds.trust import Caller

CALL = "call"
"""Key of ``weighed`` for what holds for every topic of the call."""


def entry(
    call_id: str,
    caller: Caller,
    case: Case,
    service: Service,
    cards: Sequence[tuple[Card, CardDraft]],
    suppressed: Sequence[Suppressed],
    timings: dict[str, float],
    ledger: Ledger,
    snapshot: str | None = None,
    shadowed: tuple[str, Sequence[CardDraft], Mapping[str, Assessment]] | None = None,
    weighed: Mapping[str, Mapping[str, Any]] | None = None,
) -> CallEntry:
    """``shadowed``: (versions, cards, what they rest on) of a policy that was computed and not shown. ``weighed``: by
    topic, what decisions depended on beside the models' answers."""
    user = case.call.context.userId
    return CallEntry(
        id=call_id,
        at=case.record.now,
        client=caller.name,
        service=service.id,
        hook=service.hook,
        hook_instance=case.call.hook_instance[:200],
        patient_key=ledger.patient_key(caller.name, case.record.patient_id),
        user_key=ledger.patient_key(caller.name, user) if user else None,
        policy_version=case.policy.version,
        service_version=service.version,
        language=case.words.language,
        data_state=_data_state(case),
        status="answered",
        error_code=None,
        duration_ms=sum(timings.values()),
        timings={stage: round(ms, 3) for stage, ms in timings.items()},
        predictions=tuple(
            prediction(a, withheld=id in case.withheld)
            for id, a in {**_beside(shadowed), **case.assessments}.items()
            if not _stored(a)
        ),
        cards=tuple(_card(card, draft, case) for card, draft in cards),
        suppressions=tuple(
            SuppressionEntry(
                topic=s.topic,
                reason=f"{s.reason} ({s.source})" if s.source else s.reason,
                until=s.until,
                prediction_ids=_ids(s.models, case),
                body=without_secrets(msgspec.to_builtins(s.card)) if s.card is not None else None,
            )
            for s in suppressed
        ),
        weighed=dict(weighed or {}) | ({CALL: silenced} if (silenced := _silenced(case)) else {}),
        snapshot=snapshot,
        shadow=shadowed[0] if shadowed is not None else None,
        shadow_cards=tuple(_shadow(draft, shadowed[2], case) for draft in shadowed[1]) if shadowed is not None else (),
        patient_language=case.record.language,
    )


def _beside(shadowed: tuple[str, Sequence[CardDraft], Mapping[str, Assessment]] | None) -> Mapping[str, Assessment]:
    """What only the policy in the shadow has run is kept like any other answer; live ones stand in its place."""
    return shadowed[2] if shadowed is not None else {}


def _silenced(case: Case) -> list[str]:
    """What silences every model's own card, whatever the policy says."""
    return [
        name for name, holds in (("deceased", case.record.deceased), ("patient-facing", case.patient_facing)) if holds
    ]


def _shadow(draft: CardDraft, assessments: Mapping[str, Assessment], case: Case) -> ShadowCard:
    """An answer by another edition of a guideline's rules is not kept: of each model the ledger has one answer a call,
    the one that may be shown."""
    found = (assessments[m] for m in draft.models if m in assessments)
    ids = tuple(a.id for a in found if case.assessments.get(a.manifest.id, a) is a)
    return ShadowCard(draft.memory, draft.indicator, ids)


def refusal(
    call_id: str,
    at: datetime,
    caller: Caller,
    service_id: str,
    policy: Policy,
    error: RequestError,
    timings: dict[str, float],
) -> CallEntry:
    """A call that could not be answered: who called what and why not. Its body may not have been readable."""
    return CallEntry(
        id=call_id,
        at=at,
        client=caller.name,
        service=service_id,
        hook="",
        hook_instance="",
        patient_key="",
        user_key=None,
        policy_version=policy.version,
        service_version="",
        language="",
        data_state={},
        status="refused",
        error_code=error.code,
        duration_ms=sum(timings.values()),
        timings={stage: round(ms, 3) for stage, ms in timings.items()},
    )


def _stored(assessment: Assessment) -> bool:
    """A card may rest on it, and its row is there already."""
    return isinstance(assessment, Prediction) and assessment.stored


def prediction(assessment: Assessment, *, withheld: bool = False) -> PredictionEntry:
    """``withheld``: by the committee; the answer is kept for it, and marked as shown to nobody."""
    manifest = assessment.manifest
    outcome: Literal["predicted", "not-assessed", "failed"] = "predicted"
    reason: str | None = None
    outputs: dict[str, Any] = {}
    if isinstance(assessment, Prediction):
        outputs.update(assessment.outputs)
        if assessment.rules:
            outputs["rules"] = list(assessment.rules)
        reason = SHADOW if withheld else None
    elif isinstance(assessment, NotAssessed):
        outcome, reason = "not-assessed", assessment.reason
    elif isinstance(assessment, Failed):
        outcome, reason = "failed", "CDS-700"
    return PredictionEntry(
        id=assessment.id,
        model=manifest.id,
        model_version=manifest.version,
        model_sha256=manifest.fingerprint,
        outcome=outcome,
        reason=reason,
        inputs={f.input.name: _snapshot(f) for f in assessment.features},
        outputs=outputs,
    )


def _snapshot(feature: Feature) -> dict[str, Any]:
    found: dict[str, Any] = {"state": feature.state}
    if feature.value is not None:
        found["value"] = feature.value
    if feature.input.unit != "1":
        found["unit"] = feature.input.unit
    if feature.detail:
        found["sent"] = feature.detail
    if feature.older:
        found["older"] = list(feature.older)
    if feature.facts:
        found["from"] = [f.source for f in feature.facts]
        if feature.input.unit != "1" and feature.facts[0].original:
            found["written"] = feature.facts[0].original
            if (usual := feature.facts[0].reference_range) is not None:
                found["reference"] = _reference(usual, feature.facts[0])
        if feature.facts[0].when is not None:
            found["date"] = feature.facts[0].when.text
    return found


def _reference(usual: ReferenceRange, fact: Fact) -> dict[str, Any]:
    """In the unit of ``written``. Of a bound ("<2") nobody knows on which side of a limit it lies."""
    limits = {name: limit for name, limit in zip(("low", "high"), usual.written, strict=True) if limit is not None}
    side = usual.side(fact.value) if fact.value is not None and fact.comparator is None else ""
    return {**limits, **({"text": usual.text} if usual.text else {}), **({"side": side} if side else {})}


def _data_state(case: Case) -> dict[str, Any]:
    states: dict[str, Any] = {}
    for key, state in case.evidence.states.items():
        states[key] = {"state": state.state, "count": state.count}
        if state.error:
            states[key]["error"] = state.error
    if case.record.foreign:
        states["foreign"] = case.record.foreign
    if case.drafts.lost:
        states["drafts_lost"] = case.drafts.lost
    if case.record.unnamed:
        states["unnamed"] = case.record.unnamed
    if case.record.uncoded:
        states["uncoded"] = case.record.uncoded
    if case.record.malformed:
        states["malformed"] = case.record.malformed
    return states


def _card(card: Card, draft: CardDraft, case: Case) -> CardEntry:
    return CardEntry(
        id=card.uuid,
        topic=draft.memory,
        indicator=card.indicator,
        body=without_secrets(msgspec.to_builtins(card)),
        prediction_ids=_ids(draft.models, case),
        about=dict(draft.about),
        band=draft.band,
        flags=draft.flags,
        beside=tuple(_told_of(fact) for fact in draft.beside),
    )


def _told_of(fact: Fact) -> dict[str, str]:
    date = fact.when.text if fact.when is not None else ""
    return {"concept": fact.concept, "written": fact.original, "date": date, "from": fact.source}


def without_secrets(body: dict[str, Any]) -> dict[str, Any]:
    """The draft orders on a card name the patient, and its link opens the report; the ledger's copy must not."""
    for link in body.get("links", ()):
        link.pop("appContext", None)
    for suggestion in body.get("suggestions", ()):
        for action in suggestion.get("actions", ()):
            for element in ("subject", "encounter", "requester"):
                action.get("resource", {}).pop(element, None)
    return body


def _ids(models: Sequence[str], case: Case) -> tuple[str, ...]:
    return tuple(case.assessments[m].id for m in models if m in case.assessments)
