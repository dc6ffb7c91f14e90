"""What published pipelines do otherwise: resampling and way back of nnU-Net, one threshold, a crop by centres."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from cds.inference.volumes import resize
from cds.inference.volumes.analyse import Analysis, Assessed, Indeterminate
from cds.inference.volumes.bundle import Bundle, Likelihood
from cds.inference.volumes.candidates import find
from cds.inference.volumes.grid import Grid, moved_by_centres
from cds.inference.volumes.network import Device

SPACING = (2.0, 1.0, 1.0)
WITHIN = {"of": "lesion", "within": ["gland", "lesion"], "way": "one-threshold", "lowest": 0, "dilate": [5, 5, 5]}
GRAPH = {"file": "any.onnx", "sha256": "0" * 64}


@pytest.mark.parametrize("order", [1, 3])
@pytest.mark.parametrize("shape", [(9, 30, 13), (24, 10, 40)])
def test_resized_is_a_zoom_that_keeps_the_corners_and_the_limits(order: int, shape: tuple[int, int, int]) -> None:
    volume = np.random.default_rng(3).normal(size=(12, 20, 26)).astype(np.float32)
    factors = [m / n for n, m in zip(volume.shape, shape, strict=True)]
    zoomed = ndimage.zoom(volume.astype(float), factors, order=order, mode="nearest", grid_mode=True)
    found = resize.resized(volume, shape, order, None)
    assert np.allclose(found, np.clip(zoomed, volume.min(), volume.max()), atol=2e-6)


def test_thick_slices_are_resampled_by_themselves() -> None:
    volume = np.random.default_rng(4).normal(size=(5, 20, 22)).astype(np.float32)
    apart = resize.through_plane((6.0, 1.0, 1.0), (2.0, 1.5, 1.5))
    found = resize.resized(volume, (15, 13, 15), 3, apart)
    assert apart == 0
    for slice_number, layer in enumerate(found):
        own = volume[slice_number // 3]
        zoomed = ndimage.zoom(own.astype(float), (13 / 20, 15 / 22), order=3, mode="nearest", grid_mode=True)
        assert np.allclose(layer, np.clip(zoomed, own.min(), own.max()), atol=2e-6)


def test_two_long_axes_leave_no_slices_to_keep_apart() -> None:
    assert resize.through_plane((6.0, 6.0, 1.0), (1.0, 1.0, 1.0)) is None
    assert resize.through_plane((1.0, 1.0, 1.0), (1.0, 1.0, 4.0)) == 2
    assert resize.through_plane((3.0, 1.0, 1.0), (2.0, 1.0, 1.0)) is None


def published(lesion: np.ndarray, smallest: int = 10) -> tuple[np.ndarray, float]:
    """The detection map and the likelihood, in the plainest way."""
    threshold = lesion.max() / 2.5
    labels, count = ndimage.label(lesion >= threshold, np.ones((3, 3, 3)))
    found = np.zeros_like(lesion)
    for number in range(1, count + 1):
        part = labels == number
        if part.sum() > smallest:
            found[part] = lesion[part].max()
    return found, float(found.max())


@pytest.mark.parametrize("seed", range(5))
def test_one_threshold_gives_the_plain_map_and_likelihood(seed: int) -> None:
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.normal(size=(3, 20, 30, 34)), (0, 2, 2, 2)) * 40
    chances = (np.exp(smooth) / np.exp(smooth).sum(axis=0)).astype(np.float32)
    rule = Likelihood.model_validate(WITHIN | {"most": 1000})
    found = find(chances, ("background", "gland", "lesion"), rule, Grid((20, 30, 34), SPACING))
    own = ndimage.binary_dilation(chances.argmax(axis=0) > 0, np.ones((5, 5, 5)))
    expected, likelihood = published(np.where(own, chances[2], 0).astype(np.float32))
    drawn = np.zeros_like(expected)
    for candidate in found.candidates:
        drawn[candidate.mask] = candidate.likelihood
    assert np.array_equal(drawn, expected)
    assert found.likelihood == likelihood > 0


def test_only_specks_is_a_likelihood_of_nought_as_published() -> None:
    chances = np.zeros((3, 12, 12, 12), np.float32)
    chances[1] = 0.9
    chances[2, 5:7, 5:7, 5:7] = 0.1
    found = find(
        chances, ("background", "gland", "lesion"), Likelihood.model_validate(WITHIN), Grid((12,) * 3, SPACING)
    )
    assert (found.likelihood, found.candidates) == (0.0, ())


def test_a_crop_by_centres_takes_whole_voxels_and_leaves_the_last_out() -> None:
    coarse, fine = Grid((20, 20, 20), (9.0, 4.5, 4.5)), Grid((120, 112, 112), (1.5, 0.8, 0.8))
    box = (slice(5, 9), slice(8, 12), slice(0, 20))
    # z: centres 45 and 72 mm, 15 mm beside; y: 36 and 49.5 mm are the voxels 45 and 62 of 0.8 mm, 62 voxels beside
    found = moved_by_centres(box, coarse, fine, (15.0, 50.0, 100.0))
    assert found == (slice(20, 58), slice(0, 112), slice(0, 112))
    assert moved_by_centres(box, coarse, fine, (15.0, 8.0, 100.0))[1] == slice(35, 72)


class Answers(Analysis):
    """An analysis whose networks answer what they are told to: a function of the normalised voxels."""

    def __init__(self, bundle: Bundle, answer: Any) -> None:
        self.bundle, self._gates = bundle, []
        self._networks = {s.name: lambda windows: (answer(windows), None) for s in bundle.stages}  # type: ignore[misc]
        self._device = Device(provider="cpu")


def bundle(**stage: Any) -> Bundle:
    return Bundle.model_validate(
        {
            "stages": [
                {
                    "name": "detect",
                    "folds": [GRAPH],
                    "classes": ["background", "gland", "lesion"],
                    "spacing": [4.0, 2.0, 2.0],
                    "patch": [16, 24, 24],
                    "normalise": {"clip": [-100, 200], "mean": 50, "deviation": 100},
                    "resample": {"order": 3, "way": "nnunet"},
                }
                | stage
            ],
            "likelihood": WITHIN,
            "operating_points": [{"category": "low", "at_least": 0}],
        }
    )


def by_density(windows: np.ndarray) -> np.ndarray:
    """Gland about 50 HU, lesion about 150 HU."""
    return np.concatenate([np.full_like(windows, 0.0), 4 - 20 * windows**2, 20 * windows - 12], axis=1)


def test_logits_come_back_onto_the_volumes_own_grid() -> None:
    hu = np.full((30, 50, 50), -100.0, np.float32)
    hu[8:22, 12:38, 12:38] = 50
    hu[12:18, 20:30, 20:30] = 150
    found = Answers(bundle(), by_density)(hu, SPACING)
    assert isinstance(found, Assessed)
    assert found.chances.shape == (3, 30, 50, 50)
    assert (found.grid, found.origin_mm) == (Grid((30, 50, 50), SPACING), (0.0, 0.0, 0.0))
    assert found.found.candidates[0].centre == pytest.approx((14.5, 24.5, 24.5), abs=0.6)
    assert found.likelihood > 0.9


def test_a_gland_that_is_nowhere_is_not_found_rather_than_unlikely() -> None:
    found = Answers(bundle(), by_density)(np.full((30, 50, 50), -100.0, np.float32), SPACING)
    assert isinstance(found, Indeterminate)
    assert (found.reason, found.stage) == ("not-found", "detect")
