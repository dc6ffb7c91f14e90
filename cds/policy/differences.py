"""What another policy sets otherwise, key by key, defaults included, each with what the key does in plain words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel

from cds.policy.schema import Known, Policy

Path = tuple[str, ...]
_HEAD = frozenset({"name", "author", "approver", "effective", "reason", "version"})


@dataclass(frozen=True)
class Difference:
    path: Path
    before: Any
    """None where the key did not stand."""
    after: Any
    does: str
    """What the key does; empty where nobody wrote it down."""

    @property
    def key(self) -> str:
        return ".".join(self.path)


def differences(before: Policy, after: Policy, known: Known) -> list[Difference]:
    """Of what has an effect: names, dates and reasons are told elsewhere."""
    old, new = dict(_flat(resolved(before, known))), dict(_flat(resolved(after, known)))
    return [
        Difference(path, old.get(path), new.get(path), does(path, known))
        for path in dict.fromkeys((*old, *new))
        if old.get(path) != new.get(path)
    ]


def resolved(policy: Policy, known: Known) -> dict[str, Any]:
    """Everything a policy sets, with the defaults of what it does not name."""
    found = {k: v for k, v in policy.model_dump().items() if k not in _HEAD}
    for id, parameters in known.services.items():
        block = policy.service(id)
        found["services"][id] = {
            "enabled": block.enabled,
            "parameters": parameters.model_validate(block.parameters).model_dump(),
        }
    for id, limits in known.limits.items():
        block = found["models"].setdefault(id, {})
        packaged = {name: value for name, (value, _) in limits.items()}
        block["thresholds"] = packaged | dict(policy.thresholds(id))
    return found


def does(path: Path, known: Known) -> str:
    """The words beside a key, in the file's own blocks, a service's parameters or a model's card."""
    match path:
        case ("services", service, "parameters", *inner) if service in known.services and inner:
            return _described(known.services[service], tuple(inner))
        case ("models", model, "thresholds", name):
            return known.limits.get(model, {}).get(name, (0.0, ""))[1]
        case _:
            return _described(Policy, path)


def _flat(node: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    if isinstance(node, Mapping) and node:
        for key, value in node.items():
            yield from _flat(value, (*path, str(key)))
    elif path:
        yield path, node


def _described(model: type[BaseModel], path: Path) -> str:
    """The description of the deepest key on the way that has one."""
    found = ""
    block: type[BaseModel] | None = model
    for part in path:
        field = block.model_fields.get(part) if block is not None else None
        if field is None:
            continue  # a name inside a mapping of blocks
        found = field.description or found
        block = _inside(field.annotation)
    return found


def _inside(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((b for a in get_args(annotation) if (b := _inside(a)) is not None), None)
