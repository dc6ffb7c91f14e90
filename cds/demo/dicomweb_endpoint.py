"""A small DICOMweb endpoint over instances in memory: for the demo and for tests, never for a hospital.

It searches (QIDO-RS), sends what it has as it was stored (WADO-RS, streamed, never transcoded) or its headers, and
takes what it is sent (STOW-RS). What it does not offer it refuses. DICOM PS3.18 §10.4 to §10.6.
"""

from __future__ import annotations

import io
import json
import re
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import pydicom
from flask import Blueprint, Flask, Response, request
from pydicom.datadict import keyword_for_tag, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from werkzeug.datastructures import MultiDict

from cds.imaging.multipart import Splitter, boundary_of
from cds.imaging.reasons import Unusable

Row = dict[str, Any]

_STUDY = (
    "StudyDate", "StudyTime", "AccessionNumber", "StudyDescription", "ReferringPhysicianName", "PatientName",
    "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyID",
)  # fmt: skip
_SERIES = ("Modality", "SeriesDescription", "BodyPartExamined", "SeriesInstanceUID", "SeriesNumber")
_INSTANCE = ("SOPClassUID", "SOPInstanceUID", "InstanceNumber", "NumberOfFrames", "Rows", "Columns")
_COUNTED = ("ModalitiesInStudy", "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances")
_KNOWN = {*_STUDY, *_SERIES, *_INSTANCE, *_COUNTED, "NumberOfSeriesRelatedInstances"}
_CONTROLS = frozenset({"limit", "offset", "includefield", "fuzzymatching"})
_TAG = re.compile(r"[0-9A-Fa-f]{8}")
_JSON = "application/dicom+json"
_MOST_BYTES = 1_000_000_000
# failure reasons, PS3.4 table B.2-1: the object can't be understood; it is not what the address says
_NOT_UNDERSTOOD, _NO_MATCH = 0xC000, 0xA900


class Refused(Exception):
    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status, self.words = status, words


@dataclass(frozen=True, eq=False)
class _Instance:
    header: Dataset
    """Without pixels."""
    raw: bytes
    """As stored, DICOM PS3.10."""

    @classmethod
    def of(cls, raw: bytes) -> _Instance:
        """Raises ValueError for what is no DICOM instance."""
        try:
            header = pydicom.dcmread(io.BytesIO(raw), stop_before_pixels=True)
            for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID"):
                if not header.get(keyword):
                    raise ValueError(f"no {keyword}")
        except (InvalidDicomError, EOFError, AttributeError) as error:
            raise ValueError("not a DICOM instance") from error
        return cls(header, raw)

    def uid(self, keyword: str) -> str:
        return str(self.header[keyword].value)


class Archive:
    """Instances in memory, in the order in which they came. Safe for threads."""

    def __init__(self, instances: Iterable[bytes] = ()) -> None:
        self._lock = threading.Lock()
        self._kept: dict[str, _Instance] = {}
        for raw in instances:
            self.add(raw)

    def add(self, raw: bytes) -> _Instance:
        """One that is here already stays as it is. Raises ValueError for what is no DICOM instance."""
        instance = _Instance.of(raw)
        with self._lock:
            return self._kept.setdefault(instance.uid("SOPInstanceUID"), instance)

    def found(self, **uids: str | None) -> list[_Instance]:
        """Those with these UIDs, by keyword; None matches all."""
        wanted = {keyword: uid for keyword, uid in uids.items() if uid is not None}
        with self._lock:
            return [i for i in self._kept.values() if all(i.uid(k) == uid for k, uid in wanted.items())]

    def __len__(self) -> int:
        return len(self._kept)


def dicomweb(archive: Archive, prefix: str = "/dicom-web") -> Blueprint:
    """The endpoint's routes below ``prefix``."""
    routes = Blueprint("dicomweb", __name__, url_prefix=prefix)

    @routes.get("/studies")
    def _studies() -> Response:
        return _searched(_grouped(archive.found(), "StudyInstanceUID"), _study_row)

    @routes.get("/studies/<study>/series")
    def _series(study: str) -> Response:
        return _searched(_grouped(archive.found(StudyInstanceUID=study), "SeriesInstanceUID"), _series_row)

    @routes.get("/studies/<study>/instances")
    @routes.get("/studies/<study>/series/<series>/instances")
    def _instances(study: str, series: str | None = None) -> Response:
        found = archive.found(StudyInstanceUID=study, SeriesInstanceUID=series)
        return _searched([[i] for i in found], _instance_row)

    @routes.get("/studies/<study>")
    @routes.get("/studies/<study>/series/<series>")
    @routes.get("/studies/<study>/series/<series>/instances/<instance>")
    def _retrieve(study: str, series: str | None = None, instance: str | None = None) -> Response:
        found = archive.found(StudyInstanceUID=study, SeriesInstanceUID=series, SOPInstanceUID=instance)
        if not found:
            raise Refused(404, "There is no such study, series or instance here.")
        _acceptable()
        boundary = uuid.uuid4().hex
        kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
        return Response(_parts([i.raw for i in found], boundary), content_type=kind)

    @routes.get("/studies/<study>/metadata")
    @routes.get("/studies/<study>/series/<series>/metadata")
    def _metadata(study: str, series: str | None = None) -> Response:
        found = archive.found(StudyInstanceUID=study, SeriesInstanceUID=series)
        if not found:
            raise Refused(404, "There is no such study or series here.")
        return Response(json.dumps([i.header.to_json_dict() for i in found]), content_type=_JSON)

    @routes.post("/studies")
    @routes.post("/studies/<study>")
    def _store(study: str | None = None) -> Response:
        return _stored(archive, study)

    @routes.errorhandler(Refused)
    def _refused(fault: Refused) -> Response:
        return Response(json.dumps({"error": fault.words}), fault.status, content_type="application/json")

    return routes


def create_dicomweb_app(archive: Archive) -> Flask:
    """The endpoint alone, for tests."""
    app = Flask("dicomweb_endpoint")
    app.register_blueprint(dicomweb(archive))
    return app


def _grouped(instances: Sequence[_Instance], keyword: str) -> list[list[_Instance]]:
    groups: dict[str, list[_Instance]] = {}
    for instance in instances:
        groups.setdefault(instance.uid(keyword), []).append(instance)
    return list(groups.values())


def _study_row(instances: Sequence[_Instance]) -> Dataset:
    row = _taken(instances[0].header, _STUDY)
    row.ModalitiesInStudy = sorted({str(i.header.get("Modality", "")) for i in instances} - {""})
    row.NumberOfStudyRelatedSeries = len(_grouped(instances, "SeriesInstanceUID"))
    row.NumberOfStudyRelatedInstances = len(instances)
    return row


def _series_row(instances: Sequence[_Instance]) -> Dataset:
    row = _taken(instances[0].header, (*_SERIES, "StudyInstanceUID"))
    row.NumberOfSeriesRelatedInstances = len(instances)
    return row


def _instance_row(instances: Sequence[_Instance]) -> Dataset:
    return _taken(instances[0].header, (*_INSTANCE, "StudyInstanceUID", "SeriesInstanceUID"))


def _taken(header: Dataset, keywords: Iterable[str]) -> Dataset:
    row = Dataset()
    for keyword in keywords:
        if keyword in header:
            row.add(header[keyword])
    return row


def _searched(groups: Sequence[Sequence[_Instance]], row_of: Callable[[Sequence[_Instance]], Dataset]) -> Response:
    """Raises Refused (400) for what it can't be searched by."""
    first, most = _whole(request.args, "offset", 0), _whole(request.args, "limit", 1_000_000)
    terms = [(_keyword(name), value) for name, value in request.args.items(multi=True) if name not in _CONTROLS]
    rows = [row for row in map(row_of, groups) if all(_matches(row, keyword, value) for keyword, value in terms)]
    page = [row.to_json_dict() for row in rows[first : first + most]]
    return Response(json.dumps(page), content_type=_JSON)


def _keyword(name: str) -> str:
    found = keyword_for_tag(int(name, 16)) if _TAG.fullmatch(name) else name
    if found not in _KNOWN or tag_for_keyword(found) is None:
        raise Refused(400, f"Studies, series and instances can't be searched by {name} here.")
    return found


def _matches(row: Dataset, keyword: str, wanted: str) -> bool:
    """PS3.18 §8.3.4.1: nothing asked matches all; dates may be ranges, UIDs lists, texts have ``*`` and ``?``."""
    if not wanted or wanted == "*":
        return True
    element = row.get(keyword)
    values = [str(v) for v in (element if isinstance(element, list | pydicom.multival.MultiValue) else [element or ""])]
    if keyword.endswith("Date") and "-" in wanted:
        low, _, high = wanted.partition("-")
        return any(value and (low or value) <= value <= (high or value) for value in values)
    patterns = re.split(r"[,\\]", wanted) if keyword.endswith("UID") else [wanted]
    return any(fnmatchcase(value.lower(), pattern.lower()) for value in values for pattern in patterns)


def _whole(args: MultiDict[str, str], name: str, default: int) -> int:
    text = args.get(name, "")
    if text and not (text.isascii() and text.isdigit()):
        raise Refused(400, f"{name} takes a whole number.")
    return int(text) if text else default


def _acceptable() -> None:
    """Raises Refused (406): instances come whole and as stored, in no other form."""
    asked = request.headers.get("Accept", "*/*").lower()
    if not any(kind in asked for kind in ("*/*", "multipart/*", 'type="application/dicom"', "type=application/dicom;")):
        raise Refused(406, 'Ask for multipart/related; type="application/dicom"; transfer-syntax=*.')


def _parts(instances: Iterable[bytes], boundary: str) -> Iterator[bytes]:
    for raw in instances:
        yield f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        yield raw
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode()


def _stored(archive: Archive, study: str | None) -> Response:
    """PS3.18 §10.5.3: every instance is answered for, stored or failed."""
    try:
        splitter = Splitter(boundary_of(request.headers.get("Content-Type", "")), _MOST_BYTES)
        sent = splitter.feed(request.get_data(cache=False))
        splitter.finish()
    except Unusable as error:
        raise Refused(400, "The body is not multipart/related with DICOM instances.") from error
    taken: list[Row] = []
    failed: list[Row] = []
    for raw in sent:
        try:
            instance = _Instance.of(raw)
        except ValueError:
            failed.append({"00081197": {"vr": "US", "Value": [_NOT_UNDERSTOOD]}})
            continue
        named = _named(instance)
        if study is not None and instance.uid("StudyInstanceUID") != study:
            failed.append(named | {"00081197": {"vr": "US", "Value": [_NO_MATCH]}})
        else:
            archive.add(raw)
            taken.append(named | {"00081190": {"vr": "UR", "Value": [_address(instance)]}})
    # as widespread servers do, the sequence of failures is there, and empty, when nothing failed
    answer: Row = {"00081198": {"vr": "SQ"} | ({"Value": failed} if failed else {})}
    answer |= {"00081199": {"vr": "SQ"} | ({"Value": taken} if taken else {})}
    return Response(json.dumps(answer), 200 if not failed else 202 if taken else 409, content_type=_JSON)


def _named(instance: _Instance) -> Row:
    return {
        "00081150": {"vr": "UI", "Value": [instance.uid("SOPClassUID")]},
        "00081155": {"vr": "UI", "Value": [instance.uid("SOPInstanceUID")]},
    }


def _address(instance: _Instance) -> str:
    base = request.base_url.partition("/studies")[0]
    uids = [instance.uid(f"{level}InstanceUID") for level in ("Study", "Series", "SOP")]
    return f"{base}/studies/{uids[0]}/series/{uids[1]}/instances/{uids[2]}"
