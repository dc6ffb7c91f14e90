"""Whether a client's reports could be opened, without opening one: for ``cds check``."""

from __future__ import annotations

from datetime import UTC, datetime

from cds.settings import Settings
from cds.trust.smart.credentials import Credentials
from cds.trust.smart.discovery import discover
from cds.trust.smart.wire import Wire


def rehearse(settings: Settings, name: str) -> str:
    """What to tell the EHR's administrator. Raises SettingsError (our secret or key) or LaunchFailed (their server)."""
    client = settings.clients[name]
    assert client.smart is not None
    Credentials(name, client.smart, lambda: datetime.now(UTC))
    proven = [discover(settings, client, base.rstrip("/"), Wire(settings.ca_file)) for base in client.fhir_servers]
    base = settings.public_url.rstrip("/")
    unnamed = "" if all(server.jwks for server in proven) else "; it proves no user's identity"
    return (
        f"its authorization server can be asked{unnamed}; it must know the app '{client.smart.client_id}' with launch "
        f"address {base}/report/launch and redirect address {base}/report/callback"
    )
