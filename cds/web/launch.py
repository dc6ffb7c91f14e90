"""The door of the report page: SMART App Launch from the EHR, or standalone, and the way out.

No address here names a patient: what travels is the EHR's own launch token, a code that works once, and a random id.
"""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, current_app, g, redirect, request
from werkzeug.wrappers import Response as BaseResponse

from cds.engine import Engine
from cds.trust.smart import Departure, cookie_of
from cds.web import refusals
from cds.web.report_cookie import frame_ancestors, give, keep, report_path, session_of, take_back

__all__ = ["blueprint", "frame_ancestors", "session_of"]

_LAUNCH_S = 600


def blueprint(engine: Engine, prepare: Callable[[], None] = lambda: None) -> Blueprint:
    """``prepare`` is called when somebody sets out, and must not wait: signing in takes a second or two."""
    pages = Blueprint("launch", __name__, template_folder="templates")

    @pages.get("/report/launch")
    def launch() -> BaseResponse:
        """Where an EHR opens a card's link of type ``smart``."""
        prepare()
        return _away(engine, engine.door.begin(request.args.get("iss"), request.args.get("launch")))

    @pages.get("/report/start")
    def start() -> BaseResponse:
        """Without an open chart, for a clinical lead: the EHR's authorization server lets a patient be chosen."""
        prepare()
        return _away(engine, engine.door.begin(request.args.get("iss"), None, standalone=True))

    @pages.get("/report/callback")
    def callback() -> BaseResponse:
        session, secret = engine.door.finish(request.args, request.cookies)
        g.log = {"client": session.client}
        answer = _to(f"{report_path(engine.settings, session.rid)}/")
        give(answer, engine.settings, session, secret)
        _forget(engine, answer, session.client, request.args["state"])
        return answer

    @pages.post("/report/<rid>/leave")
    def leave(rid: str) -> Response:
        """The reader closes the report: the session is gone at once, not only the cookie."""
        session = session_of(request)
        engine.ledger.drop_session(rid)
        answer = refusals.left(session.language)
        take_back(answer, engine.settings, session)
        return answer

    return pages


def _away(engine: Engine, departure: Departure) -> BaseResponse:
    g.log = {"client": departure.client}
    answer = _to(departure.url)
    _keep_launch(engine, answer, departure.client, departure.cookie, departure.value, _LAUNCH_S)
    return answer


def _forget(engine: Engine, answer: BaseResponse, client: str, state: str) -> None:
    """A launch that has come back is of no more use."""
    _keep_launch(engine, answer, client, cookie_of(state), "", 0)


def _keep_launch(engine: Engine, answer: BaseResponse, client: str, name: str, value: str, seconds: int) -> None:
    smart = engine.settings.clients[client].smart
    embedded = smart is not None and smart.embedded
    path = report_path(engine.settings, "callback")
    keep(answer, engine.settings, name, value, path=path, seconds=seconds, embedded=embedded)


def _to(url: str) -> BaseResponse:
    """303, and not kept by anybody: the address may hold a launch token. The body names no address either."""
    answer = redirect(url, 303, current_app.response_class)
    answer.set_data(b"")
    answer.headers["Cache-Control"] = "no-store"
    return answer
