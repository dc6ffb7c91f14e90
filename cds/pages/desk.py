"""What a clinician does in the demonstration EHR: open a chart, sign orders, take or refuse a card's advice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any, Protocol

from cds.errors import SourceError
from cds.pages.cds_client import Card, CdsClient, Exchange
from cds.pages.chart import Order, order_of
from cds.pages.fhir_record import FhirRecord, Resource
from cds.pages.visits import Notice, Visit

HOOKS = ("patient-view", "order-select", "order-sign")
_NO_PRACTITIONER = "Practitioner/demonstration"
_COMMENT_LIMIT = 1000


class Story(Protocol):
    """What the patient list tells of a patient whose record is on the FHIR server."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def age(self) -> int: ...
    @property
    def sex(self) -> str: ...
    @property
    def tells(self) -> str: ...


class Stories(Protocol):
    """What an installed package of demo patients brings; a module will do."""

    @property
    def STORIES(self) -> Iterable[Story]: ...
    @property
    def draft_orders(self) -> Callable[[Any, date], Resource]:
        """(story, today) -> Bundle of orders waiting for a signature."""


class Desk:
    def __init__(self, told: Stories, cds: CdsClient, record: FhirRecord) -> None:
        self.stories = {story.id: story for story in told.STORIES}
        self.cds, self.record = cds, record
        self._draft_orders = told.draft_orders

    def drafts(self, patient: str) -> tuple[Order, ...]:
        """The orders the story's clinician has written and not signed."""
        bundle = self._draft_orders(self.stories[patient], date.today())
        return tuple(order_of(entry["resource"]) for entry in bundle.get("entry", []))

    def ask(self, patient: str, hook: str, language: str, selections: tuple[str, ...] = ()) -> Visit:
        """Fire ``hook`` at every service discovered for it."""
        visit = Visit(patient, hook, language, selections)
        try:
            context = self._context(patient, hook, selections)
            services = [s for s in self.cds.services() if s.hook == hook]
        except SourceError as error:
            visit.trouble = str(error)
            return visit
        visit.exchanges = tuple(self.cds.fire(s, context, self.record, language) for s in services)
        return visit

    def accept(self, visit: Visit, call: int, card: int, suggestion: int) -> None:
        """Carry out the suggestion's actions on the record, then tell the service. Raises IndexError."""
        exchange, chosen = self._at(visit, call, card)
        taken = chosen.suggestions[suggestion]
        if suggestion in visit.state(call, card).accepted:
            return
        try:
            for action in taken.actions:
                self.record.apply(action)
        except SourceError as error:
            visit.notices = [Notice("bad", "ehr.notice.not_done", {"why": str(error)})]
            return
        visit.state(call, card).accepted.add(suggestion)
        visit.notices = [Notice("good", "ehr.notice.accepted", {"label": taken.label})]
        self._tell(visit, exchange, chosen, accepted(taken.uuid))

    def override(self, visit: Visit, call: int, card: int, code: str, comment: str) -> None:
        """Send why the advice was not followed. Raises IndexError."""
        exchange, chosen = self._at(visit, call, card)
        reason = next((r for r in chosen.overrideReasons if r.code == code), None)
        if chosen.overrideReasons and reason is None:
            visit.notices = [Notice("bad", "ehr.notice.no_reason")]
            return
        why: dict[str, Any] = {}
        if reason is not None:
            why["reason"] = {k: v for k in ("code", "system", "display") if (v := getattr(reason, k)) is not None}
        if comment.strip():
            why["userComment"] = comment.strip()[:_COMMENT_LIMIT]
        visit.notices = []
        if self._tell(visit, exchange, chosen, {"outcome": "overridden"} | ({"overrideReason": why} if why else {})):
            visit.state(call, card).overridden = (reason.display or reason.code) if reason else "-"
            visit.notices = [Notice("good", "ehr.notice.overridden")]

    def _context(self, patient: str, hook: str, selections: tuple[str, ...]) -> dict[str, Any]:
        written = self.drafts(patient)
        user = next((r for o in written if (r := o.resource.get("requester", {}).get("reference"))), _NO_PRACTITIONER)
        context: dict[str, Any] = {"userId": user, "patientId": patient}
        if hook != "patient-view":
            found = self.record.search(f"ServiceRequest?patient={patient}&status=draft")
            orders = [*written, *(order_of(r, proposed=True) for r in found)]
            if hook == "order-select":
                context["selections"] = list(selections)
            else:
                orders = [o for o in orders if o.reference in selections]
            entries = [{"resource": o.resource} for o in orders]
            context["draftOrders"] = {"resourceType": "Bundle", "type": "collection", "entry": entries}
        return context

    def _at(self, visit: Visit, call: int, card: int) -> tuple[Exchange, Card]:
        exchange = visit.exchanges[call]
        return exchange, exchange.cards[card]

    def _tell(self, visit: Visit, exchange: Exchange, card: Card, outcome: Mapping[str, Any]) -> bool:
        """Whether the service took the feedback; a notice says so when it did not."""
        if card.uuid is None:
            visit.notices.append(Notice("bad", "ehr.notice.no_card_id"))
            return False
        stamp = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        try:
            self.cds.feedback(exchange.service.id, {"card": card.uuid, **outcome, "outcomeTimestamp": stamp})
        except SourceError as error:
            visit.notices.append(Notice("bad", "ehr.notice.feedback_failed", {"why": str(error)}))
            return False
        return True


def accepted(suggestion: str | None) -> dict[str, Any]:
    found = [{"id": suggestion}] if suggestion else []
    return {"outcome": "accepted", "acceptedSuggestions": found}
