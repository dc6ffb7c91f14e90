"""The console's addresses. Each works without a script; nothing in an address names a patient."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import orjson
from flask import Blueprint, Response, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from cds.cards.phrasebook import Phrasebook
from cds.charts import as_png
from cds.committee import actions
from cds.committee.accounts import Accounts
from cds.committee.actions import Signatures
from cds.committee.charter import Charter
from cds.committee.charter_file import charter_path, read_charter
from cds.committee.monthly import month_of
from cds.engine import Engine
from cds.errors import (
    CdsError,
    CommitteeError,
    ConsoleRefused,
    NotAllowed,
    NothingThere,
    NotSignedIn,
    ReplayFailed,
    SignInFailed,
)
from cds.ledger.book import Book
from cds.pages.committee import exports, view
from cds.pages.committee.attempts import Attempts
from cds.pages.committee.oidc import Oidc
from cds.pages.committee.session import Sessions, SignedIn
from cds.pages.committee.words import gaps
from cds.pages.markdown import to_html
from cds.replay import Replay
from cds.services.declaration import installed_packages
from cds.web.report_cookie import own_form

_log = logging.getLogger("cds.committee")
_LANGUAGE, _THEME, _SIGN_IN = "cds_committee_language", "cds_committee_theme", "cds_committee_sign_in"
_THEMES = ("system", "light", "dark")
_YEAR_S = 31_536_000


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
    room = _Console(engine)
    pages.after_request(room.guard)
    pages.register_error_handler(CdsError, room.refused)
    pages.get("/sign-in")(room.sign_in_page)
    pages.post("/sign-in")(room.sign_in)
    pages.get("/oidc/start")(room.oidc_start)
    pages.get("/oidc/callback")(room.oidc_callback)
    pages.post("/sign-out")(room.sign_out)
    pages.post("/settings")(room.settings)
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
    pages.get("/calls/<call>")(room.call)
    pages.get("/incidents")(room.incidents)
    pages.get("/incidents.csv")(room.incidents_csv)
    pages.get("/reports/<month>")(room.report)
    pages.get("/reports/<month>.pdf")(room.report_pdf)
    pages.get("/reports/<month>.json")(room.report_fhir)
    return pages


class _Console:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        console = engine.settings.committee.console
        key = engine.settings.load_ledger_key()
        self.accounts = Accounts(console.accounts_file) if console.accounts_file is not None else None
        self.sessions = Sessions(engine.settings, key, self.accounts, engine.now)
        self.oidc = Oidc(engine.settings, console.oidc, key, engine.now) if console.oidc is not None else None
        self.attempts = Attempts()
        path = charter_path(engine.settings.committee.charter_file, installed_packages())
        self.charter: Charter = read_charter(path, engine.models)[0]
        self.below = urlsplit(engine.settings.public_url).path.rstrip("/")
        """What a server in front takes off the addresses before they come here."""

    # coming in and going out

    def sign_in_page(self) -> str:
        return self._page("sign_in.html", None, fault="", local=self.accounts is not None, oidc=self.oidc is not None)

    def sign_in(self) -> BaseResponse | str | tuple[str, int]:
        own_form(request, self.engine.settings)
        if self.accounts is None:
            raise NotAllowed("there are no local accounts here")
        name, password = request.form.get("name", "").strip()[:80], request.form.get("password", "")[:1000]
        keys = (f"name:{name.casefold()}", f"from:{request.remote_addr}")
        words = self._words()
        if (wait := self.attempts.wait(*keys)) > 0:
            _log.warning("committee.slowed")
            fault = words("committee.sign_in.slow", seconds=words.number(int(wait) + 1, 0))
            return self._page("sign_in.html", None, fault=fault, local=True, oidc=self.oidc is not None), 429
        account = self.accounts.check(name, password)
        if account is None:
            self.attempts.failed(*keys)
            _log.warning("committee.refused_sign_in")
            fault = words("committee.sign_in.wrong")
            return self._page("sign_in.html", None, fault=fault, local=True, oidc=self.oidc is not None), 403
        self.attempts.succeeded(*keys)
        return self._entered(self.sessions.open(account.name, account.role, "account", account.stamp))

    def oidc_start(self) -> BaseResponse:
        if self.oidc is None:
            raise NotAllowed("OpenID Connect is not set")
        url, cookie = self.oidc.begin()
        answer = redirect(url, 303)
        self._keep(answer, _SIGN_IN, cookie, 600, path="/committee/oidc", strict=False)
        return answer

    def oidc_callback(self) -> BaseResponse:
        if self.oidc is None:
            raise NotAllowed("OpenID Connect is not set")
        person = self.oidc.finish(request.args, request.cookies.get(_SIGN_IN))
        answer = self._entered(self.sessions.open(person.name, person.role, "oidc"))
        self._keep(answer, _SIGN_IN, "", 0, path="/committee/oidc", strict=False)
        return answer

    def _entered(self, cookie: str) -> BaseResponse:
        answer = redirect(self._address("committee.overview"), 303)
        self._keep(answer, self.sessions.cookie, cookie, self.sessions.seconds, path="/", strict=False)
        return answer

    def sign_out(self) -> BaseResponse:
        own_form(request, self.engine.settings)
        answer = redirect(self._address("committee.sign_in_page"), 303)
        self._keep(answer, self.sessions.cookie, "", 0, path="/", strict=False)
        return answer

    def settings(self) -> BaseResponse:
        own_form(request, self.engine.settings)
        answer = redirect(self._address("committee.overview"), 303)
        wishes = {_LANGUAGE: request.form.get("language"), _THEME: request.form.get("theme")}
        known = {_LANGUAGE: self.engine.catalogues.languages, _THEME: _THEMES}
        for name, value in wishes.items():
            if value is not None and value in known[name]:
                self._keep(answer, name, value, _YEAR_S, path="/committee", strict=True)
        return answer

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
        return exports.overview_pdf(self._overview(self._asked()), self._words(), self._moment, self.engine.now())

    @staticmethod
    def _asked() -> dict[str, str]:
        return {name: request.args.get(name, "") for name in ("site", "model", "level")}

    def _overview(self, asked: dict[str, str]) -> view.Overview:
        with self._book() as book:
            return view.overview(self.engine, book, self.charter, self._words(), **asked)

    def _model(self, model: str, site: str) -> view.ModelView:
        with self._book() as book:
            return view.model_view(self.engine, book, self.charter, self._words(), model, site)

    def model(self, model: str, site: str) -> str:
        who = self._who()
        found = self._model(model, site)
        drawn = [(p.name, p.title, p.draw().markup, p.draw(narrow=True).markup) for p in found.plots]
        rests = view.rests_on(self._words(), found.followed)
        return self._page("model.html", who, found=found, drawn=drawn, rests=rests)

    def model_pdf(self, model: str, site: str) -> Response:
        self._who()
        words, found = self._words(), self._model(model, site)
        return exports.model_pdf(found, view.rests_on(words, found.followed), words, self._moment, self.engine.now())

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
        words, carded = self._words(), "carded" in request.args
        with self._book() as book:
            rows = view.call_rows(self.engine, book, model, site, page, words, carded=carded)
        title = view.title_of(self.engine, words, model)
        return self._page(
            "calls.html", who, rows=rows[: view.PAGE], more=len(rows) > view.PAGE, page=page, model=model, site=site,
            title=title, carded=carded,
        )  # fmt: skip

    def calls_csv(self, model: str, site: str) -> Response:
        self._member()
        carded = "carded" in request.args
        with self._book() as book:
            rows = view.call_rows(self.engine, book, model, site, 0, self._words(), carded=carded, most=10_000)
        return exports.calls_csv(rows, f"calls-{model}-{site}")

    def call(self, call: str) -> str:
        who = self._member()
        if self.engine.snapshots is None:
            raise NothingThere("what cards were made from is not kept here (committee.keep_snapshots)")
        found = Replay(self.engine, self.engine.snapshots).of(call)
        return self._page("call.html", who, found=found, markdown=to_html)

    def incidents(self) -> str:
        who = self._member()
        with self._book() as book:
            found = view.incident_list(book)
        return self._page("incidents.html", who, found=found)

    def incidents_csv(self) -> Response:
        self._member()
        with self._book() as book:
            return exports.incidents_csv(view.incident_list(book))

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
        """One member alone, in an emergency; somebody else confirms. Resuming takes two and the command line."""
        return self._act(model, site, "stop")

    def confirm(self, model: str, site: str) -> BaseResponse | tuple[str, int]:
        return self._act(model, site, "confirm")

    def _act(self, model: str, site: str, what: str) -> BaseResponse | tuple[str, int]:
        own_form(request, self.engine.settings)
        who = self._member()
        signed = Signatures(who.name, None, request.form.get("reason", "")[:2000])
        now = self.engine.now()
        where = request.form.get("where") or site
        try:
            with self._book() as book:
                actions.known_model(model, self.engine.models.models)
                actions.known_site(where, self.engine.settings.clients)
                if what == "stop":
                    actions.stop(book, self.charter, model, where, signed, now, emergency=True)
                else:
                    actions.confirm(book, self.charter, model, where, signed, now)
        except CommitteeError as error:
            return self._page("acted.html", who, fault=str(error), model=model, site=site), 400
        g.log = {"committee": what, "model": model}
        return redirect(self._address("committee.model", model=model, site=site), 303)

    # what all of them need

    def _book(self) -> Book:
        return Book(self.engine.settings.ledger_url)

    def _who(self) -> SignedIn:
        return self.sessions.find(request.cookies.get(self.sessions.cookie))

    def _member(self) -> SignedIn:
        who = self._who()
        if not who.member:
            raise NotAllowed("only members of the committee see single calls and act")
        return who

    def _words(self) -> Phrasebook:
        return self.engine.catalogues.book(
            request.cookies.get(_LANGUAGE),
            request.headers.get("Accept-Language"),
            fallback=self.engine.settings.language,
        )

    def _address(self, endpoint: str, **values: Any) -> str:
        return self.below + url_for(endpoint, **values)

    def _moment(self, at: datetime) -> str:
        local = at.astimezone(ZoneInfo(self.engine.settings.timezone))
        return f"{self._words().day(local)} {local:%H:%M}"

    def _keep(self, answer: BaseResponse, name: str, value: str, seconds: int, *, path: str, strict: bool) -> None:
        """A cookie of ours. Lax, where a sign-in comes back from another site; forms are checked for their origin."""
        whole = "/" if path == "/" else f"{self.below}{path}"
        answer.set_cookie(
            name, value, max_age=seconds, path=whole, secure=not self.engine.settings.bare_cookies, httponly=True,
            samesite="Strict" if strict else "Lax",
        )  # fmt: skip

    def _page(self, template: str, who: SignedIn | None, **content: Any) -> str:
        words = self._words()
        theme = request.cookies.get(_THEME, "system")
        return render_template(
            f"committee/{template}",
            words=words,
            who=who,
            theme=theme if theme in _THEMES else "system",
            themes=_THEMES,
            languages={
                code: self.engine.catalogues.book(code)("report.language_name")
                for code in self.engine.catalogues.languages
            },
            url_for=self._address,
            moment=self._moment,
            gaps=gaps,
            this_month=month_of(self.engine.now()),
            **content,
        )

    def refused(self, error: CdsError) -> BaseResponse | tuple[str, int]:
        """A page with what to do; whoever is not signed in is led to where one signs in."""
        g.error_code = error.code
        if isinstance(error, NotSignedIn):
            if request.method == "GET":
                return redirect(self._address("committee.sign_in_page"), 303)
        elif isinstance(error, SignInFailed):
            _log.warning("committee.refused_sign_in reason=%s", error)
        elif not isinstance(error, ConsoleRefused):
            _log.warning("committee.failed code=%s error=%s", error.code, error)
        words = self._words()
        key = f"committee.refused.{error.code}"
        told = words(key if key in words.texts else "committee.refused.otherwise")
        status = 404 if isinstance(error, ReplayFailed) else error.status
        return self._page("refused.html", None, told=told, code=error.code), status

    def guard(self, answer: Response) -> Response:
        answer.headers["Content-Security-Policy"] = (
            "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
            "frame-ancestors 'none'"
        )
        if request.endpoint != "committee.static":
            answer.headers["Cache-Control"] = "no-store"
        return answer
