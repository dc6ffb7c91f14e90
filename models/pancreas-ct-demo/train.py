"""Train the two networks on phantoms made on the spot. CPU, one thread a network, reproducible by seed.

Locator: the whole view at 6 mm, is there a pancreas and where. Detector: the gland's surroundings at 3 x 2 x 2 mm,
pancreas, lesion and duct. Both see contrasts, calibrations, noise and blur drawn far more widely than any scanner
gives, and views without a pancreas.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from scipy import ndimage
from torch.nn import functional
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).parent))
import network
import phantom

FOLDER = Path(__file__).parent
TRAINING, FIRST_SEED = 900, 1_000_000
COARSE, COARSE_PATCH = (6.0, 6.0, 6.0), (40, 64, 64)
PATCH = (32, 80, 80)
AIR = -1000.0
TOP_VOXELS, IMAGE_WEIGHT = 60, 0.3
AVERAGED_OVER = 300
"""Steps: the weights kept are a running mean, which is steadier than the last step's."""


@dataclass(frozen=True)
class Plan:
    steps: int
    batch: int
    rate: float
    weights: tuple[float, ...]


PLANS = {
    "locate": Plan(700, 4, 3e-3, (0.3, 1.0)),
    "detect": Plan(6500, 2, 3e-3, (0.3, 0.6, 1.5, 1.0)),
}


def made(number: int) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray] | None]:
    """One phantom as the locator and as the detector see it."""
    seed = FIRST_SEED + number
    found = phantom.make(seed, pancreas=number % 7 != 0)
    factors = [a / b for a, b in zip(phantom.SPACING, COARSE, strict=True)]
    low = ndimage.zoom(ndimage.uniform_filter(found.ct.astype(np.float32), (2, 3, 3)), factors, order=1)
    gland = ndimage.zoom((found.labels > 0).astype(np.float32), factors, order=1) > 0.4
    coarse = (low.astype(np.int16), gland.astype(np.uint8))
    if not found.labels.any():
        return coarse, None
    where = np.argwhere(found.labels > 0)
    margin = np.array([10, 30, 30])
    first = np.maximum(where.min(axis=0) - margin, 0)
    last = np.minimum(where.max(axis=0) + margin + 1, found.ct.shape)
    cut = tuple(slice(int(a), int(b)) for a, b in zip(first, last, strict=True))
    return coarse, (found.ct[cut].copy(), found.labels[cut].copy())


def randomised(rng: np.random.Generator, hu: np.ndarray) -> np.ndarray:
    """Another scanner, another protocol: scale, offset, a bent grey scale, noise, coarser resolution."""
    hu = hu.astype(np.float32) * rng.uniform(0.9, 1.1) + rng.uniform(-15, 15)
    if rng.random() < 0.2:
        soft = np.clip((hu + 150) / 400, 0, 1)
        bent = soft ** np.exp(rng.normal(0, 0.25)) * 400 - 150
        hu = np.where((hu > -150) & (hu < 250), bent, hu)
    if rng.random() < 0.2:
        hu = ndimage.gaussian_filter(hu, rng.uniform(0.2, 0.7, 3))
    if rng.random() < 0.3:
        hu = hu + rng.standard_normal(hu.shape).astype(np.float32) * rng.uniform(2, 10)
    return np.asarray(hu, dtype=np.float32)


def fitted(a: np.ndarray, size: tuple[int, ...], at: np.ndarray, fill: float) -> np.ndarray:
    """The window of ``size`` that starts ``at``, filled where it leaves the array."""
    found = np.full(size, fill, a.dtype)
    source, target = [], []
    for start, length, limit in zip(at, size, a.shape, strict=True):
        low, high = max(int(start), 0), min(int(start) + length, limit)
        source.append(slice(low, max(high, low)))
        target.append(slice(low - int(start), max(high, low) - int(start)))
    found[tuple(target)] = a[tuple(source)]
    return found


def sample(stage: str, rng: np.random.Generator, data: list) -> tuple[np.ndarray, np.ndarray]:
    hu, labels = data[int(rng.integers(len(data)))]
    if stage == "locate":
        size = COARSE_PATCH
        middle = np.array(hu.shape) / 2 + rng.uniform(-14, 14, 3)
    else:
        size = PATCH
        lesion = labels == phantom.LESION
        wanted = lesion if rng.random() < 0.55 and lesion.any() else labels > 0
        points = np.argwhere(wanted)
        middle = points[int(rng.integers(len(points)))] + rng.uniform(-1, 1, 3) * (8, 22, 22)
    at = np.round(middle - np.array(size) / 2).astype(int)
    if stage != "locate":
        # as at inference, where a window leaves the view only if the view is smaller
        room = np.array(hu.shape) - np.array(size)
        at = np.where(room >= 0, np.clip(at, 0, np.maximum(room, 0)), room // 2)
    return randomised(rng, fitted(hu, size, at, AIR)), fitted(labels, size, at, 0)


def loss_of(logits: torch.Tensor, wanted: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Cross-entropy plus soft Dice of the foreground classes."""
    logits = logits.float()
    chances = logits.softmax(1)
    total = functional.cross_entropy(logits, wanted, weights)
    for label in range(1, min(logits.shape[1], 3)):
        truth = (wanted == label).float()
        own = chances[:, label]
        total = total + 0.5 * (1 - (2 * (own * truth).sum() + 1) / (own.sum() + truth.sum() + 1))
    if logits.shape[1] > phantom.LESION:
        total = total + IMAGE_WEIGHT * image_loss(logits, (wanted == phantom.LESION).flatten(1).any(1).float())
    return total


def image_loss(logits: torch.Tensor, has_lesion: torch.Tensor) -> torch.Tensor:
    """Is there a lesion in the window at all? Asked of its most suspicious voxels, since their height is what a scan is
    judged by: a loss a voxel hardly notices one false peak."""
    others = torch.cat([logits[:, : phantom.LESION], logits[:, phantom.LESION + 1 :]], dim=1)
    odds = (logits[:, phantom.LESION] - others.logsumexp(1)).flatten(1)
    return functional.binary_cross_entropy_with_logits(odds.topk(TOP_VOXELS, dim=1).values.mean(1), has_lesion)


def train(stage: str, data: list, seed: int, threads: int = 1) -> network.UNet:
    plan = PLANS[stage]
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    rng = np.random.default_rng(seed)
    net = (network.locator() if stage == "locate" else network.detector()).to(memory_format=torch.channels_last_3d)
    weights = torch.tensor(plan.weights)
    optimiser = torch.optim.AdamW(net.parameters(), plan.rate, weight_decay=1e-4)
    kept = torch.optim.swa_utils.AveragedModel(
        net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(1 - 1 / AVERAGED_OVER)
    )
    bar = tqdm(range(plan.steps), desc=stage, mininterval=5, file=sys.stderr)
    mean = 0.0
    for step in bar:
        done = step / plan.steps
        for group in optimiser.param_groups:
            group["lr"] = plan.rate * min(1.0, (step + 1) / 20) * (0.5 * (1 + np.cos(np.pi * done)) + 0.01)
        pairs = [sample(stage, rng, data) for _ in range(plan.batch)]
        hu = torch.from_numpy(np.stack([p[0] for p in pairs]))[:, None]
        wanted = torch.from_numpy(np.stack([p[1] for p in pairs]).astype(np.int64))
        with torch.autocast("cpu", torch.bfloat16):
            logits, _ = net(network.normalised(hu).to(memory_format=torch.channels_last_3d))
        loss = loss_of(logits, wanted, weights)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimiser.step()
        kept.update_parameters(net)
        mean = 0.98 * mean + 0.02 * float(loss.detach())
        if step % 20 == 0:
            bar.set_postfix(loss=f"{mean:.3f}")
    return kept.module.eval()


def export(net: network.UNet, size: tuple[int, ...], path: Path) -> None:
    """Fixed window, any number of windows."""
    net = net.to(memory_format=torch.contiguous_format)
    torch.onnx.export(
        net,
        (torch.zeros((1, 1, *size)),),
        str(path),
        input_names=["x"],
        output_names=["logits", "features"],
        opset_version=17,
        dynamo=False,
        dynamic_axes={"x": {0: "n"}, "logits": {0: "n"}, "features": {0: "n"}},
    )
    slim(path)


def slim(path: Path) -> None:
    """Names of nodes and of what flows between them, which nothing reads, as short as can be."""
    graph = onnx.load(path)
    kept = {given.name for given in (*graph.graph.input, *graph.graph.output)}
    short: dict[str, str] = {}
    for node in graph.graph.node:
        node.name = node.doc_string = ""
        for names in (node.input, node.output):
            for at, name in enumerate(names):
                if name and name not in kept:
                    names[at] = short.setdefault(name, f"t{len(short)}")
    for weights in graph.graph.initializer:
        weights.name = short.setdefault(weights.name, f"t{len(short)}")
    del graph.graph.value_info[:]
    onnx.checker.check_model(graph)
    onnx.save(graph, path)


def build(out: Path, seed: int, processes: int, stages: list[str]) -> None:
    """The stages' graphs. The phantoms are made once; then each network trains in a process of its own."""
    context = multiprocessing.get_context("fork")
    with context.Pool(processes) as pool:
        all_made = list(tqdm(pool.imap(made, range(TRAINING)), total=TRAINING, desc="phantoms", mininterval=5))
    data = {"locate": [coarse for coarse, _ in all_made], "detect": [fine for _, fine in all_made if fine is not None]}
    sizes = {"locate": COARSE_PATCH, "detect": PATCH}

    def one(stage: str) -> None:
        net = train(stage, data[stage], seed, max(1, processes // len(stages)))
        torch.save(net.state_dict(), out / f"{stage}.pt")
        export(net, sizes[stage], out / f"{stage}.onnx")

    started = [context.Process(target=one, args=(stage,)) for stage in stages]
    for process in started:
        process.start()
    for process in started:
        process.join()
        if process.exitcode:
            raise SystemExit("a network could not be trained; see above")


def main() -> None:
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("--seed", type=int, default=20261124)
    reader.add_argument("--processes", type=int, default=2, help="for making the phantoms")
    reader.add_argument("--stages", nargs="*", choices=[*PLANS], default=[*PLANS])
    reader.add_argument("--out", type=Path, default=FOLDER)
    chosen = reader.parse_args()
    build(chosen.out, chosen.seed, chosen.processes, chosen.stages)


if __name__ == "__main__":
    main()
