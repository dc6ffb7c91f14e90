"""One volume through all stages: where to look, what is there, how likely, or why nothing can be said.

"Not found" and "not of the kind the network was made for" end in ``indeterminate`` with a reason, never in a low
likelihood.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cds.errors import ModelError
from cds.inference.volumes import windows
from cds.inference.volumes.bundle import Bundle, Gate, Stage
from cds.inference.volumes.candidates import Found, find
from cds.inference.volumes.grid import Box, Grid, bounding_box, moved, resampled
from cds.inference.volumes.network import Device, Network

_log = logging.getLogger("cds.inference")

Array = NDArray[np.float32]
Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Assessed:
    """What the network found. Maps are on ``grid``, a part of the scan at the last stage's spacing."""

    likelihood: float
    category: str
    found: Found
    chances: Array
    """[classes, z, y, x]"""
    classes: tuple[str, ...]
    grid: Grid
    origin_mm: tuple[float, float, float]
    """z y x from the scan's first voxel's outer corner to the grid's."""
    distances: dict[str, float]
    """By gate: how far the scan was from the training views, 1 being the limit."""

    def volume_ml(self, *names: str) -> float:
        """Of the voxels whose likeliest class is one of ``names``."""
        winners = self.chances.argmax(axis=0)
        return float(np.isin(winners, [self.classes.index(n) for n in names]).sum()) * self.grid.voxel_ml


@dataclass(frozen=True)
class Indeterminate:
    """Nothing can be said, and that is no reassurance."""

    reason: str
    """``not-found``, ``not-plausible``, ``out-of-domain``"""
    stage: str
    distances: dict[str, float]


class Analysis:
    """A bundle's networks, loaded once a process."""

    def __init__(self, bundle: Bundle, folder: Path, device: Device | None = None) -> None:
        """Raises ModelError."""
        self.bundle = bundle
        self._device = device or Device()
        self._networks = {s.name: Network(s, folder, self._device) for s in bundle.stages}

    @property
    def provider(self) -> str:
        return next(iter(self._networks.values())).provider

    def __call__(
        self, hu: NDArray[np.generic], spacing: tuple[float, float, float], progress: Progress | None = None
    ) -> Assessed | Indeterminate:
        """``hu`` [z, y, x] with z towards the head, y towards the back, x towards the left; ``spacing`` mm. Raises
        ModelError for a network that fails and for voxels that are no numbers."""
        if not np.isfinite(hu).all():
            raise ModelError("the volume holds voxels that are no numbers")
        shape = hu.shape
        box: Box = (slice(0, shape[0]), slice(0, shape[1]), slice(0, shape[2]))
        distances: dict[str, float] = {}
        count = len(self.bundle.stages)
        for number, stage in enumerate(self.bundle.stages):
            part = Grid(_size(box), spacing)

            def step(share: float, name: str = stage.name, first: int = number) -> None:
                if progress is not None:
                    progress(name, (first + share) / count)

            chances, grid, features = self._stage(stage, hu[box], part, step)
            far = self._distance(stage, features, distances)
            if far:
                return Indeterminate("out-of-domain", stage.name, distances)
            if number == count - 1:
                return self._assessed(stage, chances, grid, _origin(box, spacing), distances)
            kept = _kept(stage, chances)
            volume = float(kept.sum()) * grid.voxel_ml
            if not kept.any() or volume < stage.smallest_ml:
                return Indeterminate("not-found", stage.name, distances)
            if volume > stage.largest_ml:
                return Indeterminate("not-plausible", stage.name, distances)
            inner = moved(bounding_box(kept), grid, part, stage.margin_mm)
            box = _within(box, inner)
        raise ModelError("the bundle has no stages")

    def _stage(
        self, stage: Stage, hu: NDArray[np.generic], source: Grid, step: windows.Step
    ) -> tuple[Array, Grid, Array | None]:
        target = source.at(stage.spacing)
        volume = resampled(hu, source, target, stage.resample.order, stage.resample.align)
        normal = stage.normalise
        volume = (np.clip(volume, *normal.clip) - normal.mean) / normal.deviation
        fill = (float(np.clip(stage.pad, *normal.clip)) - normal.mean) / normal.deviation
        logits, features = windows.logits_of(
            volume.astype(np.float32),
            self._networks[stage.name],
            len(stage.classes),
            stage.patch,
            stage.overlap,
            fill,
            stage.mirror,
            self._device.batch,
            step,
        )
        return windows.softmax(logits), target, features

    def _distance(self, stage: Stage, features: Array | None, distances: dict[str, float]) -> bool:
        """Is any of the stage's gates shut? The nearest window decides: most of a long scan shows other parts."""
        shut = False
        for gate in (g for g in self.bundle.gates if g.stage == stage.name):
            if features is None:
                raise ModelError(f"stage '{stage.name}' has a gate, and its graph gives no features")
            distances[stage.name] = float(distance(features, gate).min()) / gate.furthest
            shut = shut or distances[stage.name] > 1
        return shut

    def _assessed(
        self, stage: Stage, chances: Array, grid: Grid, origin: tuple[float, float, float], distances: dict[str, float]
    ) -> Assessed | Indeterminate:
        if stage.keep:
            volume = float(_kept(stage, chances).sum()) * grid.voxel_ml
            if volume < stage.smallest_ml:
                return Indeterminate("not-found", stage.name, distances)
            if volume > stage.largest_ml:
                return Indeterminate("not-plausible", stage.name, distances)
        found = find(chances, stage.classes, self.bundle.likelihood, grid)
        category = self.bundle.category(found.likelihood)
        return Assessed(found.likelihood, category, found, chances, stage.classes, grid, origin, distances)


def distance(features: Array, gate: Gate) -> NDArray[np.float64]:
    """Of each window's features [n, k] from the training views': root mean square on the whitened basis, [n]."""
    whitened = (features - np.asarray(gate.mean)) @ np.asarray(gate.whitening).T
    return np.asarray(np.sqrt((whitened**2).mean(axis=1)))


def _kept(stage: Stage, chances: Array) -> NDArray[np.bool_]:
    """The largest connected part of the classes to keep: specks elsewhere must not widen the box."""
    mask = np.isin(chances.argmax(axis=0), [stage.classes.index(name) for name in stage.keep])
    labels, count = ndimage.label(mask)
    if count < 2:
        return mask
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray(labels == int(sizes.argmax()))


def _size(box: Box) -> tuple[int, int, int]:
    return box[0].stop - box[0].start, box[1].stop - box[1].start, box[2].stop - box[2].start


def _origin(box: Box, spacing: tuple[float, float, float]) -> tuple[float, float, float]:
    return box[0].start * spacing[0], box[1].start * spacing[1], box[2].start * spacing[2]


def _within(outer: Box, inner: Box) -> Box:
    cuts = [slice(a.start + b.start, a.start + b.stop) for a, b in zip(outer, inner, strict=True)]
    return cuts[0], cuts[1], cuts[2]
