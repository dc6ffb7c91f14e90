"""A generated scan with a known scene in the patient's millimetres, and what a perfect network would find in it.

The scene is painted on the source's pixels, class by class, and goes through the product's own volume and resampling:
whatever those do to geometry, results must undo.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from ct_series import slices_of, stored
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from cds.imaging.fetch import read_series
from cds.imaging.pacs import Limits
from cds.imaging.results.author import Author
from cds.imaging.results.guard import Permit
from cds.imaging.stacks import stacks
from cds.imaging.volume import Volume, build
from cds.inference.manifest import Status
from cds.inference.volumes.analyse import Assessed, _lying
from cds.inference.volumes.bundle import Bundle, Likelihood
from cds.inference.volumes.candidates import find
from cds.inference.volumes.grid import Grid, resampled

CLASSES = ("background", "lesion", "gland", "duct", "artery")
AUTHOR = Author("generated-ct", "1.2.0", "ab" * 32, "0.1.0", "Generated CT model")
DEMO = Permit(False, Status.demonstration, "demo")
CLINICAL = Permit(True, Status.local_fit, "production")
AT = datetime(2026, 1, 5, 12, 30, tzinfo=UTC)
MIDDLE = np.array([-10.0, 20.0, -65.0])
LESION, RADIUS = MIDDLE + np.array([18.0, 0.0, 0.0]), 9.0
DUCT_MM, ARTERY_MM = 6.0, 10.0
Point = NDArray[np.float64]
Shape = Callable[[Point], NDArray[np.bool_]]


def scene(lesion: Point = LESION, radius: float = RADIUS) -> dict[str, Shape]:
    """Membership of points [..., 3] in mm, LPS, by class; an earlier class goes before a later one."""
    beside = lesion + np.array([0.0, radius + ARTERY_MM / 2 - 1, 0.0])
    return {
        "lesion": lambda p: np.linalg.norm(p - lesion, axis=-1) < radius,
        "duct": lambda p: _rod(p, MIDDLE, 0, DUCT_MM / 2, 35.0),
        "artery": lambda p: _rod(p, beside, 2, ARTERY_MM / 2, 28.0),
        "gland": lambda p: (((p - MIDDLE) / (45.0, 16.0, 20.0)) ** 2).sum(axis=-1) < 1,
    }


def _rod(p: Point, centre: Point, axis: int, radius: float, half: float) -> NDArray[np.bool_]:
    off = p - centre
    across = np.delete(off, axis, axis=-1)
    return np.asarray((np.linalg.norm(across, axis=-1) < radius) & (np.abs(off[..., axis]) < half))


def places(ds: Dataset) -> Point:
    """[rows, columns, 3] mm of a slice's voxel centres (DICOM PS3.3 C.7.6.2.1.1), apart from the product's own way."""
    along_columns, along_rows = np.array(ds.ImageOrientationPatient[:3]), np.array(ds.ImageOrientationPatient[3:])
    rows, columns = np.mgrid[: ds.Rows, : ds.Columns]
    return np.asarray(
        np.array(ds.ImagePositionPatient, float)
        + rows[..., None] * along_rows * float(ds.PixelSpacing[0])
        + columns[..., None] * along_columns * float(ds.PixelSpacing[1])
    )


def bundle(*, clinical_use: bool = False, legend: bool = True, calibration: dict[str, float] | None = None) -> Bundle:
    stage = {
        "name": "detect",
        "folds": [{"file": "detect.onnx", "sha256": "0" * 64}],
        "classes": CLASSES,
        "spacing": (2.5, 1.3, 1.3),
        "patch": (16, 16, 16),
        "normalise": {"clip": (-100, 200), "mean": 50, "deviation": 100},
    }
    structures = {
        "gland": {"code": {"value": "69748006", "meaning": "Thyroid gland"}, "role": "organ"},
        "duct": {"code": {"value": "91707000", "meaning": "Duct"}, "role": "duct"},
        "artery": {"code": {"value": "51114001", "meaning": "Artery"}, "role": "vessel"},
    }
    return Bundle.model_validate(
        {
            "stages": [stage],
            "likelihood": {"of": "lesion"},
            "operating_points": [
                {"category": "low", "at_least": 0},
                {"category": "intermediate", "at_least": 0.3},
                {"category": "high", "at_least": 0.7},
            ],
            "clinical_use": clinical_use,
            "calibration": calibration,
            "legend": {"structures": structures} if legend else {},
        },
        strict=False,
    )


@dataclass(frozen=True, eq=False)
class Scan:
    datasets: list[Dataset]
    volume: Volume
    assessed: Assessed

    @property
    def study_uid(self) -> str:
        return str(self.datasets[0].StudyInstanceUID)

    @property
    def series_uid(self) -> str:
        return str(self.datasets[0].SeriesInstanceUID)

    @property
    def files(self) -> list[bytes]:
        return [stored(ds) for ds in self.datasets]


def scan(
    lesion: Point | None = LESION,
    radius: float = RADIUS,
    *,
    datasets: list[Dataset] | None = None,
    spacing: tuple[float, float, float] = (2.5, 1.3, 1.3),
    align: str = "corner",
    peak: float = 0.9,
) -> Scan:
    """``datasets``: slices to paint on, default an upright series. ``spacing``: of the network's grid, mm z y x."""
    blank = datasets or upright()
    shapes = scene(LESION if lesion is None else lesion, radius)
    if lesion is None:
        del shapes["lesion"]
    painted: dict[str, NDArray[np.bool_]] = {}
    points = np.stack([places(ds) for ds in blank])
    taken = np.zeros(points.shape[:-1], bool)
    for name, shape in shapes.items():
        painted[name] = shape(points) & ~taken
        taken |= painted[name]
    maps = {name: _volume(blank, mask) for name, mask in painted.items()}
    volume = next(iter(maps.values()))
    box = (
        slice(2, volume.hu.shape[0] - 1),
        slice(4, volume.hu.shape[1] - 3),
        slice(5, volume.hu.shape[2] - 2),
    )
    part = Grid(volume.hu[box].shape, volume.spacing)  # type: ignore[arg-type]
    target = part.at(spacing)
    chances = np.zeros((len(CLASSES), *target.shape), np.float32)
    for name, one in maps.items():
        share = resampled(one.hu[box], part, target, 1, align) / 1000
        chances[CLASSES.index(name)] = np.clip(share, 0, 1) * (peak if name == "lesion" else 1)
    chances[0] = 1 - chances[1:].sum(axis=0)
    grid, origin = _lying(box, part, target, align)
    rule = Likelihood.model_validate({"of": "lesion", "divide": 2.0, "smallest_voxels": 3})
    found = find(chances, CLASSES, rule, grid)
    category = bundle().category(found.likelihood)
    return Scan(blank, volume, Assessed(found.likelihood, category, found, chances, CLASSES, grid, origin, {}))


def _volume(blank: list[Dataset], mask: NDArray[np.bool_]) -> Volume:
    """The mask as HU 0 and 1000 through the product's own reading."""
    made = []
    for ds, layer in zip(blank, mask, strict=True):
        one = Dataset()
        one.update(ds)
        one.file_meta = ds.file_meta
        one.add_new("PixelData", "OW", (layer * 1000 + 1024).astype("<u2").tobytes())
        made.append(one)
    study, series = str(blank[0].StudyInstanceUID), str(blank[0].SeriesInstanceUID)
    read = read_series(map(stored, made), Limits(), study, series, threads=1)
    return build(stacks(read.slices)[0])


def upright(count: int = 36, size: int = 72, **elements: object) -> list[Dataset]:
    hu = np.full((count, size, size), 40, np.int16)
    return slices_of(hu, spacing=(2.0, 2.0, 2.0), origin=(-80.0, -50.0, -100.0), **elements)  # type: ignore[arg-type]


def turned() -> list[Dataset]:
    """Slices at an angle to every axis, as of a head-first patient lying askew."""
    a, b = np.deg2rad(12), np.deg2rad(9)
    along_columns = np.array([np.cos(a), np.sin(a), 0])
    along_rows = np.array([-np.sin(a) * np.cos(b), np.cos(a) * np.cos(b), np.sin(b)])
    normal = np.cross(along_columns, along_rows)
    start = MIDDLE - normal * 36 - along_rows * 72 - along_columns * 72
    hu = np.full((36, 72, 72), 40, np.int16)
    return slices_of(hu, spacing=(2.0, 2.0, 2.0), origin=tuple(start), orientation=[*along_columns, *along_rows])


def leaning() -> list[Dataset]:
    """A gantry tilted by 18 degrees: the stack leans, its slices stay parallel."""
    tilt = np.deg2rad(18)
    orientation = [1.0, 0.0, 0.0, 0.0, np.cos(tilt), np.sin(tilt)]
    start = MIDDLE - np.array([72, 72 * np.cos(tilt), 72 * np.sin(tilt) + 36])
    positions = [start + np.array([0, 0, 2.0 * k]) for k in range(36)]
    hu = np.full((36, 72, 72), 40, np.int16)
    return slices_of(hu, spacing=(2.0 * np.cos(tilt), 2.0, 2.0), orientation=orientation, positions=positions)


def feet_first_prone() -> list[Dataset]:
    """Columns count to the right, rows to the front."""
    hu = np.full((36, 72, 72), 40, np.int16)
    return slices_of(hu, spacing=(2.0, 2.0, 2.0), origin=(60.0, 92.0, -100.0), orientation=(-1, 0, 0, 0, -1, 0))
