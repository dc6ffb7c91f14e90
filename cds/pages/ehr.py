"""The demonstration EHR: what a hospital sees when it evaluates a CDS service.

Plain pages and forms, rendered here, no script. Every deed is a POST that redirects to a page, so that reloading
repeats nothing. It speaks only the public specifications: FHIR R4 to its record, CDS Hooks 2.0 to the service.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from flask import Blueprint, Flask, Response, abort, redirect, render_template, request, url_for
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as BaseResponse

from cds.cards.phrasebook import Catalogues, Phrasebook
from cds.errors import SourceError
from cds.imaging.dicomweb import DicomWeb
from cds.pages import chart as charts
from cds.pages.cds_client import CdsClient, Exchange, Offered
from cds.pages.desk import HOOKS, Desk, Stories
from cds.pages.fhir_record import FhirRecord
from cds.pages.markdown import is_web, to_html
from cds.pages.scans import Scan, Scanner, ScanRoom, View, png
from cds.pages.visits import Notice, Visit, Visits

_CATALOGUE = Path(__file__).parent / "catalogue"
_COOKIE = "ehr_language"
_WINDOWS = ("soft", "narrow", "bone")
_MOST_LOOKS = 40
_RANK = {"critical": 0, "warning": 1, "info": 2}
# everything comes from here: no script, no inline style, no other host
_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def create_ehr(
    app: Flask,
    *,
    stories: Stories,
    service_url: str,
    fhir_base: str,
    session: requests.Session,
    archive: DicomWeb | None = None,
    scanner: Scanner | None = None,
) -> None:
    """Serve the EHR at ``/`` of ``app``, its static files at ``/ehr-assets``.

    ``stories``: the patients listed, and the orders each has waiting. ``service_url``: base address of a CDS service;
    ``/cds-services`` is added. ``fhir_base``: where the stories' records are; it may be this same app, if that is
    served by more than one thread. ``archive``: where the patients' images are; it needs the extra for images.
    ``scanner``: makes scans for patients who wait for one. Raises ServiceError when the page's own catalogues do not
    match each other.
    """
    cds, record = CdsClient(service_url, session), FhirRecord(fhir_base, session)
    room = ScanRoom(archive) if archive is not None else None
    app.register_blueprint(_Pages(Desk(stories, cds, record), room, scanner).blueprint())


class _Pages:
    def __init__(self, desk: Desk, room: ScanRoom | None, scanner: Scanner | None) -> None:
        self.desk, self.visits, self.catalogues = desk, Visits(), Catalogues([_CATALOGUE])
        self.room, self.scanner = room, scanner

    def blueprint(self) -> Blueprint:
        pages = Blueprint(
            "ehr", __name__, template_folder="templates", static_folder="assets", static_url_path="/ehr-assets"
        )
        pages.before_request(_own_forms_only)
        pages.after_request(_guard)
        pages.register_error_handler(HTTPException, self.refusal)
        pages.get("/")(self.patients)
        pages.post("/charts")(self.open)
        pages.get("/charts/<token>")(self.chart)
        pages.get("/charts/<token>/scans/<int:scan>.png")(self.picture)
        pages.post("/charts/<token>/scan")(self.scan)
        pages.post("/charts/<token>/hook")(self.fire)
        pages.post("/charts/<token>/cards/<int:call>/<int:card>/accept")(self.accept)
        pages.post("/charts/<token>/cards/<int:call>/<int:card>/override")(self.override)
        pages.post("/language")(self.language)
        return pages

    def patients(self) -> str:
        services: tuple[Offered, ...] = ()
        trouble = ""
        try:
            services = self.desk.cds.services()
        except SourceError as error:
            trouble = str(error)
        return self._page("ehr/patients.html", stories=self.desk.stories.values(), services=services, trouble=trouble)

    def open(self) -> BaseResponse:
        patient = request.form.get("patient", "")
        if patient not in self.desk.stories:
            abort(404)
        return self._ask(patient, "patient-view")

    def chart(self, token: str) -> str:
        visit = self._visit(token)
        summary, trouble = None, ""
        try:
            summary = charts.read_chart(self.desk.record, visit.patient)
        except SourceError as error:
            trouble = str(error)
        scans, archive_trouble = self._scans(summary)
        self._look_again(visit, scans)
        return self._page(
            "ehr/chart.html",
            token=token,
            visit=visit,
            story=self.desk.stories[visit.patient],
            chart=summary,
            chart_trouble=trouble,
            cards=_in_order(visit),
            drafts=(*self.desk.drafts(visit.patient), *(summary.drafts if summary else ())),
            today=date.today(),
            scans=scans,
            archive_trouble=archive_trouble,
            view=_view(),
            scan_waits=self.scanner is not None and self.scanner.waits(visit.patient),
        )

    def picture(self, token: str, scan: int) -> Response:
        """A slice of one of the patient's scans, the newest being 0."""
        visit = self._visit(token)
        if self.room is None:
            abort(404)
        try:
            scans = self.room.scans(charts.read_studies(self.desk.record, visit.patient))
        except SourceError:
            abort(502)
        if scan >= len(scans):
            abort(404)
        side = min(max(request.args.get("side", type=int, default=560), 48), 1024)
        return Response(png(scans[scan], _view(), side), content_type="image/png")

    def scan(self, token: str) -> BaseResponse:
        """The scanner makes the scan that the patient waits for, and the chart asks its services again."""
        visit = self._visit(token)
        if self.scanner is None or not self.scanner.waits(visit.patient):
            abort(404)
        try:
            self.scanner.send(visit.patient)
        except SourceError as error:
            visit.notices = [Notice("bad", "ehr.scans.unsent", {"why": str(error)})]
            return _to(token, "notices")
        again = self.desk.ask(visit.patient, "patient-view", self._words().language)
        again.awaited = _MOST_LOOKS
        return _to(self.visits.add(again), "scans")

    def _scans(self, summary: charts.Chart | None) -> tuple[tuple[Scan, ...], str]:
        """(the patient's scans that the archive has, why they can't be had)"""
        if self.room is None or summary is None:
            return (), ""
        try:
            return self.room.scans(summary.studies), ""
        except SourceError as error:
            return (), str(error)

    def _look_again(self, visit: Visit, scans: tuple[Scan, ...]) -> None:
        """While a scan just sent is being read, an EHR asks again; the page comes back by itself until then."""
        if not visit.awaited:
            return
        visit.awaited = 0 if scans and scans[0].report is not None else visit.awaited - 1
        again = self.desk.ask(visit.patient, visit.hook, visit.language)
        visit.exchanges, visit.trouble = again.exchanges, again.trouble
        visit.cards.clear()

    def fire(self, token: str) -> BaseResponse:
        visit, hook = self._visit(token), request.form.get("hook", "")
        if hook not in HOOKS:
            abort(400)
        selections = tuple(request.form.getlist("order"))
        if hook != "patient-view" and not selections:
            visit.notices = [Notice("bad", "ehr.notice.no_orders")]
            return _to(token, "orders")
        return self._ask(visit.patient, hook, selections)

    def accept(self, token: str, call: int, card: int) -> BaseResponse:
        suggestion = request.form.get("suggestion", type=int, default=-1)
        if suggestion < 0:
            abort(400)
        return self._deed(token, lambda visit: self.desk.accept(visit, call, card, suggestion), "notices")

    def override(self, token: str, call: int, card: int) -> BaseResponse:
        code, comment = request.form.get("reason", ""), request.form.get("comment", "")
        return self._deed(token, lambda visit: self.desk.override(visit, call, card, code, comment), "notices")

    def language(self) -> BaseResponse:
        """Change the page's language; an open chart asks its services again, in that language."""
        wish = request.form.get("language", "")
        if wish not in self.catalogues.languages:
            abort(400)
        visit = self.visits.get(request.form.get("chart", ""))
        if visit is None:
            answer = redirect(url_for("ehr.patients"), 303)
        else:
            again = self.desk.ask(visit.patient, visit.hook, wish, visit.selections)
            answer = _to(self.visits.add(again))
        answer.set_cookie(_COOKIE, wish, max_age=31_536_000, httponly=True, samesite="Lax")
        return answer

    def refusal(self, error: HTTPException) -> tuple[str, int]:
        status = error.code or 500
        return self._page("ehr/refusal.html", status=status), status

    def _ask(self, patient: str, hook: str, selections: tuple[str, ...] = ()) -> BaseResponse:
        return _to(self.visits.add(self.desk.ask(patient, hook, self._words().language, selections)))

    def _deed(self, token: str, deed: Callable[[Visit], None], then: str) -> BaseResponse:
        visit = self._visit(token)
        try:
            deed(visit)
        except IndexError:
            abort(404)
        return _to(token, then)

    def _visit(self, token: str) -> Visit:
        visit = self.visits.get(token)
        if visit is None:
            abort(404)
        return visit

    def _words(self) -> Phrasebook:
        return self.catalogues.book(request.cookies.get(_COOKIE), request.headers.get("Accept-Language"))

    def _page(self, template: str, **content: Any) -> str:
        return render_template(
            template,
            words=self._words(),
            languages=self.catalogues.languages,
            language_names={c: self.catalogues.book(c)("ehr.language_name") for c in self.catalogues.languages},
            service_url=self.desk.cds.url,
            fhir_base=self.desk.record.base,
            markdown=to_html,
            is_web=is_web,
            trend=charts.trend,
            value_text=_value_text,
            pretty=_pretty,
            request_shown=_request_shown,
            windows=_WINDOWS,
            said_in=_said_in,
            **content,
        )


def _view() -> View:
    """What of a scan the address asks for; what it can't mean is left at its default."""
    asked = request.args
    window = asked.get("window", "soft")
    return View(
        slice=asked.get("slice", type=int),
        window=window if window in _WINDOWS else "soft",
        outlined=asked.get("outlined") != "0",
        near=asked.get("near") == "1",
    )


def _to(token: str, anchor: str | None = None) -> BaseResponse:
    return redirect(url_for("ehr.chart", token=token, _anchor=anchor), 303)


def _said_in(words: Phrasebook, kind: str, code: str, otherwise: str) -> tuple[str, str]:
    """(words for a report's concept, their language): the page's own, else the report's."""
    known = words.texts.get(f"ehr.scans.{kind}.{code}")
    return (known, words.language) if known is not None else (otherwise, "en")


def _in_order(visit: Visit) -> list[tuple[int, int, Exchange]]:
    """(call, card, exchange) of every card, the most urgent first."""
    found = [(i, j, exchange) for i, exchange in enumerate(visit.exchanges) for j in range(len(exchange.cards))]
    return sorted(found, key=lambda at: _RANK.get(at[2].cards[at[1]].indicator, 2))


def _value_text(words: Phrasebook, value: charts.Value) -> str:
    number = words.number(value.number, 2) if value.number is not None else ""
    return f"{value.text}{number} {value.unit}".strip()


def _pretty(content: Any) -> str:
    return content if isinstance(content, str) else json.dumps(content, indent=2, ensure_ascii=False)


def _request_shown(body: dict[str, Any], words: Phrasebook) -> dict[str, Any]:
    """The request with long prefetch Bundles cut after their first entry, saying so."""
    shown = {}
    for key, value in body.get("prefetch", {}).items():
        entries = value.get("entry", [])
        if len(entries) > 1:
            value = {**value, "entry": [entries[0], words("ehr.hood.left_out", n=len(entries) - 1)]}
        shown[key] = value
    return {**body, "prefetch": shown}


def _own_forms_only() -> None:
    """Another site's form must not act here. Browsers say where a request comes from; other clients say nothing."""
    if request.method == "POST":
        origin = request.headers.get("Origin")
        foreign = origin is not None and urlsplit(origin).netloc != request.host
        if foreign or request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            abort(403)


def _guard(answer: Response) -> Response:
    answer.headers["Content-Security-Policy"] = _POLICY
    answer.headers["X-Content-Type-Options"] = "nosniff"
    # not "no-referrer": browsers would then send our own forms with "Origin: null"
    answer.headers["Referrer-Policy"] = "same-origin"
    if request.endpoint != "ehr.static":
        answer.headers["Cache-Control"] = "no-store"
    return answer
