"""The call behind a card, as the ledger kept it: what each model was given and what it said.

Stored answers are what is shown. A model is run anew only to say what a missing value would change and what another
value would do, and only if it is the very model that answered then: same version, same graph, same answer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from cds.engine import Engine
from cds.errors import ForeignCard, NoCards, UnknownCard
from cds.inference.manifest import Task
from cds.inference.model import Model
from cds.inference.prediction import NotAssessed, Prediction, Value
from cds.ledger import CallEntry, CardEntry, PredictionEntry
from cds.record.facts import Fact
from cds.record.features import Feature
from cds.record.inputs import Input
from cds.record.moments import parse
from cds.services import Service
from cds.trust.smart import ReportSession

_CLOSE = 1e-9


@dataclass(frozen=True)
class Told:
    """What one model said, beside the model as it is now."""

    entry: PredictionEntry
    at: datetime
    """When it said so: of the call or, for a scan, of the study job."""
    model: Model | None
    """None: not installed any more."""
    state: Literal["same", "changed", "gone"]
    features: tuple[Feature, ...] = ()
    """What it was given; empty unless ``same``."""
    prediction: Prediction | None = None
    """The stored answer. None: it gave none, or the model is not the same."""
    abstained: NotAssessed | None = None
    """Why it gave none, told again; None where the stored code is all there is."""
    repeatable: bool = False
    """Asked again it says the same, so that it can be asked what another value would change."""

    @property
    def id(self) -> str:
        return self.entry.model

    @property
    def prognosis(self) -> bool:
        """Of survival: behind the reader's own click, and never before a patient's eyes. Unknown: as if it were."""
        return self.model is None or self.model.manifest.task is Task.survival


@dataclass(frozen=True)
class Opened:
    call: CallEntry
    card: CardEntry
    told: tuple[Told, ...]
    service: Service | None
    """None: not offered any more."""

    def of(self, model_id: str) -> Told | None:
        return next((t for t in self.told if t.id == model_id), None)


def opened(engine: Engine, session: ReportSession) -> Opened:
    """What the session may see. Raises ForeignCard, UnknownCard, NoCards and LedgerError."""
    key = engine.ledger.patient_key(session.client, session.patient_id)
    card_id = session.card_id or engine.ledger.newest_card(session.client, key)
    if card_id is None:
        raise NoCards("no card was ever given for this patient")
    found = engine.ledger.card(card_id)
    call = engine.ledger.call(found.call_id) if found is not None else None
    if found is None or call is None:
        raise UnknownCard("the ledger does not have this card")
    if not engine.reports.may_see(session, call):
        raise ForeignCard("the card is another patient's")
    own = {p.id: p for p in call.predictions}
    told = []
    for prediction_id in found.entry.prediction_ids:
        if prediction_id in own:
            told.append(tell(engine, own[prediction_id], call.at))
        elif (earlier := _of_a_study(engine, session, prediction_id)) is not None:
            told.append(earlier)
    kept = (t for t in told if not (session.patient_facing and t.prognosis))
    return Opened(call, found.entry, tuple(kept), engine.services.services.get((call.service, call.hook)))


def _of_a_study(engine: Engine, session: ReportSession, prediction_id: str) -> Told | None:
    """A reading that a study job stored, of this patient."""
    found = engine.ledger.prediction(prediction_id)
    call = engine.ledger.call(found.call_id) if found is not None else None
    if found is None or call is None or not engine.reports.may_see(session, call):
        return None
    return tell(engine, found.entry, found.at)


def tell(engine: Engine, entry: PredictionEntry, at: datetime) -> Told:
    model = engine.models.models.get(entry.model)
    if model is None or model.refused:
        return Told(entry, at, None, "gone")
    manifest = model.manifest
    if (manifest.version, manifest.runtime.sha256 or "") != (entry.model_version, entry.model_sha256):
        return Told(entry, at, model, "changed")
    features = rebuilt(manifest.inputs, entry.inputs)
    if manifest.runtime.kind == "volume":
        said = Prediction(manifest, _outputs(entry), (), stored=True, id=entry.id)
        return Told(entry, at, model, "same", (), said if entry.outcome == "predicted" else None)
    again = model.retell(features)
    if entry.outcome == "predicted":
        outputs, ruled = _outputs(entry), tuple(entry.outputs.get("rules", ()))
        same = isinstance(again, Prediction) and again.rules == ruled and _alike(again.outputs, outputs)
        what_if = again.what_if if same and isinstance(again, Prediction) else ()
        said = Prediction(manifest, outputs, features, what_if, ruled, id=entry.id)
        return Told(entry, at, model, "same", features, said, repeatable=same)
    same = isinstance(again, NotAssessed) and again.reason == entry.reason
    abstained = again if same and isinstance(again, NotAssessed) else None
    return Told(entry, at, model, "same", features, abstained=abstained, repeatable=same)


def rebuilt(inputs: Sequence[Input], kept: Mapping[str, Any]) -> tuple[Feature, ...]:
    """Features as the ledger's snapshot has them; the snapshot holds values in the inputs' own units."""
    return tuple(_feature(spec, kept.get(spec.name, {"state": "missing"})) for spec in inputs)


def _feature(spec: Input, kept: Mapping[str, Any]) -> Feature:
    when = parse(kept["date"]) if "date" in kept else None
    value = float(kept["value"]) if "value" in kept else None
    concept = spec.concepts[0] if spec.concepts else ""
    # the date kept is the newest fact's; of the others only the reference is known
    facts = tuple(Fact(concept, source, None if n else when) for n, source in enumerate(kept.get("from", ())))
    return Feature(spec, value, kept["state"], facts, when.middle if when is not None else None, kept.get("sent", ""))


def _outputs(entry: PredictionEntry) -> dict[str, Value]:
    plain = {name: value for name, value in entry.outputs.items() if name != "rules"}
    return {name: tuple(map(float, v)) if isinstance(v, list) else float(v) for name, v in plain.items()}


def _alike(one: Mapping[str, Value], other: Mapping[str, Value]) -> bool:
    def numbers(value: Value) -> tuple[float, ...]:
        return value if isinstance(value, tuple) else (value,)

    return one.keys() == other.keys() and all(
        len(numbers(one[name])) == len(numbers(other[name]))
        and all(
            math.isclose(a, b, rel_tol=1e-6, abs_tol=_CLOSE)
            for a, b in zip(numbers(one[name]), numbers(other[name]), strict=True)
        )
        for name in one
    )
