"""A past call, decided again: what a service would have had ready under another policy, from what the ledger kept.

The record is not at hand any more. A service that can be tried on past calls therefore says, in each call, what its
decision depends on beside the models' answers (``Weighed``), and declares a function that decides from that alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import orjson

from cds.inference.manifest import Manifest
from cds.policy.schema import Policy
from cds.services.case import Repeat, remembered_as


@dataclass(frozen=True)
class PastAnswer:
    """What one model said then; a prediction as ``cds.cards.speech`` asks it."""

    manifest: Manifest
    outputs: Mapping[str, Any]
    raw_inputs: str | Mapping[str, Any]
    """As stored; read only where something is asked of them."""

    @property
    def rules(self) -> tuple[str, ...]:
        return tuple(self.outputs.get("rules", ()))

    def number(self, name: str) -> float:
        """Raises KeyError for an output that another version of the model did not have."""
        return float(self.outputs[name])

    def category(self, name: str) -> str | None:
        output = next((o for o in self.manifest.outputs if o.name == name), None)
        return output.categories.get(f"{self.number(name):g}") if output is not None else None

    @cached_property
    def inputs(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = (
            orjson.loads(self.raw_inputs) if isinstance(self.raw_inputs, str) else self.raw_inputs
        )
        return found

    def value_of(self, name: str) -> float | None:
        found: float | None = self.inputs.get(name, {}).get("value")
        return found

    def day_of(self, name: str) -> str | None:
        """When the newest fact behind an input was recorded."""
        found: str | None = self.inputs.get(name, {}).get("date")
        return found


@dataclass(frozen=True)
class Past:
    """One past call to one service."""

    answers: Mapping[str, PastAnswer]
    """By model id: those that answered, and that the policy tried lets run."""
    weighed: Mapping[str, Any]
    """By topic: what the service said its decision depends on."""


@dataclass(frozen=True)
class Would:
    """A card that would have been ready: what there is to know of it without its words."""

    topic: str
    kind: str = ""
    quieted_by: tuple[str, ...] = ()
    rank: Literal["safety", "action", "information"] = "information"
    indicator: Literal["info", "warning"] = "info"
    band: int = 0
    flags: tuple[str, ...] = ()
    repeat: Repeat = "once"

    @property
    def memory(self) -> str:
        return remembered_as(self.topic, self.kind)

    @property
    def silenced_by(self) -> tuple[str, ...]:
        return (self.memory, *(remembered_as(self.topic, kind) for kind in self.quieted_by))


Decide = Callable[[Past, Any, Policy], Iterable[Would]]
"""(past call, the service's parameters, the policy) -> what would have been ready."""


@dataclass(frozen=True)
class Dial:
    """A threshold among a service's parameters, and the model's output it is held against: it can be moved in a
    preview."""

    parameter: str
    model: str
    output: str
    label: Mapping[str, str]
    """What it is, by language."""


@dataclass(frozen=True)
class Again:
    """How a service is tried on past calls."""

    decide: Decide
    topics: tuple[str, ...]
    """Topics of the cards it decides on, the one that looks for the outcome first; cards of others are taken as they
    were."""
    dials: tuple[Dial, ...] = ()
    outcome: str = ""
    """Kind of outcome (``outcomes.kind``) that its cards are to find; empty: there is none."""
    within_days: int = 730
    """How long after a call such an outcome counts as what the card meant."""
    asks: Callable[[Mapping[str, Any]], bool] = bool
    """Of what a call weighed: whether the question is open for this patient at all."""
