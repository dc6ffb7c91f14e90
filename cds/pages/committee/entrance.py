"""Coming in and going out: local accounts, the hospital's own sign-in, and what a reader wishes of the pages."""

from __future__ import annotations

import logging

from flask import redirect, request
from werkzeug.wrappers import Response as BaseResponse

from cds.committee.accounts import Account
from cds.committee.identity import by_account, by_sign_in
from cds.engine import Engine
from cds.errors import NotAllowed
from cds.pages.committee.attempts import Attempts, counted
from cds.pages.committee.oidc import Oidc
from cds.pages.committee.room import LANGUAGE, THEME, THEMES, Room
from cds.pages.committee.source import networks, source
from cds.web.report_cookie import own_form

_log = logging.getLogger("cds.committee")
_SIGN_IN = "cds_committee_sign_in"
_YEAR_S = 31_536_000


class Entrance(Room):
    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        console = engine.settings.committee.console
        key = engine.settings.load_ledger_key()
        self.oidc = Oidc(engine.settings, console.oidc, key, engine.now) if console.oidc is not None else None
        self.attempts = Attempts(engine.settings.ledger_url, key, engine.now)
        self.proxies, self.told_of_proxy = networks(console.trusted_proxies), False

    def sign_in_page(self) -> str:
        return self._page("sign_in.html", None, fault="", local=self.accounts is not None, oidc=self.oidc is not None)

    def sign_in(self) -> BaseResponse | str | tuple[str, int]:
        own_form(request, self.engine.settings)
        if self.accounts is None:
            raise NotAllowed("there are no local accounts here")
        name, password = request.form.get("name", "").strip()[:80], request.form.get("password", "")[:1000]
        browser = self.sessions.browser(request.cookies.get(self.sessions.known_cookie), name)
        words, attempt = self._words(), self.attempts.begin(counted(name, self._source(), browser))
        if attempt.wait_s > 0:
            _log.warning("committee.slowed")
            fault = words("committee.sign_in.slow", seconds=words.number(int(attempt.wait_s) + 1, 0))
            return self._page("sign_in.html", None, fault=fault, local=True, oidc=self.oidc is not None), 429
        account = self.accounts.check(name, password)
        if account is None:
            _log.warning("committee.refused_sign_in")
            fault = words("committee.sign_in.wrong")
            return self._page("sign_in.html", None, fault=fault, local=True, oidc=self.oidc is not None), 403
        self.attempts.succeeded(attempt)
        told = by_account(account.name, self._at_the_hospital(account))
        opened = self.sessions.open(account.name, account.role, "account", stamp=account.stamp, person_id=told)
        answer = self._entered(opened)
        known = self.sessions.remember(account.name, browser)
        self._keep(answer, self.sessions.known_cookie, known, _YEAR_S, path="/", strict=True)
        return answer

    def _at_the_hospital(self, account: Account) -> str | None:
        oidc = self.engine.settings.committee.console.oidc
        return by_sign_in(oidc.issuer, account.subject) if oidc is not None and account.subject else None

    def _source(self) -> str | None:
        found = source(request.remote_addr, request.headers.getlist("X-Forwarded-For"), self.proxies)
        if found is None and not self.told_of_proxy:
            self.told_of_proxy = True
            _log.warning(
                "committee.unknown_source: a proxy passes sign-ins on that committee.console.trusted_proxies does not "
                "name, so that one address can't be slowed down without all others"
            )
        return found

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
        answer = self._entered(self.sessions.open(person.name, person.role, "oidc", person_id=person.id))
        self._keep(answer, _SIGN_IN, "", 0, path="/committee/oidc", strict=False)
        return answer

    def _entered(self, cookie: str) -> BaseResponse:
        answer = redirect(self._address("committee.overview"), 303)
        self._keep(answer, self.sessions.cookie, cookie, self.sessions.seconds, path="/", strict=False)
        return answer

    def sign_out(self) -> BaseResponse:
        own_form(request, self.engine.settings)
        self.sessions.end(request.cookies.get(self.sessions.cookie))
        answer = redirect(self._address("committee.sign_in_page"), 303)
        self._keep(answer, self.sessions.cookie, "", 0, path="/", strict=False)
        return answer

    def settings(self) -> BaseResponse:
        own_form(request, self.engine.settings)
        answer = redirect(self._address("committee.overview"), 303)
        wishes = {LANGUAGE: request.form.get("language"), THEME: request.form.get("theme")}
        known = {LANGUAGE: self.engine.catalogues.languages, THEME: THEMES}
        for name, value in wishes.items():
            if value is not None and value in known[name]:
                self._keep(answer, name, value, _YEAR_S, path="/committee", strict=True)
        return answer
