"""Addresses that people write into settings: whole, plain, and sealed where records or secrets travel."""

from __future__ import annotations

from urllib.parse import urlsplit


def require_address(value: str, like: str) -> str:
    """``value``. Raises ValueError for what is no http or https address of a server; ``like``: one that is. What may
    hold a password or a token is not repeated."""
    bare, shown = _bare(value), _shown(value)
    try:
        parts = urlsplit(value)
        parts.port  # noqa: B018 # raises for what is no port
    except ValueError as error:
        why = f" ({error})" if bare else ""
        raise ValueError(f"{shown} is not an address{why}: write one such as {like}") from None
    if not value.startswith(("http://", "https://")) or not parts.hostname or not value.isprintable() or " " in value:
        raise ValueError(f"{shown} is not an address: write one such as {like}")
    if parts.query or parts.fragment or parts.username is not None:
        raise ValueError(f"{shown} has more than a server and a path: write one such as {like}")
    return value


def require_secure(key: str, *addresses: str) -> None:
    """Raises ValueError for an address that is neither https nor on this machine; repeats no more than the above."""
    for address in addresses:
        if not address.startswith("https://") and not loopback_address(address):
            raise ValueError(f"{key}: {_shown(address)} must start with https://")


def _bare(value: str) -> bool:
    return not {"@", "?", "#"} & set(value)


def _shown(value: str) -> str:
    return repr(value) if _bare(value) else "what was given"


def loopback_address(address: str) -> bool:
    """The name as a whole, not a prefix of somebody's domain."""
    try:
        return urlsplit(address).hostname in ("127.0.0.1", "::1", "localhost")
    except ValueError:
        return False
