"""What an EHR says of its authorization server: ``{iss}/.well-known/smart-configuration`` (SMART App Launch 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cds.errors import LaunchFailed
from cds.settings import ClientSettings, Settings
from cds.trust.smart.places import endpoint
from cds.trust.smart.wire import Wire


@dataclass(frozen=True)
class AuthorizationServer:
    """Each address lies where the client's settings allow it."""

    authorize: str
    token: str
    issuer: str | None
    """``iss`` of its id_tokens; None with ``jwks`` where it proves nobody's identity."""
    jwks: str | None


def discover(settings: Settings, client: ClientSettings, fhir_server: str, wire: Wire) -> AuthorizationServer:
    """``fhir_server`` as listed for ``client``. Raises LaunchFailed for what does not answer, or not as SMART says."""
    told = wire.get("the SMART configuration", f"{fhir_server}/.well-known/smart-configuration")
    methods = told.get("code_challenge_methods_supported")
    # version 1 of the specification had no such member, and its servers ignore what we send or understand it
    if methods is not None and "S256" not in methods:
        raise LaunchFailed("the authorization server takes no S256 code challenges, which SMART App Launch 2 requires")
    issuer, jwks = _identity(told)
    return AuthorizationServer(
        authorize=endpoint(settings, client, "authorization_endpoint", told.get("authorization_endpoint")),
        token=endpoint(settings, client, "token_endpoint", told.get("token_endpoint")),
        issuer=issuer,
        jwks=endpoint(settings, client, "jwks_uri", jwks) if jwks is not None else None,
    )


def _identity(told: dict[str, Any]) -> tuple[str | None, str | None]:
    issuer, jwks = told.get("issuer"), told.get("jwks_uri")
    if isinstance(issuer, str) and isinstance(jwks, str):
        return issuer, jwks
    return None, None
