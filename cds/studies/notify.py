"""An EHR's Subscription tells of a study: the message read, its sender known by a secret.

FHIR R4 rest-hook: the server sends the resource itself (POST, or PUT below the address), a Bundle with it, or an empty
body that says "look". A message is a hint, no order: what it names is planned as any other study is.
"""

from __future__ import annotations

import hmac
import logging

from cds.errors import MalformedRequest, NotAuthenticated, SettingsError
from cds.fhir import resources as fhir
from cds.fhir.decoding import decode
from cds.settings import Settings
from cds.studies.about import About, from_resource
from cds.studies.archives import secret_in

_log = logging.getLogger("cds.studies")
_SHORTEST = 32


class Doorman:
    """Which client a notification is from. Secrets are read once, at start."""

    def __init__(self, settings: Settings) -> None:
        """Raises SettingsError for a secret that can't be read, is too short, or is two clients'."""
        self._secrets: dict[str, bytes] = {}
        for name, client in settings.clients.items():
            path = client.studies.notify_secret_file
            if path is None:
                continue
            key = f"clients.{name}.studies.notify_secret_file"
            secret = secret_in(path, key).encode()
            if len(secret) < _SHORTEST:
                raise SettingsError(f"{key}: the secret is shorter than {_SHORTEST} characters")
            if secret in self._secrets.values():
                raise SettingsError(f"{key}: another client has the same secret")
            self._secrets[name] = secret

    def client(self, authorization: str | None) -> str:
        """Raises NotAuthenticated, whose message is for the log."""
        scheme, _, sent = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not sent:
            raise NotAuthenticated("a notification without a bearer secret")
        given = sent.strip().encode("utf-8", "surrogatepass")
        # every secret is compared: how long it takes says nothing of which one was near
        names = [name for name, secret in self._secrets.items() if hmac.compare_digest(secret, given)]
        if not names:
            raise NotAuthenticated("a notification whose secret is no client's")
        return names[0]


def studies_in(body: bytes) -> list[About]:
    """The studies a notification tells of; none for an empty body. Raises MalformedRequest."""
    if not body.strip():
        return []
    found = decode(body)
    if not found.readable or found.malformed:
        raise MalformedRequest("the notification is no ImagingStudy and no Bundle of them")
    studies = [r for r in found.resources if isinstance(r, fhir.ImagingStudy)]
    return [about for study in studies if (about := from_resource(study)) is not None]
