"""Who is signed in: a sealed cookie, good for some hours, and for as long as the account is what it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from cds.committee.accounts import Accounts, Role
from cds.errors import NotSignedIn, SettingsError
from cds.settings import Settings
from cds.trust.smart.secrets import Seal, derived, from_text, to_text

_ABOUT = b"committee session"


@dataclass(frozen=True)
class SignedIn:
    name: str
    role: Role
    by: Literal["account", "oidc"]
    until: datetime
    stamp: str = ""
    """Of the account; empty where the hospital's own sign-in vouches."""

    @property
    def member(self) -> bool:
        return self.role == "member"


class Sessions:
    """Safe for threads and processes: all there is, is in the cookie."""

    def __init__(self, settings: Settings, key: bytes, accounts: Accounts | None, now: Callable[[], datetime]) -> None:
        """``key``: the ledger's."""
        self._seal = Seal(derived(key, _ABOUT.decode()))
        self._accounts, self._now = accounts, now
        self._length = timedelta(hours=settings.committee.console.session_h)
        self.cookie = "cds_committee" if settings.bare_cookies else "__Host-cds_committee"
        self.seconds = int(self._length.total_seconds())

    def open(self, name: str, role: Role, by: Literal["account", "oidc"], stamp: str = "") -> str:
        """The cookie's value."""
        made = SignedIn(name, role, by, self._now() + self._length, stamp)
        return to_text(self._seal.close(msgspec.json.encode(made), _ABOUT))

    def find(self, cookie: str | None) -> SignedIn:
        """Raises NotSignedIn: no cookie, one that is not ours or too old, or an account that changed since."""
        sealed = from_text(cookie) if cookie else None
        content = self._seal.open(sealed, _ABOUT) if sealed is not None else None
        if content is None:
            raise NotSignedIn("no session")
        found = msgspec.json.decode(content, type=SignedIn)
        if found.until <= self._now():
            raise NotSignedIn("the session has expired")
        if found.by == "account" and not self._stands(found):
            raise NotSignedIn("the account was changed or removed")
        return found

    def _stands(self, found: SignedIn) -> bool:
        if self._accounts is None:
            return False
        try:
            account = self._accounts.named(found.name)
        except SettingsError:
            return False
        return account is not None and account.stamp == found.stamp
