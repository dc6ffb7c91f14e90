"""What every page of the console needs: who asks, in which language, and how an answer leaves."""

from __future__ import annotations

import logging
from datetime import date, datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from flask import Response, g, redirect, render_template, request, url_for
from markupsafe import Markup, escape
from werkzeug.wrappers import Response as BaseResponse

from cds.cards.phrasebook import Phrasebook
from cds.committee.accounts import Accounts
from cds.committee.monthly import month_of
from cds.engine import Engine
from cds.errors import CdsError, CommitteeError, ConsoleRefused, NotAllowed, NotSignedIn, ReplayFailed, SignInFailed
from cds.ledger.book import Book
from cds.ledger.standings import EVERYWHERE
from cds.pages.committee.session import Sessions, SignedIn
from cds.pages.committee.view import here, title_of
from cds.pages.committee.words import gaps, meanings

_log = logging.getLogger("cds.committee")
LANGUAGE, THEME = "cds_committee_language", "cds_committee_theme"
THEMES = ("system", "light", "dark")


def _coded(text: str) -> Markup:
    """What a sentence has in backticks is to be typed as it is."""
    parts = [escape(part) for part in text.split("`")]
    return Markup().join(Markup("<code>{}</code>").format(p) if n % 2 else p for n, p in enumerate(parts))


class Room:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        console = engine.settings.committee.console
        self.accounts = Accounts(console.accounts_file) if console.accounts_file is not None else None
        self.sessions = Sessions(engine.settings, engine.settings.load_ledger_key(), self.accounts, engine.now)
        self.below = urlsplit(engine.settings.public_url).path.rstrip("/")
        """What a server in front takes off the addresses before they come here."""

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
            request.cookies.get(LANGUAGE),
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
        theme = request.cookies.get(THEME, "system")
        return render_template(
            f"committee/{template}",
            words=words,
            who=who,
            theme=theme if theme in THEMES else "system",
            themes=THEMES,
            languages={
                code: self.engine.catalogues.book(code)("report.language_name")
                for code in self.engine.catalogues.languages
            },
            url_for=self._address,
            moment=self._moment,
            gaps=gaps,
            meanings=partial(meanings, words),
            coded=_coded,
            this_month=month_of(here(self.engine)),
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

    def _not_done(self, error: CommitteeError, who: SignedIn, back: str, to: str) -> tuple[str, int]:
        """Why what somebody asked for was not done, in the reader's language."""
        words, key = self._words(), f"committee.acted.why.{error.key}"
        known = key in words.texts
        told = words(key, **{n: self._said(words, n, v) for n, v in error.values.items()}) if known else str(error)
        return self._page("acted.html", who, fault=told, english=not known, back=back, to=to), 400

    def _said(self, words: Phrasebook, name: str, value: object) -> str:
        if isinstance(value, datetime):
            return self._moment(value)
        if isinstance(value, date):
            return words.day(value)
        if name == "model":
            return title_of(self.engine, words, str(value))
        return words("committee.overview.everywhere") if value == EVERYWHERE else str(value)

    def guard(self, answer: Response) -> Response:
        answer.headers["Content-Security-Policy"] = (
            "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
            "frame-ancestors 'none'"
        )
        if request.endpoint != "committee.static":
            answer.headers["Cache-Control"] = "no-store"
        return answer
