"""What an app was granted, and how it proves at the token endpoint that it is the one: its credentials and PKCE."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from werkzeug.datastructures import Authorization

_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_LONGEST_S = 300


class Denied(Exception):
    """An OAuth error (RFC 6749, sections 4.1.2.1 and 5.2)."""

    def __init__(self, code: str, why: str = "") -> None:
        super().__init__(code)
        self.code, self.why = code, why


@dataclass(frozen=True)
class RegisteredApp:
    """An app as the hospital's IT registers it. Without ``secret`` and ``jwks`` it is a public one."""

    client_id: str
    redirect_uris: tuple[str, ...]
    secret: str | None = None
    jwks: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Grant:
    """What a code is good for, once."""

    client_id: str
    redirect_uri: str
    challenge: str
    scope: str
    nonce: str | None
    until: float
    context: Mapping[str, Any]


def prove_app(
    apps: Mapping[str, RegisteredApp],
    form: Mapping[str, str],
    authorization: Authorization | None,
    token_endpoint: str,
    now: float,
) -> RegisteredApp:
    """Raises Denied."""
    if authorization is not None and authorization.type == "basic":
        app = apps.get(unquote_plus(authorization.username or ""))
        given = unquote_plus(authorization.password or "")
        if app is None or app.secret is None or not secrets.compare_digest(given.encode(), app.secret.encode()):
            raise Denied("invalid_client", "the secret is not this app's")
        return app
    if form.get("client_assertion_type") == _ASSERTION:
        return _by_assertion(apps, form.get("client_assertion", ""), token_endpoint, now)
    app = apps.get(form.get("client_id", ""))
    if app is None or app.secret is not None or app.jwks is not None:
        raise Denied("invalid_client", "this app has to prove who it is")
    return app


def _by_assertion(apps: Mapping[str, RegisteredApp], assertion: str, audience: str, now: float) -> RegisteredApp:
    """RFC 7523, with the five minutes of SMART's client-confidential-asymmetric."""
    for app in apps.values():
        if app.jwks is None:
            continue
        try:
            claims = jwt.decode(assertion, KeySet.import_key_set(dict(app.jwks)), algorithms=["RS384", "ES384"]).claims  # type: ignore[arg-type]
            jwt.JWTClaimsRegistry(
                now=int(now),
                iss={"essential": True, "value": app.client_id},
                sub={"essential": True, "value": app.client_id},
                aud={"essential": True, "value": audience},
                exp={"essential": True},
                jti={"essential": True},
            ).validate(claims)
        except (JoseError, ValueError, TypeError):
            continue
        if claims["exp"] - now <= _LONGEST_S:
            return app
    raise Denied("invalid_client", "no registered app made this assertion, or it lives too long")


def prove_verifier(grant: Grant, verifier: str) -> None:
    """RFC 7636, section 4.6, S256. Raises Denied."""
    digest = hashlib.sha256(verifier.encode("ascii", "replace")).digest()
    made = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    if not secrets.compare_digest(made, grant.challenge):
        raise Denied("invalid_grant", "the code_verifier is not the one of the code")
