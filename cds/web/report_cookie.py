"""The cookie of an open report: one a report, bound to its address, so that two patients in two tabs never mix."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Request, current_app
from werkzeug.wrappers import Response as BaseResponse

from cds.engine import Engine
from cds.errors import ForeignForm
from cds.settings import Settings
from cds.trust.smart import ReportSession, bases, places

LANGUAGE, THEME = "cds_language", "cds_theme"
"""What a reader chose on a report, for all pages below ``/report``."""
THEMES = ("system", "light", "dark")
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def session_of(asked: Request) -> ReportSession:
    """The session of the report in this request's address (view argument ``rid``).

    Raises NoReportSession, ForeignForm for a form that another site sent, and LedgerError.
    """
    engine: Engine = current_app.extensions["cds"]
    own_form(asked, engine.settings)
    rid = str((asked.view_args or {})["rid"])
    return engine.reports.find(rid, asked.cookies.get(cookie_name(engine.settings)))


def renewed(asked: Request, session: ReportSession) -> ReportSession:
    """With an access token that lives on: for pages that read the hospital's servers. Raises as ``session_of``."""
    engine: Engine = current_app.extensions["cds"]
    return engine.door.renewed(session, asked.cookies.get(cookie_name(engine.settings), ""))


def theme_of(asked: Request) -> str:
    chosen = asked.cookies.get(THEME, "")
    return chosen if chosen in THEMES else "system"


def cookie_name(settings: Settings) -> str:
    """With ``__Secure-`` a browser takes it only as what it is (RFC 6265bis, section 4.1.3)."""
    return "cds_report" if settings.bare_cookies else "__Secure-cds_report"


def report_path(settings: Settings, rid: str) -> str:
    """As the browser sees it: under the public address, whatever stands in front of the service."""
    return f"{urlsplit(settings.public_url).path.rstrip('/')}/report/{rid}"


def give(answer: BaseResponse, settings: Settings, session: ReportSession, secret: str) -> None:
    smart = settings.clients[session.client].smart
    assert smart is not None
    keep(
        answer,
        settings,
        cookie_name(settings),
        secret,
        path=report_path(settings, session.rid),
        seconds=int(smart.session_minutes * 60),
        embedded=smart.embedded,
    )


def take_back(answer: BaseResponse, settings: Settings, session: ReportSession) -> None:
    smart = settings.clients[session.client].smart
    embedded = smart is not None and smart.embedded
    path = report_path(settings, session.rid)
    keep(answer, settings, cookie_name(settings), "", path=path, seconds=0, embedded=embedded)


def keep(
    answer: BaseResponse, settings: Settings, name: str, value: str, *, path: str, seconds: int, embedded: bool
) -> None:
    """A cookie of ours: not for scripts, not for other sites; in a frame of another site only where it is
    ``embedded``, and then for frames within that site's pages alone (CHIPS)."""
    bare = settings.bare_cookies
    framed = embedded and not bare  # on one machine EHR and report are one site, and Lax reaches a frame
    answer.set_cookie(
        name,
        value,
        max_age=seconds,
        path=path,
        secure=not bare,
        httponly=True,
        samesite="None" if framed else "Lax",
        partitioned=framed,
    )


def frame_ancestors(settings: Settings, client: str | None) -> str:
    """The Content-Security-Policy directive for a page of this client's: who may show it in a frame."""
    smart = settings.clients[client].smart if client is not None else None
    if client is None or smart is None or not smart.embedded:
        return "frame-ancestors 'none'"
    origins = sorted({places.origin(base) for base in bases(settings.clients[client])})
    return f"frame-ancestors {' '.join(origins)}"


def own_form(asked: Request, settings: Settings) -> None:
    """Browsers say where a request comes from. Pages without a referrer send ``Origin: null`` from their own forms,
    so that alone does not count against one."""
    if asked.method in _SAFE:
        return
    site, origin = asked.headers.get("Sec-Fetch-Site"), asked.headers.get("Origin")
    if site is not None:
        foreign = site not in ("same-origin", "none")
    else:
        foreign = origin is not None and origin != places.origin(settings.public_url)
    if foreign:
        raise ForeignForm("a form of another site")


__all__ = [
    "LANGUAGE",
    "THEME",
    "THEMES",
    "cookie_name",
    "frame_ancestors",
    "give",
    "keep",
    "own_form",
    "renewed",
    "report_path",
    "session_of",
    "take_back",
    "theme_of",
]
