"""A small FHIR R4 endpoint over resources in memory: for the demo and for tests, never for a hospital.

It does what its CapabilityStatement lists and nothing else: read, search by the parameters of ``SEARCHES``, paging,
create, update, delete. What it does not know it refuses when asked to be strict (``Prefer: handling=strict``) and
otherwise leaves out of the ``self`` link, as FHIR R4 ("Search: handling errors") asks. It knows no disease:
the resources are given, and those of a type it doesn't list are not served.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from urllib.parse import urlencode

from flask import Flask, Response, request
from pydantic import ValidationError
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import HTTPException

from cds.demo.fhir_search import SEARCHES, Refused, Resource, search

_CONTROLS = frozenset({"_id", "_sort", "_count", "_page", "_format"})


class _Store:
    def __init__(self, resources: Iterable[Resource]) -> None:
        self._lock = threading.Lock()
        self._by_type: dict[str, dict[str, Resource]] = {kind: {} for kind in SEARCHES}
        self._gone: set[tuple[str, str]] = set()
        for resource in resources:
            if resource["resourceType"] in self._by_type:
                self._by_type[resource["resourceType"]][resource["id"]] = resource

    def all(self, kind: str) -> list[Resource]:
        with self._lock:
            return list(self._kind(kind).values())

    def read(self, kind: str, identity: str) -> Resource:
        with self._lock:
            found = self._kind(kind).get(identity)
            if found is not None:
                return found
            if (kind, identity) in self._gone:
                raise Refused(410, "deleted", "This resource was deleted.")
        raise Refused(404, "not-found", f"There is no such {kind} here.")

    def create(self, kind: str, resource: Resource) -> Resource:
        meta = {**resource.get("meta", {}), "versionId": "1", "lastUpdated": datetime.now(UTC).isoformat()}
        stored = {**resource, "id": str(uuid.uuid4()), "meta": meta}
        with self._lock:
            self._kind(kind)[stored["id"]] = stored
        return stored

    def update(self, kind: str, identity: str, resource: Resource) -> Resource:
        """Raises Refused: an id is given here, never by a client (no update as create)."""
        before = self.read(kind, identity)
        version = int(before.get("meta", {}).get("versionId", "1")) + 1
        meta = {
            **resource.get("meta", {}), "versionId": str(version), "lastUpdated": datetime.now(UTC).isoformat()
        }  # fmt: skip
        stored = {**resource, "id": identity, "meta": meta}
        with self._lock:
            self._kind(kind)[identity] = stored
        return stored

    def delete(self, kind: str, identity: str) -> None:
        with self._lock:
            if self._kind(kind).pop(identity, None) is not None:
                self._gone.add((kind, identity))

    def holds(self, kind: str) -> None:
        """Raises Refused (404) for a resource type that is not served here."""
        if kind not in self._by_type:
            raise Refused(404, "not-supported", "This endpoint does not hold that resource type.")

    def _kind(self, kind: str) -> dict[str, Resource]:
        self.holds(kind)
        return self._by_type[kind]


def create_fhir_app(resources: Iterable[Resource], *, page_size: int = 50, delay_s: float = 0.0) -> Flask:
    """``page_size``: the most entries of a page, whatever ``_count`` asks. ``delay_s``: waited before each answer."""
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
        store.holds(kind)
        stored = store.create(kind, _valid(kind, request.get_data()))
        response = _answer(stored, 201)
        response.headers["Location"] = f"{request.host_url}fhir/{kind}/{stored['id']}"
        return response

    @app.put("/fhir/<kind>/<identity>")
    def _update(kind: str, identity: str) -> Response:
        store.holds(kind)
        resource = _valid(kind, request.get_data())
        if resource.get("id") != identity:
            raise Refused(400, "invalid", "The resource's id is not that of the address.")
        return _answer(store.update(kind, identity, resource))

    @app.delete("/fhir/<kind>/<identity>")
    def _delete(kind: str, identity: str) -> Response:
        store.delete(kind, identity)
        return Response(status=204)

    @app.errorhandler(Refused)
    def _refused(fault: Refused) -> Response:
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

    if request.mimetype not in ("application/fhir+json", "application/json"):
        raise Refused(415, "not-supported", "Send application/fhir+json.")
    try:
        resource = json.loads(body)
    except (ValueError, RecursionError) as fault:
        raise Refused(400, "structure", "The body is not JSON.") from fault
    if not isinstance(resource, dict) or resource.get("resourceType") != kind:
        raise Refused(400, "invalid", f"The body is not a {kind}.")
    try:
        get_fhir_model_class(kind).model_validate(resource)
    except ValidationError as fault:
        where = sorted({".".join(map(str, error["loc"])) or kind for error in fault.errors()})
        raise Refused(422, "invalid", f"Not a valid {kind}: see {', '.join(where)}.") from None
    return resource


def _searchset(kind: str, resources: list[Resource], args: MultiDict[str, str], page_size: int) -> Resource:
    parameters = SEARCHES[kind]
    used = [(k, v) for k, v in args.items(multi=True) if k in parameters or k in _CONTROLS]
    unknown = sorted({k for k in args if k not in parameters and k not in _CONTROLS})
    if unknown and "handling=strict" in request.headers.get("Prefer", ""):
        raise Refused(400, "not-supported", f"{kind} can't be searched by: {', '.join(unknown)}.")
    return _page(search(kind, resources, used), used, args, page_size)


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
        raise Refused(400, "value", f"{name} takes a whole number.")
    return int(text)


def _capability() -> Resource:
    kinds = []
    for kind, parameters in SEARCHES.items():
        search = [{"name": "_id", "type": "token"}, *({"name": n, "type": t} for n, (t, _) in parameters.items())]
        interactions = [{"code": code} for code in ("read", "search-type", "create", "update", "delete")]
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
