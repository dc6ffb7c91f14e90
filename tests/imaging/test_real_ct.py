"""Real CT: geometry as scanners write it; which samples, and where from: the plugin ``ct_samples``.

Without them these tests are skipped; generated series cover the same ground.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from ct_samples import folder, needs_samples, nifti, series_in

from cds.imaging.phase import Phase, seen, timed
from cds.imaging.reasons import Note, Reason, Unusable
from cds.imaging.series import Wanted, choose
from cds.imaging.stacks import stacks
from cds.imaging.volume import Volume, build

pytestmark = needs_samples


def volume_in(place: Path) -> Volume:
    (stack,) = stacks(series_in(place).slices)
    return build(stack)


def measures(volume: Volume) -> dict[Note, str]:
    return {remark.note: remark.measure for remark in volume.remarks}


def test_a_tilted_siemens_gantry_is_stood_upright() -> None:
    volume = volume_in(folder("gantrytilting") / "001")
    assert measures(volume)[Note.TILT] == "14.0 deg"
    axes = volume.affine[:3, :3] / np.linalg.norm(volume.affine[:3, :3], axis=0)
    assert axes.T @ axes == pytest.approx(np.eye(3), abs=1e-6)
    # 5 mm along the table is 5 mm x cos(tilt) along the slices' normal
    assert volume.spacing[0] == pytest.approx(5.0 * np.cos(np.radians(14.0)), abs=0.01)


def test_a_missing_slice_is_filled_in_and_flagged() -> None:
    volume = volume_in(folder("sliceincrement") / "001")
    assert measures(volume)[Note.INTERPOLATED] == "1"
    assert (len(volume.hu), volume.filled) == (5, (3,))
    assert volume.spacing[0] == pytest.approx(5.0)


def test_a_missing_slice_in_a_tilted_series_is_both() -> None:
    volume = volume_in(folder("sliceincrement") / "002")
    assert measures(volume)[Note.INTERPOLATED] == "1"
    assert Note.TILT in measures(volume)
    assert len(volume.hu) == 5


def test_a_bolus_monitoring_series_is_no_volume() -> None:
    with pytest.raises(Unusable) as raised:
        volume_in(folder("notavolume") / "001")
    assert raised.value.reason in (Reason.NO_EXTENT, Reason.AMBIGUOUS)


@pytest.mark.parametrize("name", ["slicecount", "sliceorientation"])
def test_magnetic_resonance_is_no_ct(name: str) -> None:
    with pytest.raises(Unusable) as raised:
        series_in(folder(name) / "001")
    assert raised.value.reason is Reason.SOP_CLASS


def test_an_anonymised_contrast_series_is_read_bit_for_bit() -> None:
    """JPEG 2000, with an empty SOP class: what pydicom decodes is the reference."""
    place = folder("upper_abdomen_contrast")
    volume = volume_in(place)
    assert volume.hu.shape == (20, 512, 512)
    assert volume.spacing == pytest.approx((2.0, 0.9765625, 0.9765625))
    paths = [path for path in place.iterdir() if path.name.startswith("CT.")]
    datasets = sorted((pydicom.dcmread(path) for path in paths), key=lambda ds: float(ds.ImagePositionPatient[2]))
    for index in (0, 7, 19):
        ds = datasets[index]
        expected = np.clip(ds.pixel_array * float(ds.RescaleSlope) + float(ds.RescaleIntercept), -1024, 3071)
        assert np.array_equal(volume.hu[index], expected)
        assert volume.world((index, 0, 0)) == pytest.approx([float(v) for v in ds.ImagePositionPatient])


def test_the_contrast_series_shows_its_phase_by_timing_and_content() -> None:
    series = series_in(folder("upper_abdomen_contrast"))
    (stack,) = stacks(series.slices)
    volume = build(stack)
    assert timed(series.about.bolus_start, [frame.time for frame in volume.frames])[0] == {Phase.PORTAL}
    assert seen(volume)[0] == {Phase.PORTAL, Phase.DELAYED}
    assert choose([series], Wanted(shortest_mm=30.0)).volume is not None
    # four centimetres are no abdomen
    assert choose([series], Wanted()).reason is Reason.TOO_SHORT


def test_the_native_trunk_shows_that_nothing_was_injected() -> None:
    values, spacing = nifti(folder("trunk_native") / "example_ct.nii.gz")
    affine = np.diag([0.0, 0.0, 0.0, 1.0])
    affine[2, 0], affine[1, 1], affine[0, 2] = spacing
    volume = Volume(np.clip(values, -1024, 3071).astype(np.int16), affine, ())
    assert seen(volume)[0] == {Phase.NATIVE}
