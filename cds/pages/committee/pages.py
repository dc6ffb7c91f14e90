"""The console's addresses. Each works without a script; nothing in an address names a patient."""

from __future__ import annotations

import orjson
from flask import Blueprint, Response, g, redirect, request
from werkzeug.wrappers import Response as BaseResponse

from cds.charts import as_png
from cds.committee import actions
from cds.committee import incidents as incident_work
from cds.committee.actions import Signatures
from cds.committee.charter import Charter
from cds.committee.charter_file import charter_path, read_charter
from cds.engine import Engine
from cds.errors import CdsError, CommitteeError, NothingThere
from cds.ledger.incidents import SEVERITIES, IncidentAction
from cds.pages.committee import exports, lists, view
from cds.pages.committee import words as worded
from cds.pages.committee.days import Days, days_of
from cds.pages.committee.entrance import Entrance
from cds.pages.committee.room import Room
from cds.pages.committee.rules import rules
from cds.pages.committee.unjudged import is_judged, unjudged
from cds.pages.markdown import to_html
from cds.replay import Replay
from cds.services.declaration import installed_packages
from cds.web.report_cookie import own_form


def blueprint(engine: Engine) -> Blueprint:
    """Raises CharterError for a charter that can't be used."""
    pages = Blueprint(
        "committee",
        __name__,
        url_prefix="/committee",
        template_folder="templates",
        static_folder="assets",
        static_url_path="/-/assets",
    )
    room, door = _Console(engine), Entrance(engine)
    pages.after_request(room.guard)
    pages.register_error_handler(CdsError, room.refused)
    pages.get("/sign-in")(door.sign_in_page)
    pages.post("/sign-in")(door.sign_in)
    pages.get("/oidc/start")(door.oidc_start)
    pages.get("/oidc/callback")(door.oidc_callback)
    pages.post("/sign-out")(door.sign_out)
    pages.post("/settings")(door.settings)
    pages.get("/")(room.overview)
    pages.get("/overview.csv")(room.overview_csv)
    pages.get("/overview.pdf")(room.overview_pdf)
    pages.get("/models/<model>/<site>/")(room.model)
    pages.get("/models/<model>/<site>/findings.csv")(room.findings_csv)
    pages.get("/models/<model>/<site>/report.pdf")(room.model_pdf)
    pages.get("/models/<model>/<site>/plots/<name>.png")(room.plot)
    pages.get("/models/<model>/<site>/calls")(room.calls)
    pages.get("/models/<model>/<site>/calls.csv")(room.calls_csv)
    pages.post("/models/<model>/<site>/stop")(room.stop)
    pages.post("/models/<model>/<site>/confirm")(room.confirm)
    pages.post("/models/<model>/<site>/resume")(room.resume)
    pages.post("/models/<model>/<site>/agree")(room.agree)
    pages.get("/calls/<call>")(room.call)
    pages.get("/incidents")(room.incidents)
    pages.get("/incidents.csv")(room.incidents_csv)
    pages.get("/incidents/<number>.pdf")(room.incident_pdf)
    pages.get("/incidents/<number>")(room.incident)
    pages.post("/incidents/<number>/<any(triage, link, note, close, reopen):action>")(room.act_on_incident)
    pages.get("/reports/<month>")(room.report)
    pages.get("/reports/<month>.pdf")(room.report_pdf)
    pages.get("/reports/<month>.json")(room.report_fhir)
    return pages


class _Console(Room):
    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        path = charter_path(engine.settings.committee.charter_file, installed_packages())
        self.charter: Charter = read_charter(path, engine.models)[0]

    # looking

    def overview(self) -> str:
        who, asked = self._who(), self._asked()
        found = self._overview(asked)
        titles = {model: view.title_of(self.engine, self._words(), model) for model in found.models}
        return self._page("overview.html", who, found=found, asked=asked, titles=titles)

    def overview_csv(self) -> Response:
        self._who()
        return exports.overview_csv(self._overview(self._asked()))

    def overview_pdf(self) -> Response:
        self._who()
        asked = self._asked()
        return exports.overview_pdf(
            self._overview(asked), asked["group"], self._words(), self._moment, self.engine.now()
        )

    @staticmethod
    def _asked() -> dict[str, str]:
        return {name: request.args.get(name, "") for name in ("site", "model", "level", "group")}

    @staticmethod
    def _group() -> str:
        return request.args.get("group", "")

    def _overview(self, asked: dict[str, str]) -> view.Overview:
        with self._book() as book:
            return view.overview(self.engine, book, self.charter, self._words(), **asked)

    def _model(self, model: str, site: str) -> view.ModelView:
        with self._book() as book:
            return view.model_view(self.engine, book, self.charter, self._words(), model, site, self._group())

    def model(self, model: str, site: str) -> str:
        who = self._who()
        with self._book() as book:
            if not is_judged(book, model, site):
                found_there = unjudged(self.engine, book, self.charter, self._words(), model, site)
                return self._page("unjudged.html", who, found=found_there)
        found = self._model(model, site)
        drawn = [(p.name, p.title, p.draw().markup, p.draw(narrow=True).markup) for p in found.plots]
        rests = view.rests_on(self._words(), found.followed)
        told = rules(self._words(), self.charter)
        other = found.verdict.charter_version != self.charter.version
        return self._page(
            "model.html", who, found=found, drawn=drawn, rests=rests, rules=told, other_charter=other,
            group=self._group(),
        )  # fmt: skip

    def model_pdf(self, model: str, site: str) -> Response:
        self._who()
        words, found = self._words(), self._model(model, site)
        rests = view.rests_on(words, found.followed)
        return exports.model_pdf(found, self._group(), rests, words, self._moment, self.engine.now())

    def findings_csv(self, model: str, site: str) -> Response:
        self._who()
        return exports.findings_csv(self._model(model, site))

    def plot(self, model: str, site: str, name: str) -> Response:
        self._who()
        chosen = next((p for p in self._model(model, site).plots if p.name == name), None)
        if chosen is None:
            raise NothingThere("no such plot")
        return exports.png(as_png(chosen.draw), f"{model}-{site}-{name}")

    def calls(self, model: str, site: str) -> str:
        who = self._member()
        page = max(0, request.args.get("page", type=int, default=0))
        found = self._calls(model, site, page, lists.PAGE + 1)
        days, group, carded = self._days().asked, self._group(), "carded" in request.args
        kept = {"model": model, "site": site, "group": group or None, **days}
        return self._page(
            "calls.html", who, rows=found.rows[: lists.PAGE], more=len(found.rows) > lists.PAGE, page=page, model=model,
            site=site, title=view.title_of(self.engine, self._words(), model), carded=carded, days=days, group=group,
            groups=found.groups, looks=found.looks, kept=kept,
        )  # fmt: skip

    def calls_csv(self, model: str, site: str) -> Response:
        self._member()
        return exports.calls_csv(self._calls(model, site, 0, 10_000).rows, f"calls-{model}-{site}")

    def _calls(self, model: str, site: str, page: int, most: int) -> lists.Calls:
        with self._book() as book:
            return lists.call_list(
                self.engine, book, self.charter, self._words(), model, site, page, carded="carded" in request.args,
                days=self._days(), group=self._group(), most=most,
            )  # fmt: skip

    def call(self, call: str) -> str:
        who = self._member()
        if self.engine.snapshots is None:
            raise NothingThere("what cards were made from is not kept here (committee.keep_snapshots)")
        found = Replay(self.engine, self.engine.snapshots).of(call)
        return self._page("call.html", who, found=found, markdown=to_html, depends=worded.depends)

    def incidents(self) -> str:
        who, found = self._member(), self._incidents()
        return self._page("incidents.html", who, found=found, days=self._days().asked, group=self._group())

    def incidents_csv(self) -> Response:
        self._member()
        return exports.incidents_csv(self._incidents().rows)

    def _incidents(self) -> lists.Incidents:
        with self._book() as book:
            return lists.incident_list(self.engine, book, self.charter, self._words(), self._days(), self._group())

    def incident(self, number: str) -> str:
        who = self._member()
        with self._book() as book:
            found = view.incident(book, number)
        return self._page("incident.html", who, found=found, severities=SEVERITIES)

    def incident_pdf(self, number: str) -> Response:
        self._member()
        with self._book() as book:
            found = view.incident(book, number)
        return exports.incident_pdf(found, self._words(), self._moment, self.engine.now())

    def _days(self) -> Days:
        return days_of(request.args, self.engine.settings.timezone)

    def _month(self, month: str) -> view.MonthView:
        with self._book() as book:
            return view.month_view(self.engine, book, self.charter, self._words(), month)

    def report(self, month: str) -> str:
        who, shown = self._who(), self._month(month)
        return self._page(
            "report.html", who, found=shown.found, parts_of=shown.parts, titles=shown.titles, raised=shown.raised
        )

    def report_pdf(self, month: str) -> Response:
        self._who()
        shown, words = self._month(month), self._words()
        return exports.report_pdf(shown.found, shown.parts, shown.titles, words, self._moment, self.engine.now())

    def report_fhir(self, month: str) -> Response:
        self._who()
        from cds.committee.measure_report import bundle  # slow to import

        found = self._month(month).found
        content = orjson.dumps(bundle(found, self.engine.settings.public_url))
        return exports.fhir(content, f"report-{found.month}")

    # acting

    def stop(self, model: str, site: str) -> BaseResponse | tuple[str, int]:
        """One member alone, in an emergency; somebody else confirms."""
        return self._act(model, site, "stop")

    def confirm(self, model: str, site: str) -> BaseResponse | tuple[str, int]:
        return self._act(model, site, "confirm")

    def resume(self, model: str, site: str) -> BaseResponse | tuple[str, int]:
        """The first of two, who asks; the second agrees, signed in as somebody else."""
        return self._act(model, site, "resume")

    def agree(self, model: str, site: str) -> BaseResponse | tuple[str, int]:
        return self._act(model, site, "agree")

    def _act(self, model: str, site: str, what: str) -> BaseResponse | tuple[str, int]:
        own_form(request, self.engine.settings)
        who = self._member()
        signed = Signatures(who.name, None, request.form.get("reason", "")[:2000], who.person_id)
        now = view.here(self.engine)
        where = request.form.get("where") or site
        try:
            with self._book() as book:
                actions.known_model(model, self.engine.models.models)
                actions.known_site(where, self.engine.settings.clients)
                match what:
                    case "stop":
                        actions.stop(book, self.charter, model, where, signed, now, emergency=True)
                    case "confirm":
                        actions.confirm(book, self.charter, model, where, signed, now)
                    case "resume":
                        actions.ask_to_resume(book, self.charter, model, where, signed, now)
                    case _:
                        asked = request.form.get("asked", "")
                        actions.agree_to_resume(book, self.charter, model, where, signed, now, asked)
        except CommitteeError as error:
            return self._not_done(error, who, self._address("committee.model", model=model, site=site), "back")
        g.log = {"committee": what, "model": model}
        return redirect(self._address("committee.model", model=model, site=site), 303)

    def act_on_incident(self, number: str, action: IncidentAction) -> BaseResponse | tuple[str, int]:
        """As ``cds committee incidents`` does it, by whoever is signed in."""
        own_form(request, self.engine.settings)
        who, sent = self._member(), request.form
        severity = next((name for name in SEVERITIES if name == sent.get("severity")), None)
        call = sent.get("call", "").strip()[:80] or None
        try:
            with self._book() as book:
                found = view.incident(book, number)
                if action == "triage" and severity is None:
                    raise CommitteeError("say how serious it is", "incident_severity")
                if action == "link" and call is None:
                    raise CommitteeError("give the number of the call it is about", "incident_call")
                incident_work.act(
                    book, self.charter, found.problem.id, action, who.name, view.here(self.engine),
                    text=sent.get("text", "")[:2000], severity=severity if action == "triage" else None,
                    call=call if action == "link" else None,
                )  # fmt: skip
        except CommitteeError as error:
            return self._not_done(error, who, self._address("committee.incident", number=number), "back_to_incident")
        g.log = {"committee": f"incident-{action}"}
        return redirect(self._address("committee.incident", number=number), 303)
