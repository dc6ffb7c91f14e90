"""How this service signs in to a client's FHIR server outside of a call: SMART Backend Services (SMART App Launch 2), a
bearer token from a file, basic authentication, or its certificate alone (mTLS).

A fetched token is kept until shortly before it expires, and no longer than the server said; nothing of it is written.
"""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from cds.errors import LaunchFailed, SettingsError, SourceRefused
from cds.settings import BackendSettings, Settings
from cds.trust.own_keys import ASSERTION_TYPE, OwnKeys
from cds.trust.smart.places import origin
from cds.trust.smart.wire import Wire

_UNSAID_S = 60.0
"""Life of a token whose server does not say how long it lives."""
_EARLY_S = 30.0


@dataclass(frozen=True)
class Authorization:
    """A bearer token, or a user and a password."""

    token: str | None = field(default=None, repr=False)
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)

    @property
    def scheme(self) -> str:
        """First word of the header ``Authorization``."""
        return "Bearer" if self.token is not None else "Basic"

    @property
    def value(self) -> str:
        """Its second word."""
        return self.token or base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


class Backend:
    """One client's. Safe for threads; opens no connection before it is asked to."""

    def __init__(self, settings: Settings, name: str, now: Callable[[], datetime]) -> None:
        """``name``: a client of the settings; one without a ``backend`` block signs in with nothing."""
        self._settings, self._name, self._now = settings, name, now
        self.client = settings.clients[name]
        self._keys = OwnKeys(settings.signing_keys)
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[Authorization, float]] = {}
        """FHIR base -> (token, when it has to be fetched anew by ``time.monotonic()``)."""

    def authorization(self, base: str) -> Authorization | None:
        """For the FHIR server ``base``; None: nothing but, perhaps, a certificate.

        Raises SettingsError for files that can't be used, SourceRefused when the authorization server gives no token.
        """
        own = self.client.backend
        if own is None:
            file = self.client.studies.token_file
            return None if file is None else Authorization(self._read("studies.token_file", file))
        if own.token_file is not None:
            return Authorization(self._read("backend.token_file", own.token_file))
        if own.user is not None:
            return Authorization(user=own.user, password=self._password(own))
        return self._token(own, base.rstrip("/")) if own.client_id is not None else None

    def forget(self) -> None:
        """The server no longer takes the token: the next one is fetched."""
        with self._lock:
            self._kept.clear()

    def _token(self, own: BackendSettings, base: str) -> Authorization:
        with self._lock:
            kept = self._kept.get(base)
            if kept is not None and time.monotonic() < kept[1]:
                return kept[0]
            try:
                token, life_s = self._fetched(own, base)
            except LaunchFailed as error:
                raise SourceRefused(f"client '{self._name}': {error}") from error
            found = Authorization(token)
            # one that lives shorter than that is used once
            self._kept[base] = (found, time.monotonic() + life_s - _EARLY_S)
            return found

    def _fetched(self, own: BackendSettings, base: str) -> tuple[str, float]:
        """(token, seconds it lives). Raises LaunchFailed."""
        assert own.client_id is not None
        wire = Wire(self._settings.ca_file, certificate=certificate_of(own))
        endpoint = own.token_url or _discovered(wire, base)
        status, told = wire.post(
            "the token endpoint",
            endpoint,
            {
                "grant_type": "client_credentials",
                "scope": " ".join(own.scopes),
                "client_assertion_type": ASSERTION_TYPE,
                "client_assertion": self._keys.assertion(own.client_id, endpoint, self._now()),
            },
            {},
        )
        if status != 200:
            # RFC 6749, section 5.2: a code of a few words, and no text of the server's own
            raise LaunchFailed(f"the token endpoint answered {status} ({_word(told.get('error'))})")
        token, kind = told.get("access_token"), told.get("token_type")
        if not isinstance(token, str) or not token or str(kind).lower() != "bearer":
            raise LaunchFailed("the token endpoint answered without a bearer token")
        life = told.get("expires_in", _UNSAID_S)
        return token, float(life) if isinstance(life, int | float) and life > 0 else _UNSAID_S

    def _password(self, own: BackendSettings) -> str:
        if own.password is not None:
            return own.password.get_secret_value()
        assert own.password_file is not None
        return self._read("backend.password_file", own.password_file)

    def _read(self, key: str, path: Path) -> str:
        try:
            found = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"clients.{self._name}.{key} can't be read: {error}") from error
        if not found:
            raise SettingsError(f"clients.{self._name}.{key} is empty")
        return found


def certificate_of(own: BackendSettings | None) -> tuple[Path, Path] | None:
    """(certificate, key) to show to the client's servers."""
    if own is None or own.certificate is None or own.key is None:
        return None
    return own.certificate, own.key


def certificates(settings: Settings) -> dict[str, tuple[Path, Path]]:
    """FHIR base as listed, without a trailing slash -> (certificate, key) to show there."""
    return {
        base.rstrip("/"): shown
        for client in settings.clients.values()
        if (shown := certificate_of(client.backend)) is not None
        for base in client.fhir_servers
    }


def _discovered(wire: Wire, base: str) -> str:
    """Raises LaunchFailed."""
    told = wire.get("the SMART configuration", f"{base}/.well-known/smart-configuration")
    endpoint = told.get("token_endpoint")
    if not isinstance(endpoint, str):
        raise LaunchFailed("the SMART configuration names no token_endpoint; set 'backend.token_url'")
    if origin(endpoint) != origin(base):
        # our signature must not go wherever a FHIR server says
        raise LaunchFailed(
            "the token endpoint is on another host than the FHIR server: if that is right, set 'backend.token_url'"
        )
    return endpoint


def _word(told: Any) -> str:
    known = isinstance(told, str) and told.isascii() and len(told) <= 60 and told.replace("_", "").isalnum()
    return told if known else "no reason given"
