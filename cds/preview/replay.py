"""Past calls under a policy: what would have been ready, and what of it would have been shown.

The decisions are the service's own functions and the manifests' own tests; what is then held back is decided by the
same lines as in a live call (``cds.cards.attention``). Cards that hang on no threshold are taken as they were.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import orjson
from pydantic import BaseModel

from cds.cards import attention, snooze
from cds.cards.attention import Opening, Shown, Snoozes
from cds.cards.compose import in_order, limited
from cds.cards.speech import chosen, limits, quieted_by
from cds.cards.withheld import KIND
from cds.editions import Editions
from cds.guidelines import currency
from cds.guidelines.replay import as_read
from cds.inference.contribution import Contribution, Speech
from cds.inference.model import Model
from cds.inference.prediction import Prediction
from cds.inference.registry import Registry
from cds.ledger import Override
from cds.ledger.past import Before, PastCall, PastPrediction, ReadyCard
from cds.policy.schema import Policy
from cds.record.feature import Feature
from cds.record.moments import day_at
from cds.services import Past, PastAnswer, Service, ServiceRegistry, Would

CALL = "call"
"""Key of ``weighed`` for what holds for every topic of a call."""

PolicyOf = Callable[[str, str, str | None], Policy]
"""(client, service, the ledger's key of the user) -> the policy a call is under."""
Scope = tuple[str, str, str | None]
"""What such a policy is asked with; empty, and None: of nobody in particular."""


@dataclass(frozen=True)
class Decided:
    """One past call under one policy."""

    call: PastCall
    shown: tuple[Would, ...]
    held: tuple[tuple[Would, str], ...] = ()
    """(card, why it was ready and not shown)"""


@dataclass
class Replay:
    """What a policy's cards are decided from; one for all policies tried."""

    services: ServiceRegistry
    models: Registry
    zone: ZoneInfo

    def __post_init__(self) -> None:
        self.editions = Editions(self.models)
        self._parameters: dict[tuple[str, str], BaseModel] = {}

    def known(self, call: PastCall) -> Service | None:
        return self.services.services.get((call.service, call.hook))

    def ready(self, call: PastCall, policy: Policy) -> list[Would]:
        """Cards that would have been ready, in their order."""
        service = self.known(call)
        if service is None or not policy.service(service.id).enabled:
            return []
        answers = self._answers(call, policy)
        everything, decided = self._said(call, service, answers, policy)
        lapsed = self._lapsed(call, answers, policy)
        if lapsed:
            speaking = {id: answer for id, answer in answers.items() if id not in lapsed}
            everything = _without(everything, self._said(call, service, speaking, policy)[0])
        found = everything + [_as_it_was(c) for c in call.cards if c.memory.partition("/")[0] not in decided]
        return in_order(found)

    def _said(
        self, call: PastCall, service: Service, answers: Mapping[str, PastAnswer], policy: Policy
    ) -> tuple[list[Would], set[str]]:
        """(cards, topics that are decided here)"""
        found = list(self._own(call, service, answers, policy))
        by_manifest, topics = self._by_manifest(call, service, answers, policy)
        return found + by_manifest, {*topics, *(service.again.topics if service.again is not None else ())}

    def _answers(self, call: PastCall, policy: Policy) -> dict[str, PastAnswer]:
        found = {}
        for said in call.predictions:
            installed = self.models.models.get(said.model)
            if installed is None or installed.refused or not self.editions.runs(said.model, policy):
                continue
            model = self.editions.of(said.model, policy)
            if of_other_rules(model, said, policy) and (features := self.features(model, said)) is not None:
                again = model.again(features)
                if isinstance(again, Prediction):
                    outputs = {**again.outputs, "rules": list(again.rules)}
                    found[said.model] = PastAnswer(model.manifest, outputs, said.inputs)
            elif said.outcome == "predicted":
                found[said.model] = PastAnswer(model.manifest, said.outputs, said.inputs)
        return found

    def features(self, model: Model, said: PastPrediction) -> tuple[Feature, ...] | None:
        """Its inputs as they were read, to ask other rules; None where not all is kept."""
        if model.manifest.runtime.kind != "rules":
            return None  # a graph of another version may read other inputs
        if said.outcome != "predicted" and said.reason != "input-absent":
            return None  # the guideline was not for this patient, whatever its rules
        return as_read((model,), orjson.loads(said.inputs))[1]

    def _lapsed(self, call: PastCall, answers: Mapping[str, PastAnswer], policy: Policy) -> set[str]:
        """Guidelines that on the day of the call were past their review and this policy's grace."""
        day = day_at(call.at, self.zone)
        found = ((id, currency(answer.manifest, policy, day)) for id, answer in answers.items())
        return {id for id, standing in found if standing is not None and standing.lapsed}

    def _own(
        self, call: PastCall, service: Service, answers: Mapping[str, PastAnswer], policy: Policy
    ) -> Iterable[Would]:
        if service.again is None or call.weighed is None:
            return ()
        return service.again.decide(Past(answers, call.weighed), self._validated(service, policy), policy)

    def _validated(self, service: Service, policy: Policy) -> BaseModel:
        key = (service.id, policy.version)
        held = self._parameters.get(key)
        if held is None:
            held = service.parameters.model_validate(policy.service(service.id).parameters)
            self._parameters[key] = held
        return held

    def _by_manifest(
        self, call: PastCall, service: Service, answers: Mapping[str, PastAnswer], policy: Policy
    ) -> tuple[list[Would], set[str]]:
        """(cards, topics decided here). A card of a topic of which a model gave no answer is none of these."""
        topics: set[str] = set()
        said: dict[str, list[tuple[Speech, PastAnswer, Contribution]]] = defaultdict(list)
        silenced = (call.weighed or {}).get(CALL, ())
        for id in service.contributors:
            card = self.models[id].manifest.card
            if card is None or self.models[id].manifest.runtime.kind == "volume":
                continue  # a reading of scans is another call's answer: its card is taken as it was
            topics.add(card.topic)
            answer = answers.get(id)
            if answer is None or "deceased" in silenced or ("patient-facing" in silenced and not card.patient_facing):
                continue
            try:
                speech = chosen(card, answer, limits(card, policy.thresholds(id)))
            except KeyError:
                continue  # an output that the model of that day did not have
            if speech is not None:
                said[card.topic].append((speech, answer, card))
        return [
            _spoken(topic, spoken, answers, self._sharing(service, topic)) for topic, spoken in said.items()
        ], topics

    def _sharing(self, service: Service, topic: str) -> tuple[str, ...]:
        cards = ((id, self.models[id].manifest.card) for id in service.contributors)
        return tuple(id for id, card in cards if card is not None and card.topic == topic)


def of_other_rules(model: Model, said: PastPrediction, policy: Policy) -> bool:
    """The rules in force under the policy are not those that gave this answer."""
    if model.manifest.runtime.kind != "rules":
        return False
    if model.manifest.version != said.version:
        return True
    edited = model.manifest.id in policy.guidelines.editions
    return edited and bool(said.sha256) and model.manifest.fingerprint != said.sha256


def _without(everything: list[Would], rest: list[Would]) -> list[Would]:
    """``rest``: what is said without guidelines that nobody has looked at in time. Where nobody else speaks of a topic,
    a card says why there is none (``cds.cards.withheld``)."""
    topics = {would.topic for would in rest}
    return rest + [
        replace(
            would,
            kind=KIND,
            quieted_by=tuple(dict.fromkeys((would.kind, *would.quieted_by))),
            repeat="always" if would.indicator == "warning" or would.rank == "safety" else would.repeat,
            indicator="info",
            band=0,
            flags=(),
        )
        for would in everything
        if would.topic not in topics
    ]


def _spoken(
    topic: str,
    spoken: list[tuple[Speech, PastAnswer, Contribution]],
    answers: Mapping[str, PastAnswer],
    sharing: Sequence[str],
) -> Would:
    """The heaviest speech leads; what others of the topic concluded stands on the card, too."""
    speech, leader, card = max(spoken, key=lambda each: each[0].weight)
    beside = [answers[id] for id in sharing if id in answers and answers[id] is not leader]
    flags = [rule for each in (leader, *beside) for rule in each.rules]
    flags += [f"{name}:{day}" for name in card.renewed_by if (day := leader.day_of(name)) is not None]
    return Would(
        topic,
        speech.kind,
        quieted_by(card, speech),
        rank=card.rank,
        indicator=speech.indicator,
        flags=tuple(flags),
    )


def _as_it_was(card: ReadyCard) -> Would:
    topic, _, kind = card.memory.partition("/")
    return Would(
        topic,
        kind,
        card.quieted_by or ((kind,) if kind else ()),
        rank=card.rank,
        indicator="warning" if card.indicator == "warning" else "info",
        band=card.band,
        flags=card.flags,
        repeat=card.repeat or ("each-time" if topic.endswith("not-assessed") else "once"),
    )


class Beginning:
    """What was remembered when the window began, and what people refused in it: the same for every policy tried."""

    def __init__(self, before: Before) -> None:
        self.by_patient: dict[str, list[Shown]] = defaultdict(list)
        self.by_user: dict[str, list[Shown]] = defaultdict(list)
        self.overrides: dict[str, list[Override]] = defaultdict(list)
        for card in before.shown:
            shown = Shown(card.patient_key, card.topic, card.at, card.user_key, card.band, card.flags)
            self.by_patient[shown.patient].append(shown)
            if shown.user is not None:
                self.by_user[shown.user].append(shown)
        for said in before.overrides:
            self.overrides[said.patient].append(Override(said.memory, said.reason, said.at))


@dataclass
class Memory:
    """What would have been shown so far: repeats and budgets hang on it."""

    zone: ZoneInfo
    beginning: Beginning
    by_patient: dict[str, list[Shown]] = field(default_factory=lambda: defaultdict(list))
    by_user: dict[str, list[Shown]] = field(default_factory=lambda: defaultdict(list))

    def hold_back(self, call: PastCall, ready: list[Would], policy: Policy) -> Decided:
        """Shown cards are remembered."""
        opening = Opening(call.patient, call.user, call.hook, call.at, self._day(call.at))
        earlier = self.beginning.by_patient.get(call.patient, ())
        shown = [*earlier, *self.by_patient.get(call.patient, ()), *self._today(call, opening)]
        awake, held = attention.sort_out(ready, policy, opening, shown, self._snoozes(call, policy))
        given, over = limited(awake, policy)
        for would in given:
            self._add(Shown(call.patient, would.memory, call.at, call.user, would.band, frozenset(would.flags)))
        reasons = [(h.draft, h.reason.partition(":")[0]) for h in held] + [(w, attention.OVER_CALL) for w in over]
        return Decided(call, tuple(given), tuple(reasons))

    def _today(self, call: PastCall, opening: Opening) -> Iterator[Shown]:
        if call.user is None:
            return
        mine = self.by_user.get(call.user, [])
        while mine and mine[0].at < opening.day_began:
            mine.pop(0)
        earlier = self.beginning.by_user.get(call.user, ())
        yield from (s for s in mine if s.patient != call.patient)
        yield from (s for s in earlier if s.patient != call.patient and s.at >= opening.day_began)

    def _snoozes(self, call: PastCall, policy: Policy) -> Snoozes:
        said = self.beginning.overrides.get(call.patient)
        if not said:
            return {}
        latest: dict[str, Override] = {}
        for one in said:
            if one.at <= call.at:
                latest[one.topic] = one
        return snooze.snoozes(policy, latest.values())

    def _day(self, at: datetime) -> datetime:
        return at.astimezone(self.zone).replace(hour=0, minute=0, second=0, microsecond=0)

    def _add(self, shown: Shown) -> None:
        self.by_patient[shown.patient].append(shown)
        if shown.user is not None:
            self.by_user[shown.user].append(shown)


def memory_needed(policies: Iterable[Policy]) -> timedelta:
    """How far before a window cards and overrides still count."""
    lengths = [timedelta()]
    for policy in policies:
        longest = max(snooze.lengths(policy).values(), default=timedelta())
        lengths.append(attention.memory_needed(policy) + longest)
    return max(lengths)
