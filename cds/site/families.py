"""Families of EHRs as data: what their settings usually are, what their administrators must register, and requests as
they make them.

A profile is a start, not a promise: each names what it was written from, and none replaces the EHR's own documentation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

from cds import yaml_lines
from cds.errors import SettingsError

_FOLDER = Path(__file__).parent / "profiles"
_PLACE = re.compile(r"\{([a-z]+)([+-][0-9]+)?\}")


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Questions(_Block):
    """What is asked, with what is offered. ``{fhir}`` and ``{origin}`` stand for the FHIR base and its host."""

    fhir: str
    issuer: str
    jku: str
    hint: str


class Profile(_Block):
    title: str
    for_: str = Field(alias="for")
    questions: Questions
    client: dict[str, Any]
    """Further keys of the client's block."""
    settings: dict[str, Any]
    """Further keys of the settings."""
    hooks: tuple[str, ...]
    """Those that this family calls."""
    discovery: bool
    """Reads /cds-services; else everything is typed in by hand."""
    register_: tuple[str, ...] = Field(alias="register")
    source: str
    golden: tuple[str, ...]


class Token(_Block):
    header: dict[str, str]
    claims: dict[str, str]


class Golden(_Block):
    """One request as a family makes it, with places for what differs from call to call."""

    about: str
    token: Token
    prefetch: Literal["as listed", "renamed"]
    body: dict[str, Any]

    def filled(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The body. A place that is a whole text takes its value as it is, an object too. Raises KeyError."""
        found: dict[str, Any] = _filled(self.body, values)
        return found

    def claims(self, values: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = _filled(self.token.claims, values)
        return found

    def header(self, values: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = _filled(self.token.header, values)
        return found


@cache
def profiles() -> Mapping[str, Profile]:
    """By name, in alphabetical order."""
    return {
        path.stem: Profile.model_validate(yaml_lines.plain(path.read_text(encoding="utf-8")))
        for path in sorted(_FOLDER.glob("*.yaml"))
    }


def profile(name: str) -> Profile:
    """Raises SettingsError."""
    found = profiles().get(name)
    if found is None:
        raise SettingsError(f"'{name}' is no profile; there are {', '.join(profiles())}")
    return found


def golden(file: str) -> Golden:
    return Golden.model_validate(json.loads((_FOLDER / "golden" / file).read_text(encoding="utf-8")))


def offered(text: str, fhir: str) -> str:
    """What a question offers, once the FHIR base is known."""
    parts = urlsplit(fhir)
    return text.replace("{fhir}", fhir).replace("{origin}", f"{parts.scheme}://{parts.netloc}")


def _filled(value: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(one, values) for key, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, values) for one in value]
    if not isinstance(value, str):
        return value
    whole = _PLACE.fullmatch(value)
    if whole is not None:
        return _value(whole, values)
    return _PLACE.sub(lambda place: str(_value(place, values)), value)


def _value(place: re.Match[str], values: Mapping[str, Any]) -> Any:
    value = values[place[1]]
    return value + int(place[2]) if place[2] else value
