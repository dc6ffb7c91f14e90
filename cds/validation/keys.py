"""Who signed: an Ed25519 key a person or hospital keeps in a file, and files signed by it.

A signed file is a JWS in flattened JSON (RFC 7515), so that the bytes signed are the bytes kept. ``kid`` is the key's
RFC 7638 thumbprint. The public half is exchanged by hand once, over the telephone if need be: ``fingerprint`` is what
to read out.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from joserfc.jws import HeaderDict

from cds.errors import ValidationRoundError

_MOST_BYTES = 4_000_000
_ALGORITHMS = ["Ed25519", "EdDSA"]
_REGISTRY = jws.JWSRegistry(algorithms=_ALGORITHMS)


def make(private: Path, public: Path) -> str:
    """Writes a new pair, the private one for its owner alone; its fingerprint. Never overwrites."""
    key = OKPKey.generate_key("Ed25519")
    for path, mode, secret in ((private, 0o600, True), (public, 0o644, False)):
        text = json.dumps({**key.as_dict(private=secret), "kid": key.thumbprint()}, indent=1) + "\n"
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
                file.write(text)
        except FileExistsError as error:
            raise ValidationRoundError(
                f"{path} is there already: a key is not overwritten; name another file"
            ) from error
        except OSError as error:
            raise ValidationRoundError(f"{path} could not be written: {error.strerror}") from error
    return fingerprint(key)


def load(path: Path, *, private: bool) -> OKPKey:
    """Raises ValidationRoundError, which names the file."""
    try:
        key = OKPKey.import_key(json.loads(read(path)))
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise ValidationRoundError(f"{path} is not a key as `cds validation keys` makes it") from error
    if key.get("crv") != "Ed25519":
        raise ValidationRoundError(f"{path} is not an Ed25519 key")
    if private and not key.is_private:
        raise ValidationRoundError(f"{path} is a public key; signing needs the private one")
    return key


def fingerprint(key: OKPKey) -> str:
    """The thumbprint in groups of four: for people to compare."""
    text = str(key.thumbprint())
    return " ".join(text[i : i + 4] for i in range(0, len(text), 4))


def sign(payload: bytes, key: OKPKey, kind: str) -> str:
    """``kind`` goes into the protected header: a signed round can't be taken for a signed result."""
    header: HeaderDict = {"protected": {"alg": "Ed25519", "kid": key.thumbprint(), "typ": kind}}
    signed = jws.serialize_json(header, payload, key, registry=_REGISTRY)
    return json.dumps(signed, indent=1) + "\n"


def opened(path: Path, key: OKPKey, kind: str) -> bytes:
    """What was signed. Raises ValidationRoundError: not signed, by another key, changed since, or of another kind."""
    text = read(path)
    try:
        signed = json.loads(text)
        # nothing of the file is believed before its signature: the algorithm is ours to say
        found = jws.deserialize_json(signed, key, registry=_REGISTRY)
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise ValidationRoundError(
            f"{path}: the signature does not fit the key {fingerprint(key)}: the file was changed, or signed by "
            "somebody else; ask its sender for it again and compare fingerprints"
        ) from error
    if found.headers()["typ"] != kind:
        raise ValidationRoundError(f"{path} is a signed {found.headers()['typ']}, not a {kind}")
    return bytes(found.payload)


def signer(path: Path, known: Sequence[OKPKey]) -> OKPKey:
    """Which of the known keys a file says it was signed by; whether it was is for ``opened`` to find."""
    try:
        protected = json.loads(read(path))["protected"]
        name = json.loads(_unpacked(protected))["kid"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValidationRoundError(f"{path} is not a signed file of a validation round") from error
    for key in known:
        if key.thumbprint() == name:
            return key
    raise ValidationRoundError(
        f"{path} is signed by nobody whose public key is at hand: get that hospital's *.pub.json"
    )


def unverified(path: Path) -> dict[str, Any]:
    """What a signed file holds, for showing before one knows whose it is. Never to act on."""
    try:
        found = json.loads(_unpacked(json.loads(read(path))["payload"]))
    except (ValueError, KeyError, TypeError) as error:
        raise ValidationRoundError(f"{path} is not a signed file of a validation round") from error
    if not isinstance(found, dict):
        raise ValidationRoundError(f"{path} is not a signed file of a validation round")
    return found


def _unpacked(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise ValidationRoundError(f"{path} could not be read: {error.strerror}") from error
    if len(text) > _MOST_BYTES:
        raise ValidationRoundError(f"{path} is larger than any file of a validation round ({_MOST_BYTES} bytes)")
    return text
