"""A past call decided again as a whole, from what was kept of it: every model and every card, as if it had been made
under another policy. Only calls that gave a card keep that much (``cds.snapshot``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import orjson

from cds import audit
from cds.cards import withheld
from cds.cards.findings import findings
from cds.cards.phrasebook import Catalogues
from cds.case_again import case_again
from cds.editions import Editions
from cds.errors import CdsError, ReplayFailed
from cds.inference.prediction import Prediction
from cds.ledger.past import PastCall, PastPrediction, ReadyCard
from cds.policy.schema import Policy
from cds.services import CardDraft, Case, ServiceRegistry, Weighed
from cds.snapshot import Snapshot, Snapshots


class Whole:
    def __init__(
        self, services: ServiceRegistry, editions: Editions, catalogues: Catalogues, snapshots: Snapshots
    ) -> None:
        self._services, self._editions = services, editions
        self._catalogues, self._snapshots = catalogues, snapshots

    def opened(self, call: PastCall) -> Snapshot | None:
        """None: nothing was kept of it, or another key or version of the product wrote it."""
        if call.sealed is None:
            return None
        try:
            return self._snapshots.open(call.id, call.sealed)
        except ReplayFailed:
            return None

    def as_then(self, kept: Snapshot) -> bool:
        """Whether what decides here is what answered then: each model's file and the program. Sentences decide nothing
        that a preview counts."""
        here = self._snapshots.here
        return kept.program == here.program and all(here.models.get(id) == found for id, found in kept.models.items())

    def under(self, call: PastCall, kept: Snapshot, policy: Policy) -> PastCall | None:
        """The call as it would have been made: answers, what was weighed, and the cards that were ready."""
        service = self._services.services[call.service, call.hook]
        try:
            case = case_again(kept, policy, service, self._editions, self._catalogues.book(kept.language))
        except (CdsError, ValueError):
            return None
        case = withheld.without(case, {id for id in case.studies if not self._editions.runs(id, policy)})
        said = findings(case, service, withheld.lapsed(case))
        weighed: dict[str, object] = {f.topic: f.values for f in said if isinstance(f, Weighed)}
        silenced = {k: v for k, v in (call.weighed or {}).items() if k == audit.CALL}
        return replace(
            call,
            weighed=weighed | silenced,
            predictions=tuple(_predictions(case, {p.model for p in call.predictions if p.withheld})),
            cards=tuple(_ready(f) for f in said if isinstance(f, CardDraft)),
            sealed=None,
        )


def _predictions(case: Case, stopped: set[str]) -> Iterator[PastPrediction]:
    for assessment in case.assessments.values():
        if not isinstance(assessment, Prediction) or assessment.stored:
            continue
        entry = audit.prediction(assessment)
        inputs = orjson.dumps(entry.inputs, option=orjson.OPT_SERIALIZE_NUMPY).decode()
        yield PastPrediction(
            entry.model, entry.model_version, entry.outputs, inputs, entry.model in stopped, entry.model_sha256
        )


def _ready(draft: CardDraft) -> ReadyCard:
    return ReadyCard(
        draft.memory, draft.indicator, draft.band, draft.flags, rank=draft.rank, repeat=draft.repeat,
        quieted_by=draft.quieted_by,
    )  # fmt: skip
