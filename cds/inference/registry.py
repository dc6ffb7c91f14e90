"""Where models come from: installed packages (entry point ``cds.models``) and mounted folders, alike.

A source is a folder that holds one folder a model and, if it likes, a ``vocabulary`` folder with shared concepts.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import yaml
from pydantic import ValidationError

from cds.errors import ManifestError
from cds.inference.manifest import Manifest
from cds.inference.model import Model
from cds.inference.runtime import OnnxGraph
from cds.record.concepts import Concept
from cds.record.vocabulary import Vocabulary, read_folder


@dataclass(frozen=True)
class Registry:
    models: Mapping[str, Model]
    vocabulary: Vocabulary

    def __getitem__(self, model_id: str) -> Model:
        return self.models[model_id]


def installed_folders() -> list[Path]:
    """The folder of each package that announces models."""
    folders: list[Path] = []
    for entry in sorted(importlib.metadata.entry_points(group="cds.models"), key=lambda e: e.name):
        spec = importlib.util.find_spec(entry.value)
        if spec is None or not spec.submodule_search_locations:
            raise ManifestError(f"entry point {entry.name}: package '{entry.value}' can't be found")
        folders.extend(Path(location) for location in spec.submodule_search_locations)
    return folders


def load(folders: Iterable[Path]) -> Registry:
    """Every model below ``folders``. Raises ManifestError or VocabularyError naming file, line of thought and fault."""
    models: dict[str, Model] = {}
    concepts: dict[str, Concept] = {}
    for folder in folders:
        if not folder.is_dir():
            raise ManifestError(f"models folder {folder} does not exist")
        if (folder / "vocabulary").is_dir():
            _merge(concepts, read_folder(folder / "vocabulary"), str(folder))
        for path in sorted(folder.glob("*/model.yaml")):
            model = read(path.parent)
            if model.manifest.id in models:
                raise ManifestError(f"{path}: a model called '{model.manifest.id}' is loaded already")
            models[model.manifest.id] = model
            _merge(concepts, model.manifest.concepts, str(path))
    vocabulary = Vocabulary(concepts)
    for model in models.values():
        vocabulary.require(concepts_of(model.manifest), where=f"model '{model.manifest.id}'")
    kinds = {name: concept.resource for name, concept in concepts.items()}
    models = {id: replace(model, kinds=kinds) for id, model in models.items()}
    return Registry(models, vocabulary)


def _merge(into: dict[str, Concept], more: Mapping[str, Concept], where: str) -> None:
    for name, concept in more.items():
        if into.setdefault(name, concept) != concept:
            raise ManifestError(f"{where}: concept '{name}' is already defined otherwise")


def concepts_of(manifest: Manifest) -> set[str]:
    """Every concept a model reads."""
    names = {c for i in manifest.inputs for c in i.concepts} | {a for i in manifest.inputs for a in i.values}
    return names | {c for e in manifest.population.eligibility for c in e.concepts}


def read(folder: Path) -> Model:
    """One model folder. Raises ManifestError listing every fault of its model.yaml."""
    path = folder / "model.yaml"
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ManifestError(f"{path} can't be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ManifestError(f"{path} is not valid YAML: {error}") from error
    try:
        manifest = Manifest.model_validate(content)
    except ValidationError as error:
        faults = [
            f"{path}: {'.'.join(map(str, f['loc'])) or 'the manifest'}: {f['msg'].removeprefix('Value error, ')}"
            for f in error.errors()
        ]
        raise ManifestError("\n".join(faults)) from error
    if manifest.id != folder.name:
        raise ManifestError(f"{path}: id '{manifest.id}' differs from its folder's name '{folder.name}'")
    graph = None
    if manifest.runtime.kind == "onnx" and manifest.runtime.file and manifest.runtime.sha256:
        file = (folder / manifest.runtime.file).resolve()
        if not file.is_relative_to(folder.resolve()):
            raise ManifestError(f"{path}: runtime.file must lie in the model's folder")
        if not file.exists():
            raise ManifestError(f"{path}: {manifest.runtime.file} is missing; recreate it with the folder's build.py")
        graph = OnnxGraph(file, manifest.runtime.sha256)
    return Model(manifest, folder, graph)
