"""Where models come from: installed packages (entry point ``cds.models``) and mounted folders, alike.

A source is a folder that holds one folder a model and, if it likes, a ``vocabulary`` folder with shared concepts.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from cds.errors import ManifestError
from cds.inference import guideline
from cds.inference.attributes import read_shared
from cds.inference.contribution import Contribution
from cds.inference.faults import FaultAt
from cds.inference.manifest import ID, Manifest, Status, Words
from cds.inference.model import Model
from cds.inference.runtime import OnnxGraph
from cds.record import units
from cds.record.concepts import Concept
from cds.record.inputs import Input
from cds.record.vocabulary import Vocabulary, read_folder
from cds.yaml_lines import YamlFault, line_of, parse, read_text

_log = logging.getLogger("cds.inference")


@dataclass(frozen=True)
class Registry:
    models: Mapping[str, Model]
    """By id. A folder that could not be loaded is here, too, under its name: asked, it fails and says so."""
    vocabulary: Vocabulary

    def __getitem__(self, model_id: str) -> Model:
        return self.models[model_id]

    @property
    def refused(self) -> Mapping[str, str]:
        """Why each folder that could not be loaded was refused, by name."""
        return {id: model.refused for id, model in self.models.items() if model.refused}

    def thresholds(self) -> dict[str, frozenset[str] | None]:
        """By model id: names of the limits its own card lets a clinical lead set; None where nobody can know."""
        found: dict[str, frozenset[str] | None] = {}
        for id, model in self.models.items():
            card = model.manifest.card
            # a folder that can't be read must not make a policy wrong that was right for it
            found[id] = frozenset(card.thresholds) if card else None if model.refused else frozenset()
        return found

    def limits(self) -> dict[str, dict[str, tuple[float, str]]]:
        """By model id and name: (the limit as packaged, what moving it does, in English)."""
        cards = ((id, m.manifest.card) for id, m in self.models.items())
        return {
            id: {name: (t.value, t.says.get("en", "")) for name, t in card.thresholds.items()}
            for id, card in cards
            if card is not None and card.thresholds
        }

    def orders(self) -> frozenset[str]:
        """The policy's names of all orders that some model's card proposes."""
        cards = (m.manifest.card for m in self.models.values())
        return frozenset(p.order for card in cards if card is not None for s in card.speaks for p in s.proposals)

    def editions(self) -> dict[str, Callable[[Any], list[tuple[tuple[int | str, ...], str]]]]:
        """By id of each guideline: what is wrong with what is given as an edition of it."""
        found = ((id, m.manifest) for id, m in self.models.items() if m.manifest.guideline is not None)
        return {id: partial(guideline.wrong, manifest) for id, manifest in found}


def installed_folders() -> list[Path]:
    """The folder of each package that announces models."""
    folders: list[Path] = []
    for entry in sorted(importlib.metadata.entry_points(group="cds.models"), key=lambda e: e.name):
        spec = importlib.util.find_spec(entry.value)
        if spec is None or not spec.submodule_search_locations:
            raise ManifestError(f"entry point {entry.name}: package '{entry.value}' can't be found")
        folders.extend(Path(location) for location in spec.submodule_search_locations)
    return folders


def load(folders: Iterable[Path], archived: Iterable[Path] = ()) -> Registry:
    """Every model below ``folders``; one below ``archived`` in place of that of the same name.

    One bad model folder must not take the others down: it is refused with file, line and reason, and kept as a
    model that fails. Raises ManifestError or VocabularyError for what all models share.
    """
    folders = list(folders)
    concepts: dict[str, Concept] = {}
    for folder in folders:  # all of them first: a model's own concept must not displace a shared one
        if not folder.is_dir():
            raise ManifestError(f"models folder {folder} does not exist")
        if (folder / "vocabulary").is_dir():
            _merge(concepts, read_folder(folder / "vocabulary"), str(folder))
    models: dict[str, Model] = {}
    for folder in archived:
        for path in sorted(folder.glob("*/model.yaml")):
            models[path.parent.name] = _loaded(path.parent, concepts)
    stand_ins = frozenset(models)
    for folder in folders:
        shared = read_shared(folder)
        for path in sorted(folder.glob("*/model.yaml")):
            name = path.parent.name
            if name in stand_ins:
                models[name] = replace(models[name], shared=shared)
                continue
            if name in models:
                # which of the two would run is for a person to say, not for the order of folders
                raise ManifestError(f"{path}: a model called '{name}' is loaded already")
            models[name] = replace(_loaded(path.parent, concepts), shared=shared)
    vocabulary = Vocabulary(concepts)
    kinds = {name: concept.resource for name, concept in concepts.items()}
    known: dict[str, Input] = {}
    for id, model in models.items():
        if not model.refused:
            models[id] = replace(model, manifest=_shared(model.manifest, known), kinds=kinds)
        else:
            _log.error("model.refused model=%s reason=%s", id, model.refused.replace("\n", "; "))
    return Registry(models, vocabulary)


def _shared(manifest: Manifest, known: dict[str, Input]) -> Manifest:
    """The same, its inputs one object with equal ones of other models: a call reads them once."""
    inputs = tuple(known.setdefault(spec.model_dump_json(), spec) for spec in manifest.inputs)
    return manifest.model_copy(update={"inputs": inputs})


def _loaded(folder: Path, concepts: dict[str, Concept]) -> Model:
    """The model, its own concepts added to ``concepts``; or a stand-in that fails whenever it is asked: "no card" must
    never come of a folder that can't be read."""
    path = folder / "model.yaml"
    content: Any = None
    try:
        content, node = _content(folder)
        manifest = _validated(content, node, folder)
    except ManifestError as error:
        volumes = isinstance(content, dict) and (content.get("runtime") or {}).get("kind") == "volume"
        return Model(_stand_in(folder.name, content), folder, None, refused=str(error), of_volumes=volumes)
    try:
        for name, concept in manifest.concepts.items():
            if concept.unit is not None and not units.known(concept.unit):
                line = line_of(node, ("concepts", name, "unit"))
                raise ManifestError(
                    f"{path}:{line}: concept '{name}': unit '{concept.unit}' is not one this service knows"
                )
        graph = _graph(manifest, folder, path, node)
        _merge(concepts, manifest.concepts, str(path))
        if unknown := sorted(concepts_of(manifest) - concepts.keys()):
            line = next((n for n in (_line_naming(node, c) for c in unknown) if n), 1)
            raise ManifestError(
                f"{path}:{line}: the model names concepts that no vocabulary defines: {', '.join(unknown)}"
            )
    except ManifestError as error:
        return Model(manifest, folder, None, refused=str(error))
    return Model(manifest, folder, graph)


def _line_naming(node: yaml.Node | None, text: str) -> int | None:
    """Line of the first value that is ``text``."""
    if isinstance(node, yaml.ScalarNode):
        return node.start_mark.line + 1 if node.value == text else None
    values = [v for _, v in node.value] if isinstance(node, yaml.MappingNode) else getattr(node, "value", [])
    return next((line for line in (_line_naming(v, text) for v in values) if line), None)


def _stand_in(name: str, content: Any) -> Manifest:
    """What can be known of a model whose manifest is not valid: its name and, if that part is, the card it would put,
    so that the failure shows where the model would have spoken."""
    stand_in = Manifest.model_validate(
        {
            "id": name if ID.match(name) else "unnamed",
            "version": "0.0.0",
            "released": "1970-01-01",
            "task": "finding",
            # not held back by the policy: whoever relies on it must hear of it
            "status": "established",
            "words": {"title": {"en": name}},
            "population": {"description": {}},
            "inputs": [{"name": "none", "label": {}, "source": "constant", "constant": 0}],
            "outputs": [{"name": "none", "kind": "score"}],
            "runtime": {"kind": "rules", "rules": [{"id": "none", "label": {}, "gives": "none", "says": {}}]},
            "sources": {"none": {"citation": "none"}},
            "licence": {"name": "none", "notice": "none"},
        }
    )
    known: dict[str, Any] = {}
    for key, kind in (("card", Contribution), ("words", Words), ("status", Status)):
        try:
            known[key] = TypeAdapter(kind).validate_python(content[key])
        except (ValidationError, TypeError, KeyError):
            continue
    return stand_in.model_copy(update=known)


def _merge(into: dict[str, Concept], more: Mapping[str, Concept], where: str) -> None:
    for name, concept in more.items():
        if name in into and into[name] != concept:
            raise ManifestError(f"{where}: concept '{name}' is already defined otherwise")
    into.update(more)


def concepts_of(manifest: Manifest, *, fetched: bool = False) -> set[str]:
    """Every concept a model reads; ``fetched``: only those looked for in the patient's record."""
    read_from = [i for i in manifest.inputs if not (fetched and i.source == "drafts")]
    names = {c for i in read_from for c in i.reads} | {a for i in read_from for a in i.values}
    return names | {c for e in manifest.population.eligibility for need in e.needs for c in need.concepts}


def read(folder: Path) -> Model:
    """One model folder. Raises ManifestError listing every fault of its model.yaml as ``file:line: key: fault``."""
    content, node = _content(folder)
    manifest = _validated(content, node, folder)
    return Model(manifest, folder, _graph(manifest, folder, folder / "model.yaml", node))


def _content(folder: Path) -> tuple[Any, yaml.Node | None]:
    path = folder / "model.yaml"
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ManifestError(f"{path}:1: is a link out of the model's folder")
    try:
        return parse(read_text(path))
    except OSError as error:
        raise ManifestError(f"{path}:1: can't be read: {error.strerror}") from error
    except YamlFault as error:
        raise ManifestError(error.at(path)) from error


def _validated(content: Any, node: yaml.Node | None, folder: Path) -> Manifest:
    path = folder / "model.yaml"
    try:
        manifest = Manifest.model_validate(content)
    except ValidationError as error:
        raise ManifestError("\n".join(_fault(f, node, path) for f in error.errors())) from error
    if manifest.id != folder.name:
        raise ManifestError(
            f"{path}:{line_of(node, ('id',))}: id '{manifest.id}' differs from its folder's name '{folder.name}'"
        )
    return manifest


def _graph(manifest: Manifest, folder: Path, path: Path, node: yaml.Node | None) -> OnnxGraph | None:
    runtime = manifest.runtime
    if runtime.kind != "onnx" or not runtime.file or not runtime.sha256:
        return None
    where = f"{path}:{line_of(node, ('runtime', 'file'))}"
    file = (folder / runtime.file).resolve()
    if not file.is_relative_to(folder.resolve()):
        raise ManifestError(f"{where}: runtime.file must lie in the model's folder")
    if not file.is_file():
        raise ManifestError(f"{where}: {runtime.file} is missing; recreate it with the folder's build.py")
    if hashlib.sha256(file.read_bytes()).hexdigest() != runtime.sha256:
        raise ManifestError(
            f"{path}:{line_of(node, ('runtime', 'sha256'))}: {runtime.file} is not the file pinned here (its SHA-256 "
            "differs); recreate it with the folder's build.py, or restore it"
        )
    return OnnxGraph(file, runtime.sha256, len(manifest.columns))


def _fault(fault: Mapping[str, Any], node: yaml.Node | None, path: Path) -> str:
    location = tuple(fault["loc"])
    found = fault.get("ctx", {}).get("error")
    if isinstance(found, FaultAt):
        location += found.path
    key = ".".join(map(str, location)) or "the manifest"
    message = str(fault["msg"]).removeprefix("Value error, ")
    if fault["type"] == "extra_forbidden":
        message = "unknown key; see docs/manifest.schema.json"
    elif fault["type"] == "missing":
        message = "this key is required"
    return f"{path}:{line_of(node, location)}: {key}: {message}"
