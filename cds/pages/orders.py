"""Orders on their way: found in a catalogue, drafted, proposed by a card, taken back, signed.

A draft from the catalogue or from a card is a resource of the FHIR server (status ``draft``). What a story's clinician
had written before the demonstration began is held here until it is signed: an EHR keeps unsigned orders to itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Protocol

from cds.errors import SourceError, SourceRefused
from cds.pages.chart import Order, order_of
from cds.pages.fhir_record import Done, FhirRecord, Resource

GROUPS = ("laboratory", "imaging", "treatment")
_KINDS = ("MedicationRequest", "ServiceRequest")


class Orderable(Protocol):
    """One line of the catalogue; what it stands for is the stories' own."""

    @property
    def id(self) -> str: ...
    @property
    def group(self) -> str: ...
    @property
    def name(self) -> Mapping[str, str]: ...
    @property
    def also(self) -> str:
        """Other words it is found by."""


@dataclass(frozen=True)
class Catalogue:
    """What can be ordered. ``orders``: (orderable, story, today) -> unsigned resources without ids."""

    orderables: Sequence[Orderable] = ()
    orders: Callable[[Any, Any, date], Sequence[Resource]] = lambda _orderable, _story, _today: ()

    def get(self, id: str) -> Orderable | None:
        return next((o for o in self.orderables if o.id == id), None)

    def found(self, words: str, language: str) -> dict[str, list[tuple[str, str]]]:
        """Group -> (id, name) of those in which every word occurs; all of them when nothing is asked."""
        wanted = words.lower().split()
        groups: dict[str, list[tuple[str, str]]] = {}
        for one in self.orderables:
            text = " ".join((*one.name.values(), one.also, one.id)).lower()
            if all(word in text for word in wanted):
                name = one.name.get(language) or next(iter(one.name.values()))
                groups.setdefault(one.group, []).append((one.id, name))
        return {group: groups[group] for group in (*GROUPS, *groups) if group in groups}


@dataclass(frozen=True)
class Signed:
    """``why``: empty, or why the rest was not."""

    orders: tuple[str, ...]
    why: str = ""


class OrderBook:
    """Safe for threads."""

    def __init__(self, record: FhirRecord, catalogue: Catalogue, written: Callable[[str], Iterable[Resource]]) -> None:
        """``written(patient)``: the orders a story's clinician has written and not signed."""
        self.catalogue, self._record, self._written = catalogue, record, written
        self._lock = threading.Lock()
        self._held: dict[str, dict[str, Resource]] = {}

    def forget(self) -> None:
        """Begin anew with what the stories' clinicians had written."""
        with self._lock:
            self._held.clear()

    def held(self, patient: str) -> tuple[Order, ...]:
        return tuple(order_of(resource) for resource in self._of(patient).values())

    def all(self, patient: str) -> tuple[Order, ...]:
        """Those held here and the drafts of the FHIR server. Raises SourceError."""
        kept = [
            resource
            for kind in _KINDS
            for resource in self._record.search(f"{kind}?patient={patient}&status=draft&_count=100")
        ]
        return (*self.held(patient), *(order_of(resource, proposed=True) for resource in kept))

    def add(self, story: Any, orderable: Orderable) -> tuple[str, ...]:
        """References of the drafts made on the FHIR server. Raises SourceError; then none is left behind."""
        made: list[Done] = []
        try:
            for resource in self.catalogue.orders(orderable, story, date.today()):
                made.append(self._record.create(resource))
        except SourceError:
            for done in reversed(made):
                self._record.undo(done)
            raise
        return tuple(done.reference for done in made)

    def remove(self, patient: str, reference: str) -> str:
        """Take a draft back; its words. Raises SourceError, IndexError when it is no draft of the patient."""
        order = self._find(patient, reference)
        if self._drop(patient, reference) is None:
            self._record.apply({"type": "delete", "resourceId": reference})
        return order.text

    def sign(self, patient: str, references: Iterable[str]) -> Signed:
        """Each becomes an active order on the FHIR server. Raises SourceError when the drafts can't be read."""
        drafts = {order.reference: order for order in self.all(patient)}
        done: list[str] = []
        for order in (drafts[r] for r in references if r in drafts):
            now = datetime.now(UTC).isoformat(timespec="seconds")
            signed = {**order.resource, "status": "active", "intent": "order", "authoredOn": now}
            try:
                if order.reference in self._of(patient):
                    self._record.create(signed)
                    self._drop(patient, order.reference)
                else:
                    self._record.apply({"type": "update", "resource": signed})
            except SourceError as error:
                return Signed(tuple(done), str(error))
            done.append(order.text)
        return Signed(tuple(done))

    def carry_out(self, patient: str, action: Resource) -> Done:
        """A suggestion's action, on a held order or on the FHIR server. Raises SourceError."""
        kind, resource = action.get("type"), action.get("resource") or {}
        target = str(action.get("resourceId") or f"{resource.get('resourceType')}/{resource.get('id')}")
        before = self._of(patient).get(target)
        if before is None or kind not in ("update", "delete"):
            return self._record.apply(action)
        with self._lock:
            if kind == "delete":
                del self._held[patient][target]
            else:
                self._held[patient][target] = resource
        return Done(str(kind), target, before, held=True)

    def undo(self, patient: str, done: Done) -> None:
        """Raises SourceError; SourceRefused when the order has been signed or changed since."""
        if done.held:
            with self._lock:
                assert done.before is not None
                self._held[patient][done.reference] = done.before
            return
        if done.kind == "create" and done.status == "draft" and not self._is_draft(done.reference):
            raise SourceRefused("the order is no longer a draft")
        self._record.undo(done)

    def _is_draft(self, reference: str) -> bool:
        return self._record.read(reference).get("status") == "draft"

    def _find(self, patient: str, reference: str) -> Order:
        held = self._of(patient).get(reference)
        if held is not None:
            return order_of(held)
        found = [order for order in self.all(patient) if order.reference == reference]
        return found[0]

    def _drop(self, patient: str, reference: str) -> Resource | None:
        kept = self._of(patient)
        with self._lock:
            return kept.pop(reference, None)

    def _of(self, patient: str) -> dict[str, Resource]:
        with self._lock:
            if patient not in self._held:
                self._held[patient] = {f"{r['resourceType']}/{r['id']}": r for r in self._written(patient)}
            return self._held[patient]
