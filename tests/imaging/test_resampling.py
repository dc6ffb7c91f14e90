"""Another spacing, the same place in the patient."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ct_series import slices_of
from scipy.ndimage import map_coordinates
from series_reading import volume_of

from cds.imaging.resample import resample
from cds.imaging.volume import Volume, moved


@pytest.fixture(scope="module")
def volume() -> Volume:
    """A field that is linear in each coordinate, so that linear interpolation is exact."""
    z, y, x = np.mgrid[:10, :20, :24]
    return volume_of(slices_of((10 * z + 7 * y - 5 * x).astype(np.int16), spacing=(3.0, 2.0, 1.5)))


@pytest.mark.parametrize(
    "spacing", [(3.0, 2.0, 1.5), (1.0, 1.0, 1.0), (6.0, 3.0, 3.0), (4.5, 4.5, 9.0), (2.9, 2.1, 0.7)]
)
def test_every_voxel_keeps_its_place_and_value(spacing: tuple[float, float, float], volume: Volume) -> None:
    found = resample(volume, spacing)
    assert found.spacing == pytest.approx(spacing)
    assert found.world((0, 0, 0)) == pytest.approx(volume.world((0, 0, 0)))
    corner = tuple(n - 1 for n in found.hu.shape)
    for index in [(0, 0, 0), corner, tuple(n // 2 for n in found.hu.shape)]:
        place = found.world((float(index[0]), float(index[1]), float(index[2])))
        z, y, x = (np.linalg.inv(volume.affine) @ [*place, 1])[:3]
        assert found.hu[index] == pytest.approx(10 * z + 7 * y - 5 * x, abs=0.51)


def test_it_equals_a_general_linear_interpolation() -> None:
    rng = np.random.default_rng(0)
    random = volume_of(slices_of(rng.integers(-200, 300, (8, 16, 16)).astype(np.int16), spacing=(3.0, 2.0, 2.0)))
    found = resample(random, (2.0, 1.3, 1.7))
    grid = np.mgrid[tuple(slice(0, n) for n in found.hu.shape)] * np.array([2 / 3, 0.65, 0.85])[:, None, None, None]
    expected = map_coordinates(random.hu.astype(float), grid, order=1)
    assert np.abs(found.hu - expected).max() <= 0.51


def test_slices_made_from_filled_in_ones_stay_flagged(volume: Volume) -> None:
    found = resample(replace(volume, filled=(4,)), (1.5, 2.0, 1.5))
    assert found.filled == (7, 8, 9)


@pytest.mark.parametrize("spacing", [(0.0, 1.0, 1.0), (-1.0, 1.0, 1.0), (float("nan"), 1.0, 1.0)])
def test_an_impossible_spacing_is_refused(spacing: tuple[float, float, float], volume: Volume) -> None:
    with pytest.raises(ValueError, match="spacing"):
        resample(volume, spacing)


@pytest.mark.parametrize(("rows", "columns"), [(0.0, 0.0), (3.0, -2.0), (0.25, 0.0), (-1.5, 2.75), (500.0, 0.0)])
def test_a_shifted_image_moves_by_fractions_of_a_pixel_with_air_behind(rows: float, columns: float) -> None:
    image = np.full((12, 12), -1024, np.int16)
    image[4:8, 4:8] = 976
    grid = np.mgrid[:12, :12] - np.array([rows, columns])[:, None, None]
    expected = map_coordinates(image.astype(float), grid, order=1, cval=-1024)
    assert np.abs(moved(image, rows, columns) - expected).max() <= 1
