"""A service and the clients that call it: real keys, real signatures, a clock that a test moves."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import jwt
from service import Keys

from cds.settings import Settings
from cds.trust import Authenticator, Caller, KeyStore, Limits

PUBLIC = "https://cds.hospital.example/prefix"
ISSUER = "https://ehr.hospital.example/fhir"
CALLED = "/cds-services/risk"


@dataclass
class Seconds:
    """A monotonic clock."""

    at: float = 1000.0

    def __call__(self) -> float:
        return self.at


@dataclass
class Moment:
    """The time of day."""

    at: datetime = field(default_factory=lambda: datetime(2026, 11, 23, 12, 0, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.at


MakeSettings = Callable[..., Settings]


@dataclass
class Book:
    """Used tokens, as a dictionary."""

    used: dict[tuple[str, str], datetime] = field(default_factory=dict)

    def __call__(self, issuer: str, jti: str, expires: datetime) -> bool:
        if (issuer, jti) in self.used:
            return False
        self.used[issuer, jti] = expires
        return True


@dataclass
class Hospital:
    """A service and the clients that call it."""

    make_settings: MakeSettings
    keys: Keys
    now: Moment = field(default_factory=Moment)
    clock: Seconds = field(default_factory=Seconds)
    book: Book = field(default_factory=Book)
    limits: Limits = field(default_factory=Limits)

    def authenticator(self, clients: dict[str, Any], **settings: Any) -> Authenticator:
        made = self.make_settings(clients=clients, **settings)
        return Authenticator(made, KeyStore(made, self.limits, self.clock), self.book, self.now)

    def one_client(self, **client: Any) -> Authenticator:
        keys = {} if {"jku", "jwks_file", "jwks"} & set(client) else {"jwks": self.keys.public_set()}
        return self.authenticator({"ehr": {"issuer": ISSUER, **keys, **client}})

    def token(
        self, alg: str = "RS384", *, key: Any = None, header: dict[str, Any] | None = None, **changed: Any
    ) -> str:
        """A good token, but for what is given. None leaves a member out."""
        at = int(self.now().timestamp())
        usual = {"iss": ISSUER, "aud": PUBLIC + CALLED, "iat": at, "exp": at + 300, "jti": uuid.uuid4().hex}
        head = {"kid": self.keys.kids.get(alg), "typ": "JWT", **(header or {})}
        if head["kid"] is None:
            del head["kid"]
        return jwt.encode(
            {k: v for k, v in {**usual, **changed}.items() if v is not None},
            self.keys.private(alg) if key is None else key,
            alg,
            headers={k: v for k, v in head.items() if k == "typ" or v is not None},
        )

    def call(self, door: Authenticator, token: str, path: str = CALLED) -> Caller:
        return door.authenticate(f"Bearer {token}", path=path, remote_addr="192.0.2.10")
