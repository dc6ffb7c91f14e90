"""Our own keys: what signs a client assertion, and the public halves for others to check it with.

A key is replaced without a gap: the new one is listed last and published, and comes first once the others have had time
to fetch it; the old one goes when nothing it signed is valid any more. Files are read at each use.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cds.errors import SettingsError

if TYPE_CHECKING:
    from joserfc.jwk import ECKey, RSAKey

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_LIFE_S = 240
"""Servers refuse assertions that live longer than five minutes; clocks differ."""
_FEWEST_BITS = 2048


class OwnKeys:
    def __init__(self, files: Sequence[Path]) -> None:
        self._files = tuple(files)

    def jwks(self) -> dict[str, list[dict[str, Any]]]:
        """The public halves (RFC 7517). Raises SettingsError for a file that can't be used."""
        return {"keys": [_public(self._key(path)) for path in self._files]}

    def assertion(self, client_id: str, token_endpoint: str, now: datetime) -> str:
        """Raises SettingsError when the first key can't be used."""
        key = self._key(self._files[0])
        return assertion(key, client_id, key_id(key), token_endpoint, now)

    @staticmethod
    def _key(path: Path) -> RSAKey | ECKey:
        try:
            return signing_key(path.read_bytes())
        except OSError as error:
            raise SettingsError(f"signing_keys: {path} can't be read: {error.strerror}") from error
        except ValueError as error:
            raise SettingsError(
                f"signing_keys: {path} holds no private key that can be used (PEM, RSA of {_FEWEST_BITS} bits or more, "
                "or P-384)"
            ) from error


def make_key(path: Path) -> None:
    """A new one on P-384, readable by its owner alone from the first moment. Raises SettingsError; replaces no file."""
    from cryptography.hazmat.primitives import serialization  # only here
    from cryptography.hazmat.primitives.asymmetric import ec

    pem = ec.generate_private_key(ec.SECP384R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise SettingsError(f"{path} can't be made: {error.strerror}") from error
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(pem)


def signing_key(pem: bytes) -> RSAKey | ECKey:
    """Raises ValueError for anything but a private RSA key that is long enough or one on P-384."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from joserfc import jwk  # slow to import, and few calls in a day need it

    try:
        found = load_pem_private_key(pem, None)
    except (TypeError, UnsupportedAlgorithm) as error:  # sealed with a password, or of a kind nobody knows
        raise ValueError("no key that can be read") from error
    if isinstance(found, rsa.RSAPrivateKey) and found.key_size >= _FEWEST_BITS:
        return jwk.RSAKey.import_key(found)
    if isinstance(found, ec.EllipticCurvePrivateKey) and isinstance(found.curve, ec.SECP384R1):
        return jwk.ECKey.import_key(found)
    raise ValueError("neither RSA of enough bits nor on P-384")


def key_id(key: RSAKey | ECKey) -> str:
    """From the key itself (RFC 7638), so that two keys never share one and it is never mistyped."""
    return str(key.thumbprint())


def assertion(key: RSAKey | ECKey, client_id: str, kid: str | None, token_endpoint: str, now: datetime) -> str:
    """RFC 7523 as SMART profiles it: RS384 with an RSA key, ES384 with one on P-384."""
    return _signed(key, kid, {"iss": client_id, "sub": client_id, "aud": token_endpoint}, now)


def call_token(key: RSAKey | ECKey, issuer: str, service: str, now: datetime) -> str:
    """As an EHR signs a call of the service at that address (CDS Hooks 2.0.1, "Trusting CDS Clients")."""
    return _signed(key, key_id(key), {"iss": issuer, "aud": service}, now)


def _signed(key: RSAKey | ECKey, kid: str | None, claims: dict[str, str], now: datetime) -> str:
    from joserfc import jwt

    algorithm = _algorithm(key)
    at = int(now.timestamp())
    whole = {**claims, "iat": at, "exp": at + _LIFE_S, "jti": str(uuid.uuid4())}
    header = {"alg": algorithm, "typ": "JWT"} | ({"kid": kid} if kid else {})
    return jwt.encode(header, whole, key, algorithms=[algorithm])


def _algorithm(key: RSAKey | ECKey) -> str:
    return "RS384" if key.key_type == "RSA" else "ES384"


def _public(key: RSAKey | ECKey) -> dict[str, Any]:
    halves = {name: value for name, value in key.as_dict(private=False).items() if name != "kid"}
    return {**halves, "kid": key_id(key), "use": "sig", "alg": _algorithm(key)}
