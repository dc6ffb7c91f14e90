"""What the call path hands to the ledger and gets back from it.

Clinical values may be in here (inputs, outputs, the card's body); who the patient is may not: ``patient_key`` and
``user_key`` are keyed hashes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal


@dataclass(frozen=True)
class PredictionEntry:
    """What one model said, with all it takes to say it again."""

    id: str
    model: str
    model_version: str
    model_sha256: str
    outcome: Literal["predicted", "not-assessed", "failed"]
    reason: str | None
    """Code of the abstention or of the error; ``withheld`` when predicted for the committee alone; else None."""
    inputs: dict[str, Any]
    """By input name: state, and where found value, unit, date and the references it came from."""
    outputs: dict[str, Any]


@dataclass(frozen=True)
class CardEntry:
    """A card as it went out; ``id`` is the card's uuid, which feedback names."""

    id: str
    topic: str
    indicator: str
    body: dict[str, Any]
    """The card's JSON, suggestions with their uuids included; the link to its report without its ``appContext``."""
    prediction_ids: tuple[str, ...]
    about: dict[str, str] = field(default_factory=dict)
    """What the report behind the card has to know and the card itself does not say."""
    band: int = 0
    """How heavy it was within its kind."""
    flags: tuple[str, ...] = ()
    """Codes of the findings it rests on."""
    beside: tuple[dict[str, str], ...] = ()
    """Measurements that it tells of and no model read: ``concept``, ``written`` (number and unit as the hospital wrote
    them), ``date`` as recorded, empty where there is none, and ``from``, the ``Type/id`` of the resource."""


@dataclass(frozen=True)
class SuppressionEntry:
    """A card that was held back, and why."""

    topic: str
    reason: str
    until: date | None
    prediction_ids: tuple[str, ...]
    body: dict[str, Any] | None = None
    """The card as it would have gone out, where one was ready; without its link and suggestions' patient."""


@dataclass(frozen=True)
class HeldCard:
    """A card of one patient that was held back, as the report tells of it."""

    call_id: str
    at: datetime
    language: str
    topic: str
    reason: str
    until: date | None
    prediction_ids: tuple[str, ...]
    body: dict[str, Any]


@dataclass(frozen=True)
class ShownCard:
    """That a card went out, to whom, and in what weight: enough to see that another would be a repeat."""

    patient_key: str
    topic: str
    at: datetime
    user_key: str | None
    band: int
    flags: frozenset[str]


@dataclass(frozen=True)
class ShadowCard:
    """A card that a policy in the shadow would have had ready; nobody was shown it."""

    topic: str
    indicator: str
    prediction_ids: tuple[str, ...]


@dataclass(frozen=True)
class CallEntry:
    """One hook call: one transaction of the ledger."""

    id: str
    at: datetime
    """With a time zone."""
    client: str
    service: str
    hook: str
    hook_instance: str
    patient_key: str
    user_key: str | None
    policy_version: str
    service_version: str
    language: str
    data_state: dict[str, Any]
    """By prefetch key: state (sent, null, failed, fetched, missing, refused), count, error code."""
    status: Literal["answered", "refused", "failed"]
    error_code: str | None
    duration_ms: float
    timings: dict[str, float]
    """Milliseconds by stage."""
    predictions: tuple[PredictionEntry, ...] = ()
    cards: tuple[CardEntry, ...] = ()
    suppressions: tuple[SuppressionEntry, ...] = ()
    snapshot: str | None = None
    """What its cards were made from, sealed (``cds.snapshot``); base64url. Never read back with a call."""
    shadow: str | None = None
    """Versions of the layers that were computed beside those in force, joined by ``+``; None: none was."""
    shadow_cards: tuple[ShadowCard, ...] = ()
    weighed: dict[str, Any] | None = None
    """By topic: what decisions depended on beside the models' answers. None: a call from before that was kept."""
    patient_language: str | None = None
    """That the patient speaks: BCP-47's primary subtag, for the committee's groups alone. None: not known, or a call
    from before that was kept."""


@dataclass(frozen=True)
class FeedbackEntry:
    """What a clinician did with a card. A comment's words may name the patient, so only its presence is kept."""

    card_id: str
    """As sent: it may be a card this ledger never gave."""
    outcome: str
    suggestion_ids: tuple[str, ...]
    reason_code: str | None
    reason_system: str | None
    comment_present: bool
    client: str
    service: str
    outcome_at: str | None
    """As sent (RFC 3339); None or unreadable: the time of receipt counts."""
    received_at: datetime
    reason_display: str | None = None


ProblemKind = Literal["wrong-data", "wrong-advice", "unclear", "technical", "other"]


@dataclass(frozen=True)
class ProblemEntry:
    """What somebody who read a report says is wrong with it."""

    id: str
    at: datetime
    call_id: str | None
    card_id: str | None
    client: str
    user_key: str | None
    kind: ProblemKind
    text: str
    """As typed: people may name the patient in it, so it is for the ledger alone, never for a log."""
    state: Literal["open"] = "open"


@dataclass(frozen=True)
class SealedSession:
    """An open report as the database has it; ``cds.trust.smart`` holds half of the key, the browser the other."""

    id: str
    client: str
    created_at: datetime
    expires: datetime
    sealed: bytes
    patient_key: str | None = None
    """By which an erasure ends it; None: opened by a version before."""


@dataclass(frozen=True)
class PolicyEntry:
    """A policy's full text, so that an old card can be read against the policy it was given under."""

    version: str
    content: str
    first_used_at: datetime


PolicyAct = Literal["proposed", "approved", "activated", "canary", "shadow", "shadow-ended", "rolled-back"]


@dataclass(frozen=True)
class PolicyVersion:
    """One text of one layer of the policy."""

    version: str
    sha256: str
    layer: str
    content: str
    author: str
    proposed_by: str
    proposed_at: datetime


@dataclass(frozen=True)
class PolicyEvent:
    """What somebody did with a version, and why. What is in force follows from these, in their order."""

    id: int
    """0: not stored yet."""
    at: datetime
    layer: str
    version: str | None
    """None: the layer holds nothing any more."""
    act: PolicyAct
    person: str
    account: str
    reason: str
    canary: dict[str, list[str]] | None = None
    """For whom alone: ``clients``, ``services``, ``users``."""


@dataclass(frozen=True)
class PolicyRecord:
    """Everything the ledger has of the policy's layers."""

    versions: dict[str, PolicyVersion]
    events: tuple[PolicyEvent, ...]
    """Oldest first."""


@dataclass(frozen=True)
class StoredPrediction:
    call_id: str
    at: datetime
    entry: PredictionEntry


@dataclass(frozen=True)
class StoredCard:
    call_id: str
    at: datetime
    entry: CardEntry


@dataclass(frozen=True)
class Override:
    """A clinician said no to cards of this topic: the reason, and when."""

    topic: str
    reason_code: str | None
    at: datetime
