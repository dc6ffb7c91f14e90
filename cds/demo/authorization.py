"""The demo hospital's authorization server: SMART App Launch 2, as an EHR offers it. For the demo and for tests.

Faithful in what an app can see: discovery, EHR launch and standalone launch, PKCE with S256, registered redirect
addresses, codes that work once and for a minute, refresh tokens that work once, client secrets and
``private_key_jwt``, signed id_tokens with their key set. What a hospital has and this has not is people signing in: who
sits at the demo EHR is its one user.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode, urlsplit

from flask import Blueprint, Response, redirect, request
from joserfc import jwk, jwt
from werkzeug.wrappers import Response as BaseResponse

from cds.cards.phrasebook import Catalogues
from cds.demo.authorization_grants import Denied, Grant, RegisteredApp, prove_app, prove_verifier
from cds.demo.authorization_page import picker

REPORT_APP = "cds-report"
"""The report page's ``client_id`` in the demonstration."""
LAUNCH_S, CODE_S, TOKEN_S = 300.0, 60.0, 3600
_MOST = 500
_UNKEPT = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_SCOPES = ["launch", "launch/patient", "openid", "fhirUser", "patient/*.read", "patient/*.rs"]
_LASTING = {"online_access", "offline_access"}


@dataclass(frozen=True)
class Opened:
    """What is open in the EHR at a launch: handed to the app with the token."""

    patient: str
    encounter: str | None
    app_context: str | None
    until: float


class AuthorizationServer:
    """One hospital's. Everything lives in memory, so it needs one process."""

    def __init__(
        self,
        fhir_base: str,
        apps: Iterable[RegisteredApp],
        people: Callable[[], Iterable[tuple[str, str]]] = tuple,
        *,
        user: str = "Practitioner/demonstration",
        algorithm: Literal["RS384", "ES384"] = "RS384",
        now: Callable[[], float] = time.time,
        token_s: float = TOKEN_S,
    ) -> None:
        """``people``: (id, name) of the patients a standalone launch may choose from. ``user``: who sits at the EHR.
        ``token_s``: how long an access token lives."""
        self.fhir_base = fhir_base.rstrip("/")
        self.base = f"{self.fhir_base.rsplit('/', 1)[0]}/auth"
        self._apps = {app.client_id: app for app in apps}
        self._people, self._user, self.algorithm, self._now = people, user, algorithm, now
        generated = jwk.RSAKey.generate_key(2048) if algorithm == "RS384" else jwk.ECKey.generate_key("P-384")
        self.key: jwk.RSAKey | jwk.ECKey = generated
        self.key_id = "demo-1"
        self._launches: dict[str, Opened] = {}
        self._asked: dict[str, tuple[dict[str, str], tuple[str, ...]]] = {}
        self._grants: dict[str, Grant] = {}
        self._token_s = token_s
        self._refreshes: dict[str, Grant] = {}
        self._spent: dict[str, str] = {}
        """Used refresh tokens -> those that came of them."""
        self._words = Catalogues([Path(__file__).parent / "catalogue"])

    def launch_url(self, link_url: str, app_context: str | None, patient: str, encounter: str | None = None) -> str:
        """Where the EHR sends its user for a card's link of type ``smart``: the link, with ``iss`` and ``launch``."""
        token = secrets.token_urlsafe(24)
        _few(self._launches)
        self._launches[token] = Opened(patient, encounter, app_context, self._now() + LAUNCH_S)
        more = urlencode({"iss": self.fhir_base, "launch": token})
        return f"{link_url}{'&' if urlsplit(link_url).query else '?'}{more}"

    def blueprint(self) -> Blueprint:
        pages = Blueprint("authorization", __name__, template_folder="templates")
        fhir, auth = urlsplit(self.fhir_base).path, urlsplit(self.base).path
        pages.get(f"{fhir}/.well-known/smart-configuration")(self.configuration)
        pages.get(f"{auth}/jwks")(self.jwks)
        pages.get(f"{auth}/authorize")(self.authorize)
        pages.post(f"{auth}/choose")(self.choose)
        pages.post(f"{auth}/token")(self.token)
        pages.register_error_handler(Denied, _denied)
        return pages

    def configuration(self) -> dict[str, Any]:
        return {
            "issuer": self.fhir_base,
            "jwks_uri": f"{self.base}/jwks",
            "authorization_endpoint": f"{self.base}/authorize",
            "token_endpoint": f"{self.base}/token",
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
            "scopes_supported": [*_SCOPES, *sorted(_LASTING)],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "private_key_jwt", "none"],
            "token_endpoint_auth_signing_alg_values_supported": ["RS384", "ES384"],
            "capabilities": [
                *("launch-ehr", "launch-standalone", "authorize-post", "client-public", "sso-openid-connect"),
                *("client-confidential-symmetric", "client-confidential-asymmetric", "permission-v1", "permission-v2"),
                *("context-ehr-patient", "context-ehr-encounter", "context-standalone-patient", "permission-patient"),
                *("permission-offline", "permission-online"),
            ],
        }

    def jwks(self) -> dict[str, Any]:
        public = {**self.key.as_dict(private=False), "kid": self.key_id, "use": "sig", "alg": self.algorithm}
        return {"keys": [public]}

    def authorize(self) -> BaseResponse | str:
        """An app it does not know, or another address than the app's, gets no redirect: the page says so."""
        asked = request.args.to_dict()
        app = self._apps.get(asked.get("client_id", ""))
        if app is None or asked.get("redirect_uri") not in app.redirect_uris:
            raise Denied("invalid_request", "the app is not registered, or not with this redirect_uri")
        try:
            return self._considered(asked)
        except Denied as denied:
            return _back(asked, error=denied.code)

    def _considered(self, asked: dict[str, str]) -> BaseResponse | Response:
        if asked.get("response_type") != "code":
            raise Denied("unsupported_response_type")
        if asked.get("code_challenge_method") != "S256" or len(asked.get("code_challenge", "")) != 43:
            raise Denied("invalid_request", "PKCE with S256 is required")
        if asked.get("aud", "").rstrip("/") != self.fhir_base or not asked.get("state"):
            raise Denied("invalid_request", "aud is not this FHIR server, or state is missing")
        scopes = asked.get("scope", "").split()
        if set(scopes) - set(_SCOPES) - _LASTING:
            raise Denied("invalid_scope")
        if "launch" in asked:
            opened = self._launches.pop(asked["launch"], None)
            if opened is None or opened.until < self._now():
                raise Denied("invalid_request", "the launch token is unknown, used or too old")
            return _back(asked, code=self._granted(asked, opened))
        if "launch/patient" not in scopes:
            raise Denied("invalid_scope", "without a launch from the EHR, launch/patient is needed")
        return self._picker(asked)

    def _picker(self, asked: dict[str, str]) -> Response:
        people = tuple(self._people())
        key = secrets.token_urlsafe(24)
        _few(self._asked)
        self._asked[key] = asked, tuple(patient for patient, _ in people)
        words = self._words.book(request.headers.get("Accept-Language"))
        return picker(words, key, [name for _, name in people], asked["redirect_uri"])

    def choose(self) -> BaseResponse:
        """The user has chosen a patient, by place in the list: an address or a form holds no patient's number."""
        asked, people = self._asked.pop(request.form.get("key", ""), ({}, ()))
        place = request.form.get("place", type=int, default=-1)
        if not 0 <= place < len(people):
            raise Denied("access_denied", "there is no such choice, or it was made before")
        opened = Opened(people[place], None, None, self._now() + LAUNCH_S)
        return _back(asked, code=self._granted(asked, opened))

    def _granted(self, asked: dict[str, str], opened: Opened) -> str:
        code = secrets.token_urlsafe(24)
        _few(self._grants)
        self._grants[code] = Grant(
            client_id=asked["client_id"],
            redirect_uri=asked["redirect_uri"],
            challenge=asked["code_challenge"],
            scope=asked["scope"],
            nonce=asked.get("nonce"),
            until=self._now() + CODE_S,
            context={
                "patient": opened.patient,
                "need_patient_banner": False,
                **({"encounter": opened.encounter} if opened.encounter else {}),
                **({"appContext": opened.app_context} if opened.app_context else {}),
            },
        )
        return code

    def token(self) -> Response | tuple[dict[str, Any], int, dict[str, str]]:
        form = request.form
        if form.get("grant_type") not in ("authorization_code", "refresh_token"):
            raise Denied("unsupported_grant_type")
        app = prove_app(self._apps, form, request.authorization, f"{self.base}/token", self._now())
        if form["grant_type"] == "refresh_token":
            return self._refreshed(app, form.get("refresh_token", "")), 200, _UNKEPT
        # whoever brings a code uses it up: a code overheard and tried is worth nothing to either
        grant = self._grants.pop(form.get("code", ""), None)
        if grant is None or grant.until < self._now():
            raise Denied("invalid_grant", "the code is unknown, used or too old")
        if grant.client_id != app.client_id or grant.redirect_uri != form.get("redirect_uri"):
            raise Denied("invalid_grant", "the code is another app's, or for another redirect_uri")
        prove_verifier(grant, form.get("code_verifier", ""))
        return self.answer(grant), 200, _UNKEPT

    def _refreshed(self, app: RegisteredApp, refresh: str) -> dict[str, Any]:
        """A refresh token works once; one that comes again was stolen or overheard, and ends what came of it (RFC 9700,
        section 4.14)."""
        grant = self._refreshes.pop(refresh, None)
        if grant is None or grant.client_id != app.client_id:
            while (refresh := self._spent.pop(refresh, "")) != "":
                self._refreshes.pop(refresh, None)
            raise Denied("invalid_grant", "the refresh token is unknown, used or revoked")
        told = self.answer(replace(grant, nonce=None))
        _few(self._spent)
        self._spent[refresh] = told["refresh_token"]
        return told

    def answer(self, grant: Grant) -> dict[str, Any]:
        """The token response."""
        told = {
            "access_token": secrets.token_urlsafe(32),
            "token_type": "Bearer",  # nosec B105
            "expires_in": int(self._token_s),
            "scope": grant.scope,
            **grant.context,
        }
        if _LASTING & set(grant.scope.split()):
            told["refresh_token"] = secrets.token_urlsafe(24)
            _few(self._refreshes)
            self._refreshes[told["refresh_token"]] = grant
        if "openid" in grant.scope.split():
            header = {"alg": self.algorithm, "kid": self.key_id, "typ": "JWT"}
            told["id_token"] = jwt.encode(header, self.claims(grant), self.key, algorithms=[self.algorithm])
        return told

    def claims(self, grant: Grant) -> dict[str, Any]:
        """Of the id_token."""
        at = int(self._now())
        return {
            "iss": self.fhir_base,
            "sub": "demo-user",
            "aud": grant.client_id,
            "iat": at,
            "exp": at + 300,
            **({"nonce": grant.nonce} if grant.nonce else {}),
            **({"fhirUser": f"{self.fhir_base}/{self._user}"} if "fhirUser" in grant.scope.split() else {}),
        }

    def revoke(self) -> None:
        """End what every refresh token is good for, as an EHR does when its user signs out."""
        self._refreshes.clear()

    def spoil(self, **changes: Any) -> None:
        """Change every code that was given and not yet used: for tests of apps that must be refused."""
        self._grants = {code: replace(grant, **changes) for code, grant in self._grants.items()}


def _few(kept: dict[str, Any]) -> None:
    """What nobody comes back for goes, oldest first."""
    while len(kept) >= _MOST:
        del kept[next(iter(kept))]


def _back(asked: dict[str, str], **told: str) -> BaseResponse:
    answer = {**told, **({"state": asked["state"]} if "state" in asked else {})}
    found = asked["redirect_uri"]
    sent = redirect(f"{found}{'&' if urlsplit(found).query else '?'}{urlencode(answer)}", 302)
    sent.headers["Cache-Control"] = "no-store"
    return sent


def _denied(denied: Denied) -> tuple[dict[str, str], int, dict[str, str]]:
    """RFC 6749, section 5.2."""
    body = {"error": denied.code, "error_description": denied.why or denied.code}
    return body, 401 if denied.code == "invalid_client" else 400, {"Cache-Control": "no-store"}
