"""``policy.yaml``, validated so that a wrong key or value is named with its line and what is allowed."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import yaml
from pydantic import BaseModel, Field, ValidationError

from cds.errors import PolicyError
from cds.policy.blocks import Block, Budget, CardLimits, ModelPolicy, Order, OverrideReason, Repeats, ServicePolicy
from cds.yaml_lines import line_of


class Policy(Block):
    name: str = Field(description="What this policy is called here.")
    author: str = Field(description="Who wrote it.")
    approver: str = Field(description="Who approved it.")
    effective: date = Field(description="From which day it is meant to hold.")
    reason: str = Field(description="Why it is as it is.")
    cards: CardLimits = Field(CardLimits(), description="How much one call may say.")  # type: ignore[call-arg]
    repeats: Repeats = Field(Repeats(), description="When a card is not shown again to who was shown it.")  # type: ignore[call-arg]
    budget: Budget = Field(Budget(), description="How many cards a clinician and a patient may cost.")  # type: ignore[call-arg]
    models: dict[str, ModelPolicy] = Field(
        default_factory=dict, description="By model id. A research model runs only if it is named here."
    )
    services: dict[str, ServicePolicy] = Field(default_factory=dict, description="By service id.")
    orders: dict[str, Order] = Field(
        default_factory=dict, description="What cards may propose to order, under this site's codes."
    )
    override_reasons: dict[str, OverrideReason] = Field(
        default_factory=dict, max_length=5, description="Reasons a clinician may give, five at most, by code."
    )
    version: str = ""
    """Content address: set when the file is read."""

    def model_enabled(self, model_id: str, *, needs_enabling: bool) -> bool:
        """A research, demonstration or unverified model runs only if this policy names it."""
        named = self.models.get(model_id)
        return named.enabled if named is not None else not needs_enabling

    def licence_acknowledged(self, model_id: str, licence: str) -> bool:
        """Somebody has acknowledged this very licence for this model."""
        named = self.models.get(model_id)
        return named is not None and named.licence_acknowledged == licence

    def thresholds(self, model_id: str) -> Mapping[str, float]:
        """What this policy sets of the model's own thresholds."""
        named = self.models.get(model_id)
        return named.thresholds if named is not None else {}

    def service(self, service_id: str) -> ServicePolicy:
        return self.services.get(service_id) or ServicePolicy()  # type: ignore[call-arg]


@dataclass(frozen=True)
class Known:
    """What a policy may name: taken from the loaded services and models."""

    models: Mapping[str, frozenset[str] | None]
    """Model id -> names of its card's thresholds; None where its folder can't be read."""
    services: Mapping[str, type[BaseModel]]
    """Service id -> the model of its parameters."""


def parse(text: str, where: str, known: Known) -> Policy:
    """Raises PolicyError listing every fault as ``file:line: key: what is wrong; what is allowed``."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date such as 30 February
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise PolicyError(f"{where}{line}: not valid YAML: {getattr(error, 'problem', error)}") from error
    if not isinstance(content, dict):
        raise PolicyError(f"{where}:1: a policy is a mapping of keys; see docs/policy.md")
    faults: list[str] = []
    policy: Policy | None = None
    try:
        policy = Policy.model_validate(content)
    except ValidationError as error:
        faults += [_fault(f, Policy, node, where, ()) for f in error.errors()]
    faults += _repeated_keys(node, where)
    faults += _unknown_names(content, known, node, where)
    faults += _wrong_parameters(content, known, node, where)
    if faults or policy is None:
        raise PolicyError("\n".join(faults))
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    return policy.model_copy(update={"version": digest})


def _repeated_keys(node: yaml.Node | None, where: str) -> list[str]:
    """YAML lets the second of two equal keys win in silence."""
    faults: list[str] = []
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.value in seen:
                faults.append(f"{where}:{line}: {key.value}: written twice, first in line {seen[key.value]}")
            seen.setdefault(str(key.value), line)
            faults += _repeated_keys(value, where)
    return faults


def _unknown_names(content: dict[str, Any], known: Known, node: yaml.Node | None, where: str) -> list[str]:
    faults = []
    for section, allowed in (("models", frozenset(known.models)), ("services", frozenset(known.services))):
        for name in _mapping(content.get(section)):
            if name not in allowed:
                near = difflib.get_close_matches(str(name), allowed, n=1)
                hint = f"did you mean '{near[0]}'?" if near else f"known are: {', '.join(sorted(allowed))}"
                faults.append(f"{where}:{line_of(node, (section, name))}: {section}.{name}: not installed; {hint}")
    for name, block in _mapping(content.get("models")).items():
        thresholds = known.models.get(name)
        for threshold in _mapping(_mapping(block).get("thresholds")) if thresholds is not None else ():
            if threshold not in (thresholds or ()):
                path = ("models", str(name), "thresholds", str(threshold))
                hint = f"its card has: {', '.join(sorted(thresholds))}" if thresholds else "its card has none"
                faults.append(f"{where}:{line_of(node, path)}: {'.'.join(path)}: no such threshold; {hint}")
    return faults


def _wrong_parameters(content: dict[str, Any], known: Known, node: yaml.Node | None, where: str) -> list[str]:
    faults = []
    blocks = _mapping(content.get("services"))
    for name, parameters in known.services.items():  # a service may require what the policy doesn't mention
        try:
            parameters.model_validate(_mapping(blocks.get(name)).get("parameters") or {})
        except ValidationError as error:
            prefix = ("services", name, "parameters")
            faults += [_fault(f, parameters, node, where, prefix) for f in error.errors()]
    return faults


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _fault(
    fault: Any, model: type[BaseModel], node: yaml.Node | None, where: str, prefix: tuple[int | str, ...]
) -> str:
    location = (*prefix, *fault["loc"])
    key = ".".join(str(part) for part in location)
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "extra_forbidden":
        allowed = _allowed(model, fault["loc"][:-1])
        near = difflib.get_close_matches(str(location[-1]), allowed, n=1)
        message = "unknown key; " + (f"did you mean '{near[0]}'?" if near else f"allowed are: {', '.join(allowed)}")
    elif fault["type"] == "missing":
        message = "this key is required"
    return f"{where}:{line_of(node, location)}: {key}: {message}"


def _allowed(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    for part in path:
        field = model.model_fields.get(str(part))
        if field is None:
            continue  # a name inside a mapping of blocks
        found = _block_in(field.annotation)
        if found is not None:
            model = found
    return list(model.model_fields)


def _block_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _block_in(argument)
        if found is not None:
            return found
    return None
