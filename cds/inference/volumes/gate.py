"""Is this scan of the kind the network was made for? The network's own inner view of it, against its training views."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cds.errors import ModelError
from cds.inference.pinned import read_pinned
from cds.inference.volumes import bundle

Array = NDArray[np.float64]


class Gate:
    """One gate of a bundle, loaded."""

    def __init__(self, declared: bundle.Gate, folder: Path) -> None:
        """Raises ModelError for a file that is missing, not the one pinned, or not of the shape it must have."""
        path = folder / declared.file
        content = read_pinned(path, declared.sha256)
        try:
            read = json.loads(content)
            self._mean = np.asarray(read["mean"], dtype=np.float64)
            self._whitening = np.asarray(read["whitening"], dtype=np.float64)
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{path} is no gate: it needs the numbers 'mean' and 'whitening'") from error
        if self._mean.ndim != 1 or self._whitening.shape[1:] != self._mean.shape or not len(self._whitening):
            raise ModelError(f"{path} is no gate: each row of 'whitening' must be as long as 'mean'")
        self.stage = declared.stage
        self._furthest = declared.furthest

    def distance(self, features: NDArray[np.float32]) -> float:
        """Of the nearest window, [windows, features]; 1 is the limit. The nearest decides, since most windows of a
        long scan show other parts of the body. Raises ModelError for features of another length."""
        if features.shape[1:] != self._mean.shape:
            raise ModelError(f"the gate of stage '{self.stage}' expects {len(self._mean)} features a window")
        whitened = (features - self._mean) @ self._whitening.T
        return float(np.sqrt((whitened**2).mean(axis=1)).min()) / self._furthest


def fit(features: Array, directions: int) -> tuple[Array, Array]:
    """(mean [k], whitening [directions, k]) of training views' ``features`` [views, k]: the leading principal
    directions scaled to unit variance, and what lies beside them as one more direction's worth."""
    mean = features.mean(axis=0)
    centred = features - mean
    _, singular, rows = np.linalg.svd(centred, full_matrices=False)
    deviations = singular / np.sqrt(len(features) - 1)
    return mean, rows[:directions] / np.maximum(deviations[:directions, None], 1e-9)
