"""Where a request came from, past the proxies that the settings name. Nobody else's word is taken for it."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network


def networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Addresses and ranges such as ``10.0.0.0/8``. Raises ValueError, which names the text."""
    return tuple(ip_network(text.strip()) for text in texts)


def source(remote_addr: str | None, forwarded_for: Sequence[str], proxies: Sequence[Network]) -> str | None:
    """The address outside the proxies; None: it can't be told, since a proxy that the settings don't name passed the
    request on.

    ``forwarded_for``: the values of ``X-Forwarded-For``. Each proxy adds on the right whom it heard, so it is read from
    there: what stands left of the first that is no proxy of ours, anybody may have written.
    """
    heard = _address(remote_addr or "")
    told = [part for value in forwarded_for for part in value.split(",") if part.strip()]
    if heard is None:
        return None
    if not _within(heard, proxies):
        # where proxies are named, what came past them has no say; where none is, one may stand there all the same
        return str(heard) if proxies or not told else None
    for part in reversed(told):
        address = _address(part)
        if address is None:
            return None
        if not _within(address, proxies):
            return str(address)
    return None


def whose(address: str) -> str:
    """Whom an address is counted for: itself, or of IPv6 the /64, in which whoever has one address has them all."""
    found = _address(address)
    return str(ip_network((found, 64), strict=False)) if isinstance(found, IPv6Address) else address


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Also with a port, as some proxies write it."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ip_address(text)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


def _within(address: IPv4Address | IPv6Address, proxies: Sequence[Network]) -> bool:
    return any(address in network for network in proxies if network.version == address.version)
