"""Who calls: a CDS client's JWT to the client's settings, or nothing.

The order matters. What a token says of itself only chooses which client's key may prove it; nothing it says is
believed before the signature is; and its ``jti`` is used up last, so that a forged token can't spend a real one.

``typ``: the specification wants "JWT". It is compared without regard to case, and a token without it is accepted,
since JOSE libraries leave it out by default and issuer, audience and lifetime already bind the token to this use.
Any other value is refused: it is a token made for something else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv6Address, ip_address
from typing import Any

from cds.errors import NotAuthenticated, SettingsError
from cds.settings import ClientSettings, Settings
from cds.trust import token
from cds.trust.claims import check_audience, check_times, text_claim
from cds.trust.keys import KeyStore
from cds.trust.token import Token

_MAX_JTI = 1024
_PASSED_ON = frozenset({"forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"})


@dataclass(frozen=True)
class Caller:
    """The client that made a call. ``subject`` is what it calls itself (``sub``): for display, never for a decision."""

    name: str
    client: ClientSettings
    subject: str | None


class Authenticator:
    """Made once a process; safe to share between threads."""

    def __init__(
        self,
        settings: Settings,
        keys: KeyStore,
        replay: Callable[[str, str, datetime], bool],
        now: Callable[[], datetime],
    ) -> None:
        """``replay(issuer, jti, expires)`` is True the first time. Raises SettingsError for ambiguous clients."""
        self._public_url = settings.public_url
        self._keys = keys
        self._replay = replay
        self._now = now
        self._clients = settings.clients
        self._by_issuer = _by_issuer(settings.clients)
        self._loopback = _loopback(settings.clients)

    def authenticate(self, authorization: str | None, *, path: str, remote_addr: str) -> Caller:
        """The client behind a call to ``path`` (such as ``/cds-services/x``, without the public prefix).

        Raises NotAuthenticated, whose message is for the log only, and LedgerError when it can't be found out
        whether the token was used before.
        """
        if authorization is None:
            if self._loopback is None:
                raise NotAuthenticated("no Authorization header")
            if not is_loopback(remote_addr):
                raise NotAuthenticated("no Authorization header, and not called from this machine without a proxy")
            return Caller(self._loopback, self._clients[self._loopback], None)
        sent = token.read(authorization)
        try:
            return self._verified(sent, path)
        except NotAuthenticated as error:
            raise NotAuthenticated(f"{error} ({sent!r})") from error

    def _verified(self, sent: Token, path: str) -> Caller:
        name = self._claimed(sent.claims)
        client = self._clients[name]
        self._prove(sent, name, client)
        claims = sent.claims
        if client.tenant is not None and claims.get("tenant") != client.tenant:
            raise NotAuthenticated("tenant is not the client's")
        expires = check_times(claims, self._now())
        check_audience(claims, self._public_url, path)
        jti = text_claim(claims, "jti")
        if len(jti) > _MAX_JTI:
            raise NotAuthenticated(f"jti is longer than {_MAX_JTI} characters")
        if not self._replay(text_claim(claims, "iss"), jti, expires):
            raise NotAuthenticated("token was used before (jti)")
        subject = claims.get("sub")
        return Caller(name, client, subject if isinstance(subject, str) else None)

    def _claimed(self, claims: dict[str, Any]) -> str:
        """The client a token says it comes from: an exact look-up, no pattern."""
        tenants = self._by_issuer.get(text_claim(claims, "iss"))
        if tenants is None:
            raise NotAuthenticated("no client has this issuer")
        if len(tenants) == 1:
            return next(iter(tenants.values()))
        tenant = claims.get("tenant")
        name = tenants.get(tenant) if isinstance(tenant, str) else None
        if name is None:
            raise NotAuthenticated("no client has this issuer and tenant")
        return name

    def _prove(self, sent: Token, name: str, client: ClientSettings) -> None:
        """Raises NotAuthenticated unless a key of this client made the signature."""
        header = sent.header
        alg, kid, typ = header.get("alg"), header.get("kid"), header.get("typ")
        if alg not in client.algorithms:
            raise NotAuthenticated(f"alg {ascii(alg)[:20]} is not one of {', '.join(client.algorithms)}")
        if typ is not None and (not isinstance(typ, str) or typ.lower() != "jwt"):
            raise NotAuthenticated("typ is not JWT")
        if kid is not None and not isinstance(kid, str):
            raise NotAuthenticated("kid is not a string")
        if client.jku is not None and header.get("jku", client.jku) != client.jku:
            raise NotAuthenticated("jku is not the client's")
        sent.verify(self._keys.find(name, kid=kid, alg=alg))


def sender(remote_addr: str | None, headers: Iterable[str]) -> str:
    """Where a call with headers of these names came from, for ``authenticate``; empty when a proxy passed it on.

    A proxy on this machine has this machine's address, which says nothing of who called it. What it writes about
    that in a header is not believed either: that there is such a header is enough.
    """
    return "" if any(name.lower() in _PASSED_ON for name in headers) else remote_addr or ""


def is_loopback(remote_addr: str) -> bool:
    try:
        address = ip_address(remote_addr)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback


def _by_issuer(clients: dict[str, ClientSettings]) -> dict[str, dict[str | None, str]]:
    """issuer -> tenant -> name. One vendor may sign for many hospitals; then each needs its tenant."""
    found: dict[str, dict[str | None, str]] = {}
    for name, client in clients.items():
        if client.authentication != "jwt" or client.issuer is None:
            continue
        tenants = found.setdefault(client.issuer, {})
        if client.tenant in tenants or (tenants and (client.tenant is None or None in tenants)):
            other = next(iter(tenants.values()))
            raise SettingsError(
                f"clients '{other}' and '{name}' have the same issuer: give each its own 'tenant', or one issuer each"
            )
        tenants[client.tenant] = name
    return found


def _loopback(clients: dict[str, ClientSettings]) -> str | None:
    names = [name for name, client in clients.items() if client.authentication == "loopback"]
    if len(names) > 1:
        raise SettingsError(f'only one client may have authentication = "loopback", not {", ".join(names)}')
    return names[0] if names else None
