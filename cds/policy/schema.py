"""``policy.yaml``, validated so that a wrong key or value is named with its line and what is allowed."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import yaml
from pydantic import BaseModel, Field, ValidationError

from cds import yaml_lines
from cds.errors import PolicyError
from cds.plain_faults import plainly
from cds.policy.blocks import (
    Block,
    Budget,
    CardLimits,
    Guidelines,
    ModelPolicy,
    Order,
    OverrideReason,
    Repeats,
    ServicePolicy,
)
from cds.policy.people import same_person
from cds.yaml_lines import YamlFault, line_of

_ALIKE = 0.85
"""From how alike two names of orders are taken for one, misspelt: two scans of one organ are two."""


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
    guidelines: Guidelines = Field(
        Guidelines(),  # type: ignore[call-arg]
        description="Until when guidelines speak, and what came after them.",
    )
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
    limits: Mapping[str, Mapping[str, tuple[float, str]]] = field(default_factory=dict)
    """Model id -> threshold -> (as packaged, what moving it does)."""
    editions: Mapping[str, Callable[[Any], list[tuple[tuple[int | str, ...], str]]]] = field(default_factory=dict)
    """Id of each guideline -> every fault of what is given as an edition of it: (path in it, what is wrong)."""
    two_people: bool = False
    """Who wrote a policy must not be who approved it."""
    hooks: frozenset[str] | None = None
    """That services answer; None: any may be named."""
    orders: frozenset[str] = frozenset()
    """That services and models propose: a site need not have a code for each, and may have others."""


def parse(text: str, where: str, known: Known) -> Policy:
    """Raises PolicyError listing every fault as ``file:line: key: what is wrong; what is allowed``."""
    content, node = read(text, where)
    return validated(content, node, text, where, known)


def read(text: str, where: str) -> tuple[dict[str, Any], yaml.Node | None]:
    """What the text says, and its nodes for lines. Raises PolicyError."""
    try:
        content, node = yaml_lines.parse(text)
    except YamlFault as fault:
        line = f":{fault.line}" if fault.line else ""
        raise PolicyError(f"{where}{line}: {fault}") from fault
    if not isinstance(content, dict):
        raise PolicyError(f"{where}:1: a policy is a mapping of keys; see docs/policy.md")
    return content, node


def validated(content: dict[str, Any], node: yaml.Node | None, text: str, where: str, known: Known) -> Policy:
    """``node``: where faults are looked up; ``text``: what the version is a hash of. Raises PolicyError."""
    faults: list[str] = []
    policy: Policy | None = None
    try:
        policy = Policy.model_validate(content)
    except ValidationError as error:
        faults += [fault_at(f, Policy, node, where) for f in error.errors()]
    faults += _unknown_names(content, known, node, where)
    faults += _wrong_parameters(content, known, node, where)
    faults += _wrong_guidelines(content, known, node, where)
    faults += _wrong_hooks(content, known, node, where)
    faults += _misspelt_orders(content, known, node, where)
    if policy is not None and known.two_people and same_person(policy.author, policy.approver):
        line = line_of(node, ("approver",))
        faults.append(f"{where}:{line}: approver: the same person as the author; another has to approve it")
    if faults or policy is None:
        raise PolicyError("\n".join(faults))
    return policy.model_copy(update={"version": address(text)})


def address(text: str) -> str:
    """The version of a policy or of a layer is its content."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _unknown_names(content: dict[str, Any], known: Known, node: yaml.Node | None, where: str) -> list[str]:
    faults = []
    for section, allowed in (("models", frozenset(known.models)), ("services", frozenset(known.services))):
        for name in _mapping(content.get(section)):
            if name not in allowed:
                hint = _hint(str(name), allowed, "known are")
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
            faults += [fault_at(f, parameters, node, where, prefix) for f in error.errors()]
    return faults


def _wrong_guidelines(content: dict[str, Any], known: Known, node: yaml.Node | None, where: str) -> list[str]:
    faults = []
    block = _mapping(content.get("guidelines"))
    for section in ("reviewed", "editions"):
        for name, given in _mapping(block.get(section)).items():
            path: tuple[int | str, ...] = ("guidelines", section, str(name))
            if name in known.models and known.models[name] is None:
                continue  # its folder can't be read: that is told elsewhere, and must not make the policy wrong
            if name not in known.editions:
                hint = f"there are: {', '.join(sorted(known.editions)) or 'none'}"
                faults.append(f"{where}:{line_of(node, path)}: {_dotted(path)}: no guideline is called so; {hint}")
            elif section == "editions":
                for inner, what in known.editions[name](given):
                    at = (*path, *inner)
                    faults.append(f"{where}:{line_of(node, at)}: {_dotted(at)}: {what}")
    return faults


def _wrong_hooks(content: dict[str, Any], known: Known, node: yaml.Node | None, where: str) -> list[str]:
    faults: list[str] = []
    named = _mapping(content.get("repeats")).get("hooks")
    if known.hooks is None or not isinstance(named, list):
        return faults
    for at, name in enumerate(named):
        if isinstance(name, str) and name not in known.hooks:
            line = line_of(node, ("repeats", "hooks", at))
            hint = _hint(name, known.hooks, "there are")
            faults.append(f"{where}:{line}: repeats.hooks.{at}: no service answers a hook '{name}'; {hint}")
    return faults


def _misspelt_orders(content: dict[str, Any], known: Known, node: yaml.Node | None, where: str) -> list[str]:
    """A name nobody proposes is none's business, unless it looks like one that is then missing: cards would leave that
    order out without a word."""
    faults = []
    named = _mapping(content.get("orders"))
    missing = known.orders - {str(name) for name in named}
    for name in (str(name) for name in named if name not in known.orders):
        if near := difflib.get_close_matches(name, missing, n=1, cutoff=_ALIKE):
            line = line_of(node, ("orders", name))
            faults.append(f"{where}:{line}: orders.{name}: no card proposes it; did you mean '{near[0]}'?")
    return faults


def _hint(name: str, allowed: Iterable[str], otherwise: str) -> str:
    near = difflib.get_close_matches(name, list(allowed), n=1)
    return f"did you mean '{near[0]}'?" if near else f"{otherwise}: {', '.join(sorted(allowed))}"


def _dotted(path: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in path)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def fault_at(
    fault: Any, model: type[BaseModel], node: yaml.Node | None, where: str, prefix: tuple[int | str, ...] = ()
) -> str:
    """One of pydantic's faults as ``file:line: key: what is wrong; what is allowed``."""
    location = (*prefix, *fault["loc"])
    key = ".".join(str(part) for part in location)
    message = plainly(fault)
    if fault["type"] == "extra_forbidden":
        allowed = _allowed(model, fault["loc"][:-1])
        near = difflib.get_close_matches(str(location[-1]), allowed, n=1)
        message = "unknown key; " + (f"did you mean '{near[0]}'?" if near else f"allowed are: {', '.join(allowed)}")
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
