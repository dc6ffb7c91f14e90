"""A folder of a trained nnU-Net v2 as the source of a stage."""

from __future__ import annotations

import functools
from pathlib import Path

from cds.networks import checkpoints
from cds.networks.folder import Source

OVERLAP = 0.5
"""nnU-Net's ``tile_step_size``; it is not part of the plans."""


def source(
    folder: Path,
    *,
    configuration: str | None = None,
    checkpoint: str | None = None,
    folds: tuple[str, ...] = (),
    mirror: bool = True,
) -> Source:
    """Raises ManifestError."""
    found = checkpoints.find(folder, configuration, checkpoint, folds)
    plan = found.plan
    first = checkpoints.load(found, found.folds[0])

    def opened(path: Path) -> object:
        return checkpoints.load(found, path).network

    return Source(
        classes=plan.classes,
        patch=plan.patch,
        spacing=plan.spacing,
        clip=plan.clip,
        mean=plan.mean,
        deviation=plan.deviation,
        overlap=OVERLAP,
        mirror=first.mirror if mirror else (),
        turn=plan.against,
        # nnU-Net continues a volume smaller than its window with the normalised value 0
        pad=plan.mean,
        resample={"order": plan.order, "way": "nnunet"},
        folds=[(path.parent.name.replace("_", "-"), functools.partial(opened, path)) for path in found.folds],
    )
