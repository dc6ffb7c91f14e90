"""The model folder of imported networks: graphs, known answers, ``model.yaml`` and its card."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from cds.errors import ManifestError
from cds.inference import registry
from cds.inference.attributes import read_shared
from cds.inference.manifest import ID
from cds.inference.volumes import golden
from cds.inference.volumes.bundle import Stage
from cds.modelcards import write
from cds.networks import graph
from cds.networks.recipe import UNRATED, Recipe, StageRecipe

GOLDEN = "golden.json"
SEED = 20_260
_HEAD = """# yaml-language-server: $schema=../../docs/manifest.schema.json
# Written by `cds models import` from {origin}.
# Not for patients until this hospital has validated it: then set status, clinical_use and operating_points.
"""
_OUTPUTS = [
    {
        "name": "likelihood",
        "kind": "score",
        "label": {"en": "suspicion score (0 to 1)", "nl": "verdenkingsscore (0 tot 1)"},
    },
    {
        "name": "category",
        "kind": "category",
        "label": {"en": "suspicion", "nl": "verdenking"},
        "categories": {"0": UNRATED},
        "category_labels": {
            UNRATED: {
                "en": "not rated: this hospital has set no limits yet",
                "nl": "niet ingedeeld: dit ziekenhuis heeft nog geen grenzen gesteld",
            }
        },
    },
]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Source:
    """One network in its own framework, as the folds of one stage."""

    classes: tuple[str, ...]
    patch: tuple[int, int, int]
    spacing: tuple[float, float, float]
    clip: tuple[float, float]
    mean: float
    deviation: float
    overlap: float
    mirror: tuple[int, ...]
    pad: float
    """HU."""
    resample: dict[str, Any]
    folds: Sequence[tuple[str, Callable[[], Any]]]
    """(name, what gives the torch module that takes this service's windows); one is in memory at a time."""
    turn: tuple[int, ...] = ()
    steps: str = "even"
    blend: str = "gaussian"


@dataclass(frozen=True)
class Made:
    folder: Path
    graphs: tuple[graph.Exported, ...]


def make(
    target: Path, recipe: Recipe, sources: Sequence[Source], framework: str, origin: str, say: Say = lambda _: None
) -> Made:
    """Write the folder ``target``, which must not be there yet, whole or not at all: what failed can be tried again.

    Raises ManifestError; a manifest that was refused then lies beside ``target``, for a person to look at."""
    if not ID.match(target.name):
        raise ManifestError(f"'{target.name}' can't be an id: lower case letters, digits and hyphens, a letter first")
    if target.exists():
        raise ManifestError(f"{target} exists already: an import never writes over a model")
    if len(recipe.stages) != len(sources):
        raise ManifestError(f"the recipe has {len(recipe.stages)} stages, {len(sources)} networks were given")
    target.parent.mkdir(parents=True, exist_ok=True)
    # one level further down than models are looked for, and on the same disk
    with tempfile.TemporaryDirectory(prefix=".import-", dir=target.parent) as beside:
        begun = Path(beside) / target.name
        begun.mkdir()
        graphs = _filled(begun, target, recipe, sources, framework, origin, say)
        begun.rename(target)
    return Made(target, graphs)


def _filled(
    begun: Path,
    target: Path,
    recipe: Recipe,
    sources: Sequence[Source],
    framework: str,
    origin: str,
    say: Say,
) -> tuple[graph.Exported, ...]:
    """Everything that will be ``target``."""
    stages: list[dict[str, Any]] = []
    made: list[graph.Exported] = []
    answers: dict[str, list[list[float]]] = {}
    for wanted, source in zip(recipe.stages, sources, strict=True):
        stage = _stage(wanted, source)
        model = Stage.model_validate(stage | {"folds": [{"file": "none", "sha256": "0" * 64}]})
        seen, total = golden.window(model, SEED), None
        for name, opened in source.folds:
            network = opened()
            exported = graph.export(network, source.patch, begun / f"{wanted.name}-{name}.onnx")
            made.append(exported)
            own = graph.answer(network, seen)
            total = own if total is None else total + own
            say(
                f"{exported.file}: {exported.difference:.1e} from {framework} at most, "
                f"{exported.agreement:.4%} of voxels in the same class"
            )
        if total is None:
            raise ManifestError(f"stage '{wanted.name}' has no weights")
        stage["folds"] = [{"file": e.file, "sha256": e.sha256} for e in made[-len(source.folds) :]]
        answers[wanted.name] = golden.answers_at(model, np.asarray(total[0] / len(source.folds)), SEED)
        stages.append(stage)
    content = golden.written(answers, SEED, framework)
    (begun / GOLDEN).write_bytes(content)
    pinned = {"file": GOLDEN, "sha256": hashlib.sha256(content).hexdigest()}
    _write(begun, target, _manifest(target.name, recipe, stages, pinned), origin)
    return tuple(made)


def _stage(wanted: StageRecipe, source: Source) -> dict[str, Any]:
    """As model.yaml has it, but for the graphs; nothing that is as by default."""
    resample = source.resample if wanted.resample is None else wanted.resample.model_dump(exclude_defaults=True)
    stage: dict[str, Any] = {
        "name": wanted.name,
        "classes": list(source.classes),
        "spacing": list(source.spacing),
        "patch": list(source.patch),
        "overlap": source.overlap,
        "steps": source.steps,
        "blend": source.blend,
        "turn": list(source.turn),
        "mirror": list(source.mirror),
        "normalise": {"clip": list(source.clip), "mean": source.mean, "deviation": source.deviation},
        "resample": resample,
        "pad": source.pad,
    }
    stage.update(_plain(wanted.model_dump(exclude_defaults=True, exclude={"name", "checkpoint", "resample"})))
    return stage


def _manifest(id: str, recipe: Recipe, stages: list[dict[str, Any]], pinned: dict[str, str]) -> dict[str, Any]:
    said = dict(recipe.manifest)
    licence = dict(said.pop("licence", {})) | {"acknowledge": True}
    head = {
        "id": id,
        "version": "1.0.0",
        "released": date.today(),
        "task": said.pop("task", "finding"),
        "status": "unverified",
    }
    volume: dict[str, Any] = {"stages": stages, "golden": pinned, "clinical_use": False}
    volume |= _plain(recipe.volume.model_dump(exclude_defaults=True))
    volume["operating_points"] = [p.model_dump() for p in recipe.volume.operating_points]
    runtime = {"kind": "volume", "volume": volume}
    return head | {"outputs": _OUTPUTS} | said | {"licence": licence, "runtime": runtime}


def _plain(value: Any) -> Any:
    """Tuples as lists, for YAML."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(v) for v in value] if isinstance(value, tuple | list) else value


def _write(begun: Path, target: Path, manifest: dict[str, Any], origin: str) -> None:
    text = yaml.dump(manifest, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=116)
    path = begun / "model.yaml"
    path.write_text(_HEAD.format(origin=origin) + text, encoding="utf-8")
    try:
        model = replace(registry.read(begun), shared=read_shared(target.parent))
    except ManifestError as error:
        refused = target.with_name(f"{target.name}.refused.yaml")
        path.replace(refused)
        raise ManifestError(str(error).replace(str(path), str(refused))) from error
    (begun / "card.md").write_text(write(model, "markdown"), encoding="utf-8")


class _Dumper(yaml.SafeDumper):
    """Lists of numbers and pins on one line; no anchors, which people find hard to read."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> Any:
        short = all(isinstance(v, int | float | str) for v in sequence) and sum(len(str(v)) for v in sequence) < 90
        return super().represent_sequence(tag, sequence, flow_style=short or flow_style)
