"""What a preview knows of the past calls themselves, whatever the policy."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from cds.ledger.past import PastCall
from cds.preview.dials import Threshold
from cds.preview.replay import Replay
from cds.services import Service

_WEEK_S = 7 * 86400.0
_MOST_SEEN = 20_000
"""Values of an output kept to choose what to try of its threshold."""


@dataclass
class Seen:
    """The past calls themselves, whatever the policy."""

    calls: int = 0
    predictions: int = 0
    shown: int = 0
    """Cards that were shown then."""
    unweighed: int = 0
    """Calls from before decisions were kept, of services that would need that."""
    patients: set[str] = field(default_factory=set)
    users: set[str] = field(default_factory=set)
    months: set[str] = field(default_factory=set)
    first: datetime | None = None
    last: datetime | None = None
    gone_services: Counter[str] = field(default_factory=Counter)
    """Calls of services that are not installed any more."""
    gone_models: Counter[str] = field(default_factory=Counter)
    """Answers of models that are not installed, or can't be loaded."""
    whole: int = 0
    """Calls decided again as a whole."""
    by_others: int = 0
    """Of those: by models or a program that are not all those which answered then."""
    unseen: Counter[str] = field(default_factory=Counter)
    """By changed key: calls of which too little was kept to see all that it does."""
    services: dict[tuple[str, str], Service] = field(default_factory=dict)
    models: Counter[str] = field(default_factory=Counter)
    other_versions: Counter[str] = field(default_factory=Counter)
    """Answers of another version of a model than is installed, by model."""
    withheld: Counter[str] = field(default_factory=Counter)
    """Answers made while the committee withheld the model, by model."""
    asked: dict[str, dict[tuple[str, str], datetime]] = field(default_factory=dict)
    """By service: (client, patient) -> first call at which its question was open."""
    values: dict[str, list[float]] = field(default_factory=dict)
    """By threshold: the values its output had."""
    chances: dict[str, dict[str, float]] = field(default_factory=dict)
    """By threshold on a chance: each patient's newest."""

    @property
    def weeks(self) -> float:
        """Between the first call and the last; a window mostly empty must not thin the figures out."""
        if self.first is None or self.last is None:
            return 0.0
        return (self.last - self.first).total_seconds() / _WEEK_S


def see(seen: Seen, call: PastCall, service: Service, watched: list[Threshold], replay: Replay) -> None:
    answers = [said for said in call.predictions if said.outcome == "predicted"]
    seen.calls += 1
    seen.predictions += len(answers)
    seen.shown += sum(card.shown for card in call.cards)
    seen.patients.add(call.patient)
    seen.months.add(f"{call.at.astimezone(replay.zone):%Y-%m}")
    seen.first, seen.last = seen.first or call.at, call.at
    seen.services.setdefault((service.id, service.hook), service)
    if call.user is not None:
        seen.users.add(call.user)
    outputs = {}
    for said in answers:
        seen.models[said.model] += 1
        seen.withheld[said.model] += said.withheld
        outputs[said.model] = said.outputs
        model = replay.models.models.get(said.model)
        if model is None or model.refused:
            seen.gone_models[said.model] += 1
        elif model.manifest.version != said.version and replay.features(model, said) is None:
            seen.other_versions[said.model] += 1
    for threshold in watched:
        value = outputs.get(threshold.model, {}).get(threshold.output)
        values = seen.values.setdefault(threshold.key, [])
        if isinstance(value, int | float) and len(values) < _MOST_SEEN:
            values.append(float(value))
        if threshold.probability and isinstance(value, int | float):
            seen.chances.setdefault(threshold.key, {})[call.patient] = float(value)
    if service.again is not None:
        if call.weighed is None:
            seen.unweighed += 1
        elif service.again.outcome and service.again.asks(call.weighed):
            seen.asked.setdefault(service.id, {}).setdefault((call.client, call.patient), call.at)
