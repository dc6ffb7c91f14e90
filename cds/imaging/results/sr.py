"""DICOM structured report (Comprehensive 3D SR, TID 1500): the root of the result, after IHE AI Results.

Complete, preliminary and unverified: software has finished, no physician has read it. Lesions point to their segment;
likelihoods are a local "suspicion score", since only a calibrated figure may be called a probability of cancer.
"""

from __future__ import annotations

from datetime import datetime

import highdicom as hd
from highdicom.sr.coding import CodedConcept
from pydicom.dataset import Dataset

from cds.imaging.frames import Frame
from cds.imaging.results.author import Author
from cds.imaging.results.comparison import Comparison, Response
from cds.imaging.results.findings import Findings, Lesion
from cds.imaging.results.geometry import Segments
from cds.imaging.results.guard import Permit
from cds.imaging.results.objects import (
    AI,
    ALTERED,
    DEGREES,
    DEMONSTRATION,
    ML,
    MM,
    NO_UNITS,
    STATUS,
    UNCONFIRMED,
    algorithm_name,
    concept,
    dcm,
    device_uid,
    names,
    own,
    sct,
    settled,
    tracking,
    written,
)
from cds.imaging.results.source import Source
from cds.imaging.results.uids import Uids
from cds.inference.volumes.legend import Legend

SERIES_NUMBER = 9101
_VOLUME = sct("118565006", "Volume")
_LONGEST = sct("103339001", "Long Axis")
_DIAMETER = sct("81827009", "Diameter")
_CT = sct("77477000", "Computed tomography imaging")
_ENGLISH = CodedConcept("eng", "RFC5646", "English")
_SCORE = own("SUSPICION_SCORE", "AI suspicion score, not calibrated as a probability")
_SUSPICION = own("SUSPICION", "AI suspicion category")
_CONTACT = own("VESSEL_CONTACT", "Part of the vessel's outline touching the lesion")
_CENTRE = tuple(own(f"CENTRE_{axis}", f"Centre of mass, {axis.lower()} in patient coordinates") for axis in "XYZ")
_COVERAGE = own("COVERAGE", "Coverage of the organ by the scan")
_ENDS_INSIDE = own("ENDS_INSIDE", "Scan ends inside the organ, measured is the part in view")
_RESPONSE = own("AI_RESPONSE", "AI-measured response, thresholds of RECIST 1.1, unconfirmed")
_LESION_CHANGE = own("AI_LESION_CHANGE", "AI-measured change since the earlier scan")
_LONGER = own("LONGEST_CHANGE", "Change of longest diameter since the earlier scan")
_LARGER = own("VOLUME_CHANGE", "Change of volume since the earlier scan")
_NEW = own("NEW", "Not found on the earlier scan")
_SEEN = own("FOUND_BEFORE", "Found on the earlier scan")
RESPONSES = {
    Response.PROGRESSION: own("AI_PD", "Progression, AI-measured"),
    Response.STABLE: own("AI_SD", "Stable, AI-measured"),
    Response.RESPONSE: own("AI_PR", "Partial response, AI-measured"),
    Response.NOT_EVALUABLE: own("AI_NE", "Not evaluable by AI"),
}


def report(
    findings: Findings,
    segments: Segments,
    segmentation: Dataset | None,
    source: Source,
    frames: tuple[Frame, ...],
    legend: Legend,
    author: Author,
    permit: Permit,
    at: datetime,
    comparison: Comparison | None = None,
) -> Dataset:
    """``findings``: with the tracking identifiers of earlier scans where there are any. Raises Unusable
    (result-not-written)."""
    uids = names(frames, author, permit)
    # a report on a label map is another object than one on a binary segmentation
    role = f"sr-{segmentation.SOPClassUID}" if segmentation is not None else "sr"
    with written():
        algorithm = hd.sr.AlgorithmIdentification(
            name=algorithm_name(author, permit),
            version=author.version,
            parameters=[f"sha256={author.sha256}", f"software={author.software}"],
            family=AI,
            manufacturer=author.manufacturer,
        )
        groups = [
            _lesion(one, segments.of_lesion(index), segmentation, source, legend, algorithm, permit, comparison)
            for index, one in enumerate(findings.lesions)
        ]
        patient = _patient(findings, legend, algorithm, permit, uids, comparison)
        observer = hd.sr.ObserverContext(
            observer_type=dcm("121007", "Device"),
            observer_identifying_attributes=hd.sr.DeviceObserverIdentifyingAttributes(
                uid=device_uid(author),
                name=algorithm_name(author, permit),
                manufacturer_name=author.manufacturer,
                model_name=author.model,
                serial_number=author.version,
            ),
        )
        content = hd.sr.MeasurementReport(
            observation_context=hd.sr.ObservationContext(observer_device_context=observer),
            procedure_reported=_CT,
            imaging_measurements=[patient, *groups],
            title=dcm("126000", "Imaging Measurement Report"),
            language_of_content_item_and_descendants=hd.sr.LanguageOfContentItemAndDescendants(_ENGLISH),
        )
        made = hd.sr.Comprehensive3DSR(
            evidence=[*source.instances, *([segmentation] if segmentation is not None else [])],
            content=content,
            series_number=SERIES_NUMBER,
            series_instance_uid=uids.uid(f"{role}-series"),
            sop_instance_uid=uids.uid(role),
            instance_number=1,
            manufacturer=author.manufacturer,
            is_complete=True,
            is_final=False,
            is_verified=False,
        )
    made.ManufacturerModelName, made.SoftwareVersions = author.model[:64], author.software
    made.DeviceSerialNumber = author.version[:64]
    return settled(made, uids, at, permit.titled(f"AI findings {author.name}"))


def _status(permit: Permit) -> hd.sr.QualitativeEvaluation:
    return hd.sr.QualitativeEvaluation(STATUS, DEMONSTRATION if permit.test else UNCONFIRMED)


def _category(name: str) -> CodedConcept:
    return own(f"SUSP_{name}".upper().replace("-", "_"), name)


def _patient(
    findings: Findings,
    legend: Legend,
    algorithm: hd.sr.AlgorithmIdentification,
    permit: Permit,
    uids: Uids,
    comparison: Comparison | None,
) -> hd.sr.MeasurementsAndQualitativeEvaluations:
    said = [_status(permit), hd.sr.QualitativeEvaluation(_SUSPICION, _category(findings.category))]
    if findings.cut_off:
        said.append(hd.sr.QualitativeEvaluation(_COVERAGE, _ENDS_INSIDE))
    if comparison is not None:
        said.append(hd.sr.QualitativeEvaluation(_RESPONSE, RESPONSES[comparison.response]))
    sizes = []
    if findings.organ_ml is not None:
        sizes.append(hd.sr.Measurement(_VOLUME, _figure(findings.organ_ml), ML, algorithm_id=algorithm))
    if findings.duct_mm:  # one that is nowhere has no width
        duct = [concept(legend.structures[name].code) for name in legend.named("duct")]
        sizes.append(
            hd.sr.Measurement(
                _DIAMETER,
                _figure(findings.duct_mm),
                MM,
                algorithm_id=algorithm,
                finding_sites=[hd.sr.FindingSite(site) for site in duct[:1]],
            )
        )
    return hd.sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=tracking(uids.uid("patient"), "Whole scan"),
        algorithm_id=algorithm,
        finding_sites=_sites(legend),
        measurements=sizes or None,
        qualitative_evaluations=said,
    )


def _lesion(
    lesion: Lesion,
    number: int,
    segmentation: Dataset | None,
    source: Source,
    legend: Legend,
    algorithm: hd.sr.AlgorithmIdentification,
    permit: Permit,
    comparison: Comparison | None,
) -> hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations:
    assert segmentation is not None, "a lesion is outlined"
    sizes = [
        hd.sr.Measurement(_VOLUME, _figure(lesion.volume_ml), ML),
        hd.sr.Measurement(_LONGEST, _figure(lesion.longest_mm), MM),
        hd.sr.Measurement(_SCORE, _figure(lesion.likelihood), NO_UNITS),
        *(hd.sr.Measurement(name, _figure(at), MM) for name, at in zip(_CENTRE, lesion.position, strict=True)),
    ]
    for contact in lesion.contacts:
        vessel = hd.sr.FindingSite(concept(legend.structures[contact.structure].code))
        sizes.append(hd.sr.Measurement(_CONTACT, float(contact.degrees), DEGREES, finding_sites=[vessel]))
    said = [_status(permit), hd.sr.QualitativeEvaluation(_SUSPICION, _category(lesion.category))]
    if comparison is not None:
        change = next((one for one in comparison.changes if one.number == lesion.number), None)
        if change is not None:
            sizes.append(hd.sr.Measurement(_LONGER, _figure(change.longest_mm), MM))
            sizes.append(hd.sr.Measurement(_LARGER, _figure(change.volume_ml), ML))
            said.append(hd.sr.QualitativeEvaluation(_LESION_CHANGE, _SEEN))
        elif lesion.number in comparison.new:
            said.append(hd.sr.QualitativeEvaluation(_LESION_CHANGE, _NEW))
    return hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=tracking(lesion.tracking_uid, lesion.tracking_id),
        referenced_segment=hd.sr.ReferencedSegment(
            sop_class_uid=segmentation.SOPClassUID,
            sop_instance_uid=segmentation.SOPInstanceUID,
            segment_number=number,
            source_series=hd.sr.SourceSeriesForSegmentation(source.series_uid),
        ),
        finding_type=concept(legend.lesion),
        finding_category=ALTERED,
        algorithm_id=algorithm,
        finding_sites=_sites(legend),
        measurements=sizes,
        qualitative_evaluations=said,
    )


def _sites(legend: Legend) -> list[hd.sr.FindingSite] | None:
    return [hd.sr.FindingSite(concept(legend.organ))] if legend.organ is not None else None


def _figure(value: float) -> float:
    """As many digits as a DICOM decimal string holds, and no more than mean anything."""
    return round(float(value), 3)
