"""The original frameworks, asked for what they make of a volume: nnU-Net's own preprocessing, predictor and export."""

from __future__ import annotations

import contextlib
import io
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cds.inference.volumes import windows
from cds.inference.volumes.analyse import Analysis
from cds.inference.volumes.grid import Grid


def predictor(folder: Path, checkpoint: str, mirror: bool = True) -> Any:
    """nnU-Net's own, on the CPU."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
        from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
        from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

        made = nnUNetPredictor(use_mirroring=mirror, device=torch.device("cpu"), allow_tqdm=False)
        plans = PlansManager(str(folder / "plans.json"))
        dataset = json.loads((folder / "dataset.json").read_text())
        configuration = plans.get_configuration("3d_fullres")
        network = get_network_from_plans(
            configuration.network_arch_class_name,
            configuration.network_arch_init_kwargs,
            configuration.network_arch_init_kwargs_req_import,
            1,
            len(dataset["labels"]),
            deep_supervision=False,
        )
        weights = [
            torch.load(path, weights_only=False)["network_weights"]
            for path in sorted(folder.glob(f"fold_*/{checkpoint}"))
        ]
        # not by its trainer's class, which asks for all that training needs
        made.manual_initialization(network, plans, configuration, weights, dataset, "nnUNetTrainer", (0, 1, 2))
    return made


def preprocessed(own: Any, hu: np.ndarray, spacing: tuple[float, float, float]) -> tuple[np.ndarray, dict[str, Any]]:
    """(the networks' input [z, y, x], what nnU-Net remembers for the way back)."""
    properties: dict[str, Any] = {"spacing": list(spacing)}
    with quiet():
        preprocessor = own.configuration_manager.preprocessor_class(verbose=False)
        data, _, properties = preprocessor.run_case_npy(
            hu[None].astype(np.float32),
            None,
            properties,
            own.plans_manager,
            own.configuration_manager,
            own.dataset_json,
        )
    return np.asarray(data[0]), properties


def logits_in_full(own: Any, volume: np.ndarray) -> np.ndarray:
    """nnU-Net's windows, weights, mirrors and folds, added up in 32 bits instead of its 16."""
    slicers = own._internal_get_sliding_window_slicers(volume.shape)
    weight = torch.from_numpy(windows.importance(tuple(own.configuration_manager.patch_size)).copy())
    total = np.zeros(())
    data = torch.from_numpy(volume.astype(np.float32))[None]
    with torch.inference_mode():
        for weights in own.list_of_parameters:
            own.network.load_state_dict(weights)
            own.network.eval()
            summed = torch.zeros((own.label_manager.num_segmentation_heads, *volume.shape))
            counted = torch.zeros(volume.shape)
            for cut in slicers:
                summed[cut] += own._internal_maybe_mirror_and_predict(data[cut][None])[0] * weight
                counted[cut[1:]] += weight
            total = total + (summed / counted).numpy()
    return np.asarray(total / len(own.list_of_parameters), dtype=np.float32)


def logits_as_shipped(own: Any, volume: np.ndarray) -> np.ndarray:
    with quiet():
        return np.asarray(own.predict_logits_from_preprocessed_data(torch.from_numpy(volume[None])).float())


def probabilities(own: Any, logits: np.ndarray, properties: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """(segmentation, probabilities) on the scan's own grid, as nnU-Net exports them."""
    from nnunetv2.inference.export_prediction import convert_predicted_logits_to_segmentation_with_correct_shape as way

    with quiet():
        found = way(
            torch.from_numpy(logits),
            own.plans_manager,
            own.configuration_manager,
            own.label_manager,
            properties,
            return_probabilities=True,
            num_threads_torch=2,
        )
    return np.asarray(found[0]), np.asarray(found[1])


@contextlib.contextmanager
def quiet() -> Any:
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


class Watched:
    """An analysis, and the tensors between its steps."""

    def __init__(self, analysis: Analysis) -> None:
        self.inputs: dict[str, np.ndarray] = {}
        self.logits: dict[str, np.ndarray] = {}
        self.chances: dict[str, np.ndarray] = {}
        self.grids: dict[str, Grid] = {}
        self.parts: dict[str, np.ndarray] = {}
        self._logits, self._stage = analysis._logits, analysis._stage
        analysis._logits = self._watch_logits  # type: ignore[method-assign]
        analysis._stage = self._watch_stage  # type: ignore[method-assign]

    def _watch_logits(self, stage: Any, volume: np.ndarray, step: Any) -> Any:
        self.inputs[stage.name] = volume
        logits, features = self._logits(stage, volume, step)
        self.logits[stage.name] = logits.copy()
        return logits, features

    def _watch_stage(self, stage: Any, hu: np.ndarray, source: Grid, step: Any) -> Any:
        self.parts[stage.name] = np.asarray(hu)
        chances, grid, features = self._stage(stage, hu, source, step)
        self.chances[stage.name], self.grids[stage.name] = chances, grid
        return chances, grid, features


def scan(shape: tuple[int, int, int], seed: int = 0) -> np.ndarray:
    """HU of a made-up trunk, [z, y, x], int16."""
    rng = np.random.default_rng(seed)
    z, y, x = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    hu = np.where((y / 0.8) ** 2 + (x / 0.95) ** 2 < 1, 40.0, -1000.0)
    for _ in range(14):
        centre, size = rng.uniform(-0.6, 0.6, 3), rng.uniform(0.1, 0.35, 3)
        inside = sum(((a - c) / s) ** 2 for a, c, s in zip((z, y, x), centre, size, strict=True)) < 1
        hu = np.where(inside, rng.uniform(-100, 300), hu)
    return np.round(hu + rng.normal(0, 12, shape)).astype(np.int16)
