"""Which client a launch comes from, and where that client's authorization server may be."""

from __future__ import annotations

from urllib.parse import urlsplit

from cds.addresses import loopback_address
from cds.errors import ForeignIssuer, LaunchFailed, SourceForeign
from cds.settings import ClientSettings, Settings
from cds.smart_settings import SmartSettings
from cds.trust.allowlist import AllowList


def client_of(settings: Settings, iss: str) -> tuple[str, ClientSettings, SmartSettings, str]:
    """(name, client, its ``smart`` block, the FHIR server as listed). Raises ForeignIssuer; settings see to it that no
    server is listed twice."""
    for name, client in settings.clients.items():
        for base in client.fhir_servers:
            if client.smart is not None and base.rstrip("/") == iss.rstrip("/"):
                return name, client, client.smart, base.rstrip("/")
    raise ForeignIssuer("iss is no FHIR server of a client that has a 'smart' block")


def bases(client: ClientSettings) -> tuple[str, ...]:
    """Base addresses that the endpoints of this client's authorization server may lie under."""
    assert client.smart is not None
    if client.smart.allowed:
        return client.smart.allowed
    addresses = [*client.fhir_servers, client.issuer or ""]
    return tuple(dict.fromkeys(origin(a) for a in addresses if a.startswith(("https://", "http://"))))


def origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


def endpoint(settings: Settings, client: ClientSettings, name: str, address: object) -> str:
    """An address that an authorization server named, once it lies where this client's may. Raises LaunchFailed."""
    if not isinstance(address, str):
        raise LaunchFailed(f"the authorization server names no {name}")
    try:
        AllowList(bases(client)).base_of(address)
    except SourceForeign as error:
        raise LaunchFailed(f"{name}: {error}; add its base address to 'smart.allowed' if it is right") from error
    # case counts as in the settings: AllowList has refused everything that parsers could read differently
    if not address.lower().startswith("https://") and not (
        settings.environment == "demo" and loopback_address(address)
    ):
        raise LaunchFailed(f"{name} is not an https address")
    return address
