"""``docs/manifest.schema.json``: what an editor needs to help with a model.yaml as it is typed.

The words beside each key are the ones in the code: a field's own description, or the text below it in the class.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import json
import textwrap
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel

from cds.inference.manifest import Manifest

ADDRESS = "https://json-schema.org/draft/2020-12/schema"


def manifest_schema() -> str:
    schema = Manifest.model_json_schema(by_alias=True)
    blocks = {block.__name__: block for block in blocks_of(Manifest)}
    for name, block in blocks.items():
        target = schema if block is Manifest else schema["$defs"].get(name, {})
        _describe(target, block)
    plain(schema)
    head = {"$schema": ADDRESS, "title": "Model manifest", "description": "model.yaml of one model folder."}
    return json.dumps(head | {k: v for k, v in schema.items() if k not in head}, indent=1, ensure_ascii=False) + "\n"


def blocks_of(block: type[BaseModel], seen: set[type[BaseModel]] | None = None) -> Iterator[type[BaseModel]]:
    """The class and every class its fields hold, each once."""
    seen = set() if seen is None else seen
    if block in seen:
        return
    seen.add(block)
    yield block
    for field in block.model_fields.values():
        for inner in _inside(field.annotation):
            yield from blocks_of(inner, seen)


def _inside(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _inside(argument)


def _describe(target: dict[str, Any], block: type[BaseModel]) -> None:
    told: dict[str, str] = {}
    for one in reversed(block.__mro__):  # a block may extend another of this service's
        told |= _below(one) if issubclass(one, BaseModel) and one.__module__.startswith("cds.") else {}
    for name, field in block.model_fields.items():
        entry = target.get("properties", {}).get(field.alias or name)
        if entry is not None and (text := field.description or told.get(name)):
            entry["description"] = " ".join(text.replace("``", "`").split())


def _below(block: type[BaseModel]) -> dict[str, str]:
    """The text below each attribute in the class's source. Read here, not by pydantic at each start: it takes 0.2 s."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(block)))
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    found: dict[str, str] = {}
    for field, below in itertools.pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(below, ast.Expr):
            text = ast.literal_eval(below.value)
            found[field.target.id] = text if isinstance(text, str) else ""
    return found


def plain(node: Any) -> None:
    """Without the titles pydantic makes of the keys: an editor shows the key anyway."""
    if isinstance(node, dict):
        if isinstance(node.get("title"), str) and (
            "type" in node or "anyOf" in node or "$ref" in node or "enum" in node
        ):
            del node["title"]
        for value in node.values():
            plain(value)
    elif isinstance(node, list):
        for value in node:
            plain(value)
