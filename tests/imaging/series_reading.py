"""From generated datasets to slices and volumes, as the product does it, without a PACS."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from ct_series import stored
from pydicom.dataset import Dataset

from cds.imaging.fetch import Series, read_series
from cds.imaging.pacs import Limits
from cds.imaging.reasons import Note, Reason, Unusable
from cds.imaging.stacks import stacks
from cds.imaging.volume import Volume, build


def series_of(datasets: Iterable[Dataset], limits: Limits | None = None) -> Series:
    datasets = list(datasets)
    study, series = str(datasets[0].StudyInstanceUID), str(datasets[0].SeriesInstanceUID)
    return read_series(map(stored, datasets), limits or Limits(), study, series, threads=1)


def volumes_of(datasets: Iterable[Dataset]) -> list[Volume]:
    return [build(stack) for stack in stacks(series_of(datasets).slices)]


def volume_of(datasets: Iterable[Dataset]) -> Volume:
    (only,) = volumes_of(datasets)
    return only


def reason_for(datasets: Iterable[Dataset]) -> Reason:
    """Why there is no volume. Fails when there is one."""
    try:
        found = volumes_of(datasets)
    except Unusable as error:
        return error.reason
    raise AssertionError(f"a volume of {[v.hu.shape for v in found]}")


def notes(volume: Volume) -> set[Note]:
    return {remark.note for remark in volume.remarks}


def same(a: Volume, b: Volume) -> bool:
    return bool(np.array_equal(a.hu, b.hu) and np.allclose(a.affine, b.affine, atol=1e-6))
