"""Imaging studies over HTTP: what became of one, and the news of others.

A study's address holds an opaque id, never its UID or its patient's number.
"""

from __future__ import annotations

import logging
import re

import orjson
from flask import Blueprint, Response, g, request

from cds.engine import Engine
from cds.errors import NotTaken, SourceError, UnknownService
from cds.studies.notify import Doorman, studies_in
from cds.studies.plan import KIND
from cds.studies.poll import Poller
from cds.studies.view import analysis
from cds.trust import sender
from cds.web.body import read_body

_log = logging.getLogger("cds.studies")
_ID = re.compile(r"\A[0-9a-f]{32}\Z")


def blueprint(engine: Engine) -> Blueprint:
    """Raises SettingsError for a notification secret that can't be used."""
    pages = Blueprint("studies", __name__)
    doorman = Doorman(engine.settings)
    poller = Poller(engine.settings, engine.studies.intake, engine.now)

    @pages.get("/studies/<study>/analyses")
    def analyses(study: str) -> Response:
        caller = engine.authenticator.authenticate(
            request.headers.get("Authorization"),
            path=request.path,
            remote_addr=sender(request.remote_addr, request.headers.keys()),
        )
        found = engine.studies.jobs.concerning(KIND, items=[study]) if _ID.match(study) else []
        # another client's study is none of this one's, and not even there
        mine = [job for job in found if job.payload.get("client") == caller.name]
        if not mine:
            raise UnknownService("there is no such study, or nobody has asked for an analysis of it")
        return _json({"study": study, "analyses": [analysis(job) for job in mine]})

    @pages.post("/studies/notifications")
    def notified() -> Response:
        return _news()

    # a FHIR server that sends the resource updates it below the address it was given (R4 rest-hook)
    @pages.put("/studies/notifications/ImagingStudy/<resource>")
    def notified_of(resource: str) -> Response:
        return _news()

    def _news() -> Response:
        client = doorman.client(request.headers.get("Authorization"))
        body = read_body(request, empty=True)
        if not body.strip():
            return _looked(client)
        told = studies_in(body)
        # "200" ends the sender's interest, so the rows are there before it; asking twice is asking once
        asked = [engine.studies.intake.ask(about, client, "notification") for about in told]
        if any(one.waits for one in asked):
            raise NotTaken("too much imaging work waits; send the notification again later")
        taken = [one for one in asked if one.jobs]
        g.log = {"studies": len(told), "client": client}
        return _json({"received": len(told), "taken": len(taken), "studies": [one.study for one in taken]})

    def _looked(client: str) -> Response:
        """A Subscription without payload says only that there is something."""
        try:
            news = poller.look(client)
        except SourceError as error:
            _log.warning("studies.look client=%s code=%s", client, error.code)
            raise NotTaken("the EHR could not be asked for its studies; send the notification again later") from error
        if news is None:
            _log.warning("studies.unheard client=%s reason=no-fhir-base", client)
        found = news or ()
        g.log = {"studies": len(found), "client": client}
        return _json({"received": 0, "taken": len(found), "studies": list(found)})

    return pages


def _json(content: object) -> Response:
    answer = Response(orjson.dumps(content), content_type="application/json")
    answer.headers["Cache-Control"] = "no-store"
    return answer
