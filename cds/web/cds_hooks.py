"""Discovery, calls and feedback: the three addresses of CDS Hooks."""

from __future__ import annotations

import logging
import time
from typing import Any

import orjson
from flask import Blueprint, Response, g, request

from cds.admission import Admission
from cds.engine import Engine
from cds.errors import MalformedRequest
from cds.protocol.hooks import HOOKS
from cds.protocol.request import parse_feedback
from cds.protocol.response import encode
from cds.trust import sender
from cds.web import metrics
from cds.web.body import read_body
from cds.web.current import current
from cds.web.feedback import record

_log = logging.getLogger("cds.web")


def blueprint(engine: Engine) -> Blueprint:
    pages = Blueprint("cds_hooks", __name__)
    admission = Admission(engine.settings.threads, engine.settings.longest_wait_s)
    discovery = {language: _discovery(engine, language) for language in engine.catalogues.languages}

    @pages.get("/cds-services")
    def discover() -> Response:
        asked, usual = request.headers.get("Accept-Language"), engine.settings.language
        language = engine.catalogues.book(asked, fallback=usual).language
        answer = Response(discovery[language], content_type="application/json")
        answer.headers["Content-Language"], answer.headers["Vary"] = language, "Accept-Language"
        answer.add_etag()
        answer.make_conditional(request)
        return answer

    @pages.post("/cds-services/<service_id>")
    def call(service_id: str) -> Response:
        start = time.perf_counter()
        asked = current(request)
        body = read_body(asked)
        # before the token is looked at, so that a call that is refused may come again with it
        with admission.place() as place:
            answer = engine.answer(
                service_id,
                body,
                authorization=asked.headers.get("Authorization"),
                path=asked.path,
                remote_addr=sender(asked.remote_addr, asked.headers.keys()),
                accept_language=asked.headers.get("Accept-Language"),
                traceparent=asked.headers.get("traceparent"),
                aside=place.aside,
            )
        metrics.answered(answer, time.perf_counter() - start)
        g.log = {
            "service": answer.service.id,
            "hook": answer.service.hook,
            "cards": len(answer.response.cards),
            "suppressed": len(answer.suppressed),
            "gaps": ",".join(answer.evidence.gaps) or "-",
            "ledger": "row" if answer.recorded else "spool",
        }
        return _private(Response(encode(answer.response), content_type="application/json"))

    @pages.post("/cds-services/<service_id>/feedback")
    def feedback(service_id: str) -> Response:
        body = read_body(current(request))
        engine.services.hooks_of(service_id)
        caller = engine.authenticator.authenticate(
            request.headers.get("Authorization"),
            path=request.path,
            remote_addr=sender(request.remote_addr, request.headers.keys()),
        )
        message = parse_feedback(body)
        items = message.items
        stored = record(engine, items, caller.name, service_id)
        metrics.feedback(items)
        g.log = {"service": service_id, "feedback": len(items)}
        if message.faults:  # an answer of success would be read by nobody; the ledger keeps each once
            raise MalformedRequest(f"{message.faults[0]}. The items that can be read are kept: {len(items)}")
        return _private(
            Response(orjson.dumps({"received": len(items), "stored": stored}), content_type="application/json")
        )

    return pages


def _discovery(engine: Engine, language: str) -> bytes:
    return orjson.dumps({"services": [describe(engine, key, language) for key in engine.services.services]})


def describe(engine: Engine, key: tuple[str, str], language: str = "en") -> dict[str, Any]:
    """One service as discovery shows it, derived from its declaration and its models' manifests."""
    service = engine.services.services[key]
    published = HOOKS.get(service.hook)
    title, description = engine.described(service, language)
    return {
        "hook": service.hook,
        "id": service.id,
        "title": title,
        "description": description,
        "prefetch": {q.key: q.template for q in engine.queries(service)},
        "usageRequirements": "FHIR R4. Works from prefetch alone; missing keys are read from fhirServer if allowed.",
        "version": "2.0.1",
    } | ({"hookVersion": published.version} if published else {})


def _private(answer: Response) -> Response:
    answer.headers.add("Cache-Control", "no-store")
    return answer
