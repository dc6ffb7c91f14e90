"""Thresholds that can be moved: those a service declares, and those of models' own cards, with the values to try."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cds.inference.registry import Registry
from cds.policy.schema import Known, Policy
from cds.services import Again, Service

MOST = 31
"""Values tried of one threshold."""


@dataclass(frozen=True)
class Threshold:
    """One threshold of the policy, and the output that is held against it."""

    path: tuple[str, ...]
    """Key in the policy."""
    service: str
    """The service whose calls it decides."""
    topic: str
    """Of the cards it decides."""
    model: str
    output: str
    label: Mapping[str, str]
    probability: bool

    @property
    def key(self) -> str:
        return ".".join(self.path)

    def now(self, policy: Policy, known: Known) -> float:
        """As this policy sets it, or as packaged."""
        if self.path[0] == "models":
            limits = {name: value for name, (value, _) in known.limits.get(self.model, {}).items()}
            return float((limits | dict(policy.thresholds(self.model)))[self.path[-1]])
        given = policy.service(self.service).parameters
        return float(getattr(known.services[self.service].model_validate(given), self.path[-1]))

    def moved(self, policy: Policy, value: float) -> Policy:
        """The same policy with this threshold at ``value``; its version says so."""
        content = policy.model_dump()
        node = content
        for part in self.path[:-1]:
            node = node.setdefault(part, {})
        node[self.path[-1]] = value
        return Policy.model_validate(content | {"version": f"{policy.version}:{self.key}={value:g}"})


def thresholds(services: Iterable[Service], models: Registry) -> list[Threshold]:
    """Those of these services, in their order."""
    found: dict[str, Threshold] = {}
    for service in services:
        declared = () if service.again is None else _declared(service, service.again, models)
        for made in (*declared, *(t for id in service.contributors for t in _of_card(service, id, models))):
            found.setdefault(made.key, made)
    return list(found.values())


def _declared(service: Service, again: Again, models: Registry) -> Iterable[Threshold]:
    for dial in again.dials:
        path = ("services", service.id, "parameters", dial.parameter)
        chance = _chance(models, dial.model, dial.output)
        yield Threshold(path, service.id, again.topics[0], dial.model, dial.output, dial.label, chance)


def _of_card(service: Service, id: str, models: Registry) -> Iterable[Threshold]:
    card = models[id].manifest.card
    if card is None:
        return
    for name, limit in card.thresholds.items():
        tests = [t for speech in card.speaks for t in speech.when]
        output = next((t.output for t in tests if t.output and name in (t.at_least, t.at_most, t.below, t.above)), None)
        if output is not None:
            path = ("models", id, "thresholds", name)
            yield Threshold(path, service.id, card.topic, id, output, limit.says, _chance(models, id, output))


def _chance(models: Registry, model: str, output: str) -> bool:
    found = models.models.get(model)
    outputs = found.manifest.outputs if found is not None else ()
    return any(o.name == output and o.kind == "probability" for o in outputs)


def grid(threshold: Threshold, seen: list[float], now: float, before: float) -> list[float]:
    """Values to try, from where nearly everybody of the past calls would speak to where nobody would, rising; those of
    both policies among them. Few, and such as people would write."""
    if threshold.probability:
        low = max(min((v for v in seen if v > 0), default=now / 4), now / 20)
        high = min(max([*seen, now * 2]), 0.99)
        made = _rounded_steps(low, max(high, low * 2))
    else:
        low, high = min([*seen, now]), max([*seen, now])
        step = max(1.0, math.ceil((high - low) / (MOST - 2)))
        made = [low + n * step for n in range(MOST) if low + n * step <= high + step]
        if not all(float(v).is_integer() for v in (*seen[:200], now)):
            made = [round(low + (high - low) * n / (MOST - 2), 3) for n in range(MOST - 1)]
    return sorted({now, before, *made})


def _rounded_steps(low: float, high: float) -> list[float]:
    """Evenly spaced on the scale of ratios, two digits each."""
    count = MOST - 1
    ratio = (high / low) ** (1 / (count - 1))
    return sorted({float(f"{low * ratio**n:.2g}") for n in range(count)})
