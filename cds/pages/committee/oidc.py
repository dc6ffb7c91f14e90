"""Signing in with the hospital's own accounts: OpenID Connect, authorization code flow with PKCE (OpenID Connect Core
3.1, RFC 7636). Authlib makes the request, joserfc reads the id_token.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote_plus

import msgspec

from cds.committee.accounts import Role
from cds.committee.identity import by_sign_in
from cds.committee_settings import OidcSettings
from cds.errors import LaunchFailed, SettingsError, SignInFailed
from cds.settings import Settings
from cds.trust.smart.secrets import Seal, derived, from_text, to_text
from cds.trust.smart.wire import Wire

_ABOUT = b"committee sign-in"
_WITHIN = timedelta(minutes=10)
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "ES512"]
_LEEWAY_S = 60


class _Pending(msgspec.Struct, frozen=True):
    state: str
    nonce: str
    verifier: str
    until: datetime


@dataclass(frozen=True)
class Person:
    name: str
    role: Role
    id: str
    """As ``cds.committee.identity`` writes it."""


class Oidc:
    def __init__(self, settings: Settings, oidc: OidcSettings, key: bytes, now: Callable[[], datetime]) -> None:
        """``key``: the ledger's. Asks nobody yet."""
        self._oidc, self._now = oidc, now
        self._wire = Wire(settings.ca_file)
        self._seal = Seal(derived(key, _ABOUT.decode()))
        self._callback = f"{settings.public_url.rstrip('/')}/committee/oidc/callback"

    def begin(self) -> tuple[str, str]:
        """(where the browser goes, the cookie it takes along). Raises SignInFailed."""
        from authlib.oauth2.rfc6749.parameters import prepare_grant_uri  # slow to import, seldom needed
        from authlib.oauth2.rfc7636 import create_s256_code_challenge

        told = self._discover()
        pending = _Pending(
            secrets.token_urlsafe(24), secrets.token_urlsafe(24), secrets.token_urlsafe(48), self._now() + _WITHIN
        )
        url = prepare_grant_uri(
            told["authorization_endpoint"],
            client_id=self._oidc.client_id,
            response_type="code",
            redirect_uri=self._callback,
            scope=" ".join(self._oidc.scopes),
            state=pending.state,
            nonce=pending.nonce,
            code_challenge=create_s256_code_challenge(pending.verifier),
            code_challenge_method="S256",
        )
        return str(url), to_text(self._seal.close(msgspec.json.encode(pending), _ABOUT))

    def finish(self, asked: Mapping[str, str], cookie: str | None) -> Person:
        """Raises SignInFailed for whatever is not as it must be; the reason is for the log."""
        pending = self._resumed(cookie)
        if not secrets.compare_digest(asked.get("state", "").encode(), pending.state.encode()):
            raise SignInFailed("the answer is not of this sign-in (state)")
        if "error" in asked or not asked.get("code"):
            raise SignInFailed("the provider said no")
        told = self._discover()
        if asked.get("iss", self._oidc.issuer) != self._oidc.issuer:
            raise SignInFailed("another provider answered (RFC 9207)")
        claims = self._claims(told, self._token(told, asked["code"], pending.verifier), pending.nonce)
        subject = claims.get("sub")
        name = claims.get(self._oidc.name_claim) or subject
        if not isinstance(subject, str) or not subject or not isinstance(name, str) or not name.strip():
            raise SignInFailed("the id_token names nobody")
        return Person(name.strip()[:80], self._role(claims), by_sign_in(self._oidc.issuer, subject))

    def _role(self, claims: Mapping[str, Any]) -> Role:
        told = claims.get(self._oidc.role_claim)
        held = (
            {told}
            if isinstance(told, str)
            else {t for t in told if isinstance(t, str)}
            if isinstance(told, list)
            else set()
        )
        if held & set(self._oidc.members):
            return "member"
        if held & set(self._oidc.viewers):
            return "viewer"
        raise SignInFailed(f"nothing in the claim '{self._oidc.role_claim}' lets this person in")

    def _resumed(self, cookie: str | None) -> _Pending:
        sealed = from_text(cookie) if cookie else None
        content = self._seal.open(sealed, _ABOUT) if sealed is not None else None
        if content is None:
            raise SignInFailed("the sign-in was begun in another browser, or not at all")
        pending = msgspec.json.decode(content, type=_Pending)
        if pending.until < self._now():
            raise SignInFailed("the sign-in took too long")
        return pending

    def _discover(self) -> Mapping[str, str]:
        told = self._asked("the provider", lambda: self._wire.get(
            "the provider's configuration", f"{self._oidc.issuer}/.well-known/openid-configuration"))  # fmt: skip
        if told.get("issuer") != self._oidc.issuer:
            raise SignInFailed("the provider calls itself by another address than committee.console.oidc.issuer")
        found = {}
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            value = told.get(name)
            if not isinstance(value, str) or not (
                value.startswith("https://") or self._oidc.issuer.startswith("http://")
            ):
                raise SignInFailed(f"the provider's {name} is missing or not https")
            found[name] = value
        return found

    def _token(self, told: Mapping[str, str], code: str, verifier: str) -> str:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._callback,
            "code_verifier": verifier,
        }
        headers: dict[str, str] = {}
        secret = self._secret()
        if secret is None:
            form["client_id"] = self._oidc.client_id
        else:
            pair = f"{quote_plus(self._oidc.client_id)}:{quote_plus(secret)}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        status, answer = self._asked(
            "the token endpoint", lambda: self._wire.post("the token endpoint", told["token_endpoint"], form, headers)
        )
        if status != 200 or not isinstance(answer.get("id_token"), str):
            raise SignInFailed(f"the token endpoint answered {status} without an id_token")
        return str(answer["id_token"])

    def _claims(self, told: Mapping[str, str], id_token: str, nonce: str) -> Mapping[str, Any]:
        from joserfc import jwt  # slow to import, seldom needed
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        jwks = self._asked("the key set", lambda: self._wire.get("the key set", told["jwks_uri"]))
        try:
            token = jwt.decode(id_token, KeySet.import_key_set(jwks), algorithms=_ALGORITHMS)
            jwt.JWTClaimsRegistry(
                now=int(self._now().timestamp()),
                leeway=_LEEWAY_S,
                iss={"essential": True, "value": self._oidc.issuer},
                aud={"essential": True, "value": self._oidc.client_id},
                exp={"essential": True},
                iat={"essential": True},
                nonce={"essential": True, "value": nonce},
            ).validate(token.claims)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            # the class alone: messages quote claims
            raise SignInFailed(f"the id_token is not believed ({type(error).__name__})") from error
        if (
            isinstance(token.claims["aud"], list)
            and token.claims.get("azp", self._oidc.client_id) != self._oidc.client_id
        ):
            raise SignInFailed("the id_token is another app's (azp)")
        found: Mapping[str, Any] = token.claims
        return found

    def _secret(self) -> str | None:
        if self._oidc.secret is not None:
            return self._oidc.secret.get_secret_value()
        if self._oidc.secret_file is None:
            return None
        try:
            return self._oidc.secret_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SignInFailed("committee.console.oidc.secret_file can't be read") from error

    @staticmethod
    def _asked(what: str, ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except (LaunchFailed, SettingsError) as error:
            raise SignInFailed(f"{what}: {error}") from error
