"""A policy in layers: what is packaged, over it the hospital's, a service's and a department's own changes.

A layer is a file like ``policy.yaml`` that holds only what differs (RFC 7396, JSON Merge Patch: a block is merged key
by key, anything else replaces, ``null`` takes away). It says for whom it is, since when and until when it holds, who
wrote it and why. Its version is a hash of its text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from cds.errors import PolicyError
from cds.policy.blocks import Block
from cds.policy.schema import Known, Policy, address, fault_at, read, validated
from cds.yaml_lines import line_of

SITE = "site"
_ORDER = ("site", "service", "department")
"""The later one wins."""
_LAYERS = "site, service/ID or department/NAME, ID and NAME in lower-case letters, digits and hyphens"


class AppliesTo(Block):
    """Whose calls a department's are: all that is given must fit."""

    clients: tuple[str, ...] = Field((), description="Clients of the settings (EHRs, tenants) that it calls as.")
    users: tuple[str, ...] = Field(
        (), description="Its people, as the EHR names them in `context.userId`: `PractitionerRole/12`."
    )

    def fits(self, client: str, user: str) -> bool:
        return (not self.clients or client in self.clients) and (not self.users or user in self.users)


class Head(Block):
    """What a layer says of itself."""

    name: str = Field(min_length=1, description="What this change is called here.")
    layer: str = Field(
        SITE,
        pattern=r"^(site|service/[a-z0-9][a-z0-9-]*|department/[a-z0-9][a-z0-9-]*)$",
        description="For whom it is: `site` (everybody), `service/ID` or `department/NAME`. The later of these wins.",
    )
    applies_to: AppliesTo | None = Field(None, description="Of a department: whose calls are its own.")
    author: str = Field(min_length=1, description="Who wrote it.")
    approver: str | None = Field(
        None,
        description="Who approved it, in a whole policy. Of a change it is not read: its approver is the person of "
        "`cds policy approve`.",
    )
    effective: date = Field(description="From which day it holds; activated before that, it waits.")
    until: date | None = Field(None, description="The last day on which it holds; then what held before is back.")
    reason: str = Field(min_length=1, description="Why it is wanted.")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        kind = self.layer.partition("/")[0]
        whose = self.applies_to
        if kind == "department" and (whose is None or not (whose.clients or whose.users)):
            raise ValueError("a department needs 'applies_to' with clients or users: whose calls are its own")
        if kind != "department" and whose is not None:
            raise ValueError(f"'applies_to' is for a department; this layer is for {self.layer}")
        if self.until is not None and self.until < self.effective:
            raise ValueError(f"'until' ({self.until}) lies before 'effective' ({self.effective})")
        return self

    def holds_on(self, day: date) -> bool:
        return self.effective <= day and (self.until is None or day <= self.until)


@dataclass(frozen=True)
class Layer:
    head: Head
    changes: Mapping[str, Any]
    """What differs, as written."""
    text: str
    node: yaml.Node | None

    @property
    def version(self) -> str:
        return address(self.text)

    def concerns(self, client: str, service: str, user: str) -> bool:
        """Whether a call of this client and user to this service is under it."""
        kind, _, name = self.head.layer.partition("/")
        if kind == "service":
            return service == name
        whose = self.head.applies_to
        return whose is None or whose.fits(client, user)


def parse_layer(text: str, where: str) -> Layer:
    """Its head alone is validated: what it changes can be judged only over what it is laid on. Raises PolicyError."""
    content, node = read(text, where)
    mine = {key: value for key, value in content.items() if key in Head.model_fields}
    try:
        head = Head.model_validate(mine)
    except ValidationError as error:
        raise PolicyError("\n".join(_head_fault(f, node, where) for f in error.errors())) from error
    return Layer(head, {k: v for k, v in content.items() if k not in mine}, text, node)


def _head_fault(fault: Any, node: yaml.Node | None, where: str) -> str:
    if fault["type"] == "string_pattern_mismatch":
        fault = {**fault, "type": "value_error", "msg": f"must be {_LAYERS}, not {fault['input']!r}"}
    if fault["loc"]:
        return fault_at(fault, Head, node, where)
    return f"{where}:{line_of(node, ('layer',))}: {fault['msg'].removeprefix('Value error, ')}"


def in_order(layers: Iterable[Layer]) -> list[Layer]:
    """The site's, then a service's, then a department's."""
    return sorted(layers, key=lambda each: (_ORDER.index(each.head.layer.partition("/")[0]), each.head.layer))


def laid_over(base: str, where: str, layers: Iterable[tuple[Layer, str]], known: Known) -> tuple[Policy, str]:
    """(the policy in force, its text) of a base and (layer, who approved it). Raises PolicyError: a fault is named with
    its line in the last layer, or as the base's."""
    merged, node = read(base, where)
    name = str(merged.get("name", ""))
    for layer, approver in layers:
        merged = merge(merged, layer.changes)
        name = f"{name} + {layer.head.name}" if name else layer.head.name
        merged |= {"name": name, "author": layer.head.author, "approver": approver, "reason": layer.head.reason}
        merged["effective"] = layer.head.effective
        where, node = f"{layer.head.layer} {layer.version}", layer.node
    text = yaml.safe_dump(merged, sort_keys=False, allow_unicode=True, width=120)
    return validated(merged, node, text, where, known), text


def merge(target: Any, patch: Any) -> Any:
    """RFC 7396, section 2."""
    if not isinstance(patch, Mapping):
        return patch
    found = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            found.pop(key, None)
        else:
            found[key] = merge(found.get(key), value)
    return found
