"""Whom we may call: the FHIR servers a client was registered with, and nothing beside, under or in front of them.

An address is accepted only if every parser must read it the same way, so there is nothing to disagree about
between this check and the HTTP client: no user info, no backslash, no fragment, no dot segments however encoded,
no number that some resolver takes for an IP address. What is odd is refused rather than repaired.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address

import idna

from cds.errors import ForeignServer, SettingsError, SourceForeign

_MAX_LENGTH = 8192
_URL = re.compile(r"(https?)://([^/?#]*)(/[^?#]*)?(\?[^#]*)?", re.ASCII | re.IGNORECASE)
_AUTHORITY = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^:@%\[\]]+))(?::([0-9]{1,5}))?", re.ASCII | re.IGNORECASE)
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_ESCAPE = re.compile(r"%(..?)?", re.DOTALL)
_DEFAULT_PORT = {"http": 80, "https": 443}
_ESCAPED_OK = frozenset(range(0x21, 0x7F)) - frozenset(b"./\\%;#?")


@dataclass(frozen=True)
class _Address:
    scheme: str
    host: str
    port: int
    path: tuple[str, ...]

    def holds(self, other: _Address) -> bool:
        """Whether ``other`` is this address or one below it. Path segments count whole: /fhir-2 is not in /fhir."""
        same_server = (self.scheme, self.host, self.port) == (other.scheme, other.host, other.port)
        return same_server and other.path[: len(self.path)] == self.path


class AllowList:
    """One client's FHIR servers."""

    def __init__(self, bases: Iterable[str]) -> None:
        """Raises SettingsError for a base that is not a plain address."""
        listed: list[tuple[_Address, str]] = []
        for base in bases:
            try:
                if "?" in base:
                    raise _Odd("it has a query")
                listed.append((_parse(base.rstrip("/")), base.rstrip("/")))
            except _Odd as odd:
                raise SettingsError(f"fhir_servers: {base!r} can't be a FHIR base address: {odd}") from odd
        # the most specific one first
        self._bases = sorted(listed, key=lambda one: -len(one[0].path))

    def base_of(self, url: str) -> str:
        """The listed base that ``url`` lies in, as listed, without a trailing slash. Raises SourceForeign."""
        try:
            address = _parse(url)
        except _Odd as odd:
            raise SourceForeign(f"an address was not called: {odd}") from odd
        for listed, base in self._bases:
            if listed.holds(address):
                return base
        raise SourceForeign(f"an address on {address.host} was not called: it is outside this client's FHIR servers")

    def require(self, url: str) -> str:
        """As ``base_of``, for ``fhirServer``: raises ForeignServer, which tells the caller."""
        try:
            return self.base_of(url)
        except SourceForeign as foreign:
            raise ForeignServer(
                f"fhirServer {_named(url)} is not registered for this client: "
                "add its base address to 'fhir_servers' in the client's settings, or correct the address"
            ) from foreign


def server_of(base: str) -> tuple[str, str, int]:
    """Scheme, host and port of a listed base, as the list compares them: the host as it is to be looked up, an IPv6
    address in brackets."""
    address = _parse(base)
    return address.scheme, address.host, address.port


class _Odd(ValueError):
    """An address that is not plainly one; says why, without the address."""


def _named(url: str) -> str:
    """The host and nothing more: a path or query could hold what doesn't belong in an error."""
    try:
        return f"on {_parse(url).host}"
    except _Odd as odd:
        return f"({odd})"


def _parse(url: str) -> _Address:
    if len(url) > _MAX_LENGTH:
        raise _Odd("it is too long")
    if "\\" in url or not _visible(url):
        raise _Odd("it holds a backslash, a space or a control character")
    parts = _URL.fullmatch(url)
    if parts is None:
        raise _Odd("it is not a plain http or https address")
    scheme, authority, path, query = parts[1].lower(), parts[2], parts[3] or "", parts[4] or ""
    if not (path + query).isascii():
        raise _Odd("it holds characters that have to be percent-encoded")
    host, port = _server(authority)
    return _Address(scheme, host, port or _DEFAULT_PORT[scheme], _segments(path))


def _visible(url: str) -> bool:
    """No blank and no control character, of whatever script."""
    if url.isascii():  # every query of every call: the same answer, a hundred times sooner
        return url.isprintable() and " " not in url
    return not any(unicodedata.category(character)[0] in "CZ" for character in url)


@lru_cache(maxsize=256)
def _server(authority: str) -> tuple[str, int | None]:
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None:
        raise _Odd("its server part is not just a host and a port")
    six, name, digits = parts.groups()
    port = int(digits) if digits else None
    if port is not None and not 0 < port < 65536:
        raise _Odd("its port is not a port")
    if six is None:
        return _host(name), port
    try:
        return f"[{IPv6Address(six).compressed}]", port
    except AddressValueError as error:
        raise _Odd("its host is not an IPv6 address") from error


def _host(name: str) -> str:
    """As the HTTP client resolves it: lower case, IDNA without the mapping of look-alikes that browsers do."""
    try:
        name = ".".join(_label(label) for label in name.split("."))
    except idna.IDNAError as error:
        raise _Odd("its host is not a valid international name") from error
    labels = name.split(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise _Odd("its host is not a valid name")
    if _NUMBER.fullmatch(labels[-1]):
        # 2130706433, 0x7f.1, 127.1 and 0177.0.0.1 are all 127.0.0.1 to one resolver or another
        try:
            return str(IPv4Address(name))
        except AddressValueError as error:
            raise _Odd("its host is a number but not a plain IPv4 address") from error
    return name


def _label(label: str) -> str:
    """Label by label, as the client does: the small form of a Greek capital depends on what stands behind it."""
    lower = label.lower()
    return lower if lower.isascii() else idna.encode(lower, strict=True, std3_rules=True).decode("ascii")


def _segments(path: str) -> tuple[str, ...]:
    if ";" in path:
        raise _Odd("its path has parameters (;)")
    for escape in _ESCAPE.finditer(path):
        try:
            code = int(escape[1] or "", 16)
        except ValueError as error:
            raise _Odd("its path has a broken percent-encoding") from error
        if len(escape[0]) != 3 or code not in _ESCAPED_OK:
            raise _Odd("its path hides a character behind percent-encoding")
    segments = path.rstrip("/").split("/")[1:]
    if any(segment in (".", "..") for segment in segments):
        raise _Odd("its path has dot segments")
    return tuple(segments)
