"""``committee.yaml``, read with every fault named by file, line and key."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from cds.committee.charter import FILE, Charter, version_of
from cds.errors import CharterError
from cds.inference.registry import Registry
from cds.plain_faults import plainly
from cds.yaml_lines import YamlFault, line_of, parse, read_text


def charter_path(own: Path | None, packages: Iterable[Path]) -> Path:
    """The site's own charter, or that of the first package of services that brings one. Raises CharterError."""
    if own is not None:
        return own
    for package in packages:
        if (package / FILE).exists():
            return package / FILE
    raise CharterError(
        f"no charter: set committee.charter_file, since no installed package of services brings a {FILE}"
    )


def read_charter(path: Path, models: Registry | None) -> tuple[Charter, str]:
    """The charter and its text. ``models``: what it names must be installed; None: that is not asked.

    Raises CharterError listing every fault as ``file:line: key: what is wrong``.
    """
    try:
        text = read_text(path)
        content, node = parse(text)
    except OSError as error:
        raise CharterError(f"{path}: the charter can't be read: {error.strerror}") from error
    except YamlFault as error:
        raise CharterError(error.at(path)) from error
    if not isinstance(content, dict):
        raise CharterError(f"{path}:1: a charter is a mapping of keys; see docs/charter.md")
    try:
        charter = Charter.model_validate(content)
    except ValidationError as error:
        raise CharterError("\n".join(_fault(f, node, path) for f in error.errors())) from error
    if models is not None and (faults := _unknown(charter, models, node, path)):
        raise CharterError("\n".join(faults))
    return charter.model_copy(update={"version": version_of(text)}), text


def _unknown(charter: Charter, models: Registry, node: yaml.Node | None, path: Path) -> list[str]:
    faults = []

    def fault(where: tuple[int | str, ...], what: str, known: Iterable[str], wrong: str) -> None:
        near = difflib.get_close_matches(wrong, list(known), n=1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        faults.append(f"{path}:{line_of(node, where)}: {'.'.join(map(str, where))}: {what}{hint}")

    concepts = models.vocabulary.concepts
    for name, outcome in charter.outcomes.items():
        for key in ("concepts", "looked"):
            for concept in getattr(outcome, key):
                if concept not in concepts:
                    fault(("outcomes", name, key), f"no concept '{concept}' in the vocabulary", concepts, concept)
    for name, group in charter.subgroups.items():
        if group.concept is not None and group.concept not in concepts:
            fault(("subgroups", name, "concept"), f"no concept '{group.concept}'", concepts, group.concept)
    for id, watch in charter.models.items():
        if id not in models.models:
            fault(("models", id), "not installed", models.models, id)
            continue
        model = models[id]
        outputs = [o.name for o in model.manifest.outputs]
        if watch.output is not None and not model.refused and watch.output not in outputs:
            fault(("models", id, "output"), f"the model has no output '{watch.output}'", outputs, watch.output)
    return faults


def _fault(fault: Any, node: yaml.Node | None, path: Path) -> str:
    location = tuple(fault["loc"])
    key = ".".join(map(str, location)) or "the charter"
    message = plainly(fault)
    if fault["type"] == "extra_forbidden":
        message = "unknown key; see docs/charter.md"
    return f"{path}:{line_of(node, location)}: {key}: {message}"
