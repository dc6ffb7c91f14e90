"""Local accounts of the committee's pages: a file of names, roles and scrypt hashes. For a demonstration, and for a
hospital without OpenID Connect.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from werkzeug.security import check_password_hash, generate_password_hash

from cds.committee.identity import JOINED
from cds.errors import CommitteeError, SettingsError
from cds.yaml_lines import YamlFault, parse, read_text

Role = Literal["member", "viewer"]
"""``viewer`` sees verdicts and plots; ``member`` also single calls and incidents, and may stop a model."""

SHORTEST = 12
_METHOD = "scrypt:32768:8:1"


class _Account(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    password: str = Field(pattern=r"^scrypt:")
    role: Role
    subject: str | None = Field(None, min_length=1, max_length=255)
    """Of the person, at the hospital's own sign-in (``sub``): whoever has both is one person."""


_FILE: TypeAdapter[dict[str, _Account]] = TypeAdapter(dict[str, _Account])


@dataclass(frozen=True)
class Account:
    name: str
    role: Role
    stamp: str
    """Changes with the password, the role or the subject: who signed in before that is signed out by it."""
    subject: str | None = None


class Accounts:
    """Read anew when the file has changed. Safe for threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[float, int] | None = None
        self._found: dict[str, _Account] = {}
        _nobody()

    def check(self, name: str, password: str) -> Account | None:
        """None for a wrong name or password, after the same time. Raises SettingsError."""
        found = self._read().get(name)
        good = check_password_hash(found.password if found is not None else _nobody(), password)
        return _account(name, found) if found is not None and good else None

    def named(self, name: str) -> Account | None:
        found = self._read().get(name)
        return None if found is None else _account(name, found)

    def every(self) -> tuple[Account, ...]:
        return tuple(_account(name, found) for name, found in sorted(self._read().items()))

    def put(self, name: str, password: str, role: Role, subject: str | None = None) -> None:
        """``subject``: None: as it is; empty: none. Raises CommitteeError for what does not do."""
        if not name.strip() or len(name) > 80 or any(c in name for c in "\r\n\t\0") or JOINED in name:
            raise CommitteeError(f"an account needs a name of one line, 80 characters at most, without '{JOINED}'")
        if subject is not None and (len(subject) > 255 or not subject.isprintable()):
            raise CommitteeError("a subject is one line of 255 characters at most (OpenID Connect Core 2)")
        if len(password) < SHORTEST or len(set(password)) < 5:
            raise CommitteeError(
                f"the password is too easy to guess: take {SHORTEST} characters or more, of some variety"
            )
        hashed = generate_password_hash(password, method=_METHOD)
        held = self._read()
        # a new password must not make one person two
        known = held[name.strip()].subject if name.strip() in held else None
        whose = known if subject is None else subject.strip() or None
        self._write({**held, name.strip(): _Account(password=hashed, role=role, subject=whose)})

    def remove(self, name: str) -> None:
        """Raises CommitteeError for a name nobody has."""
        kept = dict(self._read())
        if kept.pop(name, None) is None:
            raise CommitteeError(f"there is no account '{name}'; there are: {', '.join(sorted(kept)) or 'none'}")
        self._write(kept)

    def _read(self) -> Mapping[str, _Account]:
        try:
            state = self._path.stat()
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise SettingsError(f"committee.console.accounts_file can't be read: {error.strerror}") from error
        seen = (state.st_mtime, state.st_size)
        if seen != self._seen:
            try:
                content, _ = parse(read_text(self._path))
                self._found = _FILE.validate_python(content or {})
            except OSError as error:
                raise SettingsError(f"committee.console.accounts_file can't be read: {error.strerror}") from error
            except YamlFault as error:
                raise SettingsError(error.at(self._path)) from error
            except ValidationError as error:
                # no value is quoted: one of them is a hash
                where = ".".join(str(part) for part in error.errors()[0]["loc"])
                raise SettingsError(
                    f"{self._path}: {where}: not an account; make it with `cds committee account`"
                ) from error
            self._seen = seen
        return self._found

    def _write(self, accounts: Mapping[str, _Account]) -> None:
        text = yaml.safe_dump(
            {n: a.model_dump(exclude_none=True) for n, a in accounts.items()}, allow_unicode=True, sort_keys=True
        )
        aside = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            aside.replace(self._path)
        except OSError as error:
            raise CommitteeError(f"{self._path} can't be written: {error.strerror}") from error
        self._seen = None


@cache
def _nobody() -> str:
    """Of no account: a name nobody has takes as long as a wrong password."""
    return generate_password_hash("nobody", method=_METHOD)


def _account(name: str, found: _Account) -> Account:
    whole = f"{found.password}:{found.role}" + (f":{found.subject}" if found.subject else "")
    return Account(name, found.role, hashlib.sha256(whole.encode()).hexdigest()[:16], found.subject)
