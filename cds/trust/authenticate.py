"""Who is calling: the CDS client's JWT (CDS Hooks 2.0.1, "Trusting CDS Clients"), checked to the last claim.

The reasons raised here go to the log; the caller learns only that it was not authenticated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt

from cds.errors import NotAuthenticated, SettingsError
from cds.settings import ClientSettings, Settings
from cds.trust.keys import KeyStore

LEEWAY = timedelta(seconds=30)
LONGEST = timedelta(hours=1)
"""Epic signs for 15 minutes, the specification suggests 5; a token for days is a password."""
_LOOPBACK = ("127.", "::1", "::ffff:127.")


@dataclass(frozen=True)
class Caller:
    name: str
    client: ClientSettings
    subject: str | None


class Authenticator:
    def __init__(
        self,
        settings: Settings,
        keys: KeyStore,
        replay: Callable[[str, str, datetime], bool],
        now: Callable[[], datetime],
    ) -> None:
        """``replay(issuer, jti, expires)`` is True the first time. Raises SettingsError for ambiguous clients."""
        self._public_url = settings.public_url.rstrip("/")
        self._keys = keys
        self._replay = replay
        self._now = now
        self._by_issuer: dict[tuple[str, str | None], tuple[str, ClientSettings]] = {}
        self._local: tuple[str, ClientSettings] | None = None
        for name, client in settings.clients.items():
            if client.authentication == "loopback":
                self._local = self._local or (name, client)
            elif client.issuer is not None:
                key = (client.issuer, client.tenant)
                if key in self._by_issuer:
                    raise SettingsError(
                        f"clients '{self._by_issuer[key][0]}' and '{name}' have the same issuer; "
                        "give each its 'tenant', or make them one"
                    )
                self._by_issuer[key] = (name, client)

    def authenticate(self, authorization: str | None, *, path: str, remote_addr: str) -> Caller:
        """``path`` is the address called, as the application sees it. Raises NotAuthenticated."""
        if authorization is None:
            if self._local is not None and remote_addr.startswith(_LOOPBACK):
                return Caller(*self._local, None)
            raise NotAuthenticated("no Authorization header")
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise NotAuthenticated("the Authorization header is not a Bearer token")
        return self._by_token(token.strip(), path)

    def _by_token(self, token: str, path: str) -> Caller:
        try:
            header = jwt.get_unverified_header(token)
            unverified = jwt.decode(token, options={"verify_signature": False})
        except (jwt.PyJWTError, ValueError) as error:
            raise NotAuthenticated(f"not a JWT: {type(error).__name__}") from error
        name, client = self._client(unverified)
        self._check_header(name, client, header)
        key = self._keys.key(name, client, header.get("kid"))
        claims = self._verified(name, token, header["alg"], key, path)
        expires = datetime.fromtimestamp(claims["exp"], UTC)
        if not self._replay(claims["iss"], str(claims["jti"]), expires + LEEWAY):
            raise NotAuthenticated(f"client {name}: this token was used before (jti)")
        subject = claims.get("sub")
        return Caller(name, client, subject if isinstance(subject, str) else None)

    def _client(self, claims: dict[str, Any]) -> tuple[str, ClientSettings]:
        issuer, tenant = claims.get("iss"), claims.get("tenant")
        if not isinstance(issuer, str):
            raise NotAuthenticated("no iss")
        found = self._by_issuer.get((issuer, tenant if isinstance(tenant, str) else None))
        found = found or self._by_issuer.get((issuer, None))
        if found is None:
            raise NotAuthenticated("iss (with its tenant) is not a configured client")
        return found

    def _check_header(self, name: str, client: ClientSettings, header: dict[str, Any]) -> None:
        if header.get("alg") not in client.algorithms:
            raise NotAuthenticated(f"client {name}: alg is not one of {', '.join(client.algorithms)}")
        if str(header.get("typ", "JWT")).upper() != "JWT":
            raise NotAuthenticated(f"client {name}: typ is not JWT")
        if client.jku is not None and header.get("jku", client.jku) != client.jku:
            raise NotAuthenticated(f"client {name}: jku is not the configured one")

    def _verified(self, name: str, token: str, algorithm: str, key: jwt.PyJWK, path: str) -> dict[str, Any]:
        if key.algorithm_name != algorithm:
            raise NotAuthenticated(f"client {name}: the key is not for {algorithm}")
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key.key,
                algorithms=[algorithm],
                audience=self._audiences(path),
                leeway=LEEWAY,
                # times are checked below, against this service's own clock
                options={
                    "require": ["iss", "aud", "exp", "iat", "jti"],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except jwt.PyJWTError as error:
            raise NotAuthenticated(f"client {name}: {type(error).__name__}") from error
        self._check_times(name, claims)
        return claims

    def _check_times(self, name: str, claims: dict[str, Any]) -> None:
        now = self._now().timestamp()
        leeway = LEEWAY.total_seconds()
        times = {claim: claims.get(claim) for claim in ("exp", "iat", "nbf")}
        if any(t is not None and (isinstance(t, bool) or not isinstance(t, int | float)) for t in times.values()):
            raise NotAuthenticated(f"client {name}: a time claim is not a number")
        if not abs(claims["exp"]) < 1e11:
            raise NotAuthenticated(f"client {name}: exp is no date")
        if now > claims["exp"] + leeway:
            raise NotAuthenticated(f"client {name}: expired")
        if claims["iat"] > now + leeway or (times["nbf"] is not None and times["nbf"] > now + leeway):
            raise NotAuthenticated(f"client {name}: not valid yet; is a clock wrong?")
        if claims["exp"] - claims["iat"] > LONGEST.total_seconds():
            raise NotAuthenticated(f"client {name}: valid for more than an hour")

    def _audiences(self, path: str) -> list[str]:
        """The address called and the services' base, each with and without a trailing slash."""
        called = self._public_url + path.rstrip("/")
        base = f"{self._public_url}/cds-services"
        service = called.removesuffix("/feedback")
        return [a for x in dict.fromkeys((called, service, base)) for a in (x, x + "/")]
