"""``docs/policy.schema.json``: what an editor needs to help with a policy, or a change of it, as it is typed.

One schema for both: a change may leave out what a whole policy needs, and may say ``null`` to take a key away. Whether
a whole policy is complete is what ``cds policy check`` tells.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from cds.docs.manifest_schema import ADDRESS, plain
from cds.policy.layers import Head
from cds.policy.schema import Policy
from cds.services import ServiceRegistry

_SET_BY_CODE = "version"


def policy_schema(services: ServiceRegistry, limits: Mapping[str, Mapping[str, tuple[float, str]]]) -> str:
    """``limits``: by model and name (as packaged, what moving it does)."""
    defs: dict[str, Any] = {}
    whole, head = _of(Policy, defs), _of(Head, defs)
    properties = {**whole["properties"], **head["properties"]}
    del properties[_SET_BY_CODE]
    properties["services"] = _services(services, defs, properties["services"])
    properties["models"] = _models(limits, properties["models"])
    for key in set(properties) - set(Head.model_fields):
        properties[key] = _or_null({"description": Policy.model_fields[key].description, **properties[key]})
    for name in set(defs) - {"AppliesTo"}:
        defs[name] = _nullable(defs[name])
    schema: dict[str, Any] = {
        "type": "object",
        "additionalProperties": False,
        "required": sorted(name for name in Head.model_fields if name in head["required"]),
        "properties": properties,
        "$defs": defs,
    }
    plain(schema)
    told: dict[str, Any] = {
        "$schema": ADDRESS,
        "title": "Policy",
        "description": "policy.yaml of a hospital, or a change of it for the site, a service or a department.",
    }
    return json.dumps(told | schema, indent=1, ensure_ascii=False) + "\n"


def _of(model: type[BaseModel], defs: dict[str, Any]) -> dict[str, Any]:
    schema = model.model_json_schema()
    defs.update(schema.pop("$defs", {}))
    return schema


def _services(services: ServiceRegistry, defs: dict[str, Any], plainly: dict[str, Any]) -> dict[str, Any]:
    """Each known service with its own parameters; one that is mounted elsewhere is not refused."""
    known = {}
    for id, parameters in sorted(services.parameters().items()):
        name = f"parameters of {id}"
        defs[name] = _of(parameters, defs) | {"description": f"The own settings of {id}."}
        block = json.loads(json.dumps(defs["ServicePolicy"]))
        block["properties"]["parameters"] = {"$ref": f"#/$defs/{name.replace(' ', '%20')}"}
        known[id] = _or_null(_nullable(block) | {"description": f"What {id} does."})
    return {**plainly, "properties": known}


def _models(limits: Mapping[str, Mapping[str, tuple[float, str]]], plainly: dict[str, Any]) -> dict[str, Any]:
    known = {
        id: _or_null(
            {
                "type": "object",
                "properties": {
                    "enabled": {"type": "boolean"},
                    "licence_acknowledged": {"type": ["string", "null"]},
                    "thresholds": {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {
                            name: {"type": ["number", "null"], "default": value, "description": does}
                            for name, (value, does) in named.items()
                        },
                    },
                },
            }
        )
        for id, named in sorted(limits.items())
    }
    return {**plainly, "properties": known} if known else plainly


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    """Nothing is required of a change, and each key may be taken away."""
    return {
        **{k: v for k, v in schema.items() if k != "required"},
        "properties": {name: _or_null(inner) for name, inner in schema.get("properties", {}).items()},
    }


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {k: schema[k] for k in ("description", "default") if k in schema}
    inner = {k: v for k, v in schema.items() if k not in told}
    if isinstance(named := inner.get("additionalProperties"), dict):
        inner["additionalProperties"] = _or_null(named)
    return {"anyOf": [inner, {"type": "null"}], **told}
