"""A hook call and a feedback message, decoded from bytes.

Reading is tolerant: unknown members and every ``extension`` are ignored, ``hookInstance`` need not be a UUID,
ids may carry their type (``Patient/123``). What can't be answered raises MalformedRequest naming the member.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec

from cds.errors import MalformedRequest
from cds.half_characters import mended
from cds.protocol.hooks import HOOKS

_T = TypeVar("_T")
NULL = b"null"
MOST_FEEDBACK = 1000
_STAFF = frozenset({"practitioner", "practitionerrole"})
_TOKEN = re.compile(r"\A[\x21-\x7e]*\Z")
_ID = re.compile(r"^[A-Za-z0-9\-._~]{1,256}$")
"""FHIR allows 64 of ``[A-Za-z0-9-.]``; real servers also use ``_`` and longer ids."""


class FhirAuthorization(msgspec.Struct, frozen=True):
    """A token for ``fhirServer``. Transient: used for this call's queries, never stored or logged. Type, lifetime,
    scope and subject are not read, so they may have any form: the FHIR server is who judges them."""

    access_token: str

    def __repr__(self) -> str:
        return "FhirAuthorization(…)"


_NOTHING = msgspec.Raw(b"")


class Context(msgspec.Struct, frozen=True):
    """Fields of all hooks together; resources stay raw JSON until somebody needs them (empty: not sent)."""

    patientId: str | None = None
    userId: str | None = None
    encounterId: str | None = None
    draftOrders: msgspec.Raw = _NOTHING
    selections: list[str] | None = None
    appointments: msgspec.Raw = _NOTHING
    dispatchedOrders: list[str] | None = None
    order: str | None = None
    performer: str | None = None
    medications: msgspec.Raw = _NOTHING
    allergyIntolerance: msgspec.Raw = _NOTHING
    conditions: msgspec.Raw = _NOTHING


class _Call(msgspec.Struct):
    hook: str
    hookInstance: str
    context: Context
    fhirServer: str | None = None
    fhirAuthorization: FhirAuthorization | None = None
    prefetch: dict[str, msgspec.Raw] | None = None


class HookCall(msgspec.Struct, frozen=True):
    """One decoded call. ``prefetch`` values are raw JSON, decoded later, key by key, so that one bad key can't
    spoil the others."""

    hook: str
    hook_instance: str
    patient_id: str
    context: Context
    fhir_server: str | None
    authorization: FhirAuthorization | None
    prefetch: dict[str, bytes]

    @property
    def by_patient(self) -> bool:
        """The user may be the patient or a relative: some cards are not for them. Whoever is not plainly staff counts
        as one, since the mistake in that direction does no harm."""
        kind = (self.context.userId or "").strip().rpartition("/")[0].rpartition("/")[2]
        return kind.lower() not in _STAFF


_decoder = msgspec.json.Decoder(_Call)


def bare_id(value: str, kind: str) -> str:
    """``Patient/123`` and ``https://host/fhir/Patient/123`` -> ``123``."""
    value = value.strip()
    if "/" in value:
        head, _, tail = value.rpartition("/")
        if head.rpartition("/")[2] != kind:
            raise MalformedRequest(f"context.{kind.lower()}Id must be the id of a {kind}")
        value = tail
    if not _ID.match(value):
        raise MalformedRequest(f"context.{kind.lower()}Id is empty or holds characters an id can't have")
    return value


def _read_whole(decoder: msgspec.json.Decoder[_T], body: bytes) -> _T:
    """A text that was cut off within a character costs that character."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        if (whole := mended(body)) is body:
            raise
        return decoder.decode(whole)


def parse_call(body: bytes) -> HookCall:
    """Raises MalformedRequest for bytes that are not a CDS Hooks call."""
    try:
        call = _read_whole(_decoder, body)
    except msgspec.ValidationError as error:
        raise MalformedRequest(f"the request is not a CDS Hooks call: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedRequest(f"the body is not valid JSON: {error}") from error
    except RecursionError as error:
        raise MalformedRequest("the body is nested too deeply") from error
    if not call.hookInstance.strip():
        raise MalformedRequest("hookInstance is empty; send a fresh UUID with each call")
    if not call.context.patientId:
        raise MalformedRequest("context.patientId is missing")
    if call.fhirAuthorization is not None and not call.fhirServer:
        raise MalformedRequest("fhirAuthorization came without fhirServer; send both or neither")
    if call.fhirAuthorization is not None and not _TOKEN.match(call.fhirAuthorization.access_token):
        raise MalformedRequest("fhirAuthorization.access_token holds characters that an HTTP header can't carry")
    _check_context(call.hook, call.context)
    prefetch = {key: bytes(raw) for key, raw in (call.prefetch or {}).items()}
    return HookCall(
        hook=call.hook,
        hook_instance=call.hookInstance,
        patient_id=bare_id(call.context.patientId, "Patient"),
        context=call.context,
        fhir_server=call.fhirServer,
        authorization=call.fhirAuthorization,
        prefetch=prefetch,
    )


def _check_context(name: str, context: Context) -> None:
    hook = HOOKS.get(name)
    if hook is None:  # a hook of a site's own: its service checks what it needs
        return
    older = dict(hook.alternatives)
    for field in hook.required:
        if not (_sent(context, field) or _sent(context, older.get(field, field))):
            raise MalformedRequest(f"context.{field} is missing; the hook {name} requires it")


def _sent(context: Context, field: str) -> bool:
    value = getattr(context, field, None)
    if isinstance(value, msgspec.Raw):
        return bytes(value) not in (b"", NULL)
    return value is not None


class _Reason(msgspec.Struct):
    code: str | None = None
    system: str | None = None
    display: str | None = None


class _Override(msgspec.Struct):
    reason: _Reason | None = None
    userComment: str | None = None
    extension: dict[str, Any] | None = None


class _Accepted(msgspec.Struct):
    id: str


class _Feedback(msgspec.Struct):
    card: str
    outcome: str
    outcomeTimestamp: str | None = None
    acceptedSuggestions: list[_Accepted] | None = None
    overrideReason: _Override | None = None
    overrideReasons: _Override | list[_Override] | None = None


class FeedbackItem(msgspec.Struct, frozen=True):
    """What a clinician did with one card."""

    card: str
    outcome: str
    suggestions: tuple[str, ...]
    reason_code: str | None
    reason_system: str | None
    commented: bool
    """A comment was written. The words themselves may name the patient and are not kept."""
    at: str | None


class FeedbackMessage(msgspec.Struct, frozen=True):
    items: tuple[FeedbackItem, ...]
    faults: tuple[str, ...]
    """Of items that can't be read: one of a batch takes none of the others along."""


_feedback = msgspec.json.Decoder(dict[str, msgspec.Raw])
_items = msgspec.json.Decoder(list[msgspec.Raw])
_item = msgspec.json.Decoder(_Feedback)
_EPIC_REASON = "com.epic.cdshooks.feedback.overrideReason.reasonCategory"


def parse_feedback(body: bytes) -> FeedbackMessage:
    """Every form seen: the specification's array, a bare object, ``overrideReasons`` as object or list, reasons
    in an extension. Raises MalformedRequest when nothing of it can be read."""
    try:
        message = _feedback.decode(body := mended(body))
        raw = bytes(message["feedback"]) if "feedback" in message else body
        sent = _items.decode(raw if raw.lstrip().startswith(b"[") else b"[" + raw + b"]")
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedRequest(f"the body is not CDS Hooks feedback: {error}") from error
    except RecursionError as error:
        raise MalformedRequest("the body is nested too deeply") from error
    if len(sent) > MOST_FEEDBACK:
        raise MalformedRequest(f"send at most {MOST_FEEDBACK} items of feedback in one message")
    items, faults = [], []
    for number, one in enumerate(sent, 1):
        try:
            items.append(_read(_item.decode(one)))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, MalformedRequest) as error:
            why = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
            faults.append(f"item {number} of {len(sent)} is not CDS Hooks feedback: {why}")
    if faults and not items:
        raise MalformedRequest(faults[0])
    return FeedbackMessage(tuple(items), tuple(faults))


def _read(item: _Feedback) -> FeedbackItem:
    if item.outcome not in ("accepted", "overridden"):
        raise MalformedRequest("outcome must be 'accepted' or 'overridden'")
    if len(item.acceptedSuggestions or ()) > MOST_FEEDBACK:
        raise MalformedRequest(f"more than {MOST_FEEDBACK} accepted suggestions")
    override = item.overrideReason or item.overrideReasons
    if isinstance(override, list):
        override = override[0] if override else None
    reason = override.reason if override else None
    code, system = (reason.code, reason.system) if reason else (None, None)
    if code is None and override is not None and override.extension and _EPIC_REASON in override.extension:
        code, system = str(override.extension[_EPIC_REASON]), _EPIC_REASON
    return FeedbackItem(
        card=item.card,
        outcome=item.outcome,
        suggestions=tuple(s.id for s in item.acceptedSuggestions or ()),
        reason_code=code,
        reason_system=system,
        commented=bool(override and override.userComment),
        at=item.outcomeTimestamp,
    )
