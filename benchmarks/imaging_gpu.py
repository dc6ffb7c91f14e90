"""A two-stage network of the published baseline's size: volumes a minute on whatever is here, against torch.

The weights are random: what a convolution costs does not depend on them. What is not here is said, and not guessed.
Needs the extra ``import`` (torch); on a GPU also ``cuda``, and for TensorRT an ONNX Runtime that has it.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from rich.progress import Progress

    from cds.inference.volumes.bundle import Stage
    from cds.networks.plans import Plan

    Windows = np.ndarray[Any, np.dtype[np.float32]]
    Answer = Callable[[Windows], Windows]

OVERLAP, CLASSES = 0.5, {"locate": 2, "detect": 7}
SCAN_MM = (2.5, 0.8, 0.8)
"""Of a voxel of the scan whose resampling is timed."""
FP16 = "fp16 graph"


@dataclass(frozen=True)
class Size:
    """One stage as it was published: its plans say so (nnU-Net, PANORAMA baseline)."""

    features: tuple[int, ...]
    strides: tuple[tuple[int, int, int], ...]
    patch: tuple[int, int, int]
    part: tuple[int, int, int]
    """What a usual scan's part measures at ``spacing``: the plans' median."""
    spacing: tuple[float, float, float]


_FLAT, _DEEP = (1, 2, 2), (2, 2, 2)
SIZES = {
    "locate": Size(
        (32, 64, 128, 256, 320), ((1, 1, 1), _FLAT, *[_DEEP] * 3), (48, 96, 96), (48, 86, 86), (9.0, 4.5, 4.5)
    ),
    "detect": Size(
        (32, 64, 128, 256, 320, 320),
        ((1, 1, 1), _FLAT, *[_DEEP] * 3, _FLAT),
        (48, 128, 288),
        (74, 230, 425),
        (1.5, 0.747, 0.747),
    ),
}
TINY = {
    name: replace(size, features=tuple(n // 8 for n in size.features), patch=patch, part=part)
    for (name, size), patch, part in zip(
        SIZES.items(), [(16, 32, 32), (16, 64, 96)], [(16, 28, 28), (24, 64, 140)], strict=True
    )
}


@dataclass
class Way:
    """One way of computing both stages, and what it took."""

    name: str
    open: Callable[[str], Answer]
    """Stage -> what answers its windows. Raises ModelError where it can't be done here."""
    volume_s: float = 0.0
    difference: float = 0.0
    """Largest, of logits, to torch in fp32 on the CPU."""
    windows_s: dict[str, float] = field(default_factory=dict)


def run(folder: Path, progress: Progress, *, quick: bool) -> Any:
    from results import Section

    from cds.errors import ModelError

    sizes = TINY if quick else SIZES
    counts = {name: _count(size) for name, size in sizes.items()}
    section = Section(
        "imaging-gpu",
        "A network of the published baseline's size, against torch",
        f"Two stages with random weights, {'tiny' if quick else 'of the published size'}; for a usual scan "
        f"{counts['locate']} and {counts['detect']} windows of "
        f"{' and '.join('×'.join(map(str, size.patch)) for size in sizes.values())} voxels, one fold, no mirrored "
        "views (the baseline has five folds and eight views). Windows go in and logits come back in host memory; the "
        "first run of each is not counted; TensorFloat-32 as each has it by itself; on the CPU one thread. Resampling: "
        "of that scan's part "
        f"({'×'.join(f'{mm:g}' for mm in SCAN_MM)} mm) to the second stage's grid and of its logits back, on the CPU.",
    )
    task = progress.add_task("imaging-gpu", total=9)
    stages, networks = _made(folder, sizes)
    progress.advance(task)
    own = {name: _by_torch(networks[name], "cpu", half=False) for name in sizes}
    asked = {
        name: np.random.default_rng(1).normal(size=(1, 1, *s.patch)).astype(np.float32) for name, s in sizes.items()
    }
    right = {name: own[name](windows) for name, windows in asked.items()}
    done: list[Way] = []
    for way in _ways(folder, stages, networks):
        try:
            for name in sizes:
                answer = way.open(name)
                way.difference = max(way.difference, float(np.abs(answer(asked[name]) - right[name]).max()))
                way.windows_s[name] = _per_window(answer, asked[name], on_cpu="CPU" in way.name)
            way.volume_s = sum(counts[name] * seconds for name, seconds in way.windows_s.items())
            done.append(way)
        except ModelError as error:
            section.raw.append(f"not run: {way.name}: {error}")
        progress.advance(task)
    _report(section, done, _resampling_s(sizes["detect"]))
    progress.advance(task)
    return section


def _report(section: Any, done: list[Way], resampling_s: float) -> None:
    found = {way.name: way for way in done}
    for way in done:
        section.add(f"{way.name}: volumes a minute", 60 / way.volume_s, "")
    for name, against in (
        ("ONNX Runtime, CPU, fp32", "torch, CPU, fp32"),
        ("ONNX Runtime, CUDA, fp32", "torch, CUDA, fp32"),
        (f"ONNX Runtime, CUDA, {FP16}", "torch, CUDA, fp16"),
        ("TensorRT, fp32", "torch, CUDA, fp32"),
        ("TensorRT, fp16", "torch, CUDA, fp16"),
    ):
        if name in found and against in found:
            section.add(f"{name} / {against}: volumes a minute", found[against].volume_s / found[name].volume_s, "×")
    quickest = min(done, key=lambda way: way.volume_s)
    share = resampling_s / (resampling_s + quickest.volume_s)
    section.add(f"resampling's share beside {quickest.name}", 100 * share, "%")
    section.raw += [
        f"{way.name:28} {way.volume_s:9.2f} s a volume; a window: "
        + ", ".join(f"{name} {seconds * 1000:.0f} ms" for name, seconds in way.windows_s.items())
        + f"; logits within {way.difference:.2g} of torch's on the CPU"
        for way in done
    ]
    section.raw.append(f"resampling on the CPU            {resampling_s:5.2f} s a volume")


def _ways(folder: Path, stages: dict[str, Stage], networks: dict[str, Any]) -> Iterator[Way]:
    from cds.inference.volumes.network import Device

    here = {"fp32": stages, FP16: {name: _in_16_bits(stage, folder) for name, stage in stages.items()}}

    def ours(name: str, device: Device, kind: str = "fp32") -> Way:
        return Way(name, lambda stage: _by_us(here[kind][stage], folder, device))

    def torchs(name: str, device: str, *, half: bool) -> Way:
        return Way(name, lambda stage: _by_torch(networks[stage], device, half=half))

    gpu: dict[str, Any] = {"required": True, "engine_cache": folder / "engines"}
    yield torchs("torch, CPU, fp32", "cpu", half=False)
    yield ours("ONNX Runtime, CPU, fp32", Device(provider="cpu", threads=1))
    yield torchs("torch, CUDA, fp32", "cuda", half=False)
    yield ours("ONNX Runtime, CUDA, fp32", Device(provider="cuda", **gpu))
    yield torchs("torch, CUDA, fp16", "cuda", half=True)
    yield ours(f"ONNX Runtime, CUDA, {FP16}", Device(provider="cuda", **gpu), FP16)
    yield ours("TensorRT, fp32", Device(provider="tensorrt", **gpu))
    yield ours("TensorRT, fp16", Device(provider="tensorrt", half=True, **gpu))


def _by_us(stage: Stage, folder: Path, device: Any) -> Answer:
    """The service's own runtime. Raises ModelError where it would run elsewhere than it was asked to."""
    from cds.inference.volumes.network import Network

    network = Network(stage, folder, device)
    return lambda windows: network(windows)[0]


def _by_torch(network: Any, device: str, *, half: bool) -> Answer:
    import torch

    from cds.errors import ModelError

    if device == "cuda" and not torch.cuda.is_available():
        raise ModelError("this torch has no GPU that works")
    torch.set_num_threads(1)  # as ONNX Runtime here: torch's threads spin, which beside other programs is all one sees
    there = network.to(device)

    def answer(windows: Windows) -> Windows:
        there.to(device)  # the same network serves more than one way
        kind = torch.autocast("cuda", torch.float16) if half else contextlib.nullcontext()
        with torch.inference_mode(), kind:
            return np.asarray(there(torch.from_numpy(windows).to(device)).float().cpu().numpy())

    return answer


def _per_window(answer: Answer, windows: Windows, *, on_cpu: bool) -> float:
    """Seconds; on a GPU as many at a time as the service sends."""
    batch, rounds = (1, 1) if on_cpu else (4, 5)
    given = np.repeat(windows, batch, axis=0)
    answer(given)
    begin = time.perf_counter()
    for _ in range(rounds):
        answer(given)
    return (time.perf_counter() - begin) / (rounds * batch)


def _count(size: Size) -> int:
    from cds.inference.volumes.windows import positions

    padded = [max(n, window) for n, window in zip(size.part, size.patch, strict=True)]
    return math.prod(len(positions(n, window, OVERLAP)) for n, window in zip(padded, size.patch, strict=True))


def _made(folder: Path, sizes: dict[str, Size]) -> tuple[dict[str, Stage], dict[str, Any]]:
    """As an import makes them: graphs beside their networks in torch."""
    from cds.inference.volumes.bundle import Stage
    from cds.networks import checkpoints, graph

    torch = checkpoints.torch_or_say()
    torch.manual_seed(0)
    stages, networks = {}, {}
    for name, size in sizes.items():
        networks[name] = checkpoints.build(_plan(name, size)).eval()
        made = graph.export(networks[name], size.patch, folder / f"{name}.onnx")
        stages[name] = Stage.model_validate(
            {
                "name": name,
                "folds": ({"file": made.file, "sha256": made.sha256},),
                "classes": tuple(f"class-{n}" for n in range(CLASSES[name])),
                "spacing": size.spacing,
                "patch": size.patch,
                "normalise": {"clip": (-1000, 1000), "mean": 0, "deviation": 100},
            },
            strict=False,
        )
    return stages, networks


def _plan(name: str, size: Size) -> Plan:
    from cds.networks.plans import Plan

    depth = len(size.features)
    arguments = {
        "n_stages": depth,
        "features_per_stage": list(size.features),
        "conv_op": "torch.nn.modules.conv.Conv3d",
        "kernel_sizes": [[1, 3, 3], *[[3, 3, 3]] * (depth - 1)],
        "strides": [list(stride) for stride in size.strides],
        "n_conv_per_stage": [2] * depth,
        "n_conv_per_stage_decoder": [2] * (depth - 1),
        "conv_bias": True,
        "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
        "norm_op_kwargs": {"eps": 1e-05, "affine": True},
        "dropout_op": None,
        "dropout_op_kwargs": None,
        "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
    }
    classes = tuple(f"class-{n}" for n in range(CLASSES[name]))
    return Plan(
        name, "3d_fullres", "PlainConvUNet", arguments, classes, size.patch, size.spacing, (-1000, 1000), 0, 100, 3, ()
    )


def _in_16_bits(stage: Stage, folder: Path) -> Stage:
    """The same graph with its weights and sums in 16 bits: the runtime feeds it as it asks to be fed."""
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    content = convert_float_to_float16(onnx.load(str(folder / stage.folds[0].file))).SerializeToString()
    path = folder / f"{stage.name}-16.onnx"
    path.write_bytes(content)
    fold = stage.folds[0].model_copy(update={"file": path.name, "sha256": hashlib.sha256(content).hexdigest()})
    return stage.model_copy(update={"folds": (fold,)})


def _resampling_s(size: Size) -> float:
    """Both ways, as the service does it for nnU-Net's networks."""
    from cds.inference.volumes import resize

    part = [round(n * mm / own) for n, mm, own in zip(size.part, size.spacing, SCAN_MM, strict=True)]
    scan = np.random.default_rng(2).normal(size=part).astype(np.float32)
    begin = time.perf_counter()
    shape = resize.shape_at(scan.shape, SCAN_MM, size.spacing)
    fine = resize.resized(scan, shape, 3, resize.through_plane(SCAN_MM, size.spacing))
    apart = resize.through_plane(size.spacing, SCAN_MM)
    for _ in range(CLASSES["detect"]):
        resize.resized(fine, scan.shape, 1, apart)
    return time.perf_counter() - begin
