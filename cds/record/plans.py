"""A whole treatment ordered at once: a RequestGroup, a CarePlan or a ServiceRequest that names it in words.

Which drugs it means no code tells, so it is kept beside the orders whose texts alone are read (``Record.supposed``). A
ServiceRequest counts only where its text begins with a drug or a regimen: most that name one ask for a test or a visit
because of it. Of a plan the titles are read, and no description: that tells of earlier treatment, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec

from cds.fhir.resources import UNREADABLE, CodeableConcept, Reference, patient_in
from cds.record.facts import Fact, Record
from cds.record.written import DrugNames

_BEING_ORDERED = frozenset({"draft", "active", None})
_DEEPEST = 6
"""Of actions within actions."""


class _Action(msgspec.Struct, gc=False):
    title: str | None = None
    textEquivalent: str | None = None
    code: list[CodeableConcept] = []
    action: list[msgspec.Raw] = []


class _Detail(msgspec.Struct, gc=False):
    code: CodeableConcept | None = None


class _Activity(msgspec.Struct, gc=False):
    detail: _Detail | None = None


class _Plan(msgspec.Struct, gc=False):
    """Of any of the three (FHIR R4)."""

    id: str | None = None
    status: str | None = None
    doNotPerform: bool | None = None
    subject: Reference | None = None
    code: CodeableConcept | None = None
    title: str | None = None
    action: list[_Action] = []
    activity: list[_Activity] = []


class _Kind(msgspec.Struct, gc=False):
    resourceType: str = ""


class _Entry(msgspec.Struct, gc=False):
    resource: msgspec.Raw = msgspec.Raw(b"")


class _Bundle(msgspec.Struct, gc=False):
    entry: list[_Entry | None] | None = []


_bundle = msgspec.json.Decoder(_Bundle)
_kind = msgspec.json.Decoder(_Kind)
_plan = msgspec.json.Decoder(_Plan)
_action = msgspec.json.Decoder(_Action)
_WHOLE = frozenset({"RequestGroup", "CarePlan"})
_KINDS = _WHOLE | {"ServiceRequest"}

# "Chemotherapie: FOLFIRINOX", "Oncology treatment plan, cycle 1: mFOLFIRINOX"
_LEAD = re.compile(
    r"^(?:\W*\b(?:chemo\w*|systemic|systemisch\w*|oncolog\w*|treatment\w*|behandel\w*|dagbehandeling|therap\w*|"
    r"regimen|protocol|schema|schedule|plan|start|(?:kuur|cycl\w*)\W*\d*)\b)*\W*",
    re.IGNORECASE,
)
_TEST = re.compile(
    r"level|spiegel|concentra|assay|bepaling|genotyp|\btest|\bdpy?d\b|\bugt|\blab|consult|visit|afspraak|intake|"
    r"voorlicht|educat|gesprek",
    re.IGNORECASE,
)
_FIRST = re.compile(r"^(?:5 )?\S+")


def read(bundle: bytes, drafts: Record, tellers: Iterable[DrugNames], chosen: Iterable[str] | None) -> None:
    """Add those of the draft orders. ``chosen``: names of the selected ones, as ``Type/id`` or id; None: all."""
    names = None if chosen is None else set(chosen)
    by = tuple(tellers)
    if not any(kind.encode() in bundle for kind in _KINDS):
        return
    for number, entry in enumerate(_bundle.decode(bundle).entry or ()):
        if entry is None or (kind := _kind_of(bytes(entry.resource))) not in _KINDS:  # the orders count it
            continue
        try:
            plan = _plan.decode(entry.resource)
        except UNREADABLE:
            drafts.malformed += kind in _WHOLE  # the other is counted where it is read as an order
            continue
        source = f"{kind}/{plan.id or f'#{number}'}"
        if names is None or not names.isdisjoint({source, plan.id or ""}):
            _add(plan, source, drafts, by)


def _add(plan: _Plan, source: str, drafts: Record, tellers: tuple[DrugNames, ...]) -> None:
    if plan.status not in _BEING_ORDERED or plan.doNotPerform:
        return
    subject = plan.subject.reference if plan.subject else None
    if subject is not None and patient_in(subject) != drafts.patient_id:
        return
    texts = tuple(dict.fromkeys(_texts(plan)))
    if not source.startswith("ServiceRequest/"):
        told = tuple(text for text in texts if any(tell(text) for tell in tellers))
    else:
        told = tuple(text for text in texts if _begins_with_one(text, tellers))
    if told:
        drafts.supposed.append(Fact("", source, None, status=plan.status, title=told[0], texts=told))


def _begins_with_one(text: str, tellers: tuple[DrugNames, ...]) -> bool:
    first = _FIRST.search(_LEAD.sub("", text, count=1))
    return first is not None and not _TEST.search(text) and any(tell(first[0]) for tell in tellers)


def _texts(plan: _Plan) -> Iterator[str]:
    yield from _called(plan.code)
    yield from filter(None, (plan.title,))
    for activity in plan.activity:
        if activity.detail is not None:
            yield from _called(activity.detail.code)
    for action in plan.action:
        yield from _of_action(action, _DEEPEST)


def _of_action(action: _Action, deep: int) -> Iterator[str]:
    yield from filter(None, (action.title, action.textEquivalent))
    for code in action.code:
        yield from _called(code)
    for raw in action.action if deep else ():
        try:
            inner = _action.decode(raw)
        except UNREADABLE:
            continue
        yield from _of_action(inner, deep - 1)


def _called(concept: CodeableConcept | None) -> Iterator[str]:
    if concept is not None:
        yield from filter(None, (concept.text, *(c.display for c in concept.coding)))


def _kind_of(raw: bytes) -> str:
    try:
        return _kind.decode(raw).resourceType if raw else ""
    except UNREADABLE:
        return ""
