"""A volume on another grid: nothing moves, nothing grows."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from scipy import ndimage

from cds.inference.volumes.grid import Grid, bounding_box, coarsened, moved, resampled


def ramp(shape: tuple[int, int, int], spacing: tuple[float, float, float], align: str) -> np.ndarray:
    """Each voxel holds z + 2y + 3x of its centre, in mm from the corner or from the first centre."""
    half = 0.5 if align == "corner" else 0.0
    z, y, x = np.meshgrid(*[(np.arange(n) + half) * s for n, s in zip(shape, spacing, strict=True)], indexing="ij")
    return (z + 2 * y + 3 * x).astype(np.float32)


@pytest.mark.parametrize("order", [1, 3])
@pytest.mark.parametrize("align", ["corner", "centre"])
@pytest.mark.parametrize("spacing", [(1.5, 1.0, 1.0), (5.0, 2.0, 4.0), (3.0, 2.0, 2.0)])
def test_positions_in_millimetres_stay(order: int, align: str, spacing: tuple[float, float, float]) -> None:
    source = Grid((20, 30, 24), (3.0, 2.0, 2.0))
    target = source.at(spacing)
    # the grid's spacing is nominal where the size does not divide: what is kept is the extent
    exact = tuple(n * s / m for n, s, m in zip(source.shape, source.spacing, target.shape, strict=True))
    found = resampled(ramp(source.shape, source.spacing, align), source, target, order, align)
    expected = ramp(target.shape, exact if align == "corner" else spacing, align)
    # at the rim both go on with the edge, and a cubic spline mirrors: six voxels of the source are left out
    rims = [round(6 * a / b) for a, b in zip(source.spacing, target.spacing, strict=True)]
    inner = tuple(slice(rim, n - rim) for rim, n in zip(rims, found.shape, strict=True))
    assert found[inner].size
    assert np.allclose(found[inner], expected[inner], atol=0.05)


def test_the_same_grid_changes_nothing() -> None:
    volume = np.random.default_rng(0).normal(size=(5, 6, 7)).astype(np.float32)
    grid = Grid((5, 6, 7), (3.0, 1.0, 1.0))
    assert np.array_equal(resampled(volume, grid, grid, 3, "corner"), volume)


@pytest.mark.parametrize("order", [0, 1, 3])
def test_an_axis_is_resampled_as_scipy_does_it(order: int) -> None:
    volume = np.random.default_rng(1).normal(size=(12, 14, 16)).astype(np.float32)
    source, target = Grid((12, 14, 16), (3.0, 2.0, 2.0)), Grid((18, 7, 24), (2.0, 4.0, 4 / 3))
    found = resampled(volume, source, target, order, "corner")
    # the same centres, clamped to the volume
    at = [
        np.clip((np.arange(m) + 0.5) * n / m - 0.5, 0, n - 1) for n, m in zip(source.shape, target.shape, strict=True)
    ]
    if order == 0:
        at = [np.round(a) for a in at]
    points = np.meshgrid(*at, indexing="ij")
    expected = ndimage.map_coordinates(volume, points, order=order, mode="mirror")
    assert np.allclose(found, expected, atol=2e-4)


def test_a_box_keeps_its_place_on_another_grid_and_gains_its_margin() -> None:
    coarse, fine = Grid((20, 20, 20), (6.0, 6.0, 6.0)), Grid((40, 60, 60), (3.0, 2.0, 2.0))
    mask = np.zeros(coarse.shape, bool)
    mask[5:8, 4:9, 10:11] = True
    box = moved(bounding_box(mask), coarse, fine, (3.0, 2.0, 120.0))
    assert box == (slice(9, 17), slice(11, 28), slice(0, 60))


@pytest.mark.parametrize("align", ["corner", "centre"])
@pytest.mark.parametrize("order", [0, 1, 3])
def test_coarsening_is_a_gaussian_blur_of_the_whole_and_then_resampling(order: int, align: str) -> None:
    source, target = Grid((21, 40, 33), (1.2, 0.7, 0.9)), Grid((21, 40, 33), (1.2, 0.7, 0.9)).at((3.0, 2.0, 0.8))
    volume = np.random.default_rng(4).normal(0, 300, source.shape).astype(np.int16)
    sigma = [max(0.0, (b / a - 1) / 2) for a, b in zip(source.spacing, target.spacing, strict=True)]
    blurred = ndimage.gaussian_filter(volume.astype(np.float64), sigma)
    expected = resampled(blurred, source, target, order, align)
    assert coarsened(volume, source, target, order, align) == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize("order", [1, 3])
def test_much_coarser_grids_leave_no_voxel_out(order: int) -> None:
    """Coarse voxels by eight take in the fine ones that belong to them: all of them, and the last few as well."""
    source = Grid((5, 130, 97), (1.2, 0.7, 0.7))
    target = source.at((1.2, 6.0, 3.0))
    volume = np.flip(np.random.default_rng(6).integers(-1024, 3072, source.shape).astype(np.int16), (1, 2))
    sigma = [max(0.0, (b / a - 1) / 2) for a, b in zip(source.spacing, target.spacing, strict=True)]
    expected = resampled(ndimage.gaussian_filter(volume.astype(np.float64), sigma), source, target, order, "corner")
    assert coarsened(volume, source, target, order, "corner") == pytest.approx(expected, abs=2e-2)


@pytest.mark.parametrize("entrance", ["cds.cli", "cds.serve", "cds.inference.volumes.grid"])
def test_its_matrices_are_multiplied_in_the_callers_thread_alone(entrance: str) -> None:
    """Threads of a linear algebra library spin while they wait for each other, on processors that others need."""
    program = f"""
import os
import {entrance}
import numpy
before = len(os.listdir("/proc/self/task"))
one = numpy.ones((600, 600), numpy.float32)
one @ one
print(before, len(os.listdir("/proc/self/task")))
"""
    plain = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False, env=plain
    )
    assert done.stdout.split() == ["1", "1"], (done.stdout, done.stderr)
