"""The demonstration EHR: what a hospital sees when it evaluates a CDS service.

Plain pages and forms, rendered here; all of it works without script. Every deed is a POST that redirects to a page, so
that reloading repeats nothing. It speaks only the public specifications: FHIR R4 to its record, CDS Hooks 2.0 to the
service. What a service offers beyond them (ledger rows, progress of scans) is shown where it is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
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
from cds.pages import guard, hood
from cds.pages.cds_client import CdsClient, Exchange, Offered
from cds.pages.desk import HOOKS, Desk, Stories
from cds.pages.fhir_record import FhirRecord
from cds.pages.markdown import is_web, parts
from cds.pages.progress import progress
from cds.pages.scans import WINDOWS, Scan, Scanner, ScanRoom, View, png
from cds.pages.visits import Notice, Visit, Visits

Launch = Callable[[str, str | None, str, str | None], str]
"""(address of a card's SMART link, its appContext, patient, encounter) -> where the user is sent: a launch minted."""

_CATALOGUE = Path(__file__).parent / "catalogue"
_LANGUAGE, _THEME = "ehr_language", "ehr_theme"
_THEMES = ("system", "light", "dark")
_YEAR_S = 31_536_000
_MOST_LOOKS = 40
_RANK = {"critical": 0, "warning": 1, "info": 2}


def create_ehr(
    app: Flask,
    *,
    stories: Stories,
    service_url: str,
    fhir_base: str,
    session: requests.Session,
    archive: DicomWeb | None = None,
    scanner: Scanner | None = None,
    launch: Launch | None = None,
    report: str = "",
    names: Iterable[Path] = (),
) -> Desk:
    """Serve the EHR at ``/`` of ``app``, its static files at ``/ehr-assets``.

    ``stories``: the patients listed, the orders each has waiting, and what can be ordered. ``service_url``: base
    address of a CDS service; ``/cds-services`` is added. ``fhir_base``: where the stories' records are; it may be this
    same app, if that is served by more than one thread. ``archive``: where the patients' images are; it needs the extra
    for images. ``scanner``: makes scans for patients who wait for one. ``launch``: mints the launch of a card's SMART
    link. ``report``: launch address of the service's report, registered in this EHR as an app of its own, for what no
    card led to. ``names``: catalogues with further names of codes (``cds.cards.coded``). Raises ServiceError when the
    page's own catalogues do not match each other.
    """
    cds, record = CdsClient(service_url, session), FhirRecord(fhir_base, session)
    room = ScanRoom(archive) if archive is not None else None
    desk = Desk(stories, cds, record)
    app.register_blueprint(_Pages(desk, room, scanner, launch, report, Catalogues([_CATALOGUE, *names])).blueprint())
    return desk


class _Pages:
    def __init__(
        self,
        desk: Desk,
        room: ScanRoom | None,
        scanner: Scanner | None,
        launch: Launch | None,
        report: str,
        catalogues: Catalogues,
    ) -> None:
        self.desk, self.visits, self.catalogues = desk, Visits(), catalogues
        self.room, self.scanner, self.launch, self.report = room, scanner, launch, report

    def blueprint(self) -> Blueprint:
        pages = Blueprint(
            "ehr", __name__, template_folder="templates", static_folder="assets", static_url_path="/ehr-assets"
        )
        pages.before_request(guard.own_forms_only)
        pages.after_request(guard.protected)
        pages.register_error_handler(HTTPException, self.refusal)
        pages.get("/")(self.patients)
        pages.post("/charts")(self.open)
        pages.get("/charts/<token>")(self.chart)
        pages.get("/charts/<token>/scans/<int:scan>.png")(self.picture)
        pages.get("/charts/<token>/progress")(self.progress)
        pages.post("/charts/<token>/scan")(self.scan)
        pages.post("/charts/<token>/hook")(self.fire)
        pages.post("/charts/<token>/orders")(self.order)
        pages.post("/charts/<token>/orders/withdraw")(self.withdraw)
        pages.post("/charts/<token>/orders/sign")(self.sign)
        card = "/charts/<token>/cards/<int:call>/<int:card>"
        pages.post(f"{card}/accept")(self.accept)
        pages.post(f"{card}/undo")(self.undo)
        pages.post(f"{card}/override")(self.override)
        pages.post(f"{card}/links/<int:link>")(self.follow)
        pages.post("/charts/<token>/report")(self.open_report)
        pages.post("/language")(self.language)
        pages.post("/theme")(self.theme)
        return pages

    # pages

    def patients(self) -> str:
        services: tuple[Offered, ...] = ()
        trouble = ""
        try:
            services = self.desk.cds.services(self._words().language)
        except SourceError as error:
            trouble = str(error)
        return self._page("ehr/patients.html", stories=self.desk.stories.values(), services=services, trouble=trouble)

    def chart(self, token: str) -> str:
        visit = self._visit(token)
        summary, trouble = None, ""
        try:
            summary = charts.read_chart(self.desk.record, visit.patient)
        except SourceError as error:
            trouble = str(error)
        scans, archive_trouble = self._scans(summary)
        strip = progress(scans, self.desk.cds, awaited=bool(visit.awaited), study=visit.study)
        self._look_again(visit, done=bool(scans) and strip[0].state != "running")
        sought = request.args.get("find", "")[:60]
        return self._page(
            "ehr/chart.html",
            token=token,
            visit=visit,
            story=self.desk.stories[visit.patient],
            chart=summary,
            chart_trouble=trouble,
            cards=_in_order(visit),
            silent=self.desk.silent(visit),
            withheld=self.desk.withheld(visit),
            report=bool(self.report and self.launch),
            rows=[self.desk.row(visit, call) for call in range(len(visit.exchanges))],
            drafts=(*self.desk.orders.held(visit.patient), *(summary.drafts if summary else ())),
            catalogue=self.desk.orders.catalogue.found(sought, self._words().language),
            sought=sought,
            today=date.today(),
            scans=scans,
            strip=strip,
            archive_trouble=archive_trouble,
            view=_view(),
            scan_waits=self.scanner is not None and self.scanner.waits(visit.patient),
        )

    def picture(self, token: str, scan: int) -> Response:
        """A slice of one of the patient's scans, the newest being 0."""
        scans = self._scans_of(self._visit(token))
        if scan >= len(scans):
            abort(404)
        side = min(max(request.args.get("side", type=int, default=560), 48), 1024)
        return Response(png(scans[scan], _view(), side), content_type="image/png")

    def progress(self, token: str) -> Response:
        """The strip of studies alone, for the script that keeps it current. ``Ehr-Done``: the chart is worth a look."""
        visit = self._visit(token)
        strip = progress(self._scans_of(visit), self.desk.cds, awaited=bool(visit.awaited), study=visit.study)
        answer = Response(self._page("ehr/strip.html", strip=strip, visit=visit), content_type="text/html")
        if not any(one.state == "running" for one in strip):
            answer.headers["Ehr-Done"] = "1"
        return answer

    def refusal(self, error: HTTPException) -> tuple[str, int]:
        status = error.code or 500
        return self._page("ehr/refusal.html", status=status), status

    # deeds

    def open(self) -> BaseResponse:
        patient = request.form.get("patient", "")
        if patient not in self.desk.stories:
            abort(404)
        return self._ask(patient, "patient-view")

    def scan(self, token: str) -> BaseResponse:
        """The scanner makes the scan that the patient waits for, and the chart asks its services again."""
        visit = self._visit(token)
        if self.scanner is None or not self.scanner.waits(visit.patient):
            abort(404)
        try:
            study = self.scanner.send(visit.patient)
        except SourceError as error:
            visit.notices = [Notice("bad", "ehr.scans.unsent", {"why": str(error)})]
            return _to(token, "notices")
        again = self.desk.ask(visit.patient, "patient-view", self._words().language)
        again.awaited, again.study = _MOST_LOOKS, study
        return _to(self.visits.add(again), "scans")

    def fire(self, token: str) -> BaseResponse:
        visit, hook = self._visit(token), request.form.get("hook", "")
        if hook not in HOOKS:
            abort(400)
        selections = tuple(request.form.getlist("order"))
        if hook != "patient-view" and not selections:
            visit.notices = [Notice("bad", "ehr.notice.no_orders")]
            return _to(token, "orders")
        again = self.desk.ask(visit.patient, hook, self._words().language, selections)
        if hook == "order-sign" and not again.advised:
            # nothing to read first: a service that is silent or away holds no signature back
            self.desk.sign(again)
        return _to(self.visits.add(again), "notices" if again.notices else None)

    def order(self, token: str) -> BaseResponse:
        visit, words = self._visit(token), self._words()
        try:
            again = self.desk.order(visit, request.form.get("orderable", ""), words.language)
        except IndexError:
            abort(404)
        return _to(token if again is visit else self.visits.add(again), "notices")

    def withdraw(self, token: str) -> BaseResponse:
        reference = request.form.get("reference", "")
        return self._deed(token, lambda visit: self.desk.withdraw(visit, reference))

    def sign(self, token: str) -> BaseResponse:
        """Complete a signature that advice held back."""
        visit = self._visit(token)
        if visit.hook != "order-sign" or not visit.selections:
            abort(400)
        return self._deed(token, self.desk.sign)

    def accept(self, token: str, call: int, card: int) -> BaseResponse:
        suggestion = _suggestion()
        return self._deed(token, lambda visit: self.desk.accept(visit, call, card, suggestion))

    def undo(self, token: str, call: int, card: int) -> BaseResponse:
        suggestion = _suggestion()
        return self._deed(token, lambda visit: self.desk.undo(visit, call, card, suggestion))

    def override(self, token: str, call: int, card: int) -> BaseResponse:
        code, comment = request.form.get("reason", ""), request.form.get("comment", "")
        return self._deed(token, lambda visit: self.desk.override(visit, call, card, code, comment))

    def follow(self, token: str, call: int, card: int, link: int) -> str:
        """Open a card's SMART app: a launch is minted, and a page leads there. A redirect of a form would have to be
        allowed by this page's policy for every address the app goes on to."""
        visit = self._visit(token)
        try:
            found = self.desk.link(visit, call, card, link)
        except IndexError:
            abort(404)
        if self.launch is None or found.type != "smart" or not is_web(found.url):
            abort(404)
        address = self.launch(found.url, found.appContext, visit.patient, None)
        return self._page("ehr/launch.html", label=found.label, address=address, host=urlsplit(address).netloc)

    def open_report(self, token: str) -> str:
        """Open the report of this patient without a card: what was held back stands there, too."""
        visit = self._visit(token)
        if self.launch is None or not self.report:
            abort(404)
        address = self.launch(self.report, None, visit.patient, None)
        label = self._words()("ehr.withheld.open")
        return self._page("ehr/launch.html", label=label, address=address, host=urlsplit(address).netloc)

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
            again.awaited, again.study = visit.awaited, visit.study
            answer = _to(self.visits.add(again))
        answer.set_cookie(_LANGUAGE, wish, max_age=_YEAR_S, httponly=True, samesite="Lax")
        return answer

    def theme(self) -> BaseResponse:
        wish, chart = request.form.get("theme", ""), request.form.get("chart", "")
        if wish not in _THEMES:
            abort(400)
        answer = _to(chart) if self.visits.get(chart) is not None else redirect(url_for("ehr.patients"), 303)
        answer.set_cookie(_THEME, wish, max_age=_YEAR_S, httponly=True, samesite="Lax")
        return answer

    # what they share

    def _scans(self, summary: charts.Chart | None) -> tuple[tuple[Scan, ...], str]:
        """(the patient's scans that the archive has, why they can't be had)"""
        if self.room is None or summary is None:
            return (), ""
        try:
            return self.room.scans(summary.studies), ""
        except SourceError as error:
            return (), str(error)

    def _scans_of(self, visit: Visit) -> tuple[Scan, ...]:
        if self.room is None:
            abort(404)
        try:
            return self.room.scans(charts.read_studies(self.desk.record, visit.patient))
        except SourceError:
            abort(502)

    def _look_again(self, visit: Visit, *, done: bool) -> None:
        """While a scan just sent is being read, an EHR asks again; the page comes back by itself until then."""
        if not visit.awaited:
            return
        visit.awaited = 0 if done else visit.awaited - 1
        again = self.desk.ask(visit.patient, visit.hook, visit.language)
        visit.exchanges, visit.trouble = again.exchanges, again.trouble
        visit.cards.clear()
        visit.rows.clear()

    def _ask(self, patient: str, hook: str, selections: tuple[str, ...] = ()) -> BaseResponse:
        return _to(self.visits.add(self.desk.ask(patient, hook, self._words().language, selections)))

    def _deed(self, token: str, deed: Callable[[Visit], None]) -> BaseResponse:
        visit = self._visit(token)
        try:
            deed(visit)
        except IndexError:
            abort(404)
        return _to(token, "notices")

    def _visit(self, token: str) -> Visit:
        visit = self.visits.get(token)
        if visit is None:
            abort(404)
        return visit

    def _words(self) -> Phrasebook:
        return self.catalogues.book(request.cookies.get(_LANGUAGE), request.headers.get("Accept-Language"))

    def _page(self, template: str, **content: Any) -> str:
        theme = request.cookies.get(_THEME, "system")
        return render_template(
            template,
            words=self._words(),
            languages=self.catalogues.languages,
            language_names={c: self.catalogues.book(c)("ehr.language_name") for c in self.catalogues.languages},
            theme=theme if theme in _THEMES else "system",
            themes=_THEMES,
            service_url=self.desk.cds.url,
            fhir_base=self.desk.record.base,
            markdown=parts,
            is_web=is_web,
            launches=self.launch is not None,
            trend=charts.trend,
            value_text=_value_text,
            hood=hood,
            windows=WINDOWS,
            **content,
        )


def _suggestion() -> int:
    found = request.form.get("suggestion", type=int, default=-1)
    if found < 0:
        abort(400)
    return found


def _view() -> View:
    """What of a scan the address asks for; what it can't mean is left at its default."""
    asked = request.args
    window = asked.get("window", "soft")
    return View(
        slice=asked.get("slice", type=int),
        window=window if window in WINDOWS else "soft",
        outlined=asked.get("outlined") != "0",
        near=asked.get("near") == "1",
    )


def _to(token: str, anchor: str | None = None) -> BaseResponse:
    return redirect(url_for("ehr.chart", token=token, _anchor=anchor), 303)


def _in_order(visit: Visit) -> list[tuple[int, int, Exchange]]:
    """(call, card, exchange) of every card, the most urgent first."""
    found = [(i, j, exchange) for i, exchange in enumerate(visit.exchanges) for j in range(len(exchange.cards))]
    return sorted(found, key=lambda at: _RANK.get(at[2].cards[at[1]].indicator, 2))


def _value_text(words: Phrasebook, value: charts.Value) -> str:
    number = words.number(value.number, 2) if value.number is not None else ""
    return f"{value.text}{number} {value.unit}".strip()
