"""What a service function is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

from cds.cards.phrasebook import Phrasebook
from cds.fhir.evidence import Evidence
from cds.inference.prediction import Assessment, Prediction
from cds.inference.volumes.reading import StudyReading
from cds.policy.schema import Policy
from cds.protocol.request import HookCall
from cds.protocol.response import Card
from cds.record.facts import Fact, Record

Repeat = Literal["once", "each-time", "always"]
"""``once``: not shown again to who was shown it, until its band rises or a new flag appears. ``each-time``: it says
what can't be said now, so that silence is not read as "nothing there". ``always``: nor does a day's budget hold it."""


@dataclass(frozen=True)
class Case:
    """One call, with everything known about it."""

    call: HookCall
    record: Record
    drafts: Record
    """Orders in the making (order-select: the selected ones only), read like a record of their own."""
    assessments: Mapping[str, Assessment]
    """By model id; only models that this service declares and the policy enables."""
    evidence: Evidence
    parameters: Any
    """The service's own settings: an instance of its declared parameters class."""
    policy: Policy
    words: Phrasebook
    patient_facing: bool
    studies: Mapping[str, StudyReading] = field(default_factory=dict)
    """By id of a model that reads volumes: what is known of the patient's scans; never computed during a call."""
    withheld: frozenset[str] = frozenset()
    """Models that the committee withholds: their answers are kept and shown to nobody. A service never sees them."""

    def prediction(self, model_id: str) -> Prediction | None:
        found = self.assessments.get(model_id)
        return found if isinstance(found, Prediction) else None


@dataclass(frozen=True)
class Proposal:
    """One order the clinician may accept: a draft ServiceRequest under the site's own code for ``order``."""

    order: str
    label: str
    priority: Literal["routine", "urgent", "asap"] = "routine"
    reason: str = ""
    recommended: bool = False


@dataclass(frozen=True)
class CardDraft:
    """A card before it is given its identity, its limits and its place in the row."""

    topic: str
    """Code of ``source.topic``: static, override memory hangs on it."""
    topic_label: str = field(default="", kw_only=True)
    """The topic in words, where no catalogue has ``topic.<code>``."""
    kind: str = field(default="", kw_only=True)
    """Which of a topic's reasons this card has, where they differ in weight."""
    quieted_by: tuple[str, ...] = field(default=(), kw_only=True)
    """Kinds whose snooze silences this card, too: its own, and those that outrank it."""
    rank: Literal["safety", "action", "information"]
    indicator: Literal["info", "warning"]
    summary: str
    detail: str
    source_label: str
    source_url: str | None = None
    proposals: tuple[Proposal, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    """(label, absolute address)"""
    models: tuple[str, ...] = ()
    """Models whose assessment the card rests on."""
    band: int = field(default=0, kw_only=True)
    """How heavy within its kind: a card of a higher band speaks although a lower one was shown."""
    flags: tuple[str, ...] = field(default=(), kw_only=True)
    """Codes of the findings it rests on: one that no earlier card had makes it speak again."""
    repeat: Repeat = field(default="once", kw_only=True)
    about: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    """What the report behind the card has to know and the card does not say; codes, nothing of the patient's."""
    beside: tuple[Fact, ...] = field(default=(), kw_only=True)
    """Measurements that it tells of and no model read: the report lists them with the data used."""

    @property
    def memory(self) -> str:
        return remembered_as(self.topic, self.kind)

    @property
    def silenced_by(self) -> tuple[str, ...]:
        """What the ledger may remember that silences it: itself, and the kinds of its topic that outweigh it."""
        return (self.memory, *(remembered_as(self.topic, kind) for kind in self.quieted_by))


def remembered_as(topic: str, kind: str) -> str:
    """How the ledger names a card's reason: ``topic/kind``, or the topic alone."""
    return f"{topic}/{kind}" if kind else topic


@dataclass(frozen=True)
class Suppressed:
    """A card that was not given, and why: the ledger keeps it, so that silence can be explained."""

    topic: str
    reason: str
    until: date | None = None
    models: tuple[str, ...] = ()
    source: str = ""
    """``Type/id`` of the resource that is the reason, where one is."""
    card: Card | None = None
    """As it would have gone out, where one was ready: it stays readable in the report."""


@dataclass(frozen=True)
class Weighed:
    """What a decision depends on beside the models' answers: kept, so that another policy can be tried on this call.

    Plain values that JSON holds: codes, ages, days; no name, and no date that is not needed.
    """

    topic: str
    values: Mapping[str, Any]


Finding = CardDraft | Suppressed | Weighed
