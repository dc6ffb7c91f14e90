"""A new access token for a report that is still open, where the EHR gave a refresh token (SMART App Launch 2, "Refresh
access token").

Many servers take a refresh token once and end everything when it comes again. Course and scans of one page are asked
for at the same moment, by threads of several processes, so only one of them asks, and the others wait for what it got.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from cds.errors import LaunchFailed
from cds.ledger import Ledger
from cds.settings import Settings
from cds.trust.smart.credentials import Credentials
from cds.trust.smart.places import endpoint
from cds.trust.smart.session import Access, ReportSession, ReportSessions
from cds.trust.smart.wire import TIMEOUT_S, Wire

_log = logging.getLogger("cds.trust")
_EARLY_S = 30
"""So long before its end a token is replaced: what it is wanted for takes time as well."""
_TRY_AGAIN_S = 10
"""A server that could not be reached is asked again after so long."""
_LOOK_S = 0.1


def access_of(told: Mapping[str, Any], token_endpoint: str, now: datetime) -> Access | None:
    """From a token response; None where it holds no refresh token, or does not say how long the access token lives."""
    refresh, lives = told.get("refresh_token"), told.get("expires_in")
    try:
        seconds = float(lives) if isinstance(lives, int | float | str) else 0.0
    except ValueError:
        seconds = 0.0
    if not isinstance(refresh, str) or not refresh or not 0 < seconds < 10**8:
        return None
    return Access(refresh, token_endpoint, now + timedelta(seconds=seconds))


class Renewal:
    """Safe for threads and processes."""

    def __init__(
        self,
        settings: Settings,
        ledger: Ledger,
        sessions: ReportSessions,
        wire: Wire,
        credentials: Mapping[str, Credentials],
        now: Callable[[], datetime],
    ) -> None:
        self._settings, self._ledger, self._sessions, self._now = settings, ledger, sessions, now
        self._wire, self._credentials = wire, credentials

    def of(self, session: ReportSession, secret: str) -> ReportSession:
        """The session with an access token that lives on; the same where it can't be had, which the hospital's server
        will then say. Raises NoReportSession where the report was left meanwhile, and LedgerError."""
        access, now = session.access, self._now()
        if access is None or access.until - now > timedelta(seconds=_EARLY_S):
            return session
        attempt = int(now.timestamp()) // _TRY_AGAIN_S
        if not self._ledger.use_jti(f"report refresh {session.rid} {access.refresh_token} {attempt}", session.expires):
            return self._anothers(session, secret)
        try:
            renewed = self._renewed(session, access)
        except LaunchFailed as error:
            _log.warning("report.token.not_renewed client=%s reason=%s", session.client, error)
            return session
        self._sessions.keep(renewed, secret)
        return renewed

    def _renewed(self, session: ReportSession, access: Access) -> ReportSession:
        client = self._settings.clients[session.client]
        address = endpoint(self._settings, client, "token_endpoint", access.token_endpoint)
        headers, proof = self._credentials[session.client].proof(address)
        form = {"grant_type": "refresh_token", "refresh_token": access.refresh_token, **proof}
        status, told = self._wire.post("the token endpoint", address, form, headers)
        token = told.get("access_token")
        if status != 200 or not isinstance(token, str) or str(told.get("token_type", "")).lower() != "bearer":
            raise LaunchFailed(f"the token endpoint answered {status} to a refresh token, without a bearer token")
        patient = told.get("patient", session.patient_id)
        if not isinstance(patient, str) or patient.removeprefix("Patient/") != session.patient_id:
            raise LaunchFailed("the token endpoint answered a refresh token with another patient")
        scope = told.get("scope")
        return replace(
            session,
            access_token=token,
            scopes=frozenset(scope.split()) if isinstance(scope, str) else session.scopes,
            # a server that gives no new one goes on taking the old one
            access=access_of({"refresh_token": access.refresh_token, **told}, address, self._now()),
        )

    def _anothers(self, session: ReportSession, secret: str) -> ReportSession:
        end = time.monotonic() + TIMEOUT_S
        while time.monotonic() < end:
            found = self._sessions.find(session.rid, secret)
            if found.access_token != session.access_token:
                return found
            time.sleep(_LOOK_S)
        return session
