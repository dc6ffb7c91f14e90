"""All of a call's data in one place: what the EHR sent, what was fetched, and what could not be had.

A prefetch key is in one of four states (CDS Hooks 2.0.1, "Prefetch"): absent, null, OperationOutcome, data. Absent and
failed keys are fetched; null means asked and nothing there. Keys named otherwise than ours, as sites that type their
prefetch in by hand do, are matched by the resource types they hold.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

from cds.errors import MissingData, SourceUnsupported
from cds.fhir import resources as fhir
from cds.fhir.client import Fetched, FhirClient, Target
from cds.fhir.decoding import Decoded, decode
from cds.fhir.queries import Query
from cds.fhir.searched import asks_all
from cds.protocol.request import NULL, HookCall

OPTIONAL = frozenset({"FamilyMemberHistory", "ImagingStudy", "Procedure", "ServiceRequest"})
"""Resource types that a hospital's FHIR server may well not have."""


@dataclass(frozen=True)
class KeyState:
    """How one query fared."""

    state: str
    """``sent``, ``null``, ``fetched``; ``partly`` (cut off, a later page failed, or a narrower search than ours);
    ``failed``; ``missing`` (not sent, and there is no FHIR server to ask)."""
    count: int = 0
    error: str | None = None
    """Code of the error that stood in the way, such as CDS-601."""
    why: str = ""

    @property
    def complete(self) -> bool:
        return self.state in ("sent", "null", "fetched")


_MISSING = KeyState("missing", why="it was not sent and there is no FHIR server to ask")


@dataclass
class Evidence:
    states: dict[str, KeyState] = field(default_factory=dict)
    resources: list[Any] = field(default_factory=list)
    malformed: int = 0
    _seen: set[tuple[type, str]] = field(default_factory=set)

    @property
    def gaps(self) -> tuple[str, ...]:
        """Keys that could not be had, or not whole."""
        return tuple(key for key, state in self.states.items() if not state.complete)

    def unread(self, queries: tuple[Query, ...]) -> frozenset[str]:
        """Concept sources whose answer is lacking or cut off. Medications come from two kinds of resource."""
        kinds = {q.resource for q in queries if not self.states[q.key].complete}
        drugs = kinds & {"MedicationRequest", "MedicationAdministration"}
        return frozenset(kinds | ({"Medication"} if drugs else set()))

    def unsupported(self, queries: tuple[Query, ...]) -> frozenset[str]:
        """Those of them that this hospital has for nobody: its server does not know the type, or the EHR does not send
        it and names no server. No outage; but a hospital without problems or results is none to rely on, so for those
        it stays a fault."""
        states = ((q.resource, self.states[q.key]) for q in queries)
        kinds = {kind for kind, s in states if s.state == "missing" or s.error == SourceUnsupported.code}
        return frozenset(kinds & OPTIONAL)

    def add(self, found: Decoded) -> None:
        """The same resource under two keys, or on two pages, counts once."""
        self.malformed += found.malformed
        seen, kept = self._seen, self.resources
        for resource in found.resources:
            if resource.id is not None:
                identity = (type(resource), resource.id)
                if identity in seen:
                    continue
                seen.add(identity)
            kept.append(resource)


def deadline_in(seconds: float) -> float:
    return time.monotonic() + seconds


def gather(
    call: HookCall,
    queries: tuple[Query, ...],
    client: FhirClient,
    target: Target | None,
    deadline: float,
    aside: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Evidence:
    """Merge prefetch with one parallel round for the rest, back by ``deadline``. ``aside`` is entered while servers are
    waited for.

    Raises MissingData (412) when a required query's data was neither sent nor to be had.
    """
    evidence = Evidence()
    continued = _take_prefetch(call, queries, evidence)
    wanted = tuple(q for q in queries if q.key in continued or not _state(evidence, q.key).complete)
    in_hand = continued.keys() | {key for key, state in evidence.states.items() if state.state == "partly"}
    if wanted and target is not None:
        with aside():
            answers = client.fetch(wanted, call.patient_id, target, deadline, continued)
        for answer in answers:
            state = _after_fetch(answer, evidence, call.patient_id)
            if answer.query.key in in_hand and state.state == "failed":
                state = replace(state, state="partly")
            evidence.states[answer.query.key] = state
    else:
        for query in wanted:
            before = evidence.states.get(query.key, _MISSING)
            if query.key in continued:
                before = KeyState("partly", before.count, why="more pages exist, and there is no FHIR server to ask")
            evidence.states[query.key] = before
    _require(queries, evidence)
    return evidence


def read_through(
    queries: tuple[Query, ...], patient_id: str, client: FhirClient, target: Target, deadline: float
) -> Evidence:
    """What a FHIR server has for the queries, back by ``deadline``, outside of any hook. Never raises: what could not
    be had is in the states."""
    evidence = Evidence()
    for answer in client.fetch(queries, patient_id, target, deadline):
        evidence.states[answer.query.key] = _after_fetch(answer, evidence, patient_id)
    return evidence


def _state(evidence: Evidence, key: str) -> KeyState:
    return evidence.states.get(key, _MISSING)


def _take_prefetch(call: HookCall, queries: tuple[Query, ...], evidence: Evidence) -> dict[str, str]:
    """Fill ``evidence`` from what was sent. Returns the ``next`` links of keys that came with a first page only."""
    continued: dict[str, str] = {}
    searched: dict[str, list[str | None]] = {}
    cut: dict[str, str] = {}
    known = {q.key for q in queries}
    for key, raw in call.prefetch.items():
        found = None if raw == NULL else decode(raw)
        if found is not None:
            evidence.add(found)
        for query in _answers(key, found, queries, known, call.prefetch):
            state = _after_prefetch(query, found, call.patient_id)
            if not _state(evidence, query.key).complete:
                evidence.states[query.key] = state
            if found is None or query.resource == "Patient":  # who is there or not, never in part
                continue
            if why := _cut_off(query, found, continued):
                cut[query.key] = why
            elif state.complete:
                searched.setdefault(query.key, []).append(found.self_url)
                if found.next_url:
                    continued[query.key] = found.next_url
    for query in queries:
        if query.key in searched and not asks_all(query, searched[query.key]):
            cut.setdefault(query.key, "the EHR searched for a part of it only")
    for key, why in cut.items():
        if _state(evidence, key).complete:
            evidence.states[key] = KeyState("partly", evidence.states[key].count, why=why)
        continued.pop(key, None)
    return continued


def _cut_off(query: Query, found: Decoded, continued: Mapping[str, str]) -> str:
    """Why a Bundle is no whole answer and can't be read on from where it ends; "" when it is, or can."""
    if found.next_url:
        return "the EHR sent the first pages of several searches" if query.key in continued else ""
    return "the EHR found more than it sent" if found.total is not None and found.total > found.matches else ""


def _answers(
    key: str,
    found: Decoded | None,
    queries: tuple[Query, ...],
    known: set[str],
    prefetch: Mapping[str, bytes],
) -> Iterable[Query]:
    """The queries a prefetch value answers: its own key's; for a key that isn't ours, those it is the content of."""
    if key in known:
        return [q for q in queries if q.key == key]
    if found is None or not found.readable or found.outcome is not None:
        return []
    kinds = {type(resource).__name__ for resource in found.resources}
    if found.self_url:  # an empty searchset still says what was searched
        kinds.add(found.self_url.partition("?")[0].rstrip("/").rpartition("/")[2])
    return [q for q in queries if q.resource in kinds and q.key not in prefetch]


def _after_prefetch(query: Query, found: Decoded | None, patient_id: str) -> KeyState:
    if found is None:
        return KeyState("null")
    if found.outcome is not None or (found.warnings and not found.resources):
        return KeyState("failed", error="CDS-603", why="the EHR sent an OperationOutcome instead of data")
    if not found.readable:
        return KeyState("failed", error="CDS-604", why="the EHR sent something that is not FHIR")
    if query.resource == "Patient" and not _holds(found, patient_id):
        return KeyState("failed", error="CDS-604", why=f"the EHR sent {_instead(found)}, which is not used")
    # statements and administrations are a medication list, too
    kind = "Medication" if query.resource.startswith("Medication") else query.resource
    if found.resources and not any(type(r).__name__.startswith(kind) for r in found.resources):
        return KeyState("failed", error="CDS-604", why=f"the EHR sent other things than {query.resource}")
    if found.warnings:
        return KeyState("partly", len(found.resources), "CDS-603", "the EHR sent an OperationOutcome beside the data")
    return KeyState("sent", len(found.resources))


def _holds(found: Decoded, patient_id: str) -> bool:
    return any(isinstance(r, fhir.Patient) and r.id == patient_id for r in found.resources)


def _instead(found: Decoded) -> str:
    """What came in place of the patient called about: an accusation of mixing patients up has to be true."""
    if any(isinstance(r, fhir.Patient) for r in found.resources):
        return "another patient"
    return "a Patient that does not follow FHIR" if found.malformed else "no Patient"


def _after_fetch(answer: Fetched, evidence: Evidence, patient_id: str) -> KeyState:
    for page in answer.pages:
        evidence.add(page)
    count = sum(len(page.resources) for page in answer.pages)
    if answer.query.resource == "Patient" and answer.pages and not _holds(answer.pages[0], patient_id):
        instead = _instead(answer.pages[0])
        return KeyState("failed", error="CDS-604", why=f"the FHIR server gave {instead}, which is not used")
    if answer.fault is not None:
        state = "partly" if answer.pages else "failed"
        return KeyState(state, count, answer.fault.code, str(answer.fault))
    if any(page.warnings for page in answer.pages):
        return KeyState("partly", count, "CDS-603", "the FHIR server sent an OperationOutcome beside the data")
    if answer.truncated:
        return KeyState("partly", count, why="there are more pages than fhir.page_limit allows")
    return KeyState("fetched", count)


def _require(queries: tuple[Query, ...], evidence: Evidence) -> None:
    """412 only when nothing can be said: a required query failed, or nothing but the patient could be had."""
    lacking = [q.key for q in queries if q.required and evidence.states[q.key].state not in ("sent", "fetched")]
    clinical = [q.key for q in queries if not q.required]
    if not lacking and clinical and all(evidence.states[k].state in ("failed", "missing") for k in clinical):
        lacking = clinical
    if lacking:
        why = "; ".join(f"{key}: {evidence.states[key].why or 'it is null'}" for key in lacking)
        raise MissingData(
            f"required data is missing ({why}). Send these prefetch keys, or fhirServer and fhirAuthorization "
            "that this service may use"
        )
