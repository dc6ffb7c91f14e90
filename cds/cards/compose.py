"""Findings -> cards: order, limits, identity, override reasons, draft orders."""

from __future__ import annotations

import functools
import logging
import re
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, Literal, TypeVar

from fhir.resources.R4B.servicerequest import ServiceRequest
from pydantic import ValidationError

from cds.cards.attention import S
from cds.cards.phrasebook import Phrasebook
from cds.errors import PolicyError
from cds.ids import new_id
from cds.policy.blocks import Order
from cds.policy.schema import Policy
from cds.protocol.request import Context
from cds.protocol.response import Action, Card, Coding, Link, Source, Suggestion
from cds.services.case import CardDraft, Proposal
from cds.services.past import Would

_log = logging.getLogger("cds.cards")

D = TypeVar("D", CardDraft, Would)
Priority = Literal["routine", "urgent", "asap"]

TOPIC_SYSTEM = "urn:cds:topic"
_RANK = {"safety": 0, "action": 1, "information": 2}
SUMMARY_LIMIT = 139
# EHRs write references bare, with their type, or as addresses; what is none of these would spoil the whole order
_ENCOUNTER = re.compile(r"(?:(?:\S+/)?Encounter/)?([A-Za-z0-9\-._~]{1,256})\Z")
_STAFF = re.compile(r"(?:\S+/)?((?:Practitioner|PractitionerRole)/[A-Za-z0-9\-._~]{1,256})\Z")


def in_order(drafts: Iterable[S]) -> list[S]:
    """Safety, then action, then information; warnings first within a rank."""
    return sorted(drafts, key=lambda d: (_RANK[d.rank], d.indicator != "warning"))


def limited(drafts: Sequence[D], policy: Policy) -> tuple[list[D], list[D]]:
    """(shown, left out) under the policy's limits; warnings over their limit are shown as info."""
    shown: list[D] = []
    warnings = 0
    for draft in drafts[: policy.cards.most]:
        if draft.indicator == "warning":
            warnings += 1
            if warnings > policy.cards.most_warnings:
                draft = replace(draft, indicator="info")
        shown.append(draft)
    return shown, list(drafts[policy.cards.most :])


def within_limits(
    awake: Sequence[CardDraft], policy: Policy, words: Phrasebook
) -> tuple[list[CardDraft], list[CardDraft]]:
    """As ``limited``; what is a warning and is shown as info for the limit alone is named as one on the warning that is
    left, in the paragraph that an EHR may show alone: two genes ask for two doses."""
    shown, left_out = limited(awake, policy)
    quieted = [fit(d.summary) for d, as_shown in zip(awake, shown, strict=False) if d.indicator != as_shown.indicator]
    first = next((i for i, d in enumerate(shown) if d.indicator == "warning"), None)
    if quieted and first is not None:
        head, parted, rest = shown[first].detail.partition("\n\n")
        named = words("engine.also_warned", items=words.join(quieted))
        shown[first] = replace(shown[first], detail=f"{head} {named}{parted}{rest}")
    return shown, left_out


def compose(
    draft: CardDraft,
    policy: Policy,
    words: Phrasebook,
    context: Context,
    patient_id: str,
    report: Callable[[str], Link] | None = None,
) -> Card:
    """``report`` makes the first link, from the card's id."""
    card_id = new_id()
    links = (report(card_id),) if report is not None else ()
    suggestions = _suggestions(draft, policy, context, patient_id)
    return Card(
        uuid=card_id,
        summary=fit(draft.summary),
        detail=draft.detail,
        indicator=draft.indicator,
        source=Source(
            label=draft.source_label,
            url=draft.source_url,
            topic=Coding(
                system=TOPIC_SYSTEM, code=draft.topic, display=draft.topic_label or words(f"topic.{draft.topic}")
            ),
        ),
        suggestions=suggestions,
        selectionBehavior="any" if suggestions else None,
        overrideReasons=tuple(
            Coding(system=reason.system, code=code, display=words.pick(reason.display))
            for code, reason in policy.override_reasons.items()
        ),
        links=(*links, *(Link(label=label, url=url, type="absolute") for label, url in draft.links)),
    )


def fit(summary: str) -> str:
    """Cut at a word's end to what the specification allows (fewer than 140 characters)."""
    if len(summary) <= SUMMARY_LIMIT:
        return summary
    return summary[: SUMMARY_LIMIT - 1].rsplit(" ", 1)[0].rstrip(" ,;:") + "…"


def _suggestions(draft: CardDraft, policy: Policy, context: Context, patient_id: str) -> tuple[Suggestion, ...]:
    """Without an order that can't be made: what the card says stands by itself, and must not be lost with it."""
    made = []
    for proposal in draft.proposals:
        try:
            made.append(_suggestion(proposal, draft_order(proposal, policy, context, patient_id)))
        except PolicyError as error:
            # no message: it would quote the order, with the patient it is for
            _log.error("order.dropped topic=%s order=%s code=%s", draft.topic, proposal.order, error.code)
    return tuple(made)


def _suggestion(proposal: Proposal, order: dict[str, Any]) -> Suggestion:
    """One action each: some EHRs take no more."""
    return Suggestion(
        label=proposal.label,
        uuid=str(uuid.uuid4()),
        isRecommended=proposal.recommended or None,
        actions=(Action(type="create", description=proposal.label, resource=order),),
    )


def draft_order(proposal: Proposal, policy: Policy, context: Context, patient_id: str) -> dict[str, Any]:
    """A draft ServiceRequest, validated. Raises PolicyError if the site gave the order no code."""
    order = policy.orders.get(proposal.order)
    if order is None:
        raise PolicyError(f"the policy has no code for the order '{proposal.order}': add it under 'orders'")
    _check(proposal.order, order, proposal.priority)
    return _service_request(order, proposal.priority, proposal.reason, context, patient_id)


@functools.lru_cache(maxsize=256)
def _check(name: str, order: Order, priority: Priority) -> None:
    """Once for an order: what differs from call to call is references and text, which FHIR takes as they are."""
    context = Context(userId="Practitioner/1", encounterId="1")
    try:
        ServiceRequest.model_validate(_service_request(order, priority, "reason", context, "1"))
    except (ValidationError, ValueError, KeyError) as error:
        raise PolicyError(f"the order '{name}' does not make a valid ServiceRequest: {error}") from error


def _service_request(
    order: Order, priority: Priority, reason: str, context: Context, patient_id: str
) -> dict[str, Any]:
    resource: dict[str, Any] = {
        "resourceType": "ServiceRequest",
        "status": "draft",
        "intent": "proposal",
        "priority": priority,
        "code": {
            "coding": [{"system": order.system, "code": order.code, "display": order.display}],
            "text": order.display,
        },
        "subject": {"reference": f"Patient/{patient_id}"},
    }
    if encounter := _ENCOUNTER.match(context.encounterId or ""):
        resource["encounter"] = {"reference": f"Encounter/{encounter[1]}"}
    if user := _STAFF.match(context.userId or ""):
        resource["requester"] = {"reference": user[1]}
    if reason:
        resource["reasonCode"] = [{"text": reason}]
    return resource
