"""A client's FHIR server as this service reaches it by itself, outside of a call."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from cds.clock import utc_now
from cds.errors import SourceError
from cds.fhir import resources as fhir
from cds.fhir.client import FhirClient, Target
from cds.fhir.dialect import dialect_of
from cds.fhir.queries import Query
from cds.imaging.pacs import Connection, Limits, Pacs
from cds.imaging.reasons import Reason, Unusable
from cds.settings import Settings
from cds.studies.about import uid_of, withdrawn
from cds.trust.allowlist import AllowList
from cds.trust.smart import Backend, certificate_of, certificates

_WRITE = Limits(total_s=120.0)
_DEADLINE_S = 30.0


@contextmanager
def signing_in() -> Iterator[None]:
    """An authorization server that gives no token may give one later. Raises Unusable."""
    try:
        yield
    except SourceError as error:
        raise Unusable(Reason.RECORD_FAILED, f"({error.code})") from error


class Ehrs:
    """Those of the settings, by client."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._fhir = FhirClient(settings.fhir, settings.ca_file, certificates(settings))
        self.backends = {name: Backend(settings, name, utc_now) for name in settings.clients}

    def base(self, client: str) -> str | None:
        """Of the FHIR server that may be asked outside of a call; None where there is none."""
        one = self._settings.clients.get(client)
        return None if one is None else one.studies.fhir_base

    def study(self, client: str, base: str, uid: str) -> fhir.ImagingStudy:
        """The EHR's own resource of the study: it says whose it is. Raises Unusable."""
        with signing_in():
            allowed = AllowList(self._settings.clients[client].fhir_servers)
            target = target_of(self.backends[client], base, allowed)
        query = Query("imaging", "ImagingStudy", f"ImagingStudy?identifier=urn:dicom:uid|urn:oid:{uid}&_count=10")
        [answer] = self._fhir.fetch((query,), "", target, time.monotonic() + _DEADLINE_S)
        if answer.fault is not None:
            raise Unusable(Reason.RECORD_FAILED, f"({answer.fault.code})")
        found = [r for page in answer.pages for r in page.resources if isinstance(r, fhir.ImagingStudy)]
        entries = [study for study in found if uid_of(study) == uid]
        if not entries:
            raise Unusable(Reason.RECORD_REFUSED, "(the EHR has no ImagingStudy of it)")
        found = [study for study in entries if not withdrawn(study)]
        if not found:
            raise Unusable(Reason.WITHDRAWN)
        if len({fhir.subject_of(study) for study in found}) > 1:
            raise Unusable(Reason.SEVERAL_PATIENTS)
        return found[0]

    def owner(self, client: str, uid: str) -> str | None:
        """Id of the Patient whose study it is; None where nobody can be asked, or the EHR does not say. Raises
        Unusable."""
        base = self.base(client)
        return None if base is None else fhir.subject_of(self.study(client, base, uid))


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
