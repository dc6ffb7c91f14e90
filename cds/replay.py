"""A past call made again: from what the ledger kept of it, the policy that held then, and the models installed now.

The cards are compared with those that went out, letter by letter; the predictions bit by bit. Where something differs,
the parts that have changed since are named: policy, models, sentences, program.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import orjson

from cds.audit import prediction as told
from cds.audit import without_secrets
from cds.cards.attention import OVER_CALL
from cds.cards.compose import compose, in_order, within_limits
from cds.cards.findings import findings
from cds.case_again import NOBODY, case_again
from cds.editions import Editions
from cds.engine import Engine
from cds.errors import CdsError, ModelError, PolicyError, ReplayFailed
from cds.inference.model import Model
from cds.inference.prediction import NotAssessed, Prediction
from cds.ledger import CallEntry, CardEntry, PredictionEntry
from cds.ledger.cohort import SHADOW
from cds.policy.schema import Known, Policy, parse
from cds.protocol.response import Link
from cds.record.features import Feature
from cds.services import CardDraft, Case
from cds.services.known import known_here
from cds.snapshot import Snapshot, Snapshots


@dataclass(frozen=True)
class Part:
    """What a card depends on, as it was and as it is."""

    name: str
    then: str
    now: str
    """Empty: gone."""

    @property
    def same(self) -> bool:
        return self.then == self.now

    @property
    def told(self) -> str:
        if self.same:
            return f"{self.name}: {self.then}, as then"
        return f"{self.name}: was {self.then or 'unknown'}, {f'is {self.now}' if self.now else 'is gone'}"


@dataclass(frozen=True)
class ReplayedCard:
    stored: CardEntry
    body: Mapping[str, Any] | None
    """As made again; None: it was not."""

    @property
    def same(self) -> bool:
        return self.body is not None and canonical(self.body) == canonical(self.stored.body)


@dataclass(frozen=True)
class ReplayedPrediction:
    stored: PredictionEntry
    same: bool
    difference: float | None
    """Largest of any output, where numbers could be compared; None: it could not be made again, or another way."""
    why: str = ""


@dataclass(frozen=True)
class Replayed:
    call: CallEntry
    kept: bool
    """What the cards were made from was kept; else only predictions could be checked."""
    parts: tuple[Part, ...]
    cards: tuple[ReplayedCard, ...] = ()
    predictions: tuple[ReplayedPrediction, ...] = ()
    beyond: tuple[str, ...] = field(default=())
    """Topics of cards that would go out now and did not then, nor were held back."""

    @property
    def same(self) -> bool:
        """Everything that went out was made again, to the letter and the bit."""
        whole = self.kept or not self.call.cards
        return whole and all(c.same for c in self.cards) and all(p.same for p in self.predictions) and not self.beyond

    @property
    def changed(self) -> tuple[Part, ...]:
        return tuple(part for part in self.parts if not part.same)


class Replay:
    """``engine``: as the service would run it now, with archived models mounted where old ones are wanted."""

    def __init__(self, engine: Engine, snapshots: Snapshots) -> None:
        self._engine = engine
        self._snapshots = snapshots
        self._editions = Editions(engine.models)

    def of(self, call_id: str) -> Replayed:
        """Raises ReplayFailed where nothing can be made again: no such call, or it was refused."""
        call = self._engine.ledger.call(call_id)
        if call is None:
            raise ReplayFailed("the ledger holds no such call (or it is still on a machine's spool)")
        if call.status != "answered" or not call.service:
            raise ReplayFailed(f"the call was {call.status} ({call.error_code}): it gave no card to make again")
        sealed = self._engine.ledger.snapshot(call_id)
        if sealed is None:
            return self._by_inputs(call)
        return self._whole(call, self._snapshots.open(call_id, sealed))

    # from what was kept of the whole call

    def _whole(self, call: CallEntry, kept: Snapshot) -> Replayed:
        parts, policy = self._parts(call, kept)
        service = self._engine.services.services.get((call.service, call.hook))
        if service is None or policy is None:
            return Replayed(call, True, parts, tuple(ReplayedCard(c, None) for c in call.cards))
        try:
            case = case_again(kept, policy, service, self._editions, self._engine.catalogues.book(kept.language))
        except (CdsError, ValueError) as error:
            why = Part("service parameters", "as the policy had them", f"not as this version takes them ({error})")
            return Replayed(call, True, (*parts, why), tuple(ReplayedCard(c, None) for c in call.cards))
        said = findings(case, service, {id: kept.withheld[id] for id in case.withheld})
        drafts = [f for f in said if isinstance(f, CardDraft)]
        cards, beyond = self._cards(call, case, drafts, kept)
        return Replayed(call, True, parts, cards, self._predictions(call, case), beyond)

    def _parts(self, call: CallEntry, kept: Snapshot) -> tuple[tuple[Part, ...], Policy | None]:
        here = self._snapshots.here
        found = [Part("program", kept.program, here.program)]
        found.append(Part(f"sentences ({kept.language})", kept.wording, here.wording.get(kept.language, "")))
        versions = {p.model: p.model_version for p in call.predictions}
        for id, print_ in kept.models.items():
            name = f"model {id} {versions.get(id, '')}".rstrip()
            found.append(Part(name, print_, here.models.get(id, "")))
        policy: Policy | None = None
        text = self._engine.ledger.policy(call.policy_version)
        if text is not None:
            try:
                policy = parse(text, f"policy {call.policy_version}", self._known())
            except PolicyError as error:
                first = str(error).splitlines()[0]
                found.append(Part("policy", call.policy_version, f"not what this version takes ({first})"))
        if policy is not None:
            found.append(Part("policy", call.policy_version, policy.version))
        elif text is None:
            found.append(Part("policy", call.policy_version, ""))
        for p in call.predictions:
            # an edition of rules stands in no folder, and two may have one version number
            model = self._model(p.model, policy)
            if model is None or not p.model_sha256 or model.manifest.version != p.model_version:
                continue
            if (now := model.manifest.fingerprint) != p.model_sha256:
                found.append(Part(f"what decides in {p.model} {p.model_version}", p.model_sha256, now))
        if (call.service, call.hook) not in self._engine.services.services:
            found.append(Part(f"service {call.service}", call.service_version, ""))
        return tuple(found), policy

    def _cards(
        self, call: CallEntry, case: Case, drafts: Sequence[CardDraft], kept: Snapshot
    ) -> tuple[tuple[ReplayedCard, ...], tuple[str, ...]]:
        """What was asleep then stays asleep: what clinicians had said by then is not asked again."""
        shown = [c.topic for c in call.cards]
        left_out = {s.topic for s in call.suppressions if s.reason == OVER_CALL}
        held = {s.topic for s in call.suppressions}
        awake = [d for d in drafts if d.memory in shown or d.memory in left_out]
        chosen, _ = within_limits(in_order(awake), case.policy, case.words)
        by_memory: dict[str, list[CardDraft]] = {}
        for draft in chosen:
            by_memory.setdefault(draft.memory, []).append(draft)
        made = []
        for stored in call.cards:
            waiting = by_memory.get(stored.topic)
            made.append(ReplayedCard(stored, self._made(waiting.pop(0), stored, case, kept) if waiting else None))
        beyond = sorted({d.memory for d in drafts} - set(shown) - held)
        return tuple(made), tuple(beyond)

    def _made(self, draft: CardDraft, stored: CardEntry, case: Case, kept: Snapshot) -> Mapping[str, Any] | None:
        def link(_: str) -> Link:
            return Link(label=case.words("engine.report"), url=kept.report or "", type="smart", appContext="sealed")

        report = link if kept.report is not None else None
        try:
            card = compose(draft, case.policy, case.words, case.call.context, NOBODY, report)
        except CdsError:
            return None
        body = without_secrets(msgspec.to_builtins(card))
        # numbers drawn by chance are the stored ones: everything else has to come out by itself
        body["uuid"] = stored.body.get("uuid")
        given = [s.get("uuid") for s in stored.body.get("suggestions", ())]
        for suggestion, id in zip(body.get("suggestions", ()), given, strict=False):
            suggestion["uuid"] = id
        made: Mapping[str, Any] = orjson.loads(orjson.dumps(body))
        return made

    def _predictions(self, call: CallEntry, case: Case) -> tuple[ReplayedPrediction, ...]:
        again = {id: told(a, withheld=id in case.withheld) for id, a in case.assessments.items()}
        if call.shadow is not None:  # models that only the policy in the shadow ran
            versions = {p.model: p.model_version for p in call.predictions}
            others = versions.keys() - again.keys()
            again |= {
                id: told(self._engine.models[id].assess(case.record))
                for id in others & self._engine.models.models.keys()
                # of another version, or of an edition that only the shadow had: nothing here can say what it said
                if self._engine.models[id].manifest.version == versions[id]
            }
        return tuple(_compared(stored, again.get(stored.model)) for stored in call.predictions)

    # from the inputs of each prediction alone

    def _by_inputs(self, call: CallEntry) -> Replayed:
        policy = self._policy(call)
        return Replayed(call, False, self._models_of(call, policy), predictions=self._from_inputs(call, policy))

    def _model(self, id: str, policy: Policy | None) -> Model | None:
        """As the call's policy had it, with the edition of its guideline; None: it is not installed."""
        if id not in self._engine.models.models:
            return None
        return self._engine.models[id] if policy is None else self._engine.edition(id, policy)

    def _policy(self, call: CallEntry) -> Policy | None:
        text = self._engine.ledger.policy(call.policy_version)
        try:
            return None if text is None else parse(text, f"policy {call.policy_version}", self._known())
        except PolicyError:
            return None

    def _known(self) -> Known:
        return known_here(self._engine.models, self._engine.services)

    def _models_of(self, call: CallEntry, policy: Policy | None) -> tuple[Part, ...]:
        found = []
        for p in call.predictions:
            model = self._model(p.model, policy)
            # rules had none in rows of earlier versions of the product
            print_ = model.manifest.fingerprint if model is not None and p.model_sha256 else ""
            now = f"{model.manifest.version} {print_}" if model is not None else ""
            found.append(Part(f"model {p.model}", f"{p.model_version} {p.model_sha256}".strip(), now.strip()))
        return tuple(found)

    def _from_inputs(self, call: CallEntry, policy: Policy | None) -> tuple[ReplayedPrediction, ...]:
        found = []
        for stored in call.predictions:
            model = self._model(stored.model, policy)
            if model is None or model.refused:
                found.append(ReplayedPrediction(stored, False, None, "the model is not installed"))
            elif not model.manifest.inputs or stored.outcome != "predicted":
                # whether it should have abstained depends on more than its inputs
                found.append(ReplayedPrediction(stored, True, None, "nothing was computed from inputs"))
            else:
                found.append(_compared(stored, _asked_again(model, stored)))
        return tuple(found)


def _asked_again(model: Model, stored: PredictionEntry) -> PredictionEntry | None:
    rows = stored.inputs
    features = tuple(
        Feature(i, rows[i.name].get("value"), str(rows[i.name].get("state", "missing")))
        for i in model.manifest.inputs
        if i.name in rows
    )
    if len(features) != len(model.manifest.inputs):
        return None
    try:
        found = model.again(features)
    except ModelError:
        return None
    if not isinstance(found, Prediction | NotAssessed):
        return None
    return told(found, withheld=stored.reason == SHADOW)


def _compared(stored: PredictionEntry, again: PredictionEntry | None) -> ReplayedPrediction:
    if again is None:
        return ReplayedPrediction(stored, False, None, "it can't be asked again: its inputs or its model are others")
    now = orjson.loads(orjson.dumps(again.outputs))
    if stored.outcome != again.outcome or stored.reason != again.reason:
        return ReplayedPrediction(
            stored, False, None, f"it now comes to: {again.outcome} {again.reason or ''}".rstrip()
        )
    same = canonical(stored.outputs) == canonical(now)
    return ReplayedPrediction(stored, same, 0.0 if same else _difference(stored.outputs, now))


def _difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> float | None:
    largest = 0.0
    for name in one.keys() | other.keys():
        a, b = _numbers(one.get(name)), _numbers(other.get(name))
        if a is None or b is None or len(a) != len(b):
            return None
        largest = max([largest, *(abs(x - y) for x, y in zip(a, b, strict=True))])
    return largest if math.isfinite(largest) else None


def _numbers(value: Any) -> list[float] | None:
    values = value if isinstance(value, list) else [value]
    return [float(v) for v in values] if all(isinstance(v, int | float) for v in values) else None


def canonical(value: Any) -> bytes:
    """JSON with its keys sorted: PostgreSQL keeps no order of keys."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
