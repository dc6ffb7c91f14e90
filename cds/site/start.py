"""What `cds serve` makes before it answers, made here as well: what it would refuse to start with is a fault."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from cds import tracing
from cds.committee.charter_file import charter_path, read_charter
from cds.errors import CdsError
from cds.inference.registry import Registry
from cds.listening import require_address
from cds.services.declaration import installed_packages
from cds.settings import Settings
from cds.site.findings import Findings
from cds.studies.notify import Doorman
from cds.trust import Authenticator, KeyStore
from cds.trust.own_keys import OwnKeys
from cds.trust.smart import Credentials


def look(settings: Settings, models: Registry | None, findings: Findings) -> None:
    """Asks neither a server nor the database. ``models``: None where they could not be loaded, which was said."""

    def now() -> datetime:
        return datetime.now(UTC)

    made: list[tuple[str, Callable[[], object]]] = [
        ("address", lambda: require_address(settings.host, 0)),
        ("who calls", lambda: Authenticator(settings, KeyStore(settings), lambda *_: True, now)),
        ("own keys", OwnKeys(settings.signing_keys).jwks),
        ("news of studies", lambda: Doorman(settings)),
        ("traces", lambda: tracing.tried(settings.tracing, settings.ca_file)),
    ]
    for name, client in settings.clients.items():
        if (smart := client.smart) is not None:
            made.append((f"reports of {name}", lambda name=name, smart=smart: Credentials(name, smart, now)))  # type: ignore[misc]
    if settings.committee.console.on and models is not None:
        path = settings.committee.charter_file
        made.append(("charter", lambda: read_charter(charter_path(path, installed_packages()), models)))
    good = True
    for what, make in made:
        try:
            make()
        except CdsError as error:
            good = False
            findings.fault("start", f"`cds serve` does not start: {error.code}: {error}", what)
    if good:
        findings.good("start", "what `cds serve` makes before it listens can be made")
