"""Whom this service may call for a client: the FHIR servers on its list, and nothing else.

An address is inside a listed base when scheme, host and port are equal after normalisation and its path lies below the
base's, on a segment border. Everything an address can hide a second host in is refused outright: user information,
backslashes, control characters, fragments, encoded or plain dot segments.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import SplitResult, unquote, urlsplit

from cds.errors import ForeignServer, SettingsError, SourceForeign

_DEFAULT_PORTS = {"https": 443, "http": 80}
_SUSPECT = re.compile(r"[\x00-\x20\x7f\\#]")

_Place = tuple[str, str, int, str]


class AllowList:
    def __init__(self, bases: Iterable[str]) -> None:
        """Raises SettingsError for a base that is no plain http(s) address."""
        self._bases: list[tuple[_Place, str]] = []
        for base in bases:
            place = _place(base)
            if place is None:
                raise SettingsError(f"fhir_servers: {base!r} is not a plain https address of a FHIR base")
            self._bases.append((place, base))

    def base_of(self, url: str) -> str:
        """The listed base that contains ``url``. Raises SourceForeign."""
        place = _place(url)
        if place is not None:
            for (scheme, host, port, path), base in self._bases:
                if place[:3] == (scheme, host, port) and (place[3] + "/").startswith(path.rstrip("/") + "/"):
                    return base
        raise SourceForeign(f"{_host(url)} is not on this client's list of FHIR servers")

    def require(self, url: str) -> str:
        """As ``base_of``, for the address a caller names. Raises ForeignServer (403)."""
        try:
            return self.base_of(url)
        except SourceForeign as error:
            raise ForeignServer(
                f"fhirServer {_host(url)} is not allowed for this client: add its base address to the client's "
                "'fhir_servers' setting if it should be"
            ) from error


def _place(url: str) -> _Place | None:
    if _SUSPECT.search(url):
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme.lower() not in _DEFAULT_PORTS or not parts.hostname or "@" in parts.netloc:
        return None
    host = _normal_host(parts)
    if host is None or not _plain_path(parts.path):
        return None
    scheme = parts.scheme.lower()
    return scheme, host, port if port is not None else _DEFAULT_PORTS[scheme], parts.path


def _normal_host(parts: SplitResult) -> str | None:
    host = (parts.hostname or "").lower()
    if "%" in host or host.endswith("."):
        return None
    if host.isascii():
        return host
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError:
        return None


def _plain_path(path: str) -> bool:
    """No dot segments, however often encoded, and no encoded separators."""
    plain = path
    for _ in range(3):
        if any(segment in (".", "..") for segment in plain.split("/")) or "\\" in plain:
            return False
        decoded = unquote(plain)
        if decoded.count("/") != plain.count("/"):
            return False
        if decoded == plain:
            return True
        plain = decoded
    return False


def _host(url: str) -> str:
    """Scheme and host only: a path or query may name a patient."""
    try:
        parts = urlsplit(url)
        host = re.sub(r"[^A-Za-z0-9.\-\[\]:]", "?", parts.hostname or "")[:100]
        return f"{parts.scheme[:10]}://{host}" if host else "an address that can't be read"
    except ValueError:
        return "an address that can't be read"
