"""Plain questions to the site's servers, in a bounded time; what came instead of an answer is one of our errors."""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import requests
import urllib3

from cds.errors import SourceMalformed, SourceRefused, SourceUnreachable
from cds.trust.outgoing import no_credentials, proxies

TIMEOUT_S = 10.0
_POINTED = ": it points to another address, which is not followed; write the one it means"
_REFUSALS = {
    **dict.fromkeys((301, 302, 303, 307, 308), _POINTED),
    401: ": it asks who calls",
    403: ": it forbids that",
    404: ": is the path of the address right?",
}
"""What to do, behind the status that came."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    ms: float

    def json(self) -> Any:
        """Raises SourceMalformed."""
        try:
            return orjson.loads(self.body)
        except ValueError as error:
            raise SourceMalformed("something that is not JSON") from error


def _why(url: str, error: Exception) -> str:
    """There was no answer. What to look at first."""
    if isinstance(error, requests.Timeout):
        return (
            f"nothing answers at {url} within {TIMEOUT_S:.0f} s: is it busy, or does a firewall swallow what is sent?"
        )
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    if isinstance(reason, urllib3.exceptions.NameResolutionError):
        return f"nothing answers at {url}: no server has that name; is it right, and known to this machine's DNS?"
    if isinstance(reason, urllib3.exceptions.NewConnectionError):
        return f"nothing answers at {url}: is it on, is the port right, does a firewall let this machine through?"
    return f"nothing answers at {url} as HTTP ({type(error).__name__}): is it http or https there?"


def _of_tls(error: requests.exceptions.SSLError) -> str:
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    cause = reason.args[0] if isinstance(reason, urllib3.exceptions.SSLError) and reason.args else None
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not believed ({cause.verify_message}): name the authority it comes from in ca_file"
    return "is that its port for https, and does it ask for a certificate of ours?"


@dataclass(frozen=True)
class Asker:
    """With what one server is asked."""

    ca_file: Path | None = None
    certificate: tuple[Path, Path] | None = None
    authorization: str | None = field(default=None, repr=False)

    def get(self, url: str, accept: str, **headers: str) -> Answer:
        """Raises SourceUnreachable. No redirect is followed."""
        own = {"Authorization": self.authorization} if self.authorization else {}
        start = time.monotonic()
        try:
            with requests.Session() as session:
                answer = session.get(
                    url,
                    headers={"Accept": accept, **own, **headers},
                    timeout=TIMEOUT_S,
                    allow_redirects=False,
                    auth=no_credentials,
                    proxies=proxies(url),
                    verify=str(self.ca_file) if self.ca_file else True,
                    cert=(str(self.certificate[0]), str(self.certificate[1])) if self.certificate else None,
                )
        except requests.exceptions.SSLError as error:
            raise SourceUnreachable(f"no TLS with {url}: {_of_tls(error)}") from error
        except (requests.RequestException, OSError, ValueError) as error:
            raise SourceUnreachable(_why(url, error)) from error
        return Answer(answer.status_code, answer.headers, answer.content, 1000 * (time.monotonic() - start))

    def object(self, url: str, accept: str) -> tuple[dict[str, Any], Answer]:
        """The JSON object there. Raises a SourceError saying what came instead."""
        answer = self.get(url, accept)
        if answer.status != 200:
            raise SourceRefused(f"{url} answered {answer.status}{_REFUSALS.get(answer.status, '')}")
        try:
            found = answer.json()
        except SourceMalformed as error:
            raise SourceMalformed(f"{url} answered {error}") from error
        if not isinstance(found, dict):
            raise SourceMalformed(f"{url} answered JSON of another kind")
        return found, answer
