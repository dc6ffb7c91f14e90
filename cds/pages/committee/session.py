"""Who is signed in: a sealed cookie, good for some hours, for as long as the account is what it was, and until its
owner signs out, which the ledger's database remembers for every worker."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from cds.committee.accounts import Accounts, Role
from cds.errors import NotSignedIn, SettingsError
from cds.ledger.book import Book
from cds.ledger.console_sessions import end, ended
from cds.settings import Settings
from cds.trust.smart.secrets import Seal, derived, from_text, to_text

_ABOUT = b"committee session"
_KNOWN = b"committee browser"


@dataclass(frozen=True)
class SignedIn:
    name: str
    role: Role
    by: Literal["account", "oidc"]
    until: datetime
    stamp: str = ""
    """Of the account; empty where the hospital's own sign-in vouches."""
    id: str = ""
    """Of the session; empty in a cookie of an earlier version, which could not be ended."""
    person_id: str | None = None
    """As ``cds.committee.identity`` writes it; None in a cookie of an earlier version, of a local account."""

    @property
    def member(self) -> bool:
        return self.role == "member"


class Sessions:
    """Safe for threads and processes: all there is, is in the cookie and in the ledger's database."""

    def __init__(self, settings: Settings, key: bytes, accounts: Accounts | None, now: Callable[[], datetime]) -> None:
        """``key``: the ledger's."""
        self._url = settings.ledger_url
        self._seal = Seal(derived(key, _ABOUT.decode()))
        self._known = Seal(derived(key, _KNOWN.decode()))
        self._accounts, self._now = accounts, now
        self._length = timedelta(hours=settings.committee.console.session_h)
        self.cookie = "cds_committee" if settings.bare_cookies else "__Host-cds_committee"
        self.known_cookie = f"{self.cookie}_known"
        self.seconds = int(self._length.total_seconds())

    def open(
        self, name: str, role: Role, by: Literal["account", "oidc"], *, stamp: str = "", person_id: str | None = None
    ) -> str:
        """The cookie's value."""
        made = SignedIn(name, role, by, self._now() + self._length, stamp, secrets.token_urlsafe(16), person_id)
        return to_text(self._seal.close(msgspec.json.encode(made), _ABOUT))

    def find(self, cookie: str | None) -> SignedIn:
        """Raises NotSignedIn: no cookie, one that is not ours, too old or signed out, or an account that changed since;
        LedgerError when it can't be looked up whether it was signed out."""
        sealed = from_text(cookie) if cookie else None
        content = self._seal.open(sealed, _ABOUT) if sealed is not None else None
        if content is None:
            raise NotSignedIn("no session")
        found = msgspec.json.decode(content, type=SignedIn)
        if found.until <= self._now() or not found.id:
            raise NotSignedIn("the session has expired")
        if found.by == "account" and not self._stands(found):
            raise NotSignedIn("the account was changed or removed")
        with Book(self._url) as book:
            if book.read(lambda c: ended(c, found.id)):
                raise NotSignedIn("signed out")
        return found

    def end(self, cookie: str | None) -> None:
        """From now on it opens nothing, in whichever browser it is. Raises LedgerError."""
        try:
            found = self.find(cookie)
        except NotSignedIn:
            return
        with Book(self._url) as book:
            book.write(lambda c: end(c, found.id, found.until, self._now()))

    def remember(self, name: str, browser: str | None) -> str:
        """A cookie that says that somebody has signed in under this name with this browser. It opens nothing."""
        told = [name.casefold(), browser or secrets.token_urlsafe(9)]
        return to_text(self._known.close(msgspec.json.encode(told), _KNOWN))

    def browser(self, cookie: str | None, name: str) -> str | None:
        """The browser's number, where its cookie is of this name."""
        sealed = from_text(cookie) if cookie else None
        content = self._known.open(sealed, _KNOWN) if sealed is not None else None
        if content is None:
            return None
        of, number = msgspec.json.decode(content, type=tuple[str, str])
        return number if of == name.casefold() else None

    def _stands(self, found: SignedIn) -> bool:
        if self._accounts is None:
            return False
        try:
            account = self._accounts.named(found.name)
        except SettingsError:
            return False
        return account is not None and account.stamp == found.stamp
