"""Known answers of an imported network: what the framework it comes from said to one made-up volume.

The volume is made anew from a seed, one window large and at the stage's own spacing; the answers, logits at some
voxels, were written when the network was imported. So a graph, a library or a device that computes something else is
found before a patient's scan is read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cds.errors import ModelError
from cds.inference.pinned import read_pinned
from cds.inference.volumes.bundle import Bundle, Stage
from cds.inference.volumes.network import Device, Network

Array = NDArray[np.float32]

VOXELS = 64
TOLERANCE = 2e-3
GPU_TOLERANCE = 5e-2
"""Of the largest logit. A GPU may multiply in fewer bits (TF32, or 16 where that was asked for)."""


def volume(stage: Stage, seed: int) -> Array:
    """HU [z, y, x] of one window: air, a soft ellipsoid, and in it blobs and noise."""
    rng = np.random.default_rng(seed)
    z, y, x = np.meshgrid(*[np.linspace(-1, 1, n) for n in stage.patch], indexing="ij")
    found = np.where(z**2 / 2 + y**2 + x**2 < 0.8, 40.0, -1000.0)
    for _ in range(8):
        centre, size, hu = rng.uniform(-0.5, 0.5, 3), rng.uniform(0.1, 0.4, 3), rng.uniform(-80, 250)
        distance = sum(((a - c) / s) ** 2 for a, c, s in zip((z, y, x), centre, size, strict=True))
        found = np.where(distance < 1, hu, found)
    return np.asarray(np.round(found + rng.normal(0, 15, found.shape)), dtype=np.float32)


def window(stage: Stage, seed: int) -> Array:
    """[1, 1, z, y, x], normalised."""
    normal = stage.normalise
    return np.asarray((np.clip(volume(stage, seed), *normal.clip) - normal.mean) / normal.deviation, np.float32)[
        None, None
    ]


def places(stage: Stage, seed: int) -> NDArray[np.intp]:
    """[VOXELS, 3]"""
    return np.random.default_rng(seed + 1).integers(0, stage.patch, (VOXELS, 3))


def answers_at(stage: Stage, logits: Array, seed: int) -> list[list[float]]:
    """``logits`` [classes, z, y, x] at the places: [VOXELS][classes]."""
    z, y, x = places(stage, seed).T
    return [[round(float(v), 6) for v in row] for row in logits[:, z, y, x].T]


def written(answers: Mapping[str, list[list[float]]], seed: int, framework: str) -> bytes:
    """The file's content. ``answers``: by stage."""
    content = {"framework": framework, "seed": seed, "stages": dict(answers)}
    return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()


def misses(bundle: Bundle, folder: Path, networks: Mapping[str, Network] | None = None) -> Iterator[str]:
    """What this machine answers otherwise, one sentence a stage. Nothing for a bundle without known answers. Raises
    ModelError for files that are missing or not the ones pinned. ``networks``: by stage, where they are loaded."""
    if bundle.golden is None:
        return
    known = _known(folder / bundle.golden.file, bundle.golden.sha256)
    for stage in bundle.stages:
        expected = np.asarray(known["stages"].get(stage.name, []), dtype=np.float32)
        if expected.shape != (VOXELS, len(stage.classes)):
            yield f"stage '{stage.name}': {bundle.golden.file} has no answers of this shape"
            continue
        network = networks[stage.name] if networks is not None else Network(stage, folder, Device())
        logits, _ = network(window(stage, int(known["seed"])))
        found = np.asarray(answers_at(stage, logits[0], int(known["seed"])), dtype=np.float32)
        apart = float(np.abs(found - expected).max()) / max(1.0, float(np.abs(expected).max()))
        tolerance = TOLERANCE if network.provider == "CPUExecutionProvider" else GPU_TOLERANCE
        if not apart <= tolerance:
            yield (
                f"stage '{stage.name}' does not answer as {known['framework']} did: {apart:.2g} of the largest logit "
                f"apart, {tolerance:g} is the limit ({network.provider})"
            )


def _known(path: Path, sha256: str) -> dict[str, Any]:
    content = read_pinned(path, sha256)
    try:
        found = json.loads(content)
        found["stages"].keys(), int(found["seed"]), str(found["framework"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path} holds no known answers") from error
    return dict(found)
