"""The report's pages under ``/report/<rid>/``. Every request proves its session, and whose call it is.

    session -> the stored call -> what each model said -> sections

The first page rests on what is stored. The course over time and the scans ask the hospital's servers, so they are
pages of their own, which the first takes in when its script runs and links to when it does not.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, Response, abort, g, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from cds.engine import Engine
from cds.pages.markdown import to_html
from cds.pages.report import amounts, answers, assets, problem, prognosis, provenance, supposed
from cds.pages.report.display import display
from cds.pages.report.imaging import WINDOWS, Imaging, said_in
from cds.pages.report.imaging import View as Window
from cds.pages.report.stored import Opened, opened
from cds.pages.report.timeline import timeline
from cds.pages.report.view import THEMES, View, remember, view_of
from cds.trust.smart import ReportSession
from cds.web import metrics
from cds.web.report_cookie import frame_ancestors, session_of

_log = logging.getLogger("cds.pages.report")
_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; "
)
_MOST_TRIALS = 20


@dataclass
class _Asked:
    """One request, its door passed."""

    session: ReportSession
    view: View
    opened: Opened
    trial: int | None = None
    forms: dict[str, supposed.Form] = field(default_factory=dict)
    typed: problem.Typed = field(default_factory=problem.Typed)


def blueprint(engine: Engine) -> Blueprint:
    """Raises ServiceError for a ``report.yaml`` that can't be used."""
    display(engine)
    return _Pages(engine).blueprint()


class _Pages:
    def __init__(self, engine: Engine) -> None:
        self.engine, self.imaging = engine, Imaging(engine)

    def blueprint(self) -> Blueprint:
        pages = Blueprint("report", __name__, template_folder="../templates")
        pages.after_request(self.guard)
        pages.get("/report-assets/<name>")(self.asset)
        pages.get("/report/<rid>/")(self.page)
        pages.get("/report/<rid>/timeline")(self.course)
        pages.get("/report/<rid>/imaging")(self.scans)
        pages.get("/report/<rid>/imaging/<int:at>.png")(self.picture)
        pages.post("/report/<rid>/what-if")(self.what_if)
        pages.post("/report/<rid>/problem")(self.problem)
        pages.post("/report/<rid>/view")(self.change_view)
        return pages

    def asset(self, name: str) -> Response:
        if name not in assets.NAMES:
            abort(404)
        found = assets.asset(name)
        return Response(found.content, content_type=found.content_type)

    def page(self, rid: str) -> str:
        asked = self._asked()
        metrics.report_opened(asked.opened.call.service)
        return self._report(asked)

    def what_if(self, rid: str) -> tuple[str, int]:
        """A hypothetical answer, worked out and forgotten. Values travel in the body alone."""
        asked = self._asked()
        told = asked.opened.of(request.form.get("model", ""))
        found = supposed.form(told, asked.view.words, request.form) if told is not None else None
        if told is None or found is None:
            abort(404)
        status = 422 if found.errors or found.empty else 200
        if _part():
            return self._render("report/what_if_part.html", asked, form=found), status
        asked.forms[told.id] = found
        return self._report(asked), status

    def problem(self, rid: str) -> BaseResponse | tuple[str, int]:
        asked = self._asked()
        sent = problem.read(request.form)
        if isinstance(sent, problem.Typed):
            asked.typed = sent
            return self._report(asked), 422
        noted = problem.record(self.engine, asked.session, asked.opened, *sent)
        g.log["problem"] = sent[0]
        return redirect(f"./?noted={noted}#problem", 303, Response)

    def change_view(self, rid: str) -> BaseResponse:
        asked = self._asked()
        answer = redirect("./", 303, Response)
        remember(self.engine, answer, asked.session, asked.view, request.form.to_dict())
        return answer

    def course(self, rid: str) -> str:
        asked = self._asked()
        course = timeline(self.engine, asked.session, asked.view.words)
        return self._part_of("report/course.html", asked, "course", course=course)

    def scans(self, rid: str) -> str:
        asked = self._asked()
        view = _window()
        at = request.args.get("at", type=int, default=0)
        scanned = self.imaging.of(asked.session, asked.view.words, at)
        return self._part_of(
            "report/scans.html", asked, "scans", scanned=scanned, look=view, windows=WINDOWS, said_in=said_in
        )

    def picture(self, rid: str, at: int) -> Response:
        asked = self._asked()
        side = request.args.get("side", type=int, default=560)
        found = self.imaging.picture(asked.session, asked.view.words, at, _window(), side)
        if found is None:
            abort(404)
        return Response(found, content_type="image/png")

    def guard(self, answer: Response) -> Response:
        """Nothing of a patient is kept by a browser or told to another host; assets are the same for everybody."""
        if request.endpoint == "report.asset":
            answer.headers["Cache-Control"] = "public, max-age=31536000, immutable"
            return answer
        # a refusal brings its own
        policy = _POLICY + frame_ancestors(self.engine.settings, g.get("report_client"))
        answer.headers.setdefault("Content-Security-Policy", policy)
        answer.headers["Cache-Control"] = "no-store"
        answer.headers["Vary"] = "Cookie, Accept-Language, X-Part"
        return answer

    def _asked(self) -> _Asked:
        """Raises ReportRefused for whom this report is not for, and LedgerError."""
        session = session_of(request)
        g.report_client = session.client
        found = opened(self.engine, session)
        g.log = {"client": session.client, "call": found.call.id, "card": found.card.id}
        trial = request.args.get("trial", type=int)
        asked = _Asked(session, view_of(self.engine, request, session), found)
        asked.trial = trial if trial is not None and 0 <= trial < _MOST_TRIALS else None
        return asked

    def _report(self, asked: _Asked) -> str:
        words, found = asked.view.words, asked.opened
        others = [t for t in found.told if not t.prognosis]
        shown = [answers.answer(t, words) for t in others]
        outlook = None if asked.session.patient_facing else prognosis.prognosis(found, words, asked.trial)
        of_survival = tuple(answers.answer(t, words) for t in outlook.told) if outlook is not None else ()
        for told in found.told:
            if told.id not in asked.forms and (form := supposed.form(told, words)) is not None:
                asked.forms[told.id] = form
        return self._render(
            "report/page.html",
            asked,
            answered=[a for a in shown if a.told.entry.outcome == "predicted"],
            unanswered=[a for a in shown if a.told.entry.outcome != "predicted"],
            outlook=outlook,
            of_survival=of_survival,
            open=asked.trial is not None or any(f.used for m, f in asked.forms.items() if _of_prognosis(found, m)),
            card_text=to_html(str(found.card.body.get("detail") or ""))[0],
            rests=provenance.provenance(self.engine, found, words),
            forms=asked.forms,
            typed=asked.typed,
            kinds=problem.KINDS,
            longest=problem.LONGEST,
            noted=problem.reference(request.args.get("noted")),
        )

    def _part_of(self, template: str, asked: _Asked, name: str, **content: Any) -> str:
        """What the first page takes in; by itself, for whoever follows the link, a page around it."""
        part = self._render(template, asked, **content)
        return part if _part() else self._render("report/alone.html", asked, part=part, name=name)

    def _render(self, template: str, asked: _Asked, **content: Any) -> str:
        card = asked.opened.card
        topic = card.topic.partition("/")[0]
        named = (card.body.get("source", {}).get("topic") or {}).get("display", "")
        return render_template(
            template,
            words=asked.view.words,
            theme=asked.view.theme,
            themes=THEMES,
            languages=self.engine.catalogues.languages,
            language_names={
                c: self.engine.catalogues.book(c)("report.page.language_name") for c in self.engine.catalogues.languages
            },
            address=assets.address,
            card=card,
            call=asked.opened.call,
            topic=asked.view.words.texts.get(f"topic.{topic}") or named or topic,
            given_at=amounts.moment(asked.view.words, asked.opened.call.at, self.engine.settings.timezone),
            printed_at=amounts.moment(asked.view.words, self.engine.now(), self.engine.settings.timezone),
            page_of=_page_of,
            picture_of=_picture_of,
            **content,
        )


def _of_prognosis(found: Opened, model: str) -> bool:
    told = found.of(model)
    return told is not None and told.prognosis


def _part() -> bool:
    return request.headers.get("X-Part") == "1"


def _window() -> Window:
    """What of a scan the address asks for; what it can't mean is left at its default."""
    asked = request.args
    window = asked.get("window", "soft")
    return Window(
        slice=asked.get("slice", type=int),
        window=window if window in WINDOWS else "soft",
        outlined=asked.get("outlined") != "0",
        near=asked.get("near") == "1",
    )


def _query(**query: Any) -> str:
    return "&".join(f"{name}={value}" for name, value in query.items() if value is not None)


def _page_of(**query: Any) -> str:
    return f"imaging?{_query(**query)}"


def _picture_of(at: int, **query: Any) -> str:
    return f"imaging/{at}.png?{_query(**query)}"
