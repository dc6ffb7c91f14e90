"""The report's pages under ``/report/<rid>/``. Each works without a script; nothing of the patient is in an address.

The first page comes from the ledger alone. Record and archive are asked for the timeline and the scans, which are pages
of their own and are put into the first one by a script where there is one.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, get_args
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from cds.cards.phrasebook import Phrasebook
from cds.charts import stylesheet
from cds.engine import Engine
from cds.errors import LedgerError, UnknownService
from cds.ids import new_id
from cds.ledger import ProblemEntry, ProblemKind
from cds.pages.markdown import is_web, to_html
from cds.pages.report import view, what_if
from cds.pages.report.display import display
from cds.pages.report.imaging import WINDOWS, Imaging
from cds.pages.report.imaging import View as Look
from cds.pages.report.timeline import timeline
from cds.trust.smart import ReportSession
from cds.web import metrics
from cds.web.launch import frame_ancestors, session_of
from cds.web.report_cookie import LANGUAGE, THEME, THEMES, keep, renewed, theme_of

_KINDS: dict[str, ProblemKind] = {kind: kind for kind in get_args(ProblemKind)}
_LONGEST = 4000


def blueprint(engine: Engine) -> Blueprint:
    """Raises ServiceError for a ``report.yaml`` that can't be used."""
    pages = Blueprint(
        "report",
        __name__,
        url_prefix="/report",
        template_folder="templates",
        static_folder="assets",
        static_url_path="/-/assets",
    )
    display(engine)  # a report.yaml that can't be used is found at the start
    room = _Pages(engine)
    pages.after_request(room.guard)
    pages.get("/-/charts.css")(room.charts)
    pages.get("/<rid>/")(room.report)
    pages.get("/<rid>/paper.css")(room.paper)
    pages.get("/<rid>/timeline")(room.course)
    pages.get("/<rid>/imaging")(room.scans)
    pages.get("/<rid>/imaging/<int:at>.png")(room.picture)
    pages.post("/<rid>/what-if/<model>")(room.suppose)
    pages.post("/<rid>/problem")(room.problem)
    pages.post("/<rid>/settings")(room.settings)
    return pages


class _Pages:
    def __init__(self, engine: Engine) -> None:
        self.engine, self.imaging = engine, Imaging(engine)
        self.below = urlsplit(engine.settings.public_url).path.rstrip("/")
        """What a server in front takes off the addresses before they come here."""

    def report(self, rid: str) -> str:
        session = self._session()
        words = self._words(session)
        asked = request.args
        found = view.compose(self.engine, session, words, asked.get("trial", ""))
        if not asked:
            metrics.report_opened(found.call.service)
            self._opened(found.card.id, session.client)
        return self._page(
            "report/page.html",
            session,
            words,
            report=found,
            opened="outlook" in asked,
            answered_at=self._moment(words, found.at),
        )

    def _opened(self, card_id: str, client: str) -> None:
        """For the committee, which wants to know of how many cards the report is read. No page waits for that."""
        try:
            self.engine.ledger.record_opening(new_id(), card_id, client)
        except LedgerError as error:
            g.log |= {"opening": error.code}

    def suppose(self, rid: str, model: str) -> str:
        """The answer to the reader's values: shown and forgotten. They are in the body, never in the address."""
        session = self._session()
        words = self._words(session)
        found = view.compose(self.engine, session, words)
        answered, _ = view.answers(self.engine, session, found.call, found.card)
        told = {t.manifest.id: t for t in answered}.get(model)
        if told is None or not what_if.fields(words, told) or (session.patient_facing and view.foretells(told)):
            raise UnknownService("there is no such model in this report")
        supposed = what_if.suppose(words, told, request.form)
        title = words.pick(told.manifest.words.title)
        return self._page("report/what_if.html", session, words, supposed=supposed, model=model, model_title=title)

    def problem(self, rid: str) -> str:
        session = self._session()
        words = self._words(session)
        call, card = view.stored_call(self.engine, session)
        kind, text = _KINDS.get(request.form.get("kind", "")), request.form.get("text", "").strip()
        fault, number = "", new_id()
        if kind is None:
            fault = words("report.problem.no_kind")
        elif len(text) > _LONGEST:
            fault = words("report.problem.too_long", most=words.number(_LONGEST, 0))
        else:
            key = self.engine.ledger.patient_key(session.client, session.user) if session.user else None
            told = ProblemEntry(number, self.engine.now(), call.id, card.id, session.client, key, kind, text)
            self.engine.ledger.record_problem(told)
            g.log |= {"problem": number, "kind": kind}
        return self._page("report/problem.html", session, words, fault=fault, number=number[:13], typed=request.form)

    def course(self, rid: str) -> str:
        """The record as it is now, read with the reader's own token: not what the card was given from."""
        session = self._clinician()
        words = self._words(session)
        return self._page("report/course.html", session, words, course=timeline(self.engine, session, words))

    def scans(self, rid: str) -> str:
        session = self._clinician()
        words = self._words(session)
        scanned = self.imaging.of(session, words, request.args.get("at", type=int, default=0))

        def page_of(**query: object) -> str:
            return self._address("report.scans", rid=session.rid, **query)

        def picture_of(at: int, **query: object) -> str:
            return self._address("report.picture", rid=session.rid, at=at, **query)

        return self._page(
            "report/scans.html", session, words, scanned=scanned, look=_look(), windows=WINDOWS,
            page_of=page_of, picture_of=picture_of,
        )  # fmt: skip

    def picture(self, rid: str, at: int) -> Response:
        """A slice as PNG."""
        session = self._clinician()
        side = request.args.get("side", type=int, default=560)
        found = self.imaging.picture(session, self._words(session), at, _look(), side)
        if found is None:
            raise UnknownService("there is no such picture in this report")
        return Response(found, content_type="image/png")

    def settings(self, rid: str) -> BaseResponse:
        """Language and colours: a cookie each, for reports alone."""
        session = self._session()
        answer = redirect(self._address("report.report", rid=session.rid), 303)
        wishes = {LANGUAGE: request.form.get("language"), THEME: request.form.get("theme")}
        known = {LANGUAGE: self.engine.catalogues.languages, THEME: THEMES}
        smart = self.engine.settings.clients[session.client].smart
        embedded = smart is not None and smart.embedded
        for name, value in wishes.items():
            if value is not None and value in known[name]:
                path = f"{self.below}/report"
                keep(answer, self.engine.settings, name, value, path=path, seconds=31_536_000, embedded=embedded)
        answer.headers["Cache-Control"] = "no-store"
        return answer

    def paper(self, rid: str) -> Response:
        """What stands at the foot of every sheet, so that sheets of two patients can't be mixed up: the call's number,
        which is on the first one beside the patient's label."""
        session = self._session()
        call, _card = view.stored_call(self.engine, session)
        words = self._words(session)
        foot = words("report.paper.foot", number=call.id, at=self._moment(words, call.at))
        boxes = {"bottom-left": _css(foot), "bottom-right": 'counter(page) " / " counter(pages)'}
        rules = " ".join(f"@{place} {{ content: {what}; font-size: 8pt; }}" for place, what in boxes.items())
        return Response(f"@page {{ {rules} }}\n", content_type="text/css; charset=utf-8")

    def charts(self) -> Response:
        return Response(stylesheet(), content_type="text/css; charset=utf-8")

    def _session(self) -> ReportSession:
        found = session_of(request)
        g.report_client = found.client
        g.log = {"client": found.client}
        return found

    def _clinician(self) -> ReportSession:
        """The course holds what a model says of a treatment, the scans what a network says: not for patients alone.
        Whose report it is, is asked of the ledger here, too."""
        found = self._session()
        view.stored_call(self.engine, found)
        if found.patient_facing:
            raise UnknownService("there is no such part in a report for patients")
        return renewed(request, found)

    def _words(self, session: ReportSession) -> Phrasebook:
        chosen = request.cookies.get(LANGUAGE)
        return self.engine.catalogues.book(
            chosen, session.language, request.headers.get("Accept-Language"), fallback=self.engine.settings.language
        )

    def _address(self, endpoint: str, **values: Any) -> str:
        """As the browser sees it."""
        return self.below + url_for(endpoint, **values)

    def _moment(self, words: Phrasebook, at: datetime) -> str:
        local = at.astimezone(ZoneInfo(self.engine.settings.timezone))
        return f"{words.day(local)}, {local:%H:%M}"

    def _page(self, template: str, session: ReportSession, words: Phrasebook, **content: Any) -> str:
        languages = self.engine.catalogues.languages
        return render_template(
            template,
            words=words,
            rid=session.rid,
            theme=theme_of(request),
            themes=THEMES,
            languages={code: self.engine.catalogues.book(code)("report.language_name") for code in languages},
            kinds=tuple(_KINDS),
            longest=_LONGEST,
            session=session,
            markdown=to_html,
            is_web=is_web,
            url_for=self._address,
            printed_at=self._moment(words, self.engine.now()),
            **content,
        )

    def guard(self, answer: Response) -> Response:
        if "Content-Security-Policy" in answer.headers:  # a refusal, which has a policy of its own
            return answer
        ancestors = frame_ancestors(self.engine.settings, g.get("report_client"))
        answer.headers["Content-Security-Policy"] = (
            "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
            f"form-action 'self'; base-uri 'none'; {ancestors}"
        )
        if request.endpoint not in ("report.static", "report.charts"):
            answer.headers["Cache-Control"] = "no-store"
        return answer


def _css(text: str) -> str:
    """A string of CSS (CSS Syntax Module, section 4.3.5)."""
    kept = "".join(c if c.isalnum() or c in " .,:-/·" else f"\\{ord(c):x} " for c in text)
    return f'"{kept}"'


def _look() -> Look:
    """What of a scan the address asks for; what it can't mean is left at its default."""
    asked = request.args
    window = asked.get("window", "soft")
    return Look(
        slice=asked.get("slice", type=int),
        window=window if window in WINDOWS else "soft",
        outlined=asked.get("outlined") != "0",
        near=asked.get("near") == "1",
    )
