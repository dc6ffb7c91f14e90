"""A client's FHIR server as this service reaches it by itself, outside of a call."""

from __future__ import annotations

from cds.fhir.client import Target
from cds.fhir.dialect import dialect_of
from cds.imaging.pacs import Connection, Limits, Pacs
from cds.settings import Settings
from cds.trust.allowlist import AllowList
from cds.trust.smart import Backend, certificate_of

_WRITE = Limits(total_s=120.0)


def target_of(backend: Backend, base: str, allowed: AllowList) -> Target:
    """To read from. Raises SourceError when no token is to be had, SettingsError for a file that can't be used."""
    found, dialect = backend.authorization(base), dialect_of(backend.client)
    if found is None:
        return Target(base, allowed, None, dialect=dialect)
    return Target(base, allowed, found.value, found.scheme, dialect)


def connected(settings: Settings, client: str, backend: Backend, base: str) -> Connection:
    """To write to; to be closed by whoever asked. Raises as ``target_of``."""
    found, one = backend.authorization(base), settings.clients[client]
    shown = certificate_of(one.backend)
    server = Pacs(
        base,
        one.fhir_servers,
        user=found.user if found is not None else None,
        password=found.password if found is not None else None,
        token=found.token if found is not None else None,
        ca_file=settings.ca_file,
        certificate=shown[0] if shown is not None else None,
        key=shown[1] if shown is not None else None,
    )
    return Connection(server, _WRITE)
