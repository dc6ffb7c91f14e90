from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cds.inference.registry import Registry, load

MODELS = Path(__file__).parents[2] / "models"
Made = Callable[..., pd.DataFrame]


@pytest.fixture(scope="session")
def registry() -> Registry:
    return load([MODELS])


@pytest.fixture(scope="session")
def patients(registry: Registry) -> Made:
    """Invented patients after resection, their times drawn from the model's own curves: of whom it is exactly right.
    ``pace``: how many times faster they die than it says."""

    def made(count: int = 500, pace: float = 1.0, seed: int = 3) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        frame = pd.DataFrame(
            {
                "age": rng.integers(45, 85, count),
                "sex": rng.choice(["M", "F"], count),
                "T": rng.choice(["T2", "T3"], count),
                "N": rng.choice(["N0", "N1"], count),
                "grade": rng.choice(["G2", "G3"], count),
                "M": "M0",
                "centre": rng.choice(["north", "south"], count),
            }
        )
        model = registry["resected-os"]
        x = np.zeros((count, len(model.manifest.inputs)))
        columns = (frame.age, frame["sex"] == "M", frame["T"].str[1].astype(int), frame["N"] == "N1")
        for at, values in enumerate((*columns, frame.grade.str[1].astype(int), np.full(count, 0.19))):
            x[:, at] = values
        alive = model.score(x)["survival"]
        share = rng.random(count)
        dead = np.array([np.interp(-s, -curve, range(61)) for s, curve in zip(share, alive, strict=True)])
        # who outlives the curve is followed to its end
        dead = np.where(share < alive[:, -1], 61.0, dead) / pace
        followed = rng.uniform(18, 60, count)
        frame["survival_time"] = (np.maximum(np.minimum(dead, followed), 0.05) * 30.4375).round(1)
        frame["event_occurred"] = (dead <= followed).astype(int)
        return frame

    return made
