"""A JWT taken apart once (RFC 7515, compact form), and its signature verified with one prepared key.

The library's own ``decode`` takes a token apart, checks and decodes it once for reading and once more for verifying;
here the same bytes that were read are those that are verified. The cryptography stays the library's.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Any

import orjson
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from cds.errors import NotAuthenticated

_BEARER = re.compile(r"bearer +([\w-]+)\.([\w-]+)\.([\w-]+)", re.ASCII | re.IGNORECASE)
_MAX_TOKEN = 16_384


@dataclass(frozen=True, slots=True)
class Token:
    """A token as sent: nothing in it is proven."""

    header: dict[str, Any]
    claims: dict[str, Any]
    signed: bytes
    """The bytes the signature is over."""
    signature: bytes

    def __repr__(self) -> str:
        """What the log may hold: no more than iss, kid and jti, and those short and without line breaks."""
        shown = {"iss": self.claims.get("iss"), "kid": self.header.get("kid"), "jti": self.claims.get("jti")}
        return " ".join(f"{name}={ascii(value)[:120]}" for name, value in shown.items())

    def verify(self, key: PyJWK) -> None:
        """Raises NotAuthenticated unless ``key`` made the signature, by the one algorithm the key is good for."""
        try:
            good = key.Algorithm.verify(self.signed, key.key, self.signature)
        except PyJWTError as error:
            raise NotAuthenticated(f"signature not verified: {type(error).__name__}") from error
        if not good:
            raise NotAuthenticated("signature not verified: InvalidSignature")


def read(authorization: str) -> Token:
    """The bearer token of an ``Authorization`` header. Raises NotAuthenticated."""
    if len(authorization) > _MAX_TOKEN:
        raise NotAuthenticated("Authorization header too long")
    sent = _BEARER.fullmatch(authorization.strip())
    if sent is None:
        raise NotAuthenticated("Authorization header holds no bearer JWT")
    head, body, end = (part.encode("ascii") for part in sent.groups())
    token = Token(_members(head, "header"), _members(body, "payload"), head + b"." + body, _octets(end, "signature"))
    # an extension that has to be understood (RFC 7515, 4.1.11), or a payload that is not encoded (RFC 7797): we know
    # neither, and what is not understood must not be accepted
    if "crit" in token.header or token.header.get("b64", True) is not True:
        raise NotAuthenticated("not a JWT: its header asks for an extension")
    return token


def _members(part: bytes, name: str) -> dict[str, Any]:
    try:
        found = orjson.loads(_octets(part, name))
    except orjson.JSONDecodeError as error:
        raise NotAuthenticated(f"not a JWT: its {name} is not JSON") from error
    if not isinstance(found, dict):
        raise NotAuthenticated(f"not a JWT: its {name} is not a JSON object")
    return found


def _octets(part: bytes, name: str) -> bytes:
    """base64url without padding, in its one canonical spelling: a token must not have two forms."""
    try:
        octets = base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))
    except binascii.Error as error:
        raise NotAuthenticated(f"not a JWT: its {name} is not base64url") from error
    if base64.urlsafe_b64encode(octets).rstrip(b"=") != part:
        raise NotAuthenticated(f"not a JWT: its {name} is not base64url in canonical form")
    return octets
