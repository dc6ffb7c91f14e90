"""What a CDS client's JWT has to claim, once its signature is known to be good.

CDS Hooks 2.0.1, "Trusting CDS Clients": iss, aud, exp, iat and jti are required; tenant is optional. ``nbf`` is
honoured where a client sends it (Epic does, five minutes back); ``sub`` has no meaning here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from cds.errors import NotAuthenticated

LEEWAY_S = 30
"""Difference between two hospitals' clocks that is put up with."""
MAX_LIFETIME_S = 3600
"""The specification advises 5 minutes, Epic sends 15."""
_LATEST = 1 << 40  # seconds; beyond what any clock means, and safely below what a datetime holds after the checks


def check_times(claims: Mapping[str, Any], now: datetime) -> datetime:
    """Until when the token could be sent again, leeway included. Raises NotAuthenticated."""
    at = now.timestamp()
    expires, issued = _seconds(claims, "exp"), _seconds(claims, "iat")
    if "nbf" in claims and _seconds(claims, "nbf") > at + LEEWAY_S:
        raise NotAuthenticated("token not valid yet (nbf)")
    if issued > at + LEEWAY_S:
        raise NotAuthenticated("token issued in the future (iat); compare the clocks")
    if expires <= at - LEEWAY_S:
        raise NotAuthenticated(f"token expired {at - expires:.0f} s ago")
    if not 0 < expires - issued <= MAX_LIFETIME_S:
        raise NotAuthenticated(f"token lives {expires - issued:.0f} s; at most {MAX_LIFETIME_S} are accepted")
    return datetime.fromtimestamp(expires + LEEWAY_S, UTC)


def check_audience(claims: Mapping[str, Any], public_url: str, path: str) -> None:
    """``aud`` must be the address that was called. Raises NotAuthenticated.

    The address is made from the settings, never from the ``Host`` header, which the caller writes. The
    specification is silent on feedback: clients sign its own address or that of its service.
    """
    sent = claims.get("aud")
    audiences = [sent] if isinstance(sent, str) else sent
    if not isinstance(audiences, list) or not all(isinstance(one, str) for one in audiences):
        raise NotAuthenticated("aud is neither a string nor an array of strings")
    called = public_url.rstrip("/") + path.rstrip("/")
    accepted = {called, called.removesuffix("/feedback")}
    if not any(one.removesuffix("/") in accepted for one in audiences):
        # the signature is good, so this is what a client of ours wrote
        raise NotAuthenticated(f"aud is not {called} but {ascii(sent)[:200]}; compare it with public_url")


def text_claim(claims: Mapping[str, Any], name: str) -> str:
    """A claim that has to be a non-empty string. Raises NotAuthenticated."""
    value = claims.get(name)
    if not isinstance(value, str) or not value:
        raise NotAuthenticated(f"{name} is missing or not a string")
    return value


def _seconds(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    # the comparison also refuses NaN and infinities, which Python's JSON reader lets in
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < _LATEST:
        raise NotAuthenticated(f"{name} is missing or not a time in seconds")
    return value
