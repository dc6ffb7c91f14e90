"""How this app proves to an authorization server who it is: a secret, a key (``private_key_jwt``), or not at all."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from urllib.parse import quote_plus

from cds.errors import LaunchFailed, SettingsError
from cds.smart_settings import SmartSettings
from cds.trust.own_keys import ASSERTION_TYPE, assertion, signing_key


class Credentials:
    """Of one client. Files are read at each use, so that a secret can be replaced without a restart."""

    def __init__(self, name: str, smart: SmartSettings, now: Callable[[], datetime]) -> None:
        """Raises SettingsError for a file that can't be used."""
        self._name, self._smart, self._now = name, smart, now
        if smart.secret_file is not None:
            self._secret()
        if smart.key_file is not None:
            self._assertion("https://start.example")

    def proof(self, token_endpoint: str) -> tuple[dict[str, str], dict[str, str]]:
        """(headers, form fields) of a token request. Raises LaunchFailed."""
        client_id = self._smart.client_id
        try:
            if self._smart.key_file is not None:
                proof = self._assertion(token_endpoint)
                return {}, {"client_assertion_type": ASSERTION_TYPE, "client_assertion": proof}
            secret = self._secret()
        except SettingsError as error:
            raise LaunchFailed(str(error)) from error
        if secret is None:
            return {}, {"client_id": client_id}
        # RFC 6749, section 2.3.1: both are form-encoded before they are joined
        pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}, {}

    def _secret(self) -> str | None:
        if self._smart.secret is not None:
            return self._smart.secret.get_secret_value()
        if self._smart.secret_file is None:
            return None
        secret = self._read("secret_file", self._smart.secret_file).decode("utf-8", "replace").strip()
        if not secret:
            raise SettingsError(f"client '{self._name}': smart.secret_file is empty")
        return secret

    def _assertion(self, token_endpoint: str) -> str:
        assert self._smart.key_file is not None
        content = self._read("key_file", self._smart.key_file)
        try:
            key = signing_key(content)
        except ValueError as error:
            raise SettingsError(
                f"client '{self._name}': smart.key_file holds no private key that can be used (PEM, RSA or P-384)"
            ) from error
        return assertion(key, self._smart.client_id, self._smart.key_id, token_endpoint, self._now())

    def _read(self, key: str, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            raise SettingsError(f"client '{self._name}': smart.{key} can't be read: {error.strerror}") from error
