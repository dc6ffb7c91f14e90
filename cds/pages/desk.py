"""What a clinician does in the demonstration EHR: open a chart, order and sign, take or refuse a card's advice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any, Protocol

from cds.errors import SourceError
from cds.pages.cds_client import Card, CdsClient, Exchange, Link
from cds.pages.fhir_record import FhirRecord, Resource
from cds.pages.orders import Catalogue, OrderBook
from cds.pages.quiet import Refusal, Silence, Withheld, refusal, silences, withheld
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
    def told(self, language: str) -> str:
        """The story in one line."""


class Stories(Protocol):
    """What an installed package of demo patients brings; a module will do. It may also bring ``ORDERABLES`` and
    ``orders``: what can be ordered (``cds.pages.orders.Catalogue``)."""

    @property
    def STORIES(self) -> Iterable[Story]: ...
    @property
    def draft_orders(self) -> Callable[[Any, date], Resource]:
        """(story, today) -> Bundle of orders waiting for a signature."""


class Desk:
    def __init__(self, told: Stories, cds: CdsClient, record: FhirRecord) -> None:
        self._told = told
        self.stories = {story.id: story for story in told.STORIES}
        self.cds, self.record = cds, record
        orderables = tuple(getattr(told, "ORDERABLES", ()))
        catalogue = Catalogue(orderables, told.orders) if orderables else Catalogue()  # type: ignore[attr-defined]
        self.orders = OrderBook(record, catalogue, lambda patient: _written(told, self.stories[patient]))
        self._lock = threading.Lock()
        self._refusals: dict[str, list[Refusal]] = {}

    def ask(self, patient: str, hook: str, language: str, selections: tuple[str, ...] = ()) -> Visit:
        """Fire ``hook`` at every service discovered for it."""
        visit = Visit(patient, hook, language, selections)
        try:
            context = self._context(patient, hook, selections)
            services = [s for s in self.cds.services(language) if s.hook == hook]
        except SourceError as error:
            visit.trouble = str(error)
            return visit
        visit.exchanges = tuple(self.cds.fire(s, context, self.record, language) for s in services)
        return visit

    def order(self, visit: Visit, orderable: str, language: str) -> Visit:
        """Draft it, and fire order-select at once. Raises IndexError for what is not in the catalogue."""
        chosen = self.orders.catalogue.get(orderable)
        if chosen is None:
            raise IndexError(orderable)
        try:
            made = self.orders.add(self.stories[visit.patient], chosen)
        except SourceError as error:
            visit.notices = [Notice("bad", "ehr.notice.not_done", {"why": str(error)})]
            return visit
        asked = self.ask(visit.patient, "order-select", language, made)
        name = chosen.name.get(language) or chosen.id
        asked.notices = [Notice("good", "ehr.notice.drafted", {"label": name})]
        return asked

    def withdraw(self, visit: Visit, reference: str) -> None:
        """Take a draft back. Raises IndexError when there is none."""
        try:
            name = self.orders.remove(visit.patient, reference)
        except SourceError as error:
            visit.notices = [Notice("bad", "ehr.notice.not_done", {"why": str(error)})]
            return
        for state in visit.cards.values():
            gone = [s for s, done in state.accepted.items() if any(d.reference == reference for d in done)]
            for suggestion in gone:
                del state.accepted[suggestion]
        visit.selections = tuple(s for s in visit.selections if s != reference)
        visit.notices = [Notice("good", "ehr.notice.withdrawn", {"label": name})]

    def sign(self, visit: Visit) -> None:
        """Complete the signature that order-sign was fired for: what is signed is active on the FHIR server."""
        try:
            signed = self.orders.sign(visit.patient, visit.selections)
        except SourceError as error:
            visit.notices = [Notice("bad", "ehr.notice.not_done", {"why": str(error)})]
            return
        visit.selections = ()
        visit.notices = []
        if signed.orders:
            visit.notices.append(Notice("good", "ehr.notice.signed", {"orders": ", ".join(signed.orders)}))
        if signed.why:
            visit.notices.append(Notice("bad", "ehr.notice.not_signed", {"why": signed.why}))

    def accept(self, visit: Visit, call: int, card: int, suggestion: int) -> None:
        """Carry out the suggestion's actions on the record, all or none, then tell the service. Raises IndexError."""
        exchange, chosen = self._at(visit, call, card)
        taken, state = chosen.suggestions[suggestion], visit.state(call, card)
        if not state.may_take(chosen, suggestion):
            return
        done = []
        try:
            for action in taken.actions:
                done.append(self.orders.carry_out(visit.patient, action))
        except SourceError as error:
            for one in reversed(done):
                self.orders.undo(visit.patient, one)
            visit.notices = [Notice("bad", "ehr.notice.not_done", {"why": str(error)})]
            return
        state.accepted[suggestion] = tuple(done)
        visit.notices = [Notice("good", "ehr.notice.accepted", {"label": taken.label})]
        if taken.uuid is None:
            # feedback names what was accepted; what has no name can't be told
            visit.notices.append(Notice("bad", "ehr.notice.no_suggestion_id"))
            return
        outcome = {"outcome": "accepted", "acceptedSuggestions": [{"id": taken.uuid}]}
        if self._tell(visit, call, exchange, chosen, outcome):
            visit.notices.append(Notice("good", "ehr.notice.told"))

    def undo(self, visit: Visit, call: int, card: int, suggestion: int) -> None:
        """Take back what accepting did. CDS Hooks has no way to take feedback back. Raises IndexError."""
        _, chosen = self._at(visit, call, card)
        label, state = chosen.suggestions[suggestion].label, visit.state(call, card)
        try:
            for done in reversed(state.accepted.get(suggestion, ())):
                self.orders.undo(visit.patient, done)
        except SourceError as error:
            visit.notices = [Notice("bad", "ehr.notice.not_done", {"why": str(error)})]
            return
        state.accepted.pop(suggestion, None)
        visit.notices = [Notice("good", "ehr.notice.undone", {"label": label})]

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
        outcome = {"outcome": "overridden"} | ({"overrideReason": why} if why else {})
        if self._tell(visit, call, exchange, chosen, outcome):
            words = (reason.display or reason.code) if reason else "-"
            visit.state(call, card).overridden = words
            visit.notices = [Notice("good", "ehr.notice.overridden")]
            with self._lock:
                said = self._refusals.setdefault(visit.patient, [])
                said[:] = [no for no in said if not (no.service == exchange.service.id and no.is_about(chosen))]
                said.append(refusal(exchange, chosen, words, datetime.now(UTC)))

    def link(self, visit: Visit, call: int, card: int, link: int) -> Link:
        """Raises IndexError."""
        return self._at(visit, call, card)[1].links[link]

    def silent(self, visit: Visit) -> tuple[Silence, ...]:
        with self._lock:
            refusals = tuple(self._refusals.get(visit.patient, ()))
        return silences(((e, self.row(visit, i)) for i, e in enumerate(visit.exchanges)), refusals)

    def withheld(self, visit: Visit) -> tuple[Withheld, ...]:
        """Only where no card came, or some were left out: each row is a question to the service."""
        return withheld(self.row(visit, i) for i, e in enumerate(visit.exchanges) if not e.problem)

    def row(self, visit: Visit, call: int) -> dict[str, Any] | None:
        """The ledger row of one call, asked for once until something is said about a card of it."""
        if call not in visit.rows:
            exchange = visit.exchanges[call]
            visit.rows[call] = self.cds.ledger_row(exchange) if exchange.status is not None else None
        return visit.rows[call]

    def forget(self) -> None:
        """Begin anew: no refusal is remembered, and every story's orders wait again."""
        with self._lock:
            self._refusals.clear()
        self.orders.forget()

    def _context(self, patient: str, hook: str, selections: tuple[str, ...]) -> dict[str, Any]:
        written = _written(self._told, self.stories[patient])
        user = next((r for o in written if (r := o.get("requester", {}).get("reference"))), _NO_PRACTITIONER)
        context: dict[str, Any] = {"userId": user, "patientId": patient}
        if hook != "patient-view":
            orders = self.orders.all(patient)
            if hook == "order-select":
                context["selections"] = list(selections)
            else:
                orders = tuple(o for o in orders if o.reference in selections)
            entries = [{"resource": o.resource} for o in orders]
            context["draftOrders"] = {"resourceType": "Bundle", "type": "collection", "entry": entries}
        return context

    def _at(self, visit: Visit, call: int, card: int) -> tuple[Exchange, Card]:
        exchange = visit.exchanges[call]
        return exchange, exchange.cards[card]

    def _tell(self, visit: Visit, call: int, exchange: Exchange, card: Card, outcome: Mapping[str, Any]) -> bool:
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
        visit.rows.pop(call, None)
        return True


def _written(told: Stories, story: Story) -> list[Resource]:
    return [entry["resource"] for entry in told.draft_orders(story, date.today()).get("entry", [])]
