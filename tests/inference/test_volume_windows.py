"""Windows over a volume: everything is seen, nothing twice as much, and the edges are filled."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from cds.inference.volumes import windows

WINDOW = (8, 16, 16)


def same(seen: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Logits that say what the window shows: two classes, the value and its negative."""
    return np.concatenate([seen, -seen], axis=1), seen.mean(axis=(2, 3, 4))


@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5, 0.8])
@pytest.mark.parametrize("shape", [(8, 16, 16), (5, 40, 17), (30, 33, 50)])
def test_what_each_window_says_of_a_voxel_is_what_is_said_of_it(overlap: float, shape: tuple[int, int, int]) -> None:
    volume = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    logits, _ = windows.logits_of(volume, same, 2, WINDOW, overlap, fill=0.0)
    assert logits.shape == (2, *shape)
    assert np.allclose(logits[0], volume, atol=1e-5)
    assert np.allclose(logits[1], -volume, atol=1e-5)


@pytest.mark.parametrize("length", [1, 15, 16, 17, 31, 32, 33, 100])
@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5])
def test_windows_cover_the_axis_and_overlap_at_least_as_asked(length: int, overlap: float) -> None:
    starts = windows.positions(length, 16, overlap)
    assert starts[0] == 0
    if length > 16:
        assert starts[-1] == length - 16
        assert max(b - a for a, b in itertools.pairwise(starts)) <= 16 * (1 - overlap) + 1
    else:
        assert starts == [0]


def test_the_middle_of_a_window_counts_most_and_no_voxel_nothing() -> None:
    weight = windows.importance(WINDOW)
    assert weight[4, 8, 8] == weight.max() == 1
    assert weight.min() > 0


def test_views_are_flipped_there_and_back() -> None:
    volume = np.random.default_rng(0).normal(size=(8, 16, 16)).astype(np.float32)
    seen: list[np.ndarray] = []

    def run(batch: np.ndarray) -> tuple[np.ndarray, None]:
        seen.append(batch[0, 0])
        return np.concatenate([batch, batch], axis=1), None

    logits, _ = windows.logits_of(volume, run, 2, WINDOW, 0.5, 0.0, mirror=(0, 2))
    assert len(seen) == 4
    assert np.array_equal(seen[3], volume[::-1, :, ::-1])
    assert np.allclose(logits[0], volume, atol=1e-5)


def test_features_come_one_row_a_window_whatever_the_batch() -> None:
    volume = np.random.default_rng(0).normal(size=(16, 40, 40)).astype(np.float32)
    one, alone = windows.logits_of(volume, same, 2, WINDOW, 0.5, 0.0, batch=1)
    three, together = windows.logits_of(volume, same, 2, WINDOW, 0.5, 0.0, batch=3)
    assert np.allclose(one, three, atol=1e-6)
    assert alone is not None
    assert together is not None
    assert np.allclose(alone, together)
    assert len(alone) == len(windows.positions(16, 8, 0.5)) * len(windows.positions(40, 16, 0.5)) ** 2


def test_beside_a_small_volume_is_what_was_said_to_be_there() -> None:
    shown: list[np.ndarray] = []

    def run(batch: np.ndarray) -> tuple[np.ndarray, None]:
        shown.append(batch[0, 0])
        return batch, None

    windows.logits_of(np.zeros((4, 4, 4), np.float32), run, 1, WINDOW, 0.5, fill=-2.0)
    assert shown[0].shape == WINDOW
    assert (shown[0] == 0).sum() == 64
    assert (shown[0] == -2).sum() == shown[0].size - 64


def test_progress_rises_to_one() -> None:
    heard: list[float] = []
    volume = np.zeros((16, 40, 40), np.float32)
    windows.logits_of(volume, same, 2, WINDOW, 0.5, 0.0, mirror=(1,), step=heard.append)
    assert heard == sorted(heard)
    assert heard[-1] == pytest.approx(1)
