"""Set the gates and operating points from phantoms that were not trained on, and pin all files in ``model.yaml``.

A gate is fitted on one set of phantoms and its limit set on another, so that it lets through 98 in 100 of its own
kind. Operating points come from that second set, too; what they are worth is measured on a third, in evaluate.py.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from pathlib import Path

import numpy as np
from tqdm import tqdm

FOLDER = Path(__file__).parent
sys.path[:0] = [str(FOLDER), str(FOLDER.parents[1])]
import phantom

from cds.inference import registry
from cds.inference.volumes import gate
from cds.inference.volumes.analyse import Analysis
from cds.inference.volumes.bundle import Bundle

FIRST, FITTED, TUNED = 2_000_000, 60, 50
DIRECTIONS = 12
LET_THROUGH = 0.98
SPECIFICITIES = {"raised": 0.80, "high": 0.95}


class Ungated(Analysis):
    """The same stages with the gates open, keeping what the gates would have seen."""

    def __init__(self, bundle: Bundle, folder: Path) -> None:
        super().__init__(bundle.model_copy(update={"gates": ()}), folder)
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
    tuned: list[tuple[bool, float, dict[str, np.ndarray]]] = []
    for number in tqdm(range(FITTED + TUNED), desc="phantoms"):
        found = phantom.make(FIRST + number)
        answer = analysis(found.ct, found.spacing)
        if number < FITTED:
            for name, features in analysis.seen.items():
                views[name].extend(features)
        else:
            likelihood = getattr(answer, "likelihood", 0.0)
            tuned.append((bool(found.about["lesion"]), likelihood, dict(analysis.seen)))
        analysis.seen.clear()
    for stage in bundle.stages:
        mean, whitening = gate.fit(np.asarray(views[stage.name], dtype=np.float64), DIRECTIONS)
        far = [distances(seen[stage.name], mean, whitening).min() for _, _, seen in tuned if stage.name in seen]
        limit = float(np.quantile(far, LET_THROUGH))
        path = FOLDER / f"gate-{stage.name}.json"
        rounded = {"mean": np.round(mean, 6).tolist(), "whitening": np.round(whitening, 6).tolist()}
        path.write_text(json.dumps(rounded) + "\n", encoding="utf-8")
        pinned(path.name, sha256=digest(path), furthest=round(limit, 3))
    clear = np.asarray([likelihood for lesion, likelihood, _ in tuned if not lesion])
    for category, specificity in SPECIFICITIES.items():
        point = min(0.999, max(0.01, round(float(np.quantile(clear, specificity)) + 1e-3, 3)))
        replaced(rf"(category: {category}, at_least: )[0-9.]+", rf"\g<1>{point}")


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
