"""How one reader wants to see one report: language and colours, in a cookie that is bound to that report's address."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from flask import Request
from werkzeug.wrappers import Response

from cds.cards.phrasebook import Phrasebook
from cds.engine import Engine
from cds.trust.smart import ReportSession
from cds.web.report_cookie import keep, report_path

Theme = Literal["system", "light", "dark"]
THEMES: tuple[Theme, ...] = ("system", "light", "dark")
_COOKIE = "cds_view"


@dataclass(frozen=True)
class View:
    words: Phrasebook
    theme: Theme


def view_of(engine: Engine, asked: Request, session: ReportSession) -> View:
    """What the reader chose here; else the browser's language, the client's, the service's."""
    language, _, theme = asked.cookies.get(_COOKIE, "").partition(".")
    words = engine.catalogues.book(
        language if language in engine.catalogues.languages else None,
        asked.headers.get("Accept-Language"),
        session.language,
        fallback=engine.settings.language,
    )
    return View(words, next((t for t in THEMES if t == theme), "system"))


def remember(engine: Engine, answer: Response, session: ReportSession, view: View, wish: dict[str, str]) -> None:
    """Set the cookie to ``wish``; what it does not name, or what there is not, stays as it is."""
    language, theme = wish.get("language", ""), wish.get("theme", "")
    language = language if language in engine.catalogues.languages else view.words.language
    theme = theme if theme in THEMES else view.theme
    smart = engine.settings.clients[session.client].smart
    assert smart is not None
    keep(
        answer,
        engine.settings,
        _COOKIE,
        f"{language}.{theme}",
        path=report_path(engine.settings, session.rid),
        seconds=int(smart.session_minutes * 60),
        embedded=smart.embedded,
    )
