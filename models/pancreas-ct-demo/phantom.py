"""Synthetic abdominal CT: body, organs, vessels and a curved pancreas with its duct, with or without a mass.

Made so that the pipeline can be exercised from end to end; it is no model of disease, and nothing learnt from it holds
for a patient. Contrasts, sizes, positions, resolution, noise and artefacts are drawn widely (domain randomisation, in
the manner of SynthSeg: Billot et al., Med Image Anal 2023;86:102789).

Arrays are [z, y, x]: z grows towards the head, y towards the back, x towards the patient's left. HU, int16.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.interpolate import CubicSpline
from scipy.spatial import cKDTree

Array = NDArray[np.float32]
Labels = NDArray[np.uint8]

SPACING = (3.0, 2.0, 2.0)
SHAPE = (80, 176, 176)
BACKGROUND, PANCREAS, LESION, DUCT = range(4)
NAMES = ("background", "pancreas", "lesion", "duct")

_LINE_POINTS = 100


@dataclass
class Phantom:
    ct: NDArray[np.int16]
    labels: Labels
    spacing: tuple[float, float, float]
    about: dict[str, Any] = field(default_factory=dict)


@dataclass
class _Scene:
    """The volume while it is painted. Coordinates in mm from its centre."""

    rng: np.random.Generator
    z: Array
    y: Array
    x: Array
    hu: Array
    cavity: NDArray[np.bool_]
    scale: float
    offset: NDArray[np.float64]

    def between(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def at(self, z: float, y: float, x: float, jitter: float = 6.0) -> NDArray[np.float64]:
        return np.array([z, y, x]) * self.scale + self.offset + self.rng.uniform(-jitter, jitter, 3)

    def ellipsoid(self, centre: Any, radii: Any) -> NDArray[np.bool_]:
        """What lies in it; only its own box is looked at, a small part of most volumes."""
        box, squares = [], []
        for axis, c, r in zip((self.z, self.y, self.x), centre, radii, strict=True):
            cut = slice(int(np.searchsorted(axis, c - r)), int(np.searchsorted(axis, c + r, side="right")))
            box.append(cut)
            squares.append(((axis[cut] - c) / r) ** 2)
        within = np.zeros(self.hu.shape, bool)
        within[tuple(box)] = squares[0][:, None, None] + squares[1][None, :, None] + squares[2][None, None, :] <= 1
        return within

    def column(self, y: float, x: float, radius: float) -> NDArray[np.bool_]:
        flat = ((self.y - y)[:, None] ** 2 + (self.x - x)[None, :] ** 2) < radius**2
        return np.broadcast_to(flat, self.hu.shape)

    def paint(self, where: NDArray[np.bool_], hu: float) -> None:
        self.hu[where & self.cavity] = hu


def make(
    seed: int,
    *,
    lesion: bool | None = None,
    lesion_mm: float | None = None,
    pancreas: bool = True,
    shape: tuple[int, int, int] = SHAPE,
    spacing: tuple[float, float, float] = SPACING,
) -> Phantom:
    """``lesion``: None leaves it to chance. ``lesion_mm``: its radius; the same seed with another radius is the same
    body at another time. ``pancreas`` False: the gland and its lesion are not in view, as in a scan of another
    region."""
    rng = np.random.default_rng(seed)
    scene = _body(rng, shape, spacing)
    native = bool(rng.random() < 0.2)
    about: dict[str, Any] = {"seed": seed, "native": native, "lesion": False, "pancreas": pancreas}
    gland_hu = scene.between(30, 55) if native else scene.between(70, 135)
    vessel_hu = gland_hu + (scene.between(-5, 8) if native else scene.between(15, 90))
    _organs(scene, native, vessel_hu)
    labels = np.zeros(shape, np.uint8)
    if pancreas:
        has = bool(rng.random() < 0.5) if lesion is None else lesion
        about |= _gland(scene, labels, gland_hu, vessel_hu, native=native, lesion=has, lesion_mm=lesion_mm)
    else:
        _bowel(scene, 12)
    return Phantom(_scanned(scene, spacing), labels, spacing, about)


def _body(rng: np.random.Generator, shape: tuple[int, int, int], spacing: tuple[float, float, float]) -> _Scene:
    axes = [((np.arange(n) - (n - 1) / 2) * step).astype(np.float32) for n, step in zip(shape, spacing, strict=True)]
    scale = float(rng.uniform(0.86, 1.14))
    width, depth = rng.uniform(140, 170) * min(scale, 1.0), rng.uniform(98, 122) * scale
    radius = (axes[1][:, None] / depth) ** 2 + (axes[2][None, :] / width) ** 2
    wall = rng.uniform(0.72, 0.92) ** 2
    inner = (np.sqrt(wall) - rng.uniform(0.05, 0.1)) ** 2
    hu = np.full(shape, -1000, np.float32)
    hu[:, radius <= 1] = rng.uniform(-120, -85)
    hu[:, radius <= wall] = rng.uniform(30, 65)
    hu[:, radius <= inner] = rng.uniform(-115, -75)
    cavity = np.broadcast_to((radius <= inner)[None], shape)
    offset = rng.uniform((-15, -8, -10), (15, 8, 10))
    scene = _Scene(rng, axes[0], axes[1], axes[2], hu, cavity, scale, offset)
    back = 0.55 * depth
    scene.paint(scene.column(back, 0, 21 * scale), scene.between(250, 550))
    scene.paint(scene.column(back, 0, 18 * scale), scene.between(120, 240))
    scene.paint(scene.column(back + 27, 0, 9), scene.between(15, 55))
    for side in (-1, 1):
        scene.paint(scene.column(back + 20, side * 38, 23 * scale), scene.between(40, 65))
    return scene


def _organs(scene: _Scene, native: bool, vessel_hu: float) -> None:
    rng, s, between = scene.rng, scene.scale, scene.between
    liver = between(40, 65) if native else between(80, 130)
    scene.paint(scene.ellipsoid(scene.at(45, -8, -82), rng.uniform((62, 66, 72), (86, 86, 96)) * s), liver)
    for _ in range(int(rng.integers(0, 4))):
        where = rng.uniform((10, -50, -130), (80, 30, -50))
        scene.paint(scene.ellipsoid(scene.at(*where), np.full(3, between(5, 16))), liver - between(20, 90))
    spleen = between(40, 55) if native else between(90, 135)
    scene.paint(scene.ellipsoid(scene.at(52, 32, 108), rng.uniform((38, 33, 26), (56, 49, 39)) * s), spleen)
    for side in (-1, 1):
        kidney = scene.at(-8, 48, side * 64)
        scene.paint(scene.ellipsoid(kidney, np.array([52, 26, 29]) * s), between(28, 40 if native else 190))
        scene.paint(scene.ellipsoid(kidney, np.array([30, 9, 12]) * s), between(-5, 20 if native else 180))
        if rng.random() < 0.3:
            cyst = kidney + rng.uniform(-25, 25, 3)
            scene.paint(scene.ellipsoid(cyst, np.full(3, between(6, 18))), between(0, 15))
    _hollow(scene, scene.at(35, -48, 48), rng.uniform((34, 24, 34), (52, 37, 49)) * s)
    _bowel(scene, int(rng.integers(5, 14)))
    back = 0.3 * 105 * s
    scene.paint(scene.column(back, 11 + scene.offset[2] / 3, between(8, 12)), vessel_hu + between(0, 60))
    scene.paint(scene.column(back + 4, -22 + scene.offset[2] / 3, between(9, 13)), vessel_hu)


def _hollow(scene: _Scene, centre: Any, radii: Any) -> None:
    """Stomach or bowel: a wall, content of any density, often a level of gas."""
    between = scene.between
    scene.paint(scene.ellipsoid(centre, radii), between(35, 95))
    inside = scene.ellipsoid(centre, np.asarray(radii) * 0.86)
    scene.paint(inside, between(-10, 45) if scene.rng.random() < 0.7 else between(100, 350))
    if scene.rng.random() < 0.6:
        front = (scene.y < centre[1] - between(0, 15))[None, :, None]
        scene.paint(inside & front, between(-1000, -700))


def _bowel(scene: _Scene, loops: int) -> None:
    for _ in range(loops):
        centre = scene.at(*scene.rng.uniform((-110, -75, -90), (10, 15, 95)), jitter=4)
        _hollow(scene, centre, scene.rng.uniform((12, 10, 12), (30, 20, 30)))


@dataclass
class _Near:
    """The neighbourhood of the gland's centre line: all that is painted next needs only this box."""

    box: tuple[slice, slice, slice]
    distance: Array
    """mm to the centre line."""
    along: NDArray[np.intp]
    """Index of the nearest point of the line."""
    noise: Array


def _gland(
    scene: _Scene,
    labels: Labels,
    gland_hu: float,
    vessel_hu: float,
    *,
    native: bool,
    lesion: bool,
    lesion_mm: float | None = None,
) -> dict[str, Any]:
    rng, s, between = scene.rng, scene.scale, scene.between
    knots = np.array(
        [[-34, 4, -40], [-16, -8, -34], [0, -24, -10], [9, -24, 20], [18, -6, 52], [28, 14, 84]], np.float64
    )
    knots = knots * s + scene.offset + rng.normal(0, 6, knots.shape)
    t = np.linspace(0, 1, _LINE_POINTS)
    line = CubicSpline(np.linspace(0, 1, len(knots)), knots)(t)
    radius = np.interp(t, [0, 0.12, 0.3, 0.55, 0.8, 1], [12, 16, 8.5, 10.5, 10, 7]) * s * between(0.8, 1.18)
    place, size = between(0.05, 0.93), between(5, 17)
    size = lesion_mm or size
    upstream = t > place
    duct = np.full(_LINE_POINTS, between(0.7, 1.4))
    dilated = lesion and rng.random() < 0.65
    if dilated:
        duct[upstream] = between(2.2, 4.8)
    elif not lesion and rng.random() < 0.1:
        duct[:] = between(2.0, 4.0)
    if (lesion and rng.random() < 0.55) or (not lesion and rng.random() < 0.2):
        radius = np.where(upstream | (not lesion), radius * between(0.6, 0.85), radius)
    near = _near(scene, line)
    _around(scene, near, line, vessel_hu)
    own = near.distance - radius[near.along] + near.noise * between(1.0, 2.4) < 0
    if rng.random() < 0.5:
        own &= _smooth(rng, own.shape, (2, 3, 3)) < between(1.2, 2.4)
    painted, marks = scene.hu[near.box], labels[near.box]
    painted[own] = gland_hu + near.noise[own] * between(1, 4)
    marks[own] = PANCREAS
    if not lesion and rng.random() < 0.15:
        cyst = _ball(scene, near, line[int(rng.integers(8, 92))], between(4, 10))
        painted[cyst] = between(0, 16)
        marks[cyst] = PANCREAS
    channel = own & (near.distance < duct[near.along]) & (t[near.along] > 0.05)
    painted[channel] = between(5, 20)
    marks[channel] = DUCT
    about: dict[str, Any] = {"lesion": lesion, "duct_dilated": bool(dilated)}
    if lesion:
        index = round(place * (_LINE_POINTS - 1))
        centre = line[index] + rng.normal(0, 1, 3) * radius[index] * 0.25
        mass = _ball(scene, near, centre, size, rough=1.5)
        darker = between(8, 18) if native else between(18, 55)
        painted[mass] = gland_hu - darker + near.noise[mass] * 3
        marks[mass] = LESION
        about |= {"radius_mm": size, "darker_hu": darker, "place": place}
    return about


def _near(scene: _Scene, line: NDArray[np.float64]) -> _Near:
    axes = (scene.z, scene.y, scene.x)
    low, high = line.min(axis=0) - 30, line.max(axis=0) + 30
    cuts = [
        slice(int(np.searchsorted(axis, a)), max(int(np.searchsorted(axis, b)), int(np.searchsorted(axis, a)) + 1))
        for axis, a, b in zip(axes, low, high, strict=True)
    ]
    box = (cuts[0], cuts[1], cuts[2])
    grid = np.meshgrid(*(axis[cut] for axis, cut in zip(axes, box, strict=True)), indexing="ij")
    points = np.stack([g.ravel() for g in grid], axis=1)
    distance, along = cKDTree(line).query(points, distance_upper_bound=60)
    shape = grid[0].shape
    along = np.minimum(along, len(line) - 1)
    noise = _smooth(scene.rng, shape, (3, 5, 5))
    return _Near(box, np.minimum(distance, 60).reshape(shape).astype(np.float32), along.reshape(shape), noise)


def _around(scene: _Scene, near: _Near, line: NDArray[np.float64], vessel_hu: float) -> None:
    """Splenic vein behind, mesenteric vessels at the neck, bile duct and duodenum at the head."""
    s, between = scene.scale, scene.between
    painted = scene.hu[near.box]
    for point in line[_LINE_POINTS // 4 :: 2]:
        painted[_ball(scene, near, point + np.array([0, 12 * s, 0]), between(3, 5))] = vessel_hu
    neck = line[_LINE_POINTS * 3 // 10]
    y, x = scene.y[near.box[1]][:, None], scene.x[near.box[2]][None, :]
    for dx, dy, radius in ((0, 14 * s, between(5, 7)), (16, 18 * s, between(3, 4.5))):
        painted[:, (y - neck[1] - dy) ** 2 + (x - neck[2] - dx) ** 2 < radius**2] = vessel_hu
    _hollow(scene, line[12] + np.array([-4, 2, -22]), np.array([38, 11, 13]) * s)
    if scene.rng.random() < 0.6:
        bile = line[10] + np.array([16, 5, 5])
        z = scene.z[near.box[0]][:, None, None]
        tube = (((y - bile[1]) ** 2 + (x - bile[2]) ** 2 < between(2, 6) ** 2)[None]) & (np.abs(z - bile[0]) < 28)
        painted[np.broadcast_to(tube, painted.shape)] = between(0, 18)


def _ball(scene: _Scene, near: _Near, centre: Any, radius: float, rough: float = 0.0) -> NDArray[np.bool_]:
    parts = zip((scene.z, scene.y, scene.x), near.box, centre, strict=True)
    z, y, x = (((axis[cut] - c) ** 2) for axis, cut, c in parts)
    distance = np.sqrt(z[:, None, None] + y[None, :, None] + x[None, None, :])
    return np.asarray(distance + near.noise * rough < radius)


def _smooth(rng: np.random.Generator, shape: Any, width: Any) -> Array:
    """Noise of unit variance, smooth over ``width`` voxels."""
    small = tuple(max(2, int(np.ceil(n / max(1.0, w / 2))) + 2) for n, w in zip(shape, width, strict=True))
    coarse = ndimage.gaussian_filter(rng.standard_normal(small).astype(np.float32), 1.0)
    coarse /= coarse.std() + 1e-6
    found = ndimage.zoom(coarse, [(n + 1) / m for n, m in zip(shape, small, strict=True)], order=1)
    return np.asarray(found[: shape[0], : shape[1], : shape[2]], dtype=np.float32)


def _scanned(scene: _Scene, spacing: tuple[float, float, float]) -> NDArray[np.int16]:
    """The scanner: partial volume, a slowly varying bias, texture, noise of any coarseness, a calibration that is
    a little off."""
    rng, between = scene.rng, scene.between
    hu = scene.hu
    texture = _smooth(rng, hu.shape, (3, 4, 4)) * between(0, 4)
    hu = np.where(hu > -300, hu + texture, hu)
    thickness = between(0.6, 2.2)
    blur = [thickness * 1.5 / spacing[0], between(0.5, 1.3) / spacing[1] * 1.5, 0.0]
    blur[2] = blur[1]
    hu = ndimage.gaussian_filter(hu, blur)
    noise = ndimage.gaussian_filter(rng.standard_normal(hu.shape).astype(np.float32), (0.3, *[between(0.3, 0.9)] * 2))
    hu = hu + noise * (between(5, 18) / noise.std())
    hu = hu * between(0.97, 1.03) + between(-8, 8)
    return np.asarray(np.clip(hu, -1024, 2000), dtype=np.int16)
