"""What the networks do on phantoms they have not seen, and on whatever else they are shown; writes ``evaluation.md``.

    python models/pancreas-ct-demo/evaluate.py [--other FOLDER_OF_NIFTI_OR_DICOM ...]

Everything runs as the product runs it: the bundle's stages, gates and operating points in ONNX Runtime.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy import ndimage, stats

FOLDER = Path(__file__).parent
sys.path[:0] = [str(FOLDER), str(FOLDER.parents[1])]
import phantom
from calibrate import drawn

from cds.imaging.fetch import read_series
from cds.imaging.instance import read
from cds.imaging.pacs import Limits
from cds.imaging.stacks import stacks
from cds.imaging.volume import build
from cds.inference import registry
from cds.inference.volumes.analyse import Analysis, Assessed
from cds.inference.volumes.grid import Grid, resampled

FIRST, HELD_OUT, EMPTY = 4_000_000, 300, 20
RESAMPLES, SEED = 2000, 20261124


@dataclass
class Case:
    about: dict
    likelihood: float = 0.0
    category: str = ""
    reason: str = ""
    seconds: float = 0.0
    cpu: float = 0.0
    gland_dice: float | None = None
    lesion_dice: float | None = None
    hit: bool | None = None
    false_peaks: list[float] = field(default_factory=list)
    """Likelihoods of candidates that touch no lesion."""
    true_peaks: list[float] = field(default_factory=list)


def dice(a: np.ndarray, b: np.ndarray) -> float:
    total = int(a.sum() + b.sum())
    return 2 * int((a & b).sum()) / total if total else float("nan")


def one(analysis: Analysis, made: phantom.Phantom) -> Case:
    start, cpu = time.perf_counter(), time.process_time()
    found = analysis(made.ct, made.spacing)
    case = Case(made.about, seconds=time.perf_counter() - start, cpu=time.process_time() - cpu)
    if not isinstance(found, Assessed):
        case.reason = found.reason
        return case
    case.likelihood, case.category = found.likelihood, found.category
    first = [round(o / s) for o, s in zip(found.origin_mm, made.spacing, strict=True)]
    truth = made.labels[tuple(slice(a, a + n) for a, n in zip(first, found.grid.shape, strict=True))]
    if truth.shape != found.grid.shape:
        source = Grid(truth.shape, made.spacing)
        truth = np.round(resampled(truth, source, Grid(found.grid.shape, found.grid.spacing), 0, "corner"))
    winners = found.chances.argmax(axis=0)
    case.gland_dice = dice(winners > 0, truth > 0)
    lesion = truth == phantom.LESION
    near = ndimage.binary_dilation(lesion, iterations=2) if lesion.any() else lesion
    if made.about["lesion"]:
        case.lesion_dice = dice(winners == phantom.LESION, lesion)
        case.hit = False
    for candidate in found.found.candidates:
        if (candidate.mask & near).any():
            case.hit = True
            case.true_peaks.append(candidate.likelihood)
        else:
            case.false_peaks.append(candidate.likelihood)
    return case


def auc(truth: np.ndarray, score: np.ndarray) -> float:
    ranks = stats.rankdata(score)
    positives = int(truth.sum())
    return float((ranks[truth].sum() - positives * (positives + 1) / 2) / (positives * (len(truth) - positives)))


def interval(truth: np.ndarray, score: np.ndarray) -> tuple[float, float]:
    rng, drawn = np.random.default_rng(SEED), []
    while len(drawn) < RESAMPLES:
        rows = rng.integers(0, len(truth), len(truth))
        if 0 < truth[rows].sum() < len(rows):
            drawn.append(auc(truth[rows], score[rows]))
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def said(cases: list[Case], name: str) -> str:
    truth = np.asarray([c.about["lesion"] for c in cases])
    score = np.asarray([c.likelihood for c in cases])
    if not 0 < truth.sum() < len(truth):
        return f"| {name} | {len(cases)} | {truth.sum()} | – |"
    low, high = interval(truth, score)
    return f"| {name} | {len(cases)} | {truth.sum()} | {auc(truth, score):.3f} ({low:.3f} to {high:.3f}) |"


def froc(cases: list[Case]) -> list[str]:
    lesions = sum(c.about["lesion"] for c in cases)
    lines = []
    for limit in (0.1, 0.3, 0.5, 0.7, 0.9):
        found = sum(any(p >= limit for p in c.true_peaks) for c in cases)
        false = sum(p >= limit for c in cases for p in c.false_peaks) / len(cases)
        lines.append(f"| {limit} | {found} of {lesions} ({found / lesions:.2f}) | {false:.2f} |")
    return lines


def calibration(cases: list[Case]) -> tuple[list[str], float]:
    truth = np.asarray([c.about["lesion"] for c in cases], float)
    score = np.asarray([c.likelihood for c in cases])
    lines = []
    for low, high in ((0, 0.2), (0.2, 0.4), (0.4, 0.6), (0.6, 0.8), (0.8, 1.01)):
        own = (score >= low) & (score < high)
        if own.any():
            means = f"{score[own].mean():.2f} | {truth[own].mean():.2f}"
            lines.append(f"| {low:g} to {min(high, 1):g} | {own.sum()} | {means} |")
    return lines, float(np.mean((score - truth) ** 2))


def report(cases: list[Case], empty: list[Case], other: list[str]) -> str:
    assessed = [c for c in cases if not c.reason]
    points, brier = calibration(assessed)
    share = float(np.mean([c.about["lesion"] for c in assessed]))
    with_lesion = [c for c in assessed if c.about["lesion"]]
    clear = [c for c in assessed if not c.about["lesion"]]
    small = [c for c in with_lesion if c.about["radius_mm"] < 10]
    groups = [
        said(assessed, "all that were assessed"),
        said([c for c in assessed if not c.about["native"]], "with contrast"),
        said([c for c in assessed if c.about["native"]], "native"),
        said([*clear, *small], "lesions under 10 mm radius"),
        said([*clear, *(c for c in with_lesion if c not in small)], "lesions of 10 mm and more"),
        said([*clear, *(c for c in with_lesion if not c.about["duct_dilated"])], "no dilated duct"),
    ]
    refused = {r: sum(c.reason == r for c in cases) for r in sorted({c.reason for c in cases if c.reason})}
    listed = ", ".join(f"{reason}: {count}" for reason, count in refused.items())
    answered = [c for c in empty if not c.reason]
    counts = []
    for name in sorted({c.category for c in assessed}):
        own = [c for c in assessed if c.category == name]
        counts.append(f"| {name} | {len(own)} | {sum(c.about['lesion'] for c in own)} |")
    seconds, cpu = np.median([c.seconds for c in assessed]), np.median([c.cpu for c in assessed])
    lesions = sum(c.about["lesion"] for c in cases)
    lines = [
        "# Demonstration network: evaluation",
        "",
        "Written by `evaluate.py`. Phantoms only: every figure below says how the networks do on more of what they",
        "were trained on, and nothing about any patient.",
        "",
        f"{len(cases)} held-out phantoms (other seeds, same generator), of which {lesions} with a lesion.",
        f"Assessed: {len(assessed)}. Indeterminate: {len(cases) - len(assessed)} "
        + (f"({listed})." if refused else "."),
        "",
        "## Telling phantoms with a lesion from those without",
        "",
        "| group | n | with lesion | AUROC (95% interval, bootstrap) |",
        "|---|--:|--:|---|",
        *groups,
        "",
        "## Outlines and candidates",
        "",
        f"Gland (with lesion and duct), mean Dice: {np.nanmean([c.gland_dice for c in assessed]):.3f}. "
        f"Lesion, mean Dice where there is one: {np.nanmean([c.lesion_dice for c in with_lesion]):.3f}.",
        "",
        "| candidates from | lesions found | false candidates a scan |",
        "|--:|---|--:|",
        *froc(assessed),
        "",
        "## Calibration",
        "",
        f"Brier score {brier:.3f} (always saying {share:.2f}: {share * (1 - share):.3f}). "
        "Half of these phantoms have a lesion, which no clinic's patients do: the likelihood holds for phantoms only.",
        "",
        "| likelihood | n | mean | share with lesion |",
        "|---|--:|--:|--:|",
        *points,
        "",
        "| category | n | with lesion |",
        "|---|--:|--:|",
        *counts,
        "",
        "## Not found, not of its kind",
        "",
        f"Wrongly refused by a gate: {refused.get('out-of-domain', 0)} of {len(cases)} phantoms.",
        f"Views without a pancreas: {len(empty) - len(answered)} of {len(empty)} ended indeterminate"
        + (f"; {len(answered)} were assessed, which is wrong." if answered else "."),
        "",
    ]
    if other:
        head = ["| scan | answer | distance of each gate (1 is the limit) |", "|---|---|---|"]
        lines += ["Other scans shown to it:", "", *head, *other, ""]
    lines += [
        "## Speed",
        "",
        f"{seconds:.2f} s a volume of {phantom.SHAPE} voxels (median; {cpu:.2f} CPU-s), CPU.",
        "",
        "## What it can't do",
        "",
        "Anything for a patient. It has never seen one: the anatomy, the textures and the lesions are drawn by a",
        "program, so a high figure here only means that the program's drawings can be told apart. On scans of another",
        "kind it is meant to answer `indeterminate`; that the gates do so on the scans listed is no proof that they",
        "always will.",
        "",
    ]
    return "\n".join(lines)


def others(analysis: Analysis, paths: list[Path]) -> list[str]:
    """Real scans, if the reader has some: NIfTI (nibabel) or a folder of DICOM slices."""
    lines = []
    for path in paths:
        hu, spacing = _nifti(path) if path.suffix in (".nii", ".gz") else _dicom(path)
        found = analysis(hu, spacing)
        answer = f"score {found.likelihood:.2f}" if isinstance(found, Assessed) else f"indeterminate: {found.reason}"
        near = ", ".join(f"{k} {v:.1f}" for k, v in found.distances.items()) or "–"
        size = " x ".join(str(n) for n in hu.shape)
        lines.append(f"| {size} voxels of {' x '.join(f'{s:.2g}' for s in spacing)} mm | {answer} | {near} |")
    return lines


def _nifti(path: Path) -> tuple[np.ndarray, tuple[float, float, float]]:
    import nibabel

    image = nibabel.as_closest_canonical(nibabel.load(path))
    # canonical is x to the right, y to the front, z up: here x to the left, y to the back
    volume = np.asarray(image.dataobj, dtype=np.float32)[::-1, ::-1].transpose(2, 1, 0)
    x, y, z = (float(v) for v in image.header.get_zooms()[:3])
    return volume, (z, y, x)


def _dicom(path: Path) -> tuple[np.ndarray, tuple[float, float, float]]:
    """As the product reads a series: decoded, stood upright, evenly spaced."""
    raw = [file.read_bytes() for file in sorted(path.iterdir()) if file.is_file() and file.suffix != ".gz"]
    first = read(raw[0])
    (stack,) = stacks(read_series(raw, Limits(), first.study_uid, first.series_uid).slices)
    volume = build(stack)
    return volume.hu, volume.spacing


def main() -> None:
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("--other", type=Path, nargs="*", default=[], help="real scans: NIfTI files or DICOM folders")
    chosen = reader.parse_args()
    bundle = registry.read(FOLDER).manifest.runtime.volume
    assert bundle is not None
    analysis = Analysis(bundle, FOLDER)
    cases = [one(analysis, made) for made in drawn(range(FIRST, FIRST + HELD_OUT), "held-out phantoms")]
    seeds = range(FIRST + 500_000, FIRST + 500_000 + EMPTY)
    empty = [one(analysis, made) for made in drawn(seeds, "without a pancreas", pancreas=False)]
    (FOLDER / "evaluation.md").write_text(report(cases, empty, others(analysis, chosen.other)), encoding="utf-8")


if __name__ == "__main__":
    main()
