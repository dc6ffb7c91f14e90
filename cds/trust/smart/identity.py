"""Who reads the report, as far as the EHR proves it: the id_token's ``fhirUser`` (OpenID Connect Core, 3.1.3.7)."""

from __future__ import annotations

import re
import secrets
from datetime import datetime
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from cds.errors import LaunchFailed

ALGORITHMS = ["RS256", "RS384", "ES256", "ES384"]
_LEEWAY_S = 60
_USER = re.compile(r"(?:Practitioner|PractitionerRole|Patient|RelatedPerson|Person)/[A-Za-z0-9.\-]{1,64}", re.ASCII)


def fhir_user(
    id_token: str,
    jwks: dict[str, Any],
    *,
    issuer: str,
    audience: str,
    nonce: str,
    now: datetime,
    fhir_server: str,
) -> str | None:
    """``Type/id`` where the user lies on ``fhir_server``, else the address told; None where no user is told.

    Raises LaunchFailed for a token that does not prove what it says: somebody put it there.
    """
    try:
        token = jwt.decode(id_token, KeySet.import_key_set(jwks), algorithms=ALGORITHMS)  # type: ignore[arg-type]
        claims = token.claims
        jwt.JWTClaimsRegistry(
            now=int(now.timestamp()),
            leeway=_LEEWAY_S,
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
            iat={"essential": True},
        ).validate(claims)
    except (JoseError, ValueError, TypeError, KeyError) as error:
        # the class alone: messages quote claims
        raise LaunchFailed(f"the id_token is not believed ({type(error).__name__})") from error
    if isinstance(claims["aud"], list) and len(claims["aud"]) > 1 and claims.get("azp") != audience:
        raise LaunchFailed("the id_token is for several apps, and not first of all for this one (azp)")
    if not secrets.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
        raise LaunchFailed("the id_token is not of this launch (nonce)")
    told = claims.get("fhirUser")
    if not isinstance(told, str):
        return None
    told = told.removeprefix(f"{fhir_server}/")
    return told if _USER.fullmatch(told) or told.startswith(("https://", "http://")) else None
