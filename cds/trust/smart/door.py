"""From a launch to an open report, on one screen:

    begin:   iss -> client -> discovery -> state, verifier, nonce -> the EHR's authorization server
    finish:  state -> code for token -> id_token -> patient -> card -> session

Whatever is wrong ends in a ReportRefused, before anything of the patient is shown.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from cds.errors import (
    ForeignCard,
    LaunchDenied,
    LaunchFailed,
    LaunchLost,
    MalformedLaunch,
    NoCards,
    NoPatient,
    UnknownCard,
)
from cds.ledger import Ledger
from cds.settings import Settings
from cds.smart_settings import SmartSettings
from cds.trust.smart.credentials import Credentials
from cds.trust.smart.discovery import discover
from cds.trust.smart.pending import Pending, PendingLaunches, cookie_of
from cds.trust.smart.places import client_of
from cds.trust.smart.reference import References, in_token_response
from cds.trust.smart.renewal import Renewal, access_of
from cds.trust.smart.session import ReportSession, ReportSessions
from cds.trust.smart.wire import Wire

_log = logging.getLogger("cds.trust")
_ERROR = re.compile(r"[a-z_]{1,40}", re.ASCII)
# as tolerant as what reads a call's patientId: real servers use longer ids, and underscores
_ID = re.compile(r"[A-Za-z0-9\-._~]{1,256}", re.ASCII)


@dataclass(frozen=True)
class Departure:
    """Where the browser goes, and the cookie it takes along."""

    url: str
    cookie: str
    value: str
    client: str


class Door:
    """Made once a process; safe for threads."""

    def __init__(
        self, settings: Settings, ledger: Ledger, sessions: ReportSessions, key: bytes, now: Callable[[], datetime]
    ) -> None:
        """``key``: the ledger's. Raises SettingsError for a client whose secret or key can't be used."""
        self._settings, self._ledger, self._sessions, self._now = settings, ledger, sessions, now
        self._pending, self._references = PendingLaunches(key, now), References(key, now)
        self._wire = Wire(settings.ca_file)
        self._credentials = {
            name: Credentials(name, client.smart, now)
            for name, client in settings.clients.items()
            if client.smart is not None
        }
        self._renewal = Renewal(settings, ledger, sessions, self._wire, self._credentials, now)
        base = settings.public_url.rstrip("/")
        self.launch_url, self._callback = f"{base}/report/launch", f"{base}/report/callback"

    def reference(self, client: str, card_id: str) -> str | None:
        """The ``appContext`` that opens this card's report; None where the client has no ``smart`` block."""
        smart = self._settings.clients[client].smart
        return self._references.make(card_id, smart.link_hours) if smart is not None else None

    def renewed(self, session: ReportSession, secret: str) -> ReportSession:
        """With an access token that lives on, where the EHR lets it be renewed. Raises as ``Renewal.of``."""
        return self._renewal.of(session, secret)

    def begin(self, iss: str | None, launch: str | None, *, standalone: bool = False) -> Departure:
        """``launch``: the EHR's own token for what is open there; a standalone launch has none.

        Raises MalformedLaunch, ForeignIssuer (no request has then been made) and LaunchFailed.
        """
        from authlib.oauth2.rfc6749.parameters import prepare_grant_uri  # slow to import, seldom needed
        from authlib.oauth2.rfc7636 import create_s256_code_challenge

        if not iss or not (standalone or launch):
            raise MalformedLaunch("a launch names 'iss' and, from within an EHR, 'launch'")
        name, client, smart, fhir_server = client_of(self._settings, iss)
        server = discover(self._settings, client, fhir_server, self._wire)
        pending, cookie = self._pending.begin(name, fhir_server, server, standalone=standalone)
        more = {} if standalone or launch is None else {"launch": launch}
        url = prepare_grant_uri(
            server.authorize,
            client_id=smart.client_id,
            response_type="code",
            redirect_uri=self._callback,
            scope=" ".join(_scopes(smart, standalone=standalone)),
            state=pending.state,
            aud=iss,
            nonce=pending.nonce,
            code_challenge=create_s256_code_challenge(pending.verifier),
            code_challenge_method="S256",
            **more,
        )
        return Departure(url, cookie_of(pending.state), cookie, name)

    def finish(self, told: Mapping[str, str], cookies: Mapping[str, str]) -> tuple[ReportSession, str]:
        """(the open report, the secret for its cookie). Raises ReportRefused and LedgerError."""
        state = told.get("state")
        if not state:
            raise MalformedLaunch("the authorization server returned no state")
        pending = self._pending.resume(state, cookies.get(cookie_of(state)))
        if not self._ledger.use_jti(f"report launch {state}", pending.expires):
            raise LaunchLost("this launch has come back before")
        if "error" in told:
            raise LaunchDenied(f"the authorization server said {_plain(told['error'])}")
        # RFC 9207: a server that says who it is must be the one that was asked
        if pending.server.issuer is not None and told.get("iss", pending.server.issuer) != pending.server.issuer:
            raise LaunchDenied("another authorization server answered than was asked")
        if not told.get("code"):
            raise MalformedLaunch("the authorization server returned no code")
        smart = self._settings.clients[pending.client].smart
        if smart is None:
            raise LaunchDenied("this client opens no reports any more")
        return self._opened(pending, smart, self._token(pending, told["code"]))

    def _token(self, pending: Pending, code: str) -> Mapping[str, object]:
        headers, proof = self._credentials[pending.client].proof(pending.server.token)
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._callback,
            "code_verifier": pending.verifier,
            **proof,
        }
        status, told = self._wire.post("the token endpoint", pending.server.token, form, headers)
        if status != 200:
            why = f"the token endpoint answered {status} with {_plain(told.get('error'))}"
            raise LaunchLost(why) if told.get("error") == "invalid_grant" else LaunchFailed(why)
        if not isinstance(told.get("access_token"), str) or str(told.get("token_type", "")).lower() != "bearer":
            raise LaunchFailed("the token endpoint gave no bearer token")
        return told

    def _opened(self, pending: Pending, smart: SmartSettings, told: Mapping[str, object]) -> tuple[ReportSession, str]:
        user = self._user(pending, smart, told.get("id_token"))
        patient = told.get("patient")
        patient = patient.removeprefix("Patient/") if isinstance(patient, str) else ""
        if not _ID.fullmatch(patient):
            raise NoPatient("the token response names no patient; the scopes must hold 'launch' or 'launch/patient'")
        card_id, language = self._card(pending.client, patient, in_token_response(told.get("appContext")))
        scope, encounter = told.get("scope"), told.get("encounter")
        granted = scope.split() if isinstance(scope, str) else _scopes(smart, standalone=pending.standalone)
        return self._sessions.open(
            pending.client,
            patient,
            card_id=card_id,
            fhir_server=pending.fhir_server,
            access_token=str(told["access_token"]),
            scopes=granted,
            user=user,
            encounter=encounter if isinstance(encounter, str) else None,
            language=language,
            access=access_of(told, pending.server.token, self._now()),
        )

    def _user(self, pending: Pending, smart: SmartSettings, id_token: object) -> str | None:
        if not isinstance(id_token, str):
            return None
        issuer, jwks = pending.server.issuer, pending.server.jwks
        if issuer is None or jwks is None:
            _log.warning("launch.unproven client=%s reason=no issuer or jwks_uri in its configuration", pending.client)
            return None
        from cds.trust.smart.identity import fhir_user  # slow to import, seldom needed

        return fhir_user(
            id_token,
            self._wire.get("the key set", jwks),
            issuer=issuer,
            audience=smart.client_id,
            nonce=pending.nonce,
            now=self._now(),
            fhir_server=pending.fhir_server,
        )

    def _card(self, client: str, patient: str, reference: str | None) -> tuple[str | None, str | None]:
        """(the card that the launch is for, once it is this client's and this patient's, None where it was opened
        without one; the language that card was given in)"""
        key = self._ledger.patient_key(client, patient)
        if reference is None:
            if self._ledger.newest_card(client, key) is None:
                raise NoCards("no card was ever given for this patient")
            return None, None
        card_id = self._references.read(reference)
        card = self._ledger.card(card_id)
        call = self._ledger.call(card.call_id) if card is not None else None
        if call is None:
            raise UnknownCard("the ledger does not have the card: it may still be on the spool")
        if call.client != client or call.patient_key != key:
            raise ForeignCard("the card is another client's or another patient's")
        return card_id, call.language


def _scopes(smart: SmartSettings, *, standalone: bool) -> tuple[str, ...]:
    """Outside the EHR nobody has opened a patient yet, so the authorization server is asked to let one be chosen."""
    if not standalone:
        return smart.scopes
    return tuple(dict.fromkeys("launch/patient" if scope == "launch" else scope for scope in smart.scopes))


def _plain(error: object) -> str:
    """An OAuth error code (RFC 6749, section 4.1.2.1); anything else may hold a patient's data."""
    return error if isinstance(error, str) and _ERROR.fullmatch(error) else "an unreadable error"
