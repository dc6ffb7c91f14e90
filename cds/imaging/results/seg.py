"""DICOM Segmentation (PS3.3 A.51): one object, one segment a structure or lesion, on the source's own pixels.

Binary by default, which every archive knows; a label map (Supplement 243) on request, a tenth of the size.
"""

from __future__ import annotations

from datetime import datetime

import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

from cds.imaging.frames import Frame
from cds.imaging.reasons import Reason, Unusable
from cds.imaging.results.author import Author
from cds.imaging.results.findings import Findings
from cds.imaging.results.geometry import Segments
from cds.imaging.results.guard import LABEL, SHORT, Permit
from cds.imaging.results.objects import (
    AI,
    ALTERED,
    ANATOMY,
    algorithm_name,
    concept,
    names,
    settled,
    written,
)
from cds.imaging.results.source import Source
from cds.imaging.results.uids import Uids
from cds.inference.volumes.legend import Legend

SERIES_NUMBER = 9100


def segmentation(
    segments: Segments,
    findings: Findings,
    source: Source,
    frames: tuple[Frame, ...],
    legend: Legend,
    author: Author,
    permit: Permit,
    at: datetime,
    *,
    label_map: bool = False,
) -> Dataset | None:
    """None when nothing is outlined. ``at``: time of the analysis. Raises Unusable (result-not-written)."""
    if not segments.labels.size or not segments.labels.any():
        return None
    uids = names(frames, author, permit)
    kind = hd.seg.SegmentationTypeValues.LABELMAP if label_map else hd.seg.SegmentationTypeValues.BINARY
    role = "seg-labelmap" if label_map else "seg"
    images, labels = _laid(segments, source, frames)
    with written():
        made = hd.seg.Segmentation(
            source_images=images,
            pixel_array=labels,
            segmentation_type=kind,
            segment_descriptions=_descriptions(segments, findings, legend, author, permit, uids),
            series_instance_uid=uids.uid(f"{role}-series"),
            series_number=SERIES_NUMBER,
            sop_instance_uid=uids.uid(role),
            instance_number=1,
            manufacturer=author.manufacturer,
            manufacturer_model_name=author.model[:64],
            software_versions=author.software,
            device_serial_number=author.version[:64],
            transfer_syntax_uid=RLELossless if label_map else ExplicitVRLittleEndian,
            content_label=f"{SHORT}_AI_SEG" if permit.test else "AI_SEG",
            content_description=LABEL if permit.test else "Automatic outlines, unconfirmed",
        )
    return settled(made, uids, at, permit.titled(f"AI segmentation {author.name}"))


def _laid(segments: Segments, source: Source, frames: tuple[Frame, ...]) -> tuple[list[Dataset], NDArray[np.uint8]]:
    """(source images, label array of as many frames as they have)."""
    last = segments.first + len(segments.labels)
    if not source.multiframe:
        return list(source.instances[segments.first : last]), segments.labels
    whole = source.instances[0]
    labels = np.zeros((int(whole.NumberOfFrames), *segments.labels.shape[1:]), np.uint8)
    for frame, layer in zip(frames[segments.first : last], segments.labels, strict=True):
        if not 0 < frame.number <= len(labels):
            raise Unusable(Reason.SOURCE_CHANGED, "(a frame is gone)")
        labels[frame.number - 1] = layer
    return [whole], labels


def _descriptions(
    segments: Segments, findings: Findings, legend: Legend, author: Author, permit: Permit, uids: Uids
) -> list[hd.seg.SegmentDescription]:
    algorithm = hd.AlgorithmIdentificationSequence(
        name=algorithm_name(author, permit),
        version=author.version,
        family=AI,
        source=author.manufacturer,
        parameters={"sha256": author.sha256, "software": author.software},
    )
    automatic = hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC
    found = [
        hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=permit.titled(legend.structures[name].code.meaning),
            segmented_property_category=ANATOMY,
            segmented_property_type=concept(legend.structures[name].code),
            algorithm_type=automatic,
            algorithm_identification=algorithm,
            tracking_uid=uids.uid(f"structure-{name}"),
            tracking_id=legend.structures[name].code.meaning,
        )
        for number, name in enumerate(segments.structures, start=1)
    ]
    site = [concept(legend.organ)] if legend.organ is not None else None
    for index, lesion in enumerate(findings.lesions):
        found.append(
            hd.seg.SegmentDescription(
                segment_number=segments.of_lesion(index),
                segment_label=permit.titled(f"AI candidate {lesion.number}, unconfirmed"),
                segmented_property_category=ALTERED,
                segmented_property_type=concept(legend.lesion),
                algorithm_type=automatic,
                algorithm_identification=algorithm,
                tracking_uid=lesion.tracking_uid,
                tracking_id=lesion.tracking_id,
                anatomic_regions=site,
            )
        )
    return found
