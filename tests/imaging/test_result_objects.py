"""SEG and SR: valid to those who did not write them, labelled, the same on every making."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import highdicom as hd
import numpy as np
import pytest
from ct_findings import AT, AUTHOR, CLINICAL, DEMO, LESION, Scan, bundle, leaning, scan, turned, upright
from dicom_checks import complaints
from dicom_standard import faults
from pydicom import dcmread
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO

from cds.imaging.fetch import read_series
from cds.imaging.pacs import Limits
from cds.imaging.reasons import Reason, Unusable
from cds.imaging.results.comparison import compared
from cds.imaging.results.findings import Findings
from cds.imaging.results.geometry import segments
from cds.imaging.results.guard import LABEL, Permit
from cds.imaging.results.measure import measured
from cds.imaging.results.objects import encoded
from cds.imaging.results.seg import segmentation
from cds.imaging.results.source import source
from cds.imaging.results.sr import report
from cds.imaging.stacks import stacks
from cds.imaging.volume import build
from cds.inference.manifest import Status


def found_in(one: Scan) -> Findings:
    return measured(
        one.assessed,
        one.volume,
        bundle(),
        AUTHOR,
        study_uid=one.study_uid,
        series_uid=one.series_uid,
        scanned="20260105",
    )


def made(
    one: Scan, permit: Permit = DEMO, *, label_map: bool = False, earlier: Scan | None = None
) -> tuple[Dataset | None, Dataset]:
    legend, frames = bundle().legend, one.volume.frames
    labelled, findings = segments(one.assessed, one.volume, legend), found_in(one)
    comparison = compared([found_in(earlier)], findings, "low") if earlier is not None else None
    findings = comparison.findings if comparison is not None else findings
    headers = source(one.datasets, frames, one.study_uid, one.series_uid)
    seg = segmentation(labelled, findings, headers, frames, legend, AUTHOR, permit, AT, label_map=label_map)
    sr = report(findings, labelled, seg, headers, frames, legend, AUTHOR, permit, AT, comparison)
    return seg, sr


def read(ds: Dataset | None) -> Dataset:
    assert ds is not None
    return dcmread(DicomBytesIO(encoded(ds)))


@pytest.fixture(scope="module")
def seen() -> Scan:
    return scan()


@pytest.mark.parametrize("series", [upright, turned, leaning])
@pytest.mark.parametrize("label_map", [False, True], ids=["binary", "label map"])
def test_two_independent_checkers_find_no_fault(
    series: Callable[[], list[Dataset]], label_map: bool, tmp_path: Path
) -> None:
    seg, sr = made(scan(datasets=series()), label_map=label_map)
    assert seg is not None
    assert faults(encoded(seg), tmp_path) + faults(encoded(sr), tmp_path) == []
    assert complaints(encoded(seg), tmp_path) == []
    # the checker does not know yet that a label map (Supplement 243) is a segmentation and has segment numbers
    young = "Shall not be present for Referenced SOP Class that is not segmentation"
    assert [c for c in complaints(encoded(sr), tmp_path) if not (label_map and young in c)] == []


def test_an_archive_that_counts_one_frame_for_each_classic_image_is_written_to_as_any_other() -> None:
    counted = upright()
    for ds in counted:
        ds.NumberOfFrames = 1
    seg, _ = made(scan(datasets=counted))
    assert seg is not None
    assert len(seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence) > 1


def test_the_checkers_find_faults_where_there_are_some(seen: Scan, tmp_path: Path) -> None:
    seg, sr = made(seen)
    assert seg is not None
    del seg.ContentLabel
    del sr.CompletionFlag
    assert any("ContentLabel" in line for line in complaints(encoded(seg), tmp_path))
    assert any("CompletionFlag" in line for line in complaints(encoded(sr), tmp_path))
    del seg.SegmentSequence[0].SegmentLabel
    del sr.ContentSequence[0].ValueType
    sr.Rows = 7
    assert any("(0062,0005)" in line for line in faults(encoded(seg), tmp_path))
    found = faults(encoded(sr), tmp_path)
    assert any("(0040,A730) / (0040,A040)" in line for line in found)
    assert any("(0028,0010)" in line for line in found)


def test_a_report_with_comparison_and_one_without_findings_are_valid(tmp_path: Path) -> None:
    now = scan(radius=12.0)
    with_comparison, followed = made(now, earlier=scan())
    seg, empty = made(scan(None))
    for one in (with_comparison, followed, seg, empty):
        assert one is not None
        assert faults(encoded(one), tmp_path) == []
        assert complaints(encoded(one), tmp_path) == []
    assert seg is not None
    assert [str(item.SegmentLabel) for item in seg.SegmentSequence if "candidate" in item.SegmentLabel] == []


def test_the_report_of_a_scan_that_ends_inside_the_organ_says_so(tmp_path: Path) -> None:
    now = scan(radius=12.0)
    _, cut = made(replace(now, assessed=replace(now.assessed, cut_off=True)), earlier=scan())
    assert faults(encoded(cut), tmp_path) == []
    assert complaints(encoded(cut), tmp_path) == []
    ends, changed = "Scan ends inside the organ", "Change of longest diameter"
    assert ends in str(cut) and "Not evaluable by AI" in str(cut) and changed not in str(cut)
    _, whole = made(now, earlier=scan())
    assert ends not in str(whole) and changed in str(whole)


def test_a_retry_makes_the_same_bytes(seen: Scan) -> None:
    first, again = made(seen), made(seen)
    assert [encoded(ds) for ds in first if ds] == [encoded(ds) for ds in again if ds]


def test_other_images_another_model_and_a_demonstration_have_other_names(seen: Scan) -> None:
    names = {str(ds.SOPInstanceUID) for ds in made(seen) if ds}
    names |= {str(ds.SOPInstanceUID) for ds in made(seen, CLINICAL) if ds}
    names |= {str(ds.SOPInstanceUID) for ds in made(seen, label_map=True) if ds}
    names |= {str(ds.SOPInstanceUID) for ds in made(scan()) if ds}
    assert len(names) == 8


def test_patient_study_and_frame_of_reference_are_the_source_s(seen: Scan) -> None:
    for ds in map(read, made(seen)):
        for keyword in ("PatientID", "PatientName", "StudyInstanceUID", "AccessionNumber", "StudyDate"):
            assert ds[keyword].value == seen.datasets[0][keyword].value, keyword
        assert ds.SeriesInstanceUID != seen.series_uid
    assert read(made(seen)[0]).FrameOfReferenceUID == seen.datasets[0].FrameOfReferenceUID


def test_the_report_is_complete_preliminary_and_unverified(seen: Scan) -> None:
    sr = read(made(seen)[1])
    assert (sr.CompletionFlag, sr.PreliminaryFlag, sr.VerificationFlag) == ("COMPLETE", "PRELIMINARY", "UNVERIFIED")
    assert sr.SOPClassUID.name == "Comprehensive 3D SR Storage"
    assert sr.ContentTemplateSequence[0].TemplateIdentifier == "1500"


def items(ds: Dataset) -> Iterator[Dataset]:
    for item in ds.get("ContentSequence", ()):
        yield item
        yield from items(item)


def numbers(sr: Dataset) -> dict[str, tuple[float, str]]:
    """By meaning: the last value and its unit's code."""
    return {
        str(item.ConceptNameCodeSequence[0].CodeMeaning): (
            float(item.MeasuredValueSequence[0].NumericValue),
            str(item.MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0].CodeValue),
        )
        for item in items(sr)
        if item.ValueType == "NUM"
    }


def test_every_figure_of_a_lesion_is_in_the_report_with_its_unit(seen: Scan) -> None:
    (lesion,) = found_in(seen).lesions
    sr = read(made(seen)[1])
    group = hd.sr.srread(DicomBytesIO(encoded(made(seen)[1]))).content.get_volumetric_roi_measurement_groups()[0]
    assert str(group.tracking_uid) == lesion.tracking_uid
    found = numbers(sr)
    assert found["Long Axis"] == (pytest.approx(lesion.longest_mm, abs=1e-3), "mm")
    assert found["Volume"] == (pytest.approx(lesion.volume_ml, abs=1e-3), "mL")
    assert found["AI suspicion score, not calibrated as a probability"][1] == "1"
    assert found["Centre of mass, x in patient coordinates"] == (pytest.approx(lesion.position[0], abs=1e-3), "mm")
    assert found["Part of the vessel's outline touching the lesion"][1] == "deg"
    assert found["Diameter"][1] == "mm"


def test_a_duct_that_is_nowhere_has_no_diameter_rather_than_none_of_it(seen: Scan) -> None:
    findings, legend, frames = replace(found_in(seen), duct_mm=0.0), bundle().legend, seen.volume.frames
    labelled = segments(seen.assessed, seen.volume, legend)
    headers = source(seen.datasets, frames, seen.study_uid, seen.series_uid)
    sr = report(findings, labelled, made(seen)[0], headers, frames, legend, AUTHOR, DEMO, AT, None)
    assert "Diameter" not in numbers(read(sr))


def test_the_report_points_to_the_segment_the_series_and_the_algorithm(seen: Scan) -> None:
    seg, sr = made(seen)
    assert seg is not None
    segment = next(item for item in seg.SegmentSequence if "candidate" in item.SegmentLabel)
    (group,) = [i for i in items(read(sr)) if i.ValueType == "IMAGE" and "ReferencedSOPSequence" in i]
    reference = group.ReferencedSOPSequence[0]
    assert reference.ReferencedSOPInstanceUID == seg.SOPInstanceUID
    assert reference.ReferencedSegmentNumber == segment.SegmentNumber
    texts = [str(item.TextValue) for item in items(read(sr)) if item.ValueType == "TEXT"]
    assert {AUTHOR.version, f"sha256={AUTHOR.sha256}"} <= set(texts)
    named = {
        str(image.ReferencedSOPInstanceUID)
        for study in sr.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for image in series.ReferencedSOPSequence
    }
    assert {str(ds.SOPInstanceUID) for ds in seen.datasets} < named


def test_in_a_demonstration_every_object_says_so(seen: Scan) -> None:
    for permit in (DEMO, Permit(True, Status.established, "demo")):
        seg, sr = map(read, made(seen, permit))
        assert seg.SeriesDescription.startswith("TEST ")
        assert sr.SeriesDescription.startswith("TEST ")
        assert seg.ContentDescription == LABEL
        assert all(item.SegmentLabel.startswith("TEST ") for item in seg.SegmentSequence)
        said = [str(i.ConceptCodeSequence[0].CodeMeaning) for i in items(sr) if i.ValueType == "CODE"]
        assert said.count(LABEL) == 2, "of the scan and of the lesion"


def test_in_production_a_clinical_model_s_objects_carry_no_such_mark(seen: Scan) -> None:
    for ds in made(seen, CLINICAL):
        assert "TEST" not in str(read(ds).SeriesDescription)
        assert LABEL not in str(read(ds))


def test_a_label_map_shows_what_the_binary_form_shows(seen: Scan) -> None:
    binary, _ = made(seen)
    compact, _ = made(seen, label_map=True)
    assert binary is not None
    assert compact is not None
    assert len(encoded(compact)) < len(encoded(binary))
    one, other = (
        hd.seg.Segmentation.from_dataset(read(ds)).get_volume(combine_segments=True) for ds in (binary, compact)
    )
    shared = np.array_equal(np.unique(one.array), np.unique(other.array))
    assert shared
    assert [(one.array == n).sum() for n in range(1, 5)] == [(other.array == n).sum() for n in range(1, 5)]


def test_a_lesion_found_again_keeps_its_tracking_identifier() -> None:
    before, now = scan(), scan(radius=12.0)
    seg, sr = made(now, earlier=before)
    first = found_in(before).lesions[0]
    assert found_in(now).lesions[0].tracking_uid != first.tracking_uid
    assert seg is not None
    assert first.tracking_uid in {str(item.TrackingUID) for item in seg.SegmentSequence}
    assert first.tracking_uid in str(sr)
    said = [str(i.ConceptCodeSequence[0].CodeMeaning) for i in items(read(sr)) if i.ValueType == "CODE"]
    assert "Progression, AI-measured" in said


def without(ds: Dataset, *keywords: str) -> Dataset:
    own = Dataset()
    own.update({tag: element for tag, element in ds.items() if element.keyword not in keywords})
    return own


@pytest.mark.parametrize("keyword", ["PatientSex", "AccessionNumber", "ReferringPhysicianName", "SOPClassUID"])
def test_a_source_that_lacks_what_it_should_have_still_gets_its_result(
    keyword: str, seen: Scan, tmp_path: Path
) -> None:
    bare = replace(seen, datasets=[without(ds, keyword) for ds in seen.datasets])
    seg, sr = made(bare)
    assert seg is not None
    assert complaints(encoded(seg), tmp_path) + complaints(encoded(sr), tmp_path) == []


def said(ds: Dataset, **values: object) -> Dataset:
    own = without(ds)
    for keyword, value in values.items():
        own.add_new(keyword, dictionary_VR(keyword), value)
    return own


@pytest.mark.parametrize(
    ("keyword", "value", "written"),
    [
        ("PatientSex", "U", ""),
        ("PatientSex", "f", "F"),
        ("PatientBirthDate", "1960", ""),
        ("PatientBirthDate", "19600000", ""),
        ("StudyDate", "00000000", ""),
        ("StudyDate", "2026.01.05", "20260105"),
        ("StudyTime", "10:00:00", "100000"),
        ("StudyTime", "1000", "1000"),
        ("StudyTime", "9.30", ""),
    ],
)
def test_what_no_reader_can_parse_is_written_as_not_said(
    keyword: str, value: str, written: str, seen: Scan, tmp_path: Path
) -> None:
    odd = replace(seen, datasets=[said(ds, **{keyword: value}) for ds in seen.datasets])
    for ds in made(odd):
        assert str(read(ds)[keyword].value or "") == written
        assert (ds and ds.PatientName, ds and ds.PatientID) == ("Generated^One", "GENERATED-1")
        assert [c for c in complaints(encoded(read(ds)), tmp_path) if "build DICOMDIR" not in c] == []


@pytest.mark.parametrize("change", [{"SliceThickness": None}, {"SpacingBetweenSlices": -2.0}, {}], ids=str)
def test_slices_that_say_nothing_of_their_thickness_are_as_thick_as_they_lie_apart(
    change: dict[str, object], seen: Scan, tmp_path: Path
) -> None:
    bare = [said(without(ds, "SliceThickness"), **change) for ds in seen.datasets]
    seg = read(made(replace(seen, datasets=bare))[0])
    measures = seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert float(measures.SliceThickness) == pytest.approx(2.0)
    assert faults(encoded(seg), tmp_path) + complaints(encoded(seg), tmp_path) == []


@pytest.mark.parametrize("askew", [1e-6, 1.9e-3])
def test_slices_a_rounding_apart_in_direction_are_outlined_where_the_lesion_lies(
    askew: float, seen: Scan, tmp_path: Path
) -> None:
    slices = upright()
    for ds in slices[1::2]:
        ds.ImageOrientationPatient = [1.0, askew, 0.0, -askew, 1.0, 0.0]
    one = scan(datasets=slices)
    seg = read(made(one)[0])
    shared = seg.SharedFunctionalGroupsSequence[0]
    assert list(shared.PlaneOrientationSequence[0].ImageOrientationPatient) == [1, 0, 0, 0, 1, 0]
    assert np.abs(middle_of_lesion(seg) - LESION).max() < 0.3
    assert faults(encoded(seg), tmp_path) + complaints(encoded(seg), tmp_path) == []
    assert slices[1].ImageOrientationPatient[1] == askew, "the caller's headers stay as they are"


def middle_of_lesion(seg: Dataset) -> np.ndarray:
    """mm (DICOM PS3.3 C.7.6.2.1.1), of an upright source."""
    shared = seg.SharedFunctionalGroupsSequence[0]
    (lesion,) = [item.SegmentNumber for item in seg.SegmentSequence if "candidate" in item.SegmentLabel]
    row_mm, column_mm = map(float, shared.PixelMeasuresSequence[0].PixelSpacing)
    found = []
    for layer, item in zip(seg.pixel_array, seg.PerFrameFunctionalGroupsSequence, strict=True):
        if item.SegmentIdentificationSequence[0].ReferencedSegmentNumber == lesion:
            place = np.array(item.PlanePositionSequence[0].ImagePositionPatient, float)
            found += [place + np.array([column * column_mm, row * row_mm, 0]) for row, column in np.argwhere(layer)]
    return np.asarray(np.mean(found, axis=0))


def test_padding_makes_no_other_patient(seen: Scan) -> None:
    padded = [said(ds, PatientID=f"{ds.PatientID} ") if n == 3 else ds for n, ds in enumerate(seen.datasets)]
    assert read(made(replace(seen, datasets=padded))[0]).PatientID == "GENERATED-1"


def test_slices_with_frames_of_reference_of_their_own_get_one(seen: Scan) -> None:
    changed = []
    for number, ds in enumerate(seen.datasets):
        own = without(ds)
        own.add_new("FrameOfReferenceUID", "UI", f"1.2.3.{number}")
        changed.append(own)
    assert str(read(made(replace(seen, datasets=changed))[0]).FrameOfReferenceUID) == "1.2.3.0"
    assert changed[1].FrameOfReferenceUID == "1.2.3.1", "the caller's headers stay as they are"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"drop": 1}, Reason.SOURCE_CHANGED),
        ({"StudyInstanceUID": "1.2.9"}, Reason.SOURCE_CHANGED),
        ({"PatientID": "SOMEBODY-ELSE"}, Reason.SEVERAL_PATIENTS),
    ],
)
def test_images_that_changed_since_stop_the_way_back(change: dict[str, str | int], reason: Reason, seen: Scan) -> None:
    headers = [without(ds) for ds in seen.datasets][int(change.get("drop", 0)) :]
    for keyword, value in ((k, v) for k, v in change.items() if k != "drop"):
        headers[3].add_new(keyword, dictionary_VR(keyword), value)
    with pytest.raises(Unusable) as raised:
        source(headers, seen.volume.frames, seen.study_uid, seen.series_uid)
    assert raised.value.reason is reason


@pytest.mark.parametrize("once", [True, False], ids=["said once", "said of each frame"])
def test_a_multi_frame_source_is_outlined_frame_by_frame(once: bool, seen: Scan, tmp_path: Path) -> None:
    names = {"series_instance_uid": hd.UID(), "sop_instance_uid": hd.UID()}
    whole = hd.legacy.LegacyConvertedEnhancedCTImage(seen.datasets, series_number=3, instance_number=1, **names)
    if not once:
        for name in ("PlaneOrientationSequence", "PixelMeasuresSequence"):
            for item in whole.PerFrameFunctionalGroupsSequence:
                setattr(item, name, whole.SharedFunctionalGroupsSequence[0][name].value)
            del whole.SharedFunctionalGroupsSequence[0][name]
    study, series = seen.study_uid, str(whole.SeriesInstanceUID)
    read_back = read_series([encoded(whole)], Limits(), study, series, threads=1)
    volume = build(stacks(read_back.slices)[0])
    seg, sr = made(Scan([whole], volume, seen.assessed))
    assert seg is not None
    assert complaints(encoded(seg), tmp_path) + faults(encoded(seg), tmp_path) + faults(encoded(sr), tmp_path) == []
    classic, _ = made(seen)
    assert classic is not None
    assert seg.NumberOfFrames == classic.NumberOfFrames
    assert np.array_equal(seg.pixel_array, classic.pixel_array)
    for item in seg.PerFrameFunctionalGroupsSequence:
        image = item.DerivationImageSequence[0].SourceImageSequence[0]
        named = whole.PerFrameFunctionalGroupsSequence[int(image.ReferencedFrameNumber) - 1]
        place = named.PlanePositionSequence[0].ImagePositionPatient
        assert np.allclose(item.PlanePositionSequence[0].ImagePositionPatient, place)
