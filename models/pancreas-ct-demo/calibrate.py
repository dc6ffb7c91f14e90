"""Set the gates and operating points from phantoms that were not trained on, and pin all files in ``model.yaml``.

A gate is fitted on one set of phantoms and its limit set on another, so that it lets through 98 in 100 of its own
kind. Calibration and operating points come from that second set, too; what they are worth is measured on a third, in
evaluate.py.
"""

from __future__ import annotations

import hashlib
import json
import math
import multiprocessing
import re
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from scipy import optimize, special
from tqdm import tqdm

FOLDER = Path(__file__).parent
sys.path[:0] = [str(FOLDER), str(FOLDER.parents[1])]
import phantom

from cds.inference import registry
from cds.inference.volumes import gate
from cds.inference.volumes.analyse import Analysis, Assessed
from cds.inference.volumes.bundle import Bundle, Calibration

FIRST, FITTED, TUNED = 2_000_000, 60, 240
DIRECTIONS = 12
LET_THROUGH = 0.98
NEAREST = (1e-6, 1e-4, 1e-3, 0.003, 0.01, 0.03, 0.1)
SPECIFICITIES = {"raised": 0.80, "high": 0.95}


class Ungated(Analysis):
    """The same stages with the gates open, keeping what the gates would have seen."""

    def __init__(self, bundle: Bundle, folder: Path) -> None:
        super().__init__(bundle.model_copy(update={"gates": (), "calibration": None}), folder)
        self.seen: dict[str, np.ndarray] = {}

    def _distance(self, stage, features, distances):  # type: ignore[no-untyped-def]
        self.seen[stage.name] = features
        return False


def main() -> None:
    pin_graphs()
    bundle = registry.read(FOLDER).manifest.runtime.volume
    assert bundle is not None
    analysis = Ungated(bundle, FOLDER)
    views: dict[str, list[np.ndarray]] = {s.name: [] for s in bundle.stages}
    tuned: list[tuple[bool, float | None, dict[str, np.ndarray]]] = []
    for number, found in enumerate(drawn(range(FIRST, FIRST + FITTED + TUNED), "phantoms")):
        answer = analysis(found.ct, found.spacing)
        if number < FITTED:
            for name, features in analysis.seen.items():
                views[name].extend(features)
        else:
            score = answer.likelihood if isinstance(answer, Assessed) else None
            tuned.append((bool(found.about["lesion"]), score, dict(analysis.seen)))
        analysis.seen.clear()
    for stage in bundle.stages:
        mean, whitening = gate.fit(np.asarray(views[stage.name], dtype=np.float64), DIRECTIONS)
        far = [distances(seen[stage.name], mean, whitening).min() for _, _, seen in tuned if stage.name in seen]
        limit = float(np.quantile(far, LET_THROUGH))
        path = FOLDER / f"gate-{stage.name}.json"
        rounded = {"mean": np.round(mean, 6).tolist(), "whitening": np.round(whitening, 6).tolist()}
        path.write_text(json.dumps(rounded) + "\n", encoding="utf-8")
        pinned(path.name, sha256=digest(path), furthest=round(limit, 3))
    scored = [(lesion, score) for lesion, score, _ in tuned if score is not None]
    lesion, score = np.asarray([a for a, _ in scored]), np.asarray([b for _, b in scored])
    calibration = calibrated(lesion, score)
    said = ", ".join(f"{name}: {value}" for name, value in calibration.model_dump().items())
    replaced(r"calibration: \{.*?\}", f"calibration: {{{said}}}")
    clear = np.asarray([calibration.of(float(s)) for s in score[~lesion]])
    for category, specificity in SPECIFICITIES.items():
        # rounded up: a point must not let more through than was asked for
        point = min(0.999, max(0.01, math.ceil(1000 * float(np.quantile(clear, specificity))) / 1000))
        replaced(rf"(category: {category}, at_least: )[0-9.]+", rf"\g<1>{point}")


def drawn(seeds: range, what: str, **how: bool) -> Iterator[phantom.Phantom]:
    """In their order, made in processes of their own while the networks look at those before."""
    with multiprocessing.get_context("spawn").Pool() as pool:
        yield from tqdm(pool.imap(partial(phantom.make, **how), seeds), total=len(seeds), desc=what)


def calibrated(lesion: np.ndarray, score: np.ndarray) -> Calibration:
    """The most likely of Platt's lines, one for each of ``NEAREST``."""
    fitted = [platt(lesion, np.clip(score, nearest, 1 - nearest)) for nearest in NEAREST]
    (intercept, slope, _), nearest = min(zip(fitted, NEAREST, strict=True), key=lambda pair: pair[0][2])
    return Calibration(intercept=round(intercept, 3), slope=round(slope, 3), nearest=nearest)


def platt(lesion: np.ndarray, score: np.ndarray) -> tuple[float, float, float]:
    """Intercept, slope and loss of his fit by maximum likelihood, with his targets, which keep it finite where the
    score separates all."""
    odds = special.logit(score)
    with_, without = int(lesion.sum()), int((~lesion).sum())
    target = np.where(lesion, (with_ + 1) / (with_ + 2), 1 / (without + 2))

    def loss(given: np.ndarray) -> float:
        line = given[0] + math.exp(given[1]) * odds
        return float(np.mean(np.logaddexp(0, line) - target * line))

    found = optimize.minimize(loss, np.zeros(2), method="Nelder-Mead")
    return float(found.x[0]), math.exp(float(found.x[1])), float(found.fun)


def distances(features: np.ndarray, mean: np.ndarray, whitening: np.ndarray) -> np.ndarray:
    return np.sqrt((((features - mean) @ whitening.T) ** 2).mean(axis=1))


def pin_graphs() -> None:
    for name in ("locate.onnx", "detect.onnx"):
        pinned(name, sha256=digest(FOLDER / name))


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def pinned(file: str, **values: object) -> None:
    for key, value in values.items():
        replaced(rf"(file: {re.escape(file)},.*?{key}: )[0-9a-f.]+", rf"\g<1>{value}")


def replaced(pattern: str, by: str) -> None:
    path = FOLDER / "model.yaml"
    text, count = re.subn(pattern, by, path.read_text(encoding="utf-8"))
    if count != 1:
        raise SystemExit(f"{path}: expected one place for {pattern}, found {count}")
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
