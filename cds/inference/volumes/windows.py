"""Overlap-weighted windows over a volume: where they lie, how they are weighted, how their logits are joined."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[np.float32]
Run = Callable[[Array], tuple[Array, Array | None]]
"""[n, 1, z, y, x] -> logits [n, classes, z, y, x] and features [n, k] where the graph gives them."""
Step = Callable[[float], None]


def positions(length: int, window: int, overlap: float) -> list[int]:
    """Starts of the windows along one axis: as few as the overlap allows, evenly spread."""
    if length <= window:
        return [0]
    step = window * (1 - overlap)
    count = int(np.ceil((length - window) / step - 1e-9)) + 1
    return [round(at) for at in np.linspace(0, length - window, count)]


def strided(length: int, window: int, overlap: float) -> list[int]:
    """Starts one stride apart, the last moved back inside the volume, as MONAI lays them."""
    stride = max(1, int(window * (1 - overlap)))
    last = max(0, length - window)
    return [*range(0, last, stride), last]


@functools.lru_cache(maxsize=8)
def importance(window: tuple[int, int, int], blend: str = "gaussian") -> Array:
    """A Gaussian of an eighth of the window: a window knows most about its middle. Never 0. ``symmetric`` is MONAI's:
    around the middle itself, and a thousandth at least; ``constant``: 1 everywhere."""
    if blend == "constant":
        return np.ones(window, np.float32)
    if blend == "symmetric":
        bells = [np.exp(-(((np.arange(n) - (n - 1) / 2) / (n / 8)) ** 2) / 2) for n in window]
        bell: Array = np.einsum("z,y,x->zyx", *bells).astype(np.float32)
        return np.maximum(bell, max(float(bell.min()), 1e-3))
    point = np.zeros(window, np.float32)
    point[tuple(n // 2 for n in window)] = 1
    weight = np.asarray(ndimage.gaussian_filter(point, [n / 8 for n in window], mode="constant"), dtype=np.float32)
    found: Array = np.maximum(weight, weight[weight > 0].min()) / weight.max()
    found.setflags(write=False)
    return found


def logits_of(
    volume: Array,
    run: Run,
    classes: int,
    window: tuple[int, int, int],
    overlap: float,
    fill: float,
    mirror: Sequence[int] = (),
    batch: int = 1,
    step: Step | None = None,
    *,
    blend: str = "gaussian",
    lay: Callable[[int, int, float], list[int]] = positions,
) -> tuple[Array, Array | None]:
    """Mean logits [classes, z, y, x] over all windows and views, and the features of each window [windows, k].

    ``volume`` is normalised already; ``fill`` is the value beside it. ``lay`` says where windows begin along an axis.
    ``step`` hears the share that is done.
    """
    padded, inside = _padded(volume, window, fill)
    starts = list(itertools.product(*(lay(n, w, overlap) for n, w in zip(padded.shape, window, strict=True))))
    weight = importance(window, blend)
    total = np.zeros((classes, *padded.shape), np.float32)
    weights = np.zeros(padded.shape, np.float32)
    features: list[Array] = []
    views = list(_views(mirror))
    done, all_of_it = 0, len(starts) * len(views)
    for chunk in _chunks(starts, batch):
        cuts = [tuple(slice(a, a + w) for a, w in zip(at, window, strict=True)) for at in chunk]
        seen = np.stack([padded[cut] for cut in cuts])[:, None]
        for view in views:
            axes = tuple(a + 2 for a in view)
            logits, found = run(np.ascontiguousarray(np.flip(seen, axes)) if axes else seen)
            back = np.flip(logits, axes) if axes else logits
            for cut, one in zip(cuts, back, strict=True):
                total[(slice(None), *cut)] += one * weight
            if not view and found is not None:
                features.append(found)
            done += len(chunk)
            if step is not None:
                step(done / all_of_it)
        for cut in cuts:
            weights[cut] += weight
    total /= weights * len(views)
    return total[(slice(None), *inside)], np.concatenate(features) if features else None


def softmax(logits: Array) -> Array:
    """Over the first axis."""
    powers: Array = np.subtract(logits, logits.max(axis=0), dtype=np.float32)
    np.exp(powers, out=powers)  # in place: the volume at full resolution times its classes is most of the memory
    powers /= powers.sum(axis=0)
    return powers


def _padded(volume: Array, window: tuple[int, int, int], fill: float) -> tuple[Array, tuple[slice, ...]]:
    lacks = [max(0, w - n) for n, w in zip(volume.shape, window, strict=True)]
    before = [k // 2 for k in lacks]
    inside = tuple(slice(b, b + n) for b, n in zip(before, volume.shape, strict=True))
    if not any(lacks):
        return volume, inside
    pads = [(b, k - b) for b, k in zip(before, lacks, strict=True)]
    return np.pad(volume, pads, constant_values=fill), inside


def _views(mirror: Sequence[int]) -> Iterator[tuple[int, ...]]:
    for count in range(len(mirror) + 1):
        yield from itertools.combinations(mirror, count)


def _chunks(starts: list[tuple[int, ...]], size: int) -> Iterator[list[tuple[int, ...]]]:
    for first in range(0, len(starts), size):
        yield starts[first : first + size]
