"""What a structured report (TID 1500) in the archive says, in any language the page speaks: figures and conclusions.

Any maker's report will do; codes that no catalogue has a name for are shown in the report's own words.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from cds.cards.coded import Coded
from cds.errors import SourceMalformed

_GROUP = "125007"
"""Measurement Group (PS3.16 TID 1410, 1411, 1501)."""
_TRACKING, _TRACKING_UID, _SITE = "112039", "112040", ("363698007", "G-C0E3")
_ABOUT_THE_GROUP = ("121071", "276214006", "111000", "112042", "121401", *_SITE)
"""What a group is of and how it was made, as against what was concluded."""

_LOW = "SUSP_LOW"


@dataclass(frozen=True)
class Figure:
    concept: Coded
    value: float
    unit: str
    """UCUM."""
    site: Coded | None = None
    """Of what, where the report says so for this figure alone."""

    @property
    def code(self) -> str:
        return self.concept.value


@dataclass(frozen=True)
class Said:
    concept: Coded
    conclusion: Coded

    @property
    def code(self) -> str:
        return self.concept.value


@dataclass(frozen=True)
class Group:
    """One finding, or the scan as a whole."""

    tracking_uid: str
    tracking_id: str
    segment: int | None
    """Of the segmentation; None for the scan as a whole."""
    figures: tuple[Figure, ...]
    said: tuple[Said, ...]
    site: Coded | None = None
    """Of what, for figures that do not say so themselves."""

    @property
    def faint(self) -> bool:
        """Marked for completeness: the report itself calls it of low suspicion."""
        return any(said.conclusion.value == _LOW for said in self.said)

    def figure(self, code: str) -> Figure | None:
        return next((f for f in self.figures if f.code == code), None)


@dataclass(frozen=True)
class Report:
    title: str
    groups: tuple[Group, ...]
    preliminary: bool
    """Not finished by a physician."""

    @property
    def whole(self) -> Group | None:
        return next((g for g in self.groups if g.segment is None), None)

    @property
    def findings(self) -> tuple[Group, ...]:
        return tuple(g for g in self.groups if g.segment is not None)

    def again(self, group: Group) -> Group | None:
        """The same finding in this, another scan's, report."""
        return next((g for g in self.findings if g.tracking_uid == group.tracking_uid), None)


def read_report(raw: bytes) -> Report:
    """Raises SourceMalformed."""
    try:
        found = pydicom.dcmread(io.BytesIO(raw))
        groups = tuple(_group(item) for item in _all(found) if _code(item) == _GROUP)
        preliminary = (
            str(found.get("PreliminaryFlag", "")) != "FINAL" or str(found.get("VerificationFlag")) != "VERIFIED"
        )
        return Report(str(found.get("SeriesDescription", "")), groups, preliminary)
    except (InvalidDicomError, AttributeError, LookupError, ValueError, TypeError, EOFError) as error:
        raise SourceMalformed("the report in the image archive can't be read") from error


def _all(item: Dataset) -> Iterator[Dataset]:
    for child in item.get("ContentSequence", ()):
        yield child
        yield from _all(child)


def _group(item: Dataset) -> Group:
    children = list(item.get("ContentSequence", ()))
    segments = [
        int(reference.ReferencedSegmentNumber[0])
        if isinstance(reference.ReferencedSegmentNumber, pydicom.multival.MultiValue)
        else int(reference.ReferencedSegmentNumber)
        for child in _all(item)
        for reference in child.get("ReferencedSOPSequence", ())
        if "ReferencedSegmentNumber" in reference
    ]
    return Group(
        tracking_uid=next((str(c.UID) for c in children if _code(c) == _TRACKING_UID), ""),
        tracking_id=next((str(c.TextValue) for c in children if _code(c) == _TRACKING), ""),
        segment=segments[0] if segments else None,
        figures=tuple(_figure(c) for c in children if c.ValueType == "NUM" and c.get("MeasuredValueSequence")),
        said=tuple(_said(c) for c in children if c.ValueType == "CODE" and _code(c) not in _ABOUT_THE_GROUP),
        site=next((_said(c).conclusion for c in children if c.ValueType == "CODE" and _code(c) in _SITE), None),
    )


def _figure(item: Dataset) -> Figure:
    name, measured = item.ConceptNameCodeSequence[0], item.MeasuredValueSequence[0]
    sites = [c for c in item.get("ContentSequence", ()) if _code(c) in _SITE]
    return Figure(
        concept=_coded(name),
        value=float(measured.NumericValue),
        unit=str(measured.MeasurementUnitsCodeSequence[0].CodeValue),
        site=_coded(sites[0].ConceptCodeSequence[0]) if sites else None,
    )


def _said(item: Dataset) -> Said:
    return Said(_coded(item.ConceptNameCodeSequence[0]), _coded(item.ConceptCodeSequence[0]))


def _coded(item: Dataset) -> Coded:
    return Coded(str(item.get("CodingSchemeDesignator", "")), str(item.CodeValue), str(item.CodeMeaning))


def _code(item: Dataset) -> str:
    named = item.get("ConceptNameCodeSequence")
    return str(named[0].CodeValue) if named else ""
