"""``runtime.kind: volume``: the stages of a network that reads a volume, declared like everything else of a model.

A stage resamples the volume, normalises it, runs its graph window by window and gives class probabilities. All stages
but the last find where to look; the last one's probabilities become lesion candidates and a patient's likelihood.
Axes are [z, y, x] throughout: z towards the head, y towards the back, x towards the patient's left.
"""

from __future__ import annotations

import hashlib
import math
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, model_validator

from cds.inference.volumes.legend import Legend
from cds.inference.volumes.studies import Studies
from cds.record.concepts import Strict

Triple = tuple[float, float, float]
Counts = tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]


class GraphFile(Strict):
    file: str
    """In the model's folder."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Of that file."""


class Normalise(Strict):
    """``(clip(hu) - mean) / deviation``."""

    clip: tuple[float, float]
    """HU below and above are set to these."""
    mean: float
    """HU taken as 0."""
    deviation: float = Field(gt=0)
    """HU taken as 1."""


class Resample(Strict):
    order: Literal[0, 1, 3] = Field(1, description="Spline order: 0 nearest, 1 linear, 3 cubic.")
    align: Literal["corner", "centre"] = Field(
        "corner", description="What coincides before and after: the volume's outer corner, or the first voxel's centre."
    )
    smooth: bool = Field(False, description="Blur before coarsening, so that noise averages out as in a thick slice.")
    way: Literal["plain", "nnunet", "monai"] = Field(
        "plain",
        description="`nnunet`: as nnU-Net does it, after normalising, and the logits back onto the volume's own grid; "
        "`monai`: as MONAI's Spacing does it, and the probabilities back.",
    )


class Stage(Strict):
    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    """Lower case."""
    folds: tuple[GraphFile, ...] = Field(min_length=1, description="Graphs whose logits are averaged.")
    classes: tuple[str, ...] = Field(min_length=2, description="In the order of the graph's channels.")
    spacing: Triple = Field(description="mm, z y x.")
    patch: Counts = Field(description="Voxels of one window, z y x.")
    overlap: float = Field(0.5, ge=0, lt=1, description="Share of a window that its neighbour sees again.")
    steps: Literal["even", "strided"] = Field(
        "even", description="Windows spread evenly, or one stride apart with the last moved back inside."
    )
    blend: Literal["gaussian", "symmetric", "constant"] = Field(
        "gaussian", description="Weight within a window: around its voxel n // 2, around its middle, or equal."
    )
    turn: tuple[Literal[0, 1, 2], ...] = Field(
        (), description="Axes, z y x, along which its training scans ran the other way."
    )
    mirror: tuple[Literal[0, 1, 2], ...] = Field((), description="Axes flipped for further views, all combinations.")
    normalise: Normalise
    """How HU become the network's numbers."""
    resample: Resample = Resample()  # type: ignore[call-arg]
    """How the volume is brought to ``spacing``."""
    pad: float = Field(-1024.0, description="HU beside the volume.")
    keep: tuple[str, ...] = Field((), description="Classes that say where to look; all but the last stage need them.")
    parts: Literal["largest", "all"] = Field("largest", description="Which connected parts of `keep` count.")
    margin_mm: Triple = Field((0.0, 0.0, 0.0), description="Added on each side of what is kept, z y x.")
    box: Literal["edges", "centres"] = Field(
        "edges",
        description="Where the margin begins: at the kept voxels' outer edges, or at the centres of the first and the "
        "last, in whole voxels and without the last one.",
    )
    smallest_ml: float = Field(0.0, ge=0, description="Less than this of `keep` is: not found.")
    largest_ml: float = Field(1e6, gt=0, description="More than this of `keep` is: not plausible.")

    @model_validator(mode="after")
    def _classes_exist(self) -> Stage:
        if unknown := sorted(set(self.keep) - set(self.classes)):
            raise ValueError(f"stage '{self.name}' keeps {', '.join(unknown)}, which it does not tell apart")
        if self.turn and self.resample.way == "plain" and self.resample.align == "centre":
            raise ValueError(f"stage '{self.name}' turns the scan, so that its first voxel is no longer the scan's")
        return self


class Likelihood(Strict):
    """From probabilities to candidates and one number for the patient."""

    of: str = Field(description="Class of the lesion.")
    within: tuple[str, ...] = Field((), description="Classes whose dilated union bounds where lesions may lie.")
    dilate: Counts = (5, 5, 5)
    """Voxels, z y x: how far ``within`` is widened."""
    way: Literal["peaks", "one-threshold"] = Field(
        "peaks",
        description="`peaks`: each candidate has its own threshold; `one-threshold`: that of the highest peak for all.",
    )
    divide: float = Field(2.5, gt=1, description="A candidate reaches down to its peak divided by this.")
    smallest_voxels: int = Field(10, ge=0, description="Candidates of this many voxels or fewer are dropped.")
    most: int = Field(5, ge=1, description="Candidates given at most.")
    lowest: float = Field(0.1, ge=0, le=1, description="Peaks below this are no candidates.")


class Calibration(Strict):
    """What a score means as a chance: log-odds = intercept + slope x log-odds of the score (Platt 1999), fitted on
    scans that were not trained on. It holds for a share of disease as in those scans."""

    intercept: float
    """Log-odds at a score of one half."""
    slope: float = Field(gt=0)
    """Below 1: the scores are more extreme than they should be."""
    nearest: float = Field(1e-6, gt=0, lt=0.5)
    """A score nearer to 0 or 1 counts as this near: a scan without one candidate scores 0, and how far that lies below
    the weakest candidate is for the scans to say, not for a logarithm."""

    def of(self, score: float) -> float:
        """In 0..1."""
        bounded = min(max(score, self.nearest), 1 - self.nearest)
        return 1 / (1 + math.exp(-(self.intercept + self.slope * math.log(bounded / (1 - bounded)))))


class OperatingPoint(Strict):
    """A patient's likelihood, calibrated where the bundle says how, from here on is this category."""

    category: str
    """Name of the category."""
    at_least: float = Field(ge=0, le=1)
    """Lowest likelihood of it."""


class Gate(Strict):
    """Is this scan of the kind the network was made for? Distance of its features from those of the training views."""

    stage: str = Field(description="Name of the stage whose features are looked at.")
    file: str = Field(description="JSON: `mean` [features] and `whitening` [k, features], the reduced, whitened basis.")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="Of that file.")
    furthest: float = Field(gt=0, description="Root mean square of the whitened features beyond which it is not.")


class Bundle(Strict):
    stages: tuple[Stage, ...] = Field(min_length=1)
    """In order: each finds where the next one looks."""
    likelihood: Likelihood
    """From the last stage's probabilities to one number."""
    calibration: Calibration | None = None
    """From that number to the patient's likelihood; None: it is the likelihood, as published networks have it."""
    operating_points: tuple[OperatingPoint, ...] = Field(min_length=1, description="Rising; the first starts at 0.")
    gates: tuple[Gate, ...] = ()
    """Scans unlike the training's are not assessed."""
    phase: tuple[str, ...] = Field((), description="Contrast phases it was made for; empty: any.")
    studies: Studies = Studies()  # type: ignore[call-arg]
    """For which studies it is made."""
    clinical_use: bool = Field(
        False, description="false: its results never reach a patient's record, whatever the configuration says."
    )
    legend: Legend = Legend()
    """What the last stage's classes are called where results are stored."""
    golden: GraphFile | None = Field(None, description="Known answers for the self-test, made when it was imported.")

    @model_validator(mode="after")
    def _hangs_together(self) -> Bundle:
        names = [s.name for s in self.stages]
        if len(set(names)) != len(names):
            raise ValueError("two stages have one name")
        for stage in self.stages[:-1]:
            if not stage.keep:
                raise ValueError(f"stage '{stage.name}' is not the last, so it needs 'keep': where to look next")
        last = self.stages[-1]
        if unknown := sorted({self.likelihood.of, *self.likelihood.within} - set(last.classes)):
            raise ValueError(f"likelihood names {', '.join(unknown)}, which the last stage does not tell apart")
        if unknown := sorted(set(self.legend.structures) - set(last.classes)):
            raise ValueError(f"legend names {', '.join(unknown)}, which the last stage does not tell apart")
        points = [p.at_least for p in self.operating_points]
        # of two at one height the first could never be given
        if points[0] != 0 or any(high <= low for low, high in pairwise(points)):
            raise ValueError("operating_points must start at 0 and rise, each above the one before")
        for gate in self.gates:
            if gate.stage not in names:
                raise ValueError(f"a gate names the stage '{gate.stage}', which there is not")
        return self

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the stages as declared; the graphs' own hashes are in there."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    @property
    def organ(self) -> tuple[str, ...]:
        """Classes of the last stage that together are the organ where lesions lie, lesions and all; none where the
        manifest names none."""
        named = {*self.legend.named("organ"), *self.likelihood.within}
        return tuple(sorted(named | {self.likelihood.of})) if named else ()

    def likelihood_of(self, score: float) -> float:
        """What the operating points stand on: the network's score, calibrated where the bundle says how."""
        return self.calibration.of(score) if self.calibration is not None else score

    def category(self, likelihood: float) -> str:
        """Of a patient, or of one candidate; ``likelihood``, not a score."""
        return [p for p in self.operating_points if likelihood >= p.at_least][-1].category
