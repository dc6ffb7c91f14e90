"""What real series get wrong, each with a generated one: order, tilt, gaps, copies, phases, tables, directions."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from ct_series import PATIENT, phantom, put_hu, slices_of
from highdicom.legacy import LegacyConvertedEnhancedCTImage
from pydicom.dataset import Dataset
from pydicom.uid import (
    LegacyConvertedEnhancedCTImageStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
    generate_uid,
)
from series_reading import notes, reason_for, same, series_of, volume_of, volumes_of

from cds.imaging.reasons import Note, Reason, Remark, Unusable
from cds.imaging.series import Wanted, choose
from cds.imaging.volume import Volume

HU = phantom(12, 48)
SPACING = (3.0, 5.0, 5.0)
ORIGIN = np.array([-160.0, -170.0, -100.0])


def good(**elements: Any) -> list[Dataset]:
    return slices_of(HU, study_uid="1.2.3", series_uid="1.2.3.4", **elements)


def at(places: list[float]) -> list[list[float]]:
    """Positions at these mm along the body."""
    return [[float(ORIGIN[0]), float(ORIGIN[1]), float(ORIGIN[2] + z)] for z in places]


@pytest.fixture(scope="module")
def plain() -> Volume:
    return volume_of(good())


def test_a_plain_series_becomes_its_own_pixels_in_millimetres(plain: Volume) -> None:
    assert np.array_equal(plain.hu, HU)
    assert plain.hu.dtype == np.int16
    assert plain.spacing == pytest.approx(SPACING)
    assert plain.world((0, 0, 0)) == pytest.approx(ORIGIN)
    assert plain.world((11, 2, 3)) == pytest.approx(ORIGIN + np.array([15.0, 10.0, 33.0]))
    assert plain.remarks == ()


# --- what is no slice


def test_a_localizer_in_the_series_is_left_out(plain: Volume) -> None:
    scout = good(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])[0]
    scout.SOPInstanceUID = generate_uid()
    series = series_of([*good(), scout])
    assert Remark(Note.LEFT_OUT, "1") in series.remarks
    assert len(series.slices) == len(plain.hu)


@pytest.mark.parametrize("sop_class", [SecondaryCaptureImageStorage, SegmentationStorage])
def test_a_dose_report_capture_in_the_series_is_left_out(sop_class: str, plain: Volume) -> None:
    capture = good()[0]
    capture.SOPClassUID = sop_class
    assert same(volume_of([*good()[:1], capture, *good()[1:]]), plain)


def test_a_colour_capture_stored_as_ct_is_left_out(plain: Volume) -> None:
    capture = good(PhotometricInterpretation="RGB", SamplesPerPixel=3)[0]
    assert same(volume_of([capture, *good()]), plain)


def test_a_series_of_scouts_alone_is_no_ct() -> None:
    assert reason_for(good(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])) is Reason.LOCALIZER


def test_a_series_of_another_kind_is_no_ct() -> None:
    assert reason_for(good(SOPClassUID=SegmentationStorage)) is Reason.SOP_CLASS


def test_an_empty_sop_class_falls_back_to_the_file_meta(plain: Volume) -> None:
    series = series_of(good(SOPClassUID=""))
    assert Remark(Note.CLASS_ASSUMED) in series.remarks
    assert len(series.slices) == len(plain.hu)


def test_a_map_of_iodine_is_not_taken_for_hounsfield_units() -> None:
    assert reason_for(good(RescaleType="MGML")) is Reason.HOUNSFIELD


# --- order and place


def test_order_comes_from_positions_not_from_numbers_or_names(plain: Volume) -> None:
    shuffled = good()
    random.Random(3).shuffle(shuffled)
    for number, ds in enumerate(shuffled, start=1):
        ds.InstanceNumber = number
    assert same(volume_of(shuffled), plain)


def test_a_stack_that_runs_from_head_to_feet_reads_the_same(plain: Volume) -> None:
    assert same(volume_of(good()[::-1]), plain)


def test_a_frame_of_reference_for_every_slice_is_still_one_volume(plain: Volume) -> None:
    broken = good()
    for ds in broken:
        ds.FrameOfReferenceUID = generate_uid()
    volume = volume_of(broken)
    assert same(volume, plain)
    assert Remark(Note.FRAMES_OF_REFERENCE, "12") in volume.remarks


def test_an_image_without_a_position_is_left_out() -> None:
    lost = good()
    del lost[-1].ImagePositionPatient
    assert len(series_of(lost).slices) == 11
    assert reason_for(_without_positions()) is Reason.NO_GEOMETRY


def _without_positions() -> list[Dataset]:
    found = good()
    for ds in found:
        del ds.ImagePositionPatient
    return found


@pytest.mark.parametrize("degrees", [18.5, -18.5])
def test_a_tilted_gantry_is_stood_upright_whatever_its_tag_says(degrees: float) -> None:
    """Slices are cut from an upright body along tilted planes; the volume must show the upright body again."""
    tall = phantom(24, 96, noise=0)
    # a column through the body whose row in each slice is known: a bright vertical rod at row 40
    tall[:, 39:42, 47:50] = 1500
    orientation = [1, 0, 0, 0, float(np.cos(np.radians(degrees))), float(np.sin(np.radians(degrees)))]
    positions = [[-160.0, -170.0, -100.0 + 4.0 * k] for k in range(24)]
    tilted = slices_of(tall, spacing=(4.0, 4.0, 4.0), orientation=orientation, positions=positions)
    for ds in tilted:
        ds.GantryDetectorTilt = -degrees
    volume = volume_of(tilted)
    (remark,) = [r for r in volume.remarks if r.note is Note.TILT]
    assert remark.measure == "18.5 deg"
    # orthogonal axes again
    axes = volume.affine[:3, :3] / np.linalg.norm(volume.affine[:3, :3], axis=0)
    assert axes.T @ axes == pytest.approx(np.eye(3), abs=1e-6)
    # the rod's voxels in the volume lie, in millimetres, where the tilted slices said they do
    for k in (2, 12, 21):
        said = np.array(positions[k]) + 48 * 4.0 * np.array([1, 0, 0]) + 40 * 4.0 * np.array(orientation[3:])
        index = np.linalg.inv(volume.affine) @ [*said, 1.0]
        s, r, c = np.rint(index[:3]).astype(int)
        assert volume.hu[s, r, c] > 1200, (k, index)


def test_a_tilt_too_small_to_resample_stays_in_the_affine() -> None:
    positions = [[-160.0, -170.0 + 0.01 * k, -100.0 + 3.0 * k] for k in range(12)]
    volume = volume_of(slices_of(HU, positions=positions))
    assert Note.TILT not in notes(volume)
    assert np.array_equal(volume.hu, HU)
    assert volume.world((11, 0, 0)) == pytest.approx(positions[11], abs=1e-6)


def test_uneven_spacing_is_evened_out_to_the_median() -> None:
    places = [0.0, 3.0, 6.0, 9.0, 10.5, 12.0, 15.0, 18.0, 21.0, 24.0, 28.0, 31.0]
    ramp = np.stack([np.full((16, 16), round(20 * z), np.int16) for z in places])
    volume = volume_of(slices_of(ramp, positions=at(places)))
    assert Note.SPACING in notes(volume)
    assert volume.spacing[0] == pytest.approx(3.0)
    expected = [round(20 * (volume.world((k, 0, 0))[2] - ORIGIN[2])) for k in range(len(volume.hu))]
    assert volume.hu[:, 5, 5].tolist() == pytest.approx(expected, abs=4)


def test_a_gap_over_ten_millimetres_is_refused() -> None:
    places = [3.0 * k if k < 6 else 3.0 * k + 8.5 for k in range(12)]
    assert reason_for(slices_of(HU, positions=at(places))) is Reason.GAP


@pytest.mark.parametrize("missing", [[5], [5, 6]])
def test_one_or_two_missing_slices_are_filled_in_and_flagged(missing: list[int], plain: Volume) -> None:
    volume = volume_of([ds for k, ds in enumerate(good()) if k not in missing])
    assert Remark(Note.INTERPOLATED, str(len(missing))) in volume.remarks
    assert volume.filled == tuple(missing)
    assert np.allclose(volume.affine, plain.affine)
    kept = [k for k in range(12) if k not in missing]
    assert np.array_equal(volume.hu[kept], plain.hu[kept])


def test_a_finding_on_a_filled_in_slice_can_be_told() -> None:
    volume = volume_of([ds for k, ds in enumerate(good()) if k != 5])
    assert volume.filled_between(4, 6)
    assert not volume.filled_between(6, 11)


def test_three_missing_slices_in_a_row_are_refused() -> None:
    left = [ds for k, ds in enumerate(slices_of(HU, spacing=(2.0, 5.0, 5.0))) if k not in (5, 6, 7)]
    assert reason_for(left) is Reason.MISSING_SLICES


# --- several images at one place


def test_copies_of_a_slice_are_dropped(plain: Volume) -> None:
    again = good()[4:7]
    for ds in again:
        ds.SOPInstanceUID = generate_uid()
    volume = volume_of([*good(), *again])
    assert same(volume, plain)
    assert Remark(Note.DUPLICATES, "3") in volume.remarks


def test_the_very_same_instance_sent_twice_counts_once(plain: Volume) -> None:
    twice = good()
    volume = volume_of([*twice, *twice[:3]])
    assert same(volume, plain)
    assert volume.remarks == ()


def test_different_images_at_one_place_are_refused_when_nothing_tells_them_apart() -> None:
    other = good()[4]
    put_hu(other, (HU[4] // 2).astype(np.int16))
    assert reason_for([*good(), other]) is Reason.AMBIGUOUS


def test_images_that_all_lie_at_one_place_are_no_volume() -> None:
    assert reason_for(slices_of(HU, positions=at([0.0] * 12))) is Reason.NO_EXTENT


def test_two_kernels_or_fields_of_view_in_one_series_are_two_volumes() -> None:
    lung = slices_of(HU, study_uid="1.2.3", series_uid="1.2.3.4", ConvolutionKernel="B70f")
    zoomed = slices_of(HU, study_uid="1.2.3", series_uid="1.2.3.4", spacing=(3.0, 3.0, 3.0))
    volumes = volumes_of([*good(), *lung, *zoomed])
    assert len(volumes) == 3
    assert all(Remark(Note.GROUPS, "3") in v.remarks for v in volumes)


# --- many frames in one instance


def enhanced(classic: list[Dataset]) -> LegacyConvertedEnhancedCTImage:
    return LegacyConvertedEnhancedCTImage(
        classic, series_instance_uid="1.2.3.5", series_number=9, sop_instance_uid="1.2.3.5.1", instance_number=1
    )


def test_a_legacy_converted_multiframe_equals_the_classic_series(plain: Volume) -> None:
    one = enhanced(good())
    assert one.SOPClassUID == LegacyConvertedEnhancedCTImageStorage
    volume = volume_of([one])
    assert same(volume, plain)
    assert sorted(frame.number for frame in volume.frames) == list(range(1, 13))


def test_a_localizer_frame_in_a_multiframe_is_left_out() -> None:
    one = enhanced(good())
    kind = Dataset()
    kind.FrameType = ["ORIGINAL", "PRIMARY", "LOCALIZER", "NONE"]
    groups = one.PerFrameFunctionalGroupsSequence
    top = max(groups, key=lambda group: group.PlanePositionSequence[0].ImagePositionPatient[2])
    top.CTImageFrameTypeSequence = [kind]
    assert np.array_equal(volume_of([one]).hu, HU[:11])


def concatenated(total: int | None = 2) -> list[Dataset]:
    """The plain series in two multi-frame parts. ``total``: how many each says there are."""
    parts = []
    for number, classic in enumerate((good()[:6], good()[6:]), start=1):
        part = enhanced(classic)
        part.SOPInstanceUID = part.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.5.{number}"
        part.ConcatenationUID, part.InConcatenationNumber = "1.2.3.6", number
        if total is not None:
            part.InConcatenationTotalNumber = total
        parts.append(part)
    return parts


@pytest.mark.parametrize("total", [2, None])
def test_a_concatenation_is_one_volume_and_only_whole(total: int | None, plain: Volume) -> None:
    parts = concatenated(total)
    assert same(volume_of(parts), plain)
    assert reason_for(parts[1:]) is Reason.INCOMPLETE
    if total is not None:
        assert reason_for(parts[:1]) is Reason.INCOMPLETE


def test_a_concatenation_whose_parts_have_no_number_is_not_known_to_be_whole() -> None:
    parts = concatenated(None)
    del parts[1].InConcatenationNumber
    assert reason_for(parts) is Reason.INCOMPLETE


def test_several_multiframe_images_are_refused_before_a_network_runs_where_its_result_could_not_be_stored() -> None:
    wanted = Wanted(phase=None, shortest_mm=30.0)
    assert choose([series_of(concatenated())], wanted).volume is not None
    refused = choose([series_of(concatenated())], replace(wanted, writable=True))
    assert (refused.volume, refused.reason) == (None, Reason.SEVERAL_MULTIFRAMES)
    for writable in (good(), [enhanced(good())]):
        assert choose([series_of(writable)], replace(wanted, writable=True)).volume is not None


# --- density


def test_slope_and_intercept_are_each_slices_own() -> None:
    mixed = good()
    for k, ds in enumerate(mixed):
        ds.RescaleIntercept, ds.RescaleSlope = (-1000, 1) if k % 2 else (-1024, 2)
        put_hu(ds, HU[k])
    volume = volume_of(mixed)
    assert Note.RESCALE_VARIES in notes(volume)
    assert np.abs(volume.hu - HU.clip(-1000)).max() <= 24  # what lies below the intercept can't be stored
    assert np.abs(volume.hu[1::2] - HU[1::2].clip(-1000)).max() == 0


def test_a_missing_slope_is_assumed_and_said() -> None:
    raw = good(PixelRepresentation=1, BitsStored=16, HighBit=15, intercept=0)
    for ds in raw:
        del ds.RescaleSlope, ds.RescaleIntercept
    series = series_of(raw)
    assert Remark(Note.RESCALE_ASSUMED) in series.remarks
    assert np.array_equal(volume_of(raw).hu, HU)


def test_a_modality_lut_is_refused() -> None:
    table = Dataset()
    table.LUTDescriptor, table.ModalityLUTType, table.LUTData = [4, 0, 16], "HU", bytes(8)
    odd = good(ModalityLUTSequence=[table])
    for ds in odd:
        del ds.RescaleSlope, ds.RescaleIntercept
    assert reason_for(odd) is Reason.MODALITY_LUT


@pytest.mark.parametrize(
    ("slope", "intercept"), [("0", "-1024"), ("1e39", "-1024"), ("-1e39", "0"), ("1", "1e39"), ("1", "-1e300")]
)
def test_a_rescale_that_no_scanner_writes_is_refused(slope: str, intercept: str) -> None:
    odd = good()
    for ds in odd:
        ds.RescaleSlope, ds.RescaleIntercept = slope, intercept
    assert reason_for(odd) is Reason.HOUNSFIELD


@pytest.mark.parametrize("representation", [0, 1])
def test_padding_outside_the_scan_becomes_air(representation: int, plain: Volume) -> None:
    padded = good(
        PixelRepresentation=representation, BitsStored=16, HighBit=15, intercept=0 if representation else -1024
    )
    value = -2000 if representation else 4000
    for ds in padded:
        stored = np.frombuffer(ds.PixelData, "<i2" if representation else "<u2").reshape(48, 48).copy()
        stored[:4] = value
        ds.PixelData = stored.tobytes()
        ds.PixelPaddingValue = value
        ds["PixelPaddingValue"].VR = "SS" if representation else "US"
    volume = volume_of(padded)
    assert (volume.hu[:, :4] == -1024).all()
    assert np.array_equal(volume.hu[:, 4:], plain.hu[:, 4:])


def test_a_padding_range_becomes_air_too(plain: Volume) -> None:
    padded = good(BitsStored=16, HighBit=15, PixelPaddingValue=4000, PixelPaddingRangeLimit=4100)
    for ds in padded:
        stored = np.frombuffer(ds.PixelData, "<u2").reshape(48, 48).copy()
        stored[0], stored[1] = 4000, 4050
        ds.PixelData = stored.tobytes()
    volume = volume_of(padded)
    assert (volume.hu[:, :2] == -1024).all()
    assert np.array_equal(volume.hu[:, 2:], plain.hu[:, 2:])


def test_values_are_clipped_to_what_a_ct_can_mean() -> None:
    metal = HU.copy()
    metal[:, 20, 20] = 3071
    wide = slices_of(metal, PixelRepresentation=1, BitsStored=16, HighBit=15, intercept=0)
    for ds in wide:
        stored = np.frombuffer(ds.PixelData, "<i2").reshape(48, 48).copy()
        stored[20, 20], stored[21, 21] = 20000, -30000
        ds.PixelData = stored.tobytes()
    volume = volume_of(wide)
    assert (volume.hu[:, 20, 20] == 3071).all()
    assert (volume.hu[:, 21, 21] == -1024).all()


def test_bits_above_the_stored_ones_are_ignored(plain: Volume) -> None:
    """Old files keep an overlay there."""
    overlaid = good()
    for ds in overlaid:
        stored = np.frombuffer(ds.PixelData, "<u2") | np.uint16(0x8000)
        ds.PixelData = stored.tobytes()
    assert same(volume_of(overlaid), plain)


def test_an_inverted_display_does_not_invert_the_density(plain: Volume) -> None:
    series = series_of(good(PhotometricInterpretation="MONOCHROME1"))
    assert Remark(Note.DISPLAY_INVERTED) in series.remarks
    assert same(volume_of(good(PhotometricInterpretation="MONOCHROME1")), plain)


# --- direction


@pytest.mark.parametrize("orientation", [(1, 0, 0, 0, 0, -1), (0, 1, 0, 0, 0, -1), (0.7, 0, 0.714, 0, 1, 0)])
def test_slices_that_are_not_axial_are_refused(orientation: tuple[float, ...]) -> None:
    assert reason_for(slices_of(HU, orientation=orientation)) is Reason.NOT_AXIAL


@pytest.mark.parametrize(
    "kind",
    ["MIP", "MINIP", "MIN_IP", "PROJECTION IMAGE", "VOLREN", "CT_SOM5 MIP", "CT_SOM5 MINIP", "MIP THIN", "MAXIMUM"],
)
def test_a_projection_is_refused(kind: str) -> None:
    assert reason_for(good(ImageType=["DERIVED", "PRIMARY", "AXIAL", kind])) is Reason.PROJECTION


def test_a_description_tells_a_projection_among_computed_images_only(plain: Volume) -> None:
    computed = ["DERIVED", "PRIMARY", "AXIAL"]
    assert reason_for(good(ImageType=computed, SeriesDescription="Abd portal MIP_10/3")) is Reason.PROJECTION
    assert same(volume_of(good(SeriesDescription="Abd portal 1.0, source of the MIP")), plain)
    assert same(volume_of(good(ImageType=computed, SeriesDescription="Abd portal, Mipkes")), plain)


def test_a_derived_axial_reformat_is_no_projection_and_is_said_to_be_one(plain: Volume) -> None:
    reformat = good(ImageType=["DERIVED", "SECONDARY", "AXIAL", "MPR"])
    assert same(volume_of(reformat), plain)
    wanted = Wanted(phase=None, shortest_mm=30.0)
    original, computed = (choose([series_of(one)], wanted).chosen for one in (good(), reformat))
    assert original is not None and computed is not None
    assert computed.score < original.score
    assert "-1 images computed from others" in computed.explained("en")
    assert Remark(Note.COMPUTED) in computed.remarks
    assert Remark(Note.COMPUTED) not in original.remarks


def test_a_prone_or_turned_patient_reads_like_any_other(plain: Volume) -> None:
    """The same body scanned with the image turned by half: directions say so, the patient-position tag does not."""
    turned = HU[:, ::-1, ::-1]
    far = ORIGIN + np.array([5.0 * 47, 5.0 * 47, 0])
    positions = [(far + np.array([0, 0, 3.0 * k])).tolist() for k in range(12)]
    volume = volume_of(slices_of(turned, orientation=(-1, 0, 0, 0, -1, 0), positions=positions, PatientPosition="FFP"))
    assert same(volume, plain)


def test_an_image_whose_rows_run_across_the_body_reads_like_any_other(plain: Volume) -> None:
    turned = HU.transpose(0, 2, 1)
    positions = at([3.0 * k for k in range(12)])
    assert same(volume_of(slices_of(turned, orientation=(0, 1, 0, 1, 0, 0), positions=positions)), plain)


def test_slices_that_jump_sideways_are_refused() -> None:
    positions = at([3.0 * k for k in range(12)])
    for k in range(6, 12):
        positions[k][0] += 12.0
    assert reason_for(slices_of(HU, positions=positions)) is Reason.SCATTERED


def test_rounded_directions_and_spacings_are_still_one_geometry(plain: Volume) -> None:
    rounded = good()
    for ds in rounded[::2]:
        ds.ImageOrientationPatient = [1, 0.0005, 0, -0.0005, 1, 0]
        ds.PixelSpacing = [5.0005, 5.0005]
    assert np.array_equal(volume_of(rounded).hu, plain.hu)


@pytest.mark.parametrize("count", [1, 2])
def test_one_or_two_slices_are_no_volume(count: int) -> None:
    assert reason_for(good()[:count]) is Reason.TOO_FEW_SLICES


def test_no_reason_ever_shows_whose_images_they_are() -> None:
    other = good(PatientID="SOMEBODY-ELSE")[1]
    with pytest.raises(Unusable) as raised:
        series_of([good()[0], other])
    assert PATIENT not in str(raised.value)
    assert "SOMEBODY-ELSE" not in str(raised.value)
