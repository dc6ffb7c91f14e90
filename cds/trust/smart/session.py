"""An opened report: who looks at which patient, kept in the ledger's database and nowhere in the open.

The row holds a sealed payload. Its key comes from the secret in the browser's cookie and from the ledger's key, so a
stolen database does not tell who the patient is, and neither does a stolen cookie without the service.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import msgspec

from cds.errors import NoReportSession
from cds.ledger import CallEntry, Ledger, SealedSession
from cds.settings import Settings
from cds.trust.smart.secrets import Seal, derived, from_text, to_text

_PURPOSE = "report session"


@dataclass(frozen=True)
class Access:
    """What a server with refresh tokens gave beside the access token."""

    refresh_token: str = field(repr=False)
    token_endpoint: str
    until: datetime
    """When the access token ends."""


@dataclass(frozen=True)
class ReportSession:
    rid: str
    """Public id in the address; tells nothing."""
    client: str
    """Name in ``settings.clients``."""
    patient_id: str = field(repr=False)
    """From the token response; never in an address or a log."""
    card_id: str | None
    """The card whose link was followed. None: opened without one, so the patient's newest call counts."""
    fhir_server: str
    access_token: str = field(repr=False)
    scopes: frozenset[str]
    user: str | None = field(repr=False)
    """``fhirUser`` as ``Type/id`` where it lies on ``fhir_server``; None where no id_token proves one."""
    expires: datetime
    language: str | None
    encounter: str | None = field(repr=False)
    patient_facing: bool = False
    """The reader is, or may be, a patient or a relative: survival is never shown."""
    access: Access | None = field(default=None, repr=False)
    """How the access token is renewed; None where the EHR issued it without a way to."""


class ReportSessions:
    """Safe for threads and processes: what is open is in the database."""

    def __init__(self, settings: Settings, ledger: Ledger, key: bytes, now: Callable[[], datetime]) -> None:
        """``key``: the ledger's."""
        self._settings, self._ledger, self._now = settings, ledger, now
        self._key = derived(key, _PURPOSE)

    def open(
        self,
        client: str,
        patient_id: str,
        *,
        card_id: str | None,
        fhir_server: str,
        access_token: str,
        scopes: Iterable[str] = (),
        user: str | None = None,
        encounter: str | None = None,
        language: str | None = None,
        access: Access | None = None,
    ) -> tuple[ReportSession, str]:
        """(the session, the secret for the browser's cookie). ``language``: the card's. Raises LedgerError."""
        settings = self._settings.clients[client]
        assert settings.smart is not None
        at = self._now()
        session = ReportSession(
            rid=to_text(secrets.token_bytes(16)),
            client=client,
            patient_id=patient_id,
            card_id=card_id,
            fhir_server=fhir_server,
            access_token=access_token,
            scopes=frozenset(scopes),
            user=user,
            expires=at + timedelta(minutes=settings.smart.session_minutes),
            language=language or settings.language,
            encounter=encounter,
            patient_facing=settings.patient_facing or _lay(user),
            access=access,
        )
        secret = secrets.token_bytes(32)
        whose = self._ledger.patient_key(client, patient_id)
        sealed = self._sealed(session, secret)
        self._ledger.put_session(SealedSession(session.rid, client, at, session.expires, sealed, whose))
        return session, to_text(secret)

    def find(self, rid: str, secret: str | None) -> ReportSession:
        """Raises NoReportSession (unknown, left, expired, another browser's) and LedgerError."""
        held = from_text(secret) if secret else None
        row = self._ledger.session(rid) if held is not None else None
        if held is None or row is None:
            raise NoReportSession("no such session, or no cookie for it")
        settings = self._settings.clients.get(row.client)
        if settings is None or settings.smart is None:
            raise NoReportSession(f"client '{row.client}' opens no reports any more")
        content = self._seal(rid, held).open(row.sealed, row.client.encode())
        if content is None:
            raise NoReportSession("the cookie is not this session's")
        found = msgspec.json.decode(content, type=ReportSession)
        if not found.expires > self._now():
            raise NoReportSession("the session has expired")
        return replace(found, patient_facing=found.patient_facing or settings.patient_facing)

    def keep(self, session: ReportSession, secret: str) -> None:
        """An open session with other content, under the same secret. Raises LedgerError."""
        held = from_text(secret)
        assert held is not None  # it has just been found with it
        self._ledger.reseal_session(session.rid, self._sealed(session, held))

    def close(self, rid: str, secret: str | None) -> None:
        """The reader leaves. Raises NoReportSession for who may not close it, and LedgerError."""
        self._ledger.drop_session(self.find(rid, secret).rid)

    def may_see(self, session: ReportSession, call: CallEntry) -> bool:
        """Whether a call is of this session's client and patient: to be asked on every request, of every call shown."""
        key = self._ledger.patient_key(session.client, session.patient_id)
        return call.client == session.client and secrets.compare_digest(call.patient_key, key)

    def _sealed(self, session: ReportSession, secret: bytes) -> bytes:
        return self._seal(session.rid, secret).close(msgspec.json.encode(session), session.client.encode())

    def _seal(self, rid: str, secret: bytes) -> Seal:
        return Seal(derived(secret + self._key, f"{_PURPOSE} {rid}"))


def _lay(user: str | None) -> bool:
    return user is not None and any(f"{kind}/" in user for kind in ("Patient", "RelatedPerson"))
