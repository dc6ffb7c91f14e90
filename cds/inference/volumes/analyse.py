"""One volume through all stages: where to look, what is there, how likely, or why nothing can be said.

"Not found", "not of the kind the network was made for" and "nothing in the part that the scan shows" end in
``indeterminate`` with a reason, never in a low likelihood.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cds.errors import ModelError, SelfTestFailed
from cds.inference.open_inference import ModelServer
from cds.inference.volumes import golden, resize, windows
from cds.inference.volumes.bundle import Bundle, Stage
from cds.inference.volumes.candidates import Found, find
from cds.inference.volumes.extent import cut_off
from cds.inference.volumes.gate import Gate
from cds.inference.volumes.grid import Box, Grid, Triple, bounding_box, coarsened, moved, moved_by_centres, resampled
from cds.inference.volumes.network import Device, Network

_log = logging.getLogger("cds.inference")

Array = NDArray[np.float32]
Progress = Callable[[str, float], None]
_ENDS = [0, -1]
"""First and last slice."""


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
    cut_off: bool = False
    """The scan ends inside the organ: what lies beyond, the network has not seen."""

    def volume_ml(self, *names: str) -> float:
        """Of the voxels whose likeliest class is one of ``names``."""
        winners = self.chances.argmax(axis=0)
        return float(np.isin(winners, [self.classes.index(n) for n in names]).sum()) * self.grid.voxel_ml


@dataclass(frozen=True)
class Indeterminate:
    """Nothing can be said, and that is no reassurance."""

    reason: str
    """``not-found``, ``not-plausible``, ``out-of-domain``, ``cut-off``"""
    stage: str
    distances: dict[str, float]


class Analysis:
    """A bundle's networks, loaded once a process."""

    def __init__(
        self, bundle: Bundle, folder: Path, device: Device | None = None, server: ModelServer | None = None
    ) -> None:
        """``server``: asked first, where there is one. Raises ModelError."""
        self.bundle = bundle
        self._folder = folder
        self._device = device or Device()
        self._networks = {s.name: Network(s, folder, self._device, server) for s in bundle.stages}
        self._gates = [Gate(g, folder) for g in bundle.gates]

    @property
    def provider(self) -> str:
        return next(iter(self._networks.values())).provider

    def self_test(self) -> None:
        """The bundle's known answers, where it has any, on these very networks. Raises SelfTestFailed."""
        if misses := list(golden.misses(self.bundle, self._folder, self._networks)):
            raise SelfTestFailed("; ".join(misses))

    def __call__(
        self, hu: NDArray[np.generic], spacing: tuple[float, float, float], progress: Progress | None = None
    ) -> Assessed | Indeterminate:
        """``hu`` [z, y, x] with z towards the head, y towards the back, x towards the left; ``spacing`` mm. Raises
        ModelError for a network that fails and for voxels that are no numbers."""
        if not np.issubdtype(hu.dtype, np.integer) and not np.isfinite(hu).all():
            raise ModelError("the volume holds voxels that are no numbers")
        shape = hu.shape
        box: Box = (slice(0, shape[0]), slice(0, shape[1]), slice(0, shape[2]))
        distances: dict[str, float] = {}
        count, cut = len(self.bundle.stages), False
        for number, stage in enumerate(self.bundle.stages):
            part = Grid(_size(box), spacing)

            def step(share: float, name: str = stage.name, first: int = number) -> None:
                if progress is not None:
                    progress(name, (first + share) / count)

            chances, grid, features = self._stage(stage, hu[box], part, step)
            far = self._distance(stage, features, distances)
            if far:
                return Indeterminate("out-of-domain", stage.name, distances)
            ends = box[0].start == 0, box[0].stop == shape[0]
            if number == count - 1:
                # all its parts: where a scan ends the gland may be in two
                cut = cut or cut_off(_mask(stage, chances[:, _ENDS], self.bundle.organ), grid, ends)
                return self._assessed(stage, chances, *_lying(box, part, grid, stage.resample.align), distances, cut)
            kept = _kept(stage, chances)
            volume = float(kept.sum()) * grid.voxel_ml
            # a published pipeline may assume that there is something to find, and stop with an error where there is not
            if not kept.any() or volume < stage.smallest_ml:
                return Indeterminate("not-found", stage.name, distances)
            if volume > stage.largest_ml:
                return Indeterminate("not-plausible", stage.name, distances)
            seen = kept[_ENDS] & _mask(stage, chances[:, _ENDS], set(stage.keep) & set(self.bundle.organ))
            cut = cut or cut_off(seen, grid, ends)
            move = moved if stage.box == "edges" else moved_by_centres
            inner = move(bounding_box(kept), grid, part, stage.margin_mm)
            box = _within(box, inner)
        raise ModelError("the bundle has no stages")

    def _stage(
        self, stage: Stage, hu: NDArray[np.generic], source: Grid, step: windows.Step
    ) -> tuple[Array, Grid, Array | None]:
        turned = np.flip(hu, stage.turn) if stage.turn else hu
        ways = {"plain": self._plainly, "nnunet": self._as_nnunet, "monai": self._as_monai}
        chances, grid, features = ways[stage.resample.way](stage, turned, source, step)
        if stage.turn:
            chances = np.ascontiguousarray(np.flip(chances, tuple(axis + 1 for axis in stage.turn)))
        return chances, grid, features

    def _plainly(
        self, stage: Stage, hu: NDArray[np.generic], source: Grid, step: windows.Step
    ) -> tuple[Array, Grid, Array | None]:
        target = source.at(stage.spacing)
        way = coarsened if stage.resample.smooth else resampled
        volume = way(hu, source, target, stage.resample.order, stage.resample.align)
        logits, features = self._logits(stage, _normalised(stage, volume), step)
        return windows.softmax(logits), target, features

    def _as_nnunet(
        self, stage: Stage, hu: NDArray[np.generic], source: Grid, step: windows.Step
    ) -> tuple[Array, Grid, Array | None]:
        """nnU-Net's order: normalise, resample, the networks, the logits back onto the grid they came from, and only
        there probabilities."""
        shape = resize.shape_at(source.shape, source.spacing, stage.spacing)
        apart = resize.through_plane(source.spacing, stage.spacing)
        volume = resize.resized(_normalised(stage, hu), shape, stage.resample.order, apart)
        logits, features = self._logits(stage, volume, step)
        if shape != source.shape:
            apart = resize.through_plane(stage.spacing, source.spacing)
            logits = np.stack([resize.resized(one, source.shape, 1, apart) for one in logits])
        return windows.softmax(logits), source, features

    def _as_monai(
        self, stage: Stage, hu: NDArray[np.generic], source: Grid, step: windows.Step
    ) -> tuple[Array, Grid, Array | None]:
        """MONAI's order: resample from the first voxel's centre to the last one's, normalise, the networks, and their
        probabilities back onto the grid they came from."""
        target = resize.between_centres(source, stage.spacing)
        volume = resampled(hu, source, target, stage.resample.order, "centre")
        logits, features = self._logits(stage, _normalised(stage, volume), step)
        chances = windows.softmax(logits)
        return np.stack([resampled(one, target, source, 1, "centre") for one in chances]), source, features

    def _logits(self, stage: Stage, volume: Array, step: windows.Step) -> tuple[Array, Array | None]:
        normal = stage.normalise
        fill = (float(np.clip(stage.pad, *normal.clip)) - normal.mean) / normal.deviation
        return windows.logits_of(
            volume,
            self._networks[stage.name],
            len(stage.classes),
            stage.patch,
            stage.overlap,
            fill,
            stage.mirror,
            self._device.batch,
            step,
            blend=stage.blend,
            lay=windows.positions if stage.steps == "even" else windows.strided,
        )

    def _distance(self, stage: Stage, features: Array | None, distances: dict[str, float]) -> bool:
        """Is any of the stage's gates shut?"""
        shut = False
        for gate in (g for g in self._gates if g.stage == stage.name):
            if features is None:
                raise ModelError(f"stage '{stage.name}' has a gate, and its graph gives no features")
            distances[stage.name] = gate.distance(features)
            shut = shut or distances[stage.name] > 1
        return shut

    def _assessed(
        self,
        stage: Stage,
        chances: Array,
        grid: Grid,
        origin: tuple[float, float, float],
        distances: dict[str, float],
        cut: bool,
    ) -> Assessed | Indeterminate:
        """``cut``: a stage saw the organ go on beyond the scan."""
        if stage.keep:
            volume = float(_kept(stage, chances).sum()) * grid.voxel_ml
            if volume < stage.smallest_ml:
                return Indeterminate("not-found", stage.name, distances)
            if volume > stage.largest_ml:
                return Indeterminate("not-plausible", stage.name, distances)
        found = find(chances, stage.classes, self.bundle.likelihood, grid)
        if self.bundle.likelihood.within and not found.map.any():
            # not one voxel of what a lesion must lie in: the organ was not seen, which is no likelihood of 0
            return Indeterminate("not-found", stage.name, distances)
        likelihood = self.bundle.likelihood_of(found.likelihood)
        category = self.bundle.category(likelihood)
        points = self.bundle.operating_points
        # where all scans are of one category there is none that would say "little"; what was found stands in any case
        if cut and len(points) > 1 and category == points[0].category:
            return Indeterminate("cut-off", stage.name, distances)
        return Assessed(likelihood, category, found, chances, stage.classes, grid, origin, distances, cut)


def _normalised(stage: Stage, volume: NDArray[np.generic]) -> Array:
    normal = stage.normalise
    return np.asarray((np.clip(volume, *normal.clip) - normal.mean) / normal.deviation, dtype=np.float32)


def _mask(stage: Stage, chances: Array, names: Iterable[str]) -> NDArray[np.bool_]:
    """Where one of the classes is the likeliest."""
    return np.isin(chances.argmax(axis=0), [stage.classes.index(name) for name in names])


def _kept(stage: Stage, chances: Array) -> NDArray[np.bool_]:
    """The classes to keep; of several connected parts the largest, so that specks elsewhere don't widen the box, unless
    the stage keeps all."""
    mask = _mask(stage, chances, stage.keep)
    if stage.parts == "all":
        return mask
    labels, count = ndimage.label(mask)
    if count < 2:
        return mask
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray(labels == int(sizes.argmax()))


def _size(box: Box) -> tuple[int, int, int]:
    return box[0].stop - box[0].start, box[1].stop - box[1].start, box[2].stop - box[2].start


def _lying(box: Box, part: Grid, grid: Grid, align: str) -> tuple[Grid, Triple]:
    """The last stage's grid as it lies in the scan: a whole number of voxels seldom fits, so that voxels aligned by
    corners are a little larger or smaller than the stage's spacing says. And its outer corner's place, mm."""
    start = [cut.start * mm for cut, mm in zip(box, part.spacing, strict=True)]
    if align == "corner":
        z, y, x = (n * mm / m for n, mm, m in zip(part.shape, part.spacing, grid.shape, strict=True))
        return Grid(grid.shape, (z, y, x)), (start[0], start[1], start[2])
    # first centres together: a larger voxel's corner lies further out
    half = [(own - mm) / 2 for own, mm in zip(part.spacing, grid.spacing, strict=True)]
    return grid, (start[0] + half[0], start[1] + half[1], start[2] + half[2])


def _within(outer: Box, inner: Box) -> Box:
    cuts = [slice(a.start + b.start, a.start + b.stop) for a, b in zip(outer, inner, strict=True)]
    return cuts[0], cuts[1], cuts[2]
