"""A launch on its way through the EHR's authorization server, kept in the browser that began it and nowhere else.

The cookie is sealed: the browser can neither read nor change it. It holds the code verifier, so a code that another
browser brings back can't be redeemed.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from cds.errors import LaunchLost
from cds.trust.smart.discovery import AuthorizationServer
from cds.trust.smart.secrets import Seal, derived, from_text, to_text

MINUTES = 10
_PURPOSE = "report launch"


@dataclass(frozen=True)
class Pending:
    client: str
    fhir_server: str
    server: AuthorizationServer
    state: str
    verifier: str
    """RFC 7636, section 4.1: 43 characters here."""
    nonce: str
    expires: datetime
    standalone: bool


def cookie_of(state: str) -> str:
    """Its name: one launch each, so that two tabs may be on their way at once."""
    return f"cds_launch_{hashlib.sha256(state.encode('utf-8', 'replace')).hexdigest()[:16]}"


class PendingLaunches:
    def __init__(self, key: bytes, now: Callable[[], datetime]) -> None:
        """``key``: the ledger's."""
        self._seal, self._now = Seal(derived(key, _PURPOSE)), now

    def begin(
        self, client: str, fhir_server: str, server: AuthorizationServer, *, standalone: bool
    ) -> tuple[Pending, str]:
        """(the launch, its cookie)"""
        launch = Pending(
            client=client,
            fhir_server=fhir_server,
            server=server,
            state=secrets.token_urlsafe(24),
            verifier=secrets.token_urlsafe(32),
            nonce=secrets.token_urlsafe(24),
            expires=self._now() + timedelta(minutes=MINUTES),
            standalone=standalone,
        )
        return launch, to_text(self._seal.close(msgspec.json.encode(launch), launch.state.encode()))

    def resume(self, state: str, cookie: str | None) -> Pending:
        """Raises LaunchLost: no cookie, another launch's, or too late."""
        sealed = from_text(cookie) if cookie else None
        content = self._seal.open(sealed, state.encode("utf-8", "replace")) if sealed is not None else None
        if content is None:
            raise LaunchLost("this browser did not begin a launch with this state")
        launch = msgspec.json.decode(content, type=Pending)
        if not self._now() < launch.expires:
            raise LaunchLost("the launch came back too late")
        return launch
