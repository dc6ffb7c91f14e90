"""A small FHIR R4 endpoint over resources in memory: for the demo and for tests, never for a hospital.

It does what its CapabilityStatement lists and nothing else: read, search by the parameters of ``SEARCHES``, paging,
create, delete. What it does not know it refuses when asked to be strict (``Prefer: handling=strict``) and otherwise
leaves out of the ``self`` link, as FHIR R4 ("Search: handling errors") asks. It knows no disease: the resources are given.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from flask import Flask, Response, request
from pydantic import ValidationError
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import HTTPException

from cds.record.moments import Moment, parse

Resource = dict[str, Any]

_CODE, _STATUS = {"code": ("token", "code")}, {"status": ("token", "status")}
_SUBJECT = {"patient": ("reference", "subject"), "subject": ("reference", "subject")}
_MEDICATION = {"code": ("token", "medicationCodeableConcept")}
_CATEGORY = {"category": ("token", "category")}


def _date(name: str, *elements: str) -> dict[str, tuple[str, str]]:
    return {name: ("date", " ".join(elements))}


SEARCHES: dict[str, dict[str, tuple[str, str]]] = {
    "Patient": {},
    "Practitioner": {},
    "Encounter": {**_SUBJECT, **_STATUS, **_date("date", "period")},
    "Observation": {**_SUBJECT, **_CODE, **_STATUS, **_CATEGORY, **_date("date", "effectiveDateTime", "effectivePeriod")},
    "Condition": {
        **_SUBJECT, **_CODE, **_CATEGORY, "clinical-status": ("token", "clinicalStatus"),
        "verification-status": ("token", "verificationStatus"), **_date("onset-date", "onsetDateTime", "onsetPeriod"),
        **_date("recorded-date", "recordedDate"),
    },
    "MedicationRequest": {
        **_SUBJECT, **_STATUS, **_MEDICATION, "intent": ("token", "intent"), **_date("authoredon", "authoredOn"),
    },
    "MedicationAdministration": {
        **_SUBJECT, **_STATUS, **_MEDICATION, **_date("effective-time", "effectiveDateTime", "effectivePeriod"),
    },
    "Procedure": {**_SUBJECT, **_CODE, **_STATUS, **_date("date", "performedDateTime", "performedPeriod")},
    "ServiceRequest": {
        **_SUBJECT, **_CODE, **_STATUS, "intent": ("token", "intent"), **_date("authored", "authoredOn"),
        **_date("occurrence", "occurrenceDateTime", "occurrencePeriod"),
    },
    "ImagingStudy": {
        **_SUBJECT, **_STATUS, "modality": ("token", "modality series.modality"),
        "bodysite": ("token", "series.bodySite"), **_date("started", "started"),
    },
    "DiagnosticReport": {
        **_SUBJECT, **_CODE, **_STATUS, **_CATEGORY, **_date("date", "effectiveDateTime", "effectivePeriod"),
    },
    "FamilyMemberHistory": {"patient": ("reference", "patient"), **_CODE, **_STATUS},
}  # fmt: skip
"""Resource type -> search parameter -> (kind, elements it looks at)."""

_CONTROLS = frozenset({"_id", "_sort", "_count", "_page", "_format"})


class _Refused(Exception):
    """What is answered with an OperationOutcome."""

    def __init__(self, status: int, code: str, words: str) -> None:
        super().__init__(words)
        self.status, self.code, self.words = status, code, words


class _Store:
    def __init__(self, resources: Iterable[Resource]) -> None:
        self._lock = threading.Lock()
        self._by_type: dict[str, dict[str, Resource]] = {kind: {} for kind in SEARCHES}
        self._gone: set[tuple[str, str]] = set()
        for resource in resources:
            self._by_type.setdefault(resource["resourceType"], {})[resource["id"]] = resource

    def all(self, kind: str) -> list[Resource]:
        with self._lock:
            return list(self._kind(kind).values())

    def read(self, kind: str, identity: str) -> Resource:
        with self._lock:
            found = self._kind(kind).get(identity)
            if found is not None:
                return found
            if (kind, identity) in self._gone:
                raise _Refused(410, "deleted", "This resource was deleted.")
        raise _Refused(404, "not-found", f"There is no such {kind} here.")

    def create(self, kind: str, resource: Resource) -> Resource:
        meta = {**resource.get("meta", {}), "versionId": "1", "lastUpdated": datetime.now(UTC).isoformat()}
        stored = {**resource, "id": str(uuid.uuid4()), "meta": meta}
        with self._lock:
            self._kind(kind)[stored["id"]] = stored
        return stored

    def delete(self, kind: str, identity: str) -> None:
        with self._lock:
            if self._kind(kind).pop(identity, None) is not None:
                self._gone.add((kind, identity))

    def _kind(self, kind: str) -> dict[str, Resource]:
        if kind not in self._by_type:
            raise _Refused(404, "not-supported", "This endpoint does not hold that resource type.")
        return self._by_type[kind]


def create_fhir_app(resources: Iterable[Resource], *, page_size: int = 50, delay_s: float = 0.0) -> Flask:
    """``page_size`` is the most entries of one page, whatever ``_count`` asks; ``delay_s`` is waited before each answer."""
    app = Flask("fhir_endpoint")
    store = _Store(resources)

    @app.before_request
    def _wait() -> None:
        if delay_s:
            time.sleep(delay_s)

    @app.get("/fhir/metadata")
    def _metadata() -> Response:
        return _answer(_capability())

    @app.get("/fhir/<kind>/<identity>")
    def _read(kind: str, identity: str) -> Response:
        return _answer(store.read(kind, identity))

    @app.get("/fhir/<kind>")
    def _search(kind: str) -> Response:
        return _answer(_searchset(kind, store.all(kind), request.args, page_size))

    @app.post("/fhir/<kind>")
    def _create(kind: str) -> Response:
        stored = store.create(kind, _valid(kind, request.get_data()))
        response = _answer(stored, 201)
        response.headers["Location"] = f"{request.host_url}fhir/{kind}/{stored['id']}"
        return response

    @app.delete("/fhir/<kind>/<identity>")
    def _delete(kind: str, identity: str) -> Response:
        store.delete(kind, identity)
        return Response(status=204)

    @app.errorhandler(_Refused)
    def _refused(fault: _Refused) -> Response:
        return _outcome(fault.status, fault.code, fault.words)

    @app.errorhandler(HTTPException)
    def _http(fault: HTTPException) -> Response:
        status = fault.code or 500
        return _outcome(status, "not-found" if status == 404 else "not-supported", str(fault.name))

    return app


def _answer(resource: Resource, status: int = 200) -> Response:
    return Response(json.dumps(resource), status, content_type="application/fhir+json")


def _outcome(status: int, code: str, words: str) -> Response:
    issue = [{"severity": "error", "code": code, "diagnostics": words}]
    return _answer({"resourceType": "OperationOutcome", "issue": issue}, status)


def _valid(kind: str, body: bytes) -> Resource:
    """The resource as sent, once it is JSON, of that type, and valid R4. Faults name elements, never values."""
    from fhir.resources.R4B import get_fhir_model_class  # slow to import, and only creating needs it

    if kind not in SEARCHES:
        raise _Refused(404, "not-supported", "This endpoint does not hold that resource type.")
    if request.mimetype not in ("application/fhir+json", "application/json"):
        raise _Refused(415, "not-supported", "Send application/fhir+json.")
    try:
        resource = json.loads(body)
    except (ValueError, RecursionError) as fault:
        raise _Refused(400, "structure", "The body is not JSON.") from fault
    if not isinstance(resource, dict) or resource.get("resourceType") != kind:
        raise _Refused(400, "invalid", f"The body is not a {kind}.")
    try:
        get_fhir_model_class(kind).model_validate(resource)
    except ValidationError as fault:
        where = sorted({".".join(map(str, error["loc"])) or kind for error in fault.errors()})
        raise _Refused(422, "invalid", f"Not a valid {kind}: see {', '.join(where)}.") from None
    return resource


def _searchset(kind: str, resources: list[Resource], args: MultiDict[str, str], page_size: int) -> Resource:
    parameters = SEARCHES.get(kind)
    if parameters is None:
        raise _Refused(404, "not-supported", "This endpoint can't search that resource type.")
    used = [(k, v) for k, v in args.items(multi=True) if k in parameters or k in _CONTROLS]
    unknown = sorted({k for k in args if k not in parameters and k not in _CONTROLS})
    if unknown and "handling=strict" in request.headers.get("Prefer", ""):
        raise _Refused(400, "not-supported", f"{kind} can't be searched by: {', '.join(unknown)}.")
    for name, value in used:
        if name == "_id":
            resources = [r for r in resources if r["id"] in value.split(",")]
        elif name in parameters:
            resources = [r for r in resources if _matches(r, *parameters[name], value)]
    resources = _sorted(resources, parameters, args.get("_sort", ""))
    return _page(resources, used, args, page_size)


def _page(
    resources: list[Resource], used: list[tuple[str, str]], args: MultiDict[str, str], page_size: int
) -> Resource:
    size, first = min(_whole(args, "_count", page_size), page_size), _whole(args, "_page", 0)
    here = f"{request.base_url}?"
    links = [{"relation": "self", "url": here + urlencode(used)}]
    page = resources[first : first + size]
    if size and first + size < len(resources):
        following = [(k, v) for k, v in used if k != "_page"] + [("_page", str(first + size))]
        links.append({"relation": "next", "url": here + urlencode(following)})
    entries = [
        {"fullUrl": f"{request.host_url}fhir/{r['resourceType']}/{r['id']}", "resource": r, "search": {"mode": "match"}}
        for r in page
    ]
    found = {"resourceType": "Bundle", "type": "searchset", "total": len(resources), "link": links}
    return found | ({"entry": entries} if entries else {})


def _whole(args: MultiDict[str, str], name: str, default: int) -> int:
    text = args.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit():
        raise _Refused(400, "value", f"{name} takes a whole number.")
    return int(text)


def _matches(resource: Resource, kind: str, elements: str, value: str) -> bool:
    found = [v for element in elements.split() for v in _values(resource, element.split("."))]
    if kind == "date":
        return any(_in_range(v, value) for v in found)
    if kind == "reference":
        wanted = {v if "/" in v else f"Patient/{v}" for v in value.split(",")}
        return any(v.get("reference") in wanted for v in found)
    return any(_is_token(coding, token) for v in found for coding in _codings(v) for token in value.split(","))


def _values(node: Any, path: list[str]) -> Iterator[Any]:
    if isinstance(node, list):
        for item in node:
            yield from _values(item, path)
    elif not path:
        yield node
    elif isinstance(node, dict) and path[0] in node:
        yield from _values(node[path[0]], path[1:])


def _codings(value: Any) -> list[tuple[str, str]]:
    """(system, code) of a code, a Coding or a CodeableConcept."""
    if isinstance(value, str):
        return [("", value)]
    return [(c.get("system", ""), c.get("code", "")) for c in value.get("coding", [value])]


def _is_token(coding: tuple[str, str], token: str) -> bool:
    system, bar, code = token.rpartition("|")
    return (not bar or system == coding[0]) and (code == coding[1] or bool(bar and system and not code))


def _span(value: Any) -> Moment | None:
    """A date, or a Period from its start to its end."""
    if isinstance(value, str):
        return parse(value)
    start, end = parse(value.get("start", "")), parse(value.get("end", ""))
    if start is None or end is None:
        return start or end
    return Moment(start.earliest, end.latest, start.text)


def _in_range(value: Any, wanted: str) -> bool:
    prefix, text = (wanted[:2], wanted[2:]) if wanted[:2].isalpha() else ("eq", wanted)
    bound, at = parse(text.replace(" ", "+")), _span(value)
    if bound is None or prefix not in ("eq", "ge", "gt", "le", "lt"):
        raise _Refused(400, "value", "A date is YYYY[-MM[-DD[Thh:mm:ssZ]]] after nothing, eq, ge, gt, le or lt.")
    if at is None:
        return False
    inside = bound.earliest <= at.earliest and at.latest <= bound.latest
    return {
        "eq": inside,
        "ge": at.latest > bound.latest or at.latest > bound.earliest or inside,
        "gt": at.latest > bound.latest,
        "le": at.earliest < bound.latest or inside,
        "lt": at.earliest < bound.earliest,
    }[prefix]


def _sorted(resources: list[Resource], parameters: dict[str, tuple[str, str]], order: str) -> list[Resource]:
    """By dates, the undated last either way; by nothing else."""
    for key in reversed([k for k in order.split(",") if k]):
        kind, elements = parameters.get(key.removeprefix("-"), ("", ""))
        if kind != "date":
            raise _Refused(400, "not-supported", "Only a date parameter of the resource can be sorted by.")
        dates = {id(r): next((m for e in elements.split() if e in r and (m := _span(r[e]))), None) for r in resources}
        dated = [r for r in resources if dates[id(r)] is not None]
        undated = [r for r in resources if dates[id(r)] is None]
        dated.sort(key=lambda r: dates[id(r)].earliest, reverse=key.startswith("-"))  # type: ignore[union-attr]  # noqa: B023
        resources = dated + undated
    return resources


def _capability() -> Resource:
    kinds = []
    for kind, parameters in SEARCHES.items():
        search = [{"name": "_id", "type": "token"}, *({"name": n, "type": t} for n, (t, _) in parameters.items())]
        interactions = [{"code": code} for code in ("read", "search-type", "create", "delete")]
        kinds.append({"type": kind, "interaction": interactions, "searchParam": search})
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": "2026-01-01",
        "kind": "instance",
        "implementation": {
            "description": "In-memory endpoint for demonstration and tests",
            "url": f"{request.host_url}fhir",
        },
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json"],
        "rest": [{"mode": "server", "resource": kinds}],
    }
