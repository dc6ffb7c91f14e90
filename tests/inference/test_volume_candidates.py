"""Candidates: the peaks of a lesion map, each with what belongs to it, and one number for the patient."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import ndimage

from cds.inference.volumes.bundle import Calibration, Likelihood
from cds.inference.volumes.candidates import find, longest_in_slice
from cds.inference.volumes.grid import Grid

GRID = Grid((20, 40, 40), (3.0, 2.0, 2.0))
CLASSES = ("background", "pancreas", "lesion")
RULE = Likelihood.model_validate({"of": "lesion", "within": ["pancreas", "lesion"], "smallest_voxels": 10})


def maps(*blobs: tuple[slice, slice, slice, float], gland: bool = True) -> np.ndarray:
    lesion = np.zeros(GRID.shape, np.float32)
    for z, y, x, value in blobs:
        lesion[z, y, x] = value
    pancreas = np.zeros(GRID.shape, np.float32)
    if gland:
        pancreas[5:15, 10:30, 5:35] = np.maximum(0, 0.99 - lesion[5:15, 10:30, 5:35])
    return np.stack([1 - lesion - pancreas, pancreas, lesion])


def box(z: int, y: int, x: int, size: int = 4) -> tuple[slice, slice, slice]:
    return slice(z, z + size), slice(y, y + size), slice(x, x + size)


def test_the_highest_peak_is_the_patients_likelihood() -> None:
    found = find(maps((*box(6, 12, 8), 0.6), (*box(8, 20, 25), 0.9)), CLASSES, RULE, GRID)
    assert found.likelihood == pytest.approx(0.9)
    assert [c.likelihood for c in found.candidates] == pytest.approx([0.9, 0.6])
    assert [c.voxels for c in found.candidates] == [64, 64]
    assert found.candidates[0].volume_ml == pytest.approx(64 * 12 / 1000)
    assert found.candidates[0].centre == pytest.approx((9.5, 21.5, 26.5))


def test_a_candidate_reaches_down_to_its_peaks_share() -> None:
    chances = maps((*box(6, 12, 8, 6), 0.41), (*box(7, 13, 9, 3), 0.9))
    found = find(chances, CLASSES, RULE, GRID)
    assert found.candidates[0].voxels == 216
    assert len(found.candidates) == 1


def test_what_lies_outside_the_gland_does_not_count() -> None:
    found = find(maps((*box(1, 1, 1), 0.4)), CLASSES, RULE, GRID)
    assert found.likelihood == 0
    assert found.candidates == ()


def test_specks_are_dropped_and_the_next_peak_is_looked_at() -> None:
    found = find(maps((*box(6, 12, 8, 2), 0.95), (*box(8, 20, 25), 0.7)), CLASSES, RULE, GRID)
    assert found.likelihood == pytest.approx(0.7)


def test_an_empty_map_is_no_candidate_and_no_fault() -> None:
    found = find(maps(gland=False), CLASSES, RULE, GRID)
    assert (found.likelihood, found.candidates) == (0.0, ())


def test_only_so_many_candidates_are_given() -> None:
    blobs = [(*box(6, 12, x, 3), 0.5 + x / 100) for x in range(6, 34, 4)]
    assert len(find(maps(*blobs), CLASSES, RULE, GRID).candidates) == RULE.most


def test_the_longest_diameter_is_measured_within_one_slice() -> None:
    mask = np.zeros(GRID.shape, bool)
    mask[5, 10, 10:20] = True
    mask[6:12, 10, 10] = True
    assert longest_in_slice(mask, GRID) == pytest.approx(20.0)
    assert longest_in_slice(np.zeros(GRID.shape, bool), GRID) == 0


def test_the_faint_rim_of_a_lesion_is_no_lesion_of_its_own() -> None:
    z, y, x = np.mgrid[:24, :24, :24]
    far = np.sqrt((z - 12.0) ** 2 + (y - 12.0) ** 2 + (x - 12.0) ** 2)
    blurred = np.clip(1.2 - far / 8, 0, 0.95).astype(np.float32)
    chances = np.stack([1 - blurred, blurred])
    rule = Likelihood.model_validate({"of": "lesion", "divide": 2.0, "smallest_voxels": 3, "lowest": 0.3})
    found = find(chances, ("background", "lesion"), rule, Grid((24, 24, 24), (1.0, 1.0, 1.0)))
    assert len(found.candidates) == 1


@pytest.mark.parametrize(
    ("score", "chance"),
    [(0.5, 0.269), (0.9, 0.525), (0.99, 0.7855), (0.0, 0.000368), (1.0, 0.9973)],
)
def test_a_calibrated_score_is_the_chance_its_log_odds_stand_for(score: float, chance: float) -> None:
    """Log-odds -1 + 0.5 x those of the score: 0.9 has 2.197, so 0.0986, which is a chance of 0.525."""
    assert Calibration(intercept=-1, slope=0.5).of(score) == pytest.approx(chance, rel=2e-3)


def test_a_scan_without_a_candidate_is_no_further_from_the_others_than_the_calibration_says() -> None:
    """Nearest 0.1: scores of 0 and of 0.1 both have log-odds -2.197, so -1 - 1.099, which is a chance of 0.1092."""
    scale = Calibration(intercept=-1, slope=0.5, nearest=0.1)
    assert [scale.of(score) for score in (0.0, 0.1)] == pytest.approx([0.1092, 0.1092], rel=2e-3)
    assert scale.of(1.0) == pytest.approx(0.5248, rel=2e-3)


def test_calibration_keeps_the_order_of_scores() -> None:
    scale = Calibration(intercept=0.3, slope=0.4)
    told = [scale.of(s) for s in np.linspace(0, 1, 101)]
    assert told == sorted(told)


def searched_whole(lesion: np.ndarray, rule: Likelihood) -> list[tuple[float, np.ndarray]]:
    """(peak, mask) of each candidate, as the published extraction finds them: over the whole map each time."""
    left, beside, found = lesion.copy(), np.zeros(lesion.shape, bool), []
    while len(found) < rule.most and (peak := float(left.max())) >= rule.lowest and peak > 0:
        labels, _ = ndimage.label(left > peak / rule.divide, np.ones((3, 3, 3)))
        own = labels == labels[np.unravel_index(left.argmax(), left.shape)]
        left[own] = 0
        if own.sum() > rule.smallest_voxels and not (own & beside).any():
            found.append((peak, own))
            beside |= ndimage.binary_dilation(own, np.ones((3, 3, 3)))
    return found


def shapes() -> list[np.ndarray]:
    """Empty, all lesion, a spot at each border and corner and in the middle, and random ones."""
    shape, rng = (7, 9, 10), np.random.default_rng(5)
    found = [np.zeros(shape, np.float32), np.ones(shape, np.float32), np.full(shape, 0.1, np.float32)]
    for at in itertools.product(*((0, n // 2, n - 1) for n in shape)):
        spot = np.zeros(shape, np.float32)
        spot[tuple(slice(max(0, k - 1), k + 2) for k in at)] = 0.4
        spot[at] = 0.9
        found += [spot, np.where(spot == np.float32(0.9), spot, 0)]
    smooth = [ndimage.gaussian_filter(rng.random(shape), sigma) for sigma in (0, 0.5, 1, 1.5) for _ in range(5)]
    return [*found, *(((one - one.min()) / np.ptp(one)).astype(np.float32) ** 3 for one in smooth)]


@pytest.mark.parametrize(("smallest", "lowest"), [(0, 0.0), (0, 0.1), (3, 0.1), (0, 0.5), (0, 1.0)])
def test_a_search_of_the_part_that_matters_finds_what_a_search_of_the_whole_map_does(
    smallest: int, lowest: float
) -> None:
    rule = Likelihood(of="lesion", smallest_voxels=smallest, lowest=lowest)
    for lesion in shapes():
        found = find(np.stack([1 - lesion, lesion]), ("background", "lesion"), rule, Grid(lesion.shape, (3, 2, 2)))
        expected = searched_whole(lesion, rule)
        assert [c.likelihood for c in found.candidates] == [peak for peak, _ in expected]
        assert all(np.array_equal(c.mask, own) for c, (_, own) in zip(found.candidates, expected, strict=True))
        assert [c.centre for c in found.candidates] == [ndimage.center_of_mass(own) for _, own in expected]


def test_only_the_part_that_holds_lesions_is_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Round by round, thirty of them for a textured lesion: over the whole map that was a tenth of an analysis."""
    sizes: list[int] = []
    label = ndimage.label

    def noted(mask: np.ndarray, *more: np.ndarray) -> tuple[np.ndarray, int]:
        sizes.append(mask.size)
        found: tuple[np.ndarray, int] = label(mask, *more)
        return found

    monkeypatch.setattr(ndimage, "label", noted)
    lesion = np.zeros((20, 30, 30), np.float32)
    lesion[4:8, 10:15, 12:18] = 0.8
    [candidate] = find(
        np.stack([1 - lesion, lesion]),
        ("background", "lesion"),
        Likelihood(of="lesion"),
        Grid(lesion.shape, (3.0, 2.0, 2.0)),
    ).candidates
    assert candidate.voxels == 120
    assert sizes == [120]


@pytest.mark.parametrize("dilate", [(1, 1, 1), (3, 5, 5), (2, 4, 6), (25, 3, 3)])
def test_lesions_may_lie_as_far_from_the_gland_as_a_block_reaches(dilate: tuple[int, int, int]) -> None:
    rule = Likelihood(of="lesion", within=("gland",), dilate=dilate)
    for gland in (m > 0.3 for m in shapes()):
        lesion = np.full(gland.shape, 0.4, np.float32)
        chances = np.stack([np.where(gland, 0.0, 0.5), gland * 0.6, lesion]).astype(np.float32)
        found = find(chances, ("background", "gland", "lesion"), rule, Grid(gland.shape, (3.0, 2.0, 2.0)))
        near = ndimage.binary_dilation(gland, np.ones(dilate))
        assert np.array_equal(found.map, np.where(near, lesion, 0))
