"""Findings in units, measured on shapes whose size is known."""

from __future__ import annotations

import json

import numpy as np
import pytest
from ct_findings import AUTHOR, DUCT_MM, LESION, MIDDLE, RADIUS, Scan, bundle, scan
from numpy.typing import NDArray

from cds.imaging.results.findings import Findings, restored
from cds.imaging.results.measure import contact, duct_width, measured
from cds.inference.volumes.analyse import Assessed
from cds.inference.volumes.bundle import Bundle
from cds.inference.volumes.candidates import Found
from cds.inference.volumes.grid import Grid


def findings_of(one: Scan, declared: Bundle | None = None) -> Findings:
    return measured(
        one.assessed,
        one.volume,
        declared or bundle(),
        AUTHOR,
        study_uid=one.study_uid,
        series_uid=one.series_uid,
        scanned="20260105",
    )


@pytest.fixture(scope="module")
def found() -> Findings:
    return findings_of(scan(spacing=(2.0, 1.0, 1.0)))


def test_a_lesion_has_the_place_and_size_of_the_sphere_it_is(found: Findings) -> None:
    (lesion,) = found.lesions
    assert np.linalg.norm(np.array(lesion.position) - LESION) < 0.3
    assert lesion.volume_ml == pytest.approx(4 / 3 * np.pi * RADIUS**3 / 1000, rel=0.05)
    assert lesion.longest_mm == pytest.approx(2 * RADIUS, abs=1.5)


def test_the_offset_is_from_the_organ_and_the_slice_is_one_of_the_source(found: Findings) -> None:
    (lesion,) = found.lesions
    # the lesion is cut out of the organ, whose centre therefore lies a little away from it
    assert np.linalg.norm(np.array(lesion.offset) - (LESION - MIDDLE)) < 3.0
    one = scan(spacing=(2.0, 1.0, 1.0))
    own = findings_of(one)
    nearest = min(one.datasets, key=lambda ds: abs(float(ds.ImagePositionPatient[2]) - LESION[2]))
    named = next(ds for ds in one.datasets if ds.SOPInstanceUID == own.lesions[0].slice_uid)
    assert abs(float(named.ImagePositionPatient[2]) - float(nearest.ImagePositionPatient[2])) <= 6


def test_organ_duct_and_category_are_given(found: Findings) -> None:
    ellipsoid = 4 / 3 * np.pi * 45 * 16 * 20 / 1000
    assert found.organ_ml is not None
    assert found.organ_ml == pytest.approx(ellipsoid - 3.05 - 0.4, rel=0.08)
    assert found.duct_mm == pytest.approx(DUCT_MM, abs=1.0)
    assert (found.category, found.lesions[0].category) == ("high", "high")


def test_a_lesions_category_is_of_its_calibrated_score_as_the_patients_is() -> None:
    one = scan(spacing=(2.0, 1.0, 1.0))
    calibrated = bundle(calibration={"intercept": -2.5, "slope": 1.0})
    (lesion,) = findings_of(one, calibrated).lesions
    assert bundle().category(lesion.likelihood) == "high"
    assert lesion.category == calibrated.category(calibrated.likelihood_of(one.assessed.found.likelihood))
    assert lesion.category != "high"


@pytest.mark.parametrize("width", [3.0, 4.5, 6.0, 9.0])
@pytest.mark.parametrize("voxel", [0.8, 1.5])
def test_a_duct_is_as_wide_as_it_is(width: float, voxel: float) -> None:
    """A tube across the slices' plane at an angle, anti-aliased as a network's probabilities are."""
    size = 64
    y, x = (np.mgrid[:size, :size] - size / 2) * voxel
    off = np.abs(y * np.cos(0.4) - x * np.sin(0.4))
    share = np.clip((width / 2 - off) / voxel + 0.5, 0, 1).astype(np.float32)
    chances = np.stack([1 - share, share])[:, None].repeat(3, axis=1)
    grid = Grid((3, size, size), (2.0, voxel, voxel))
    nothing = Found(0.0, (), chances[0])
    one = Assessed(0.0, "low", nothing, chances, ("background", "duct"), grid, (0.0, 0.0, 0.0), {})
    assert duct_width(one, "duct") == pytest.approx(width, abs=0.45 * voxel)


def test_no_duct_seen_is_zero_and_no_duct_class_is_none() -> None:
    one = scan()
    assert findings_of(one).duct_mm
    plain = measured(one.assessed, one.volume, bundle(legend=False), AUTHOR, study_uid="1", series_uid="1.1")
    assert (plain.duct_mm, plain.organ_ml, plain.contacts_assessed) == (None, None, ())


def disc(centre: tuple[float, float], radius: float, size: int = 80) -> NDArray[np.bool_]:
    y, x = np.mgrid[:size, :size]
    return np.asarray((y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2)[None]


def test_contact_is_the_part_of_the_outline_that_touches() -> None:
    vessel = disc((40, 40), 10)
    around = disc((40, 40), 20) & ~vessel
    left_half = around.copy()
    left_half[:, :, 40:] = False
    assert contact(around, vessel) == 360
    assert contact(left_half, vessel) == pytest.approx(180, abs=20)
    assert contact(disc((40, 64), 10), vessel) == 0


def test_a_vessel_beside_the_lesion_is_touched_and_said_to_have_been_looked_at(found: Findings) -> None:
    (touched,) = found.lesions[0].contacts
    assert touched.structure == "artery"
    assert 30 <= touched.degrees <= 150
    assert found.contacts_assessed == ("artery",)


def test_findings_survive_the_ledger(found: Findings) -> None:
    assert restored(json.loads(json.dumps(found.stored()))) == found


def test_stored_findings_that_are_no_findings_are_refused() -> None:
    with pytest.raises(ValueError, match="study_uid"):
        restored({"model": "x"})


def test_the_same_images_and_model_give_the_same_tracking_identifiers() -> None:
    one = scan()
    assert findings_of(one) == findings_of(one)
    other = scan()
    assert findings_of(one).lesions[0].tracking_uid != findings_of(other).lesions[0].tracking_uid
