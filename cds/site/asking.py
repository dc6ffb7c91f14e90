"""Plain questions to the site's servers, in a bounded time; what came instead of an answer is one of our errors."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import requests

from cds.errors import SourceMalformed, SourceRefused, SourceUnreachable
from cds.trust.outgoing import no_credentials, proxies

TIMEOUT_S = 10.0


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
            raise SourceUnreachable(f"no TLS with {url}: its certificate is not believed, or it wants ours") from error
        except (requests.RequestException, OSError) as error:
            raise SourceUnreachable(f"nothing answers at {url} ({type(error).__name__})") from error
        return Answer(answer.status_code, answer.headers, answer.content, 1000 * (time.monotonic() - start))

    def object(self, url: str, accept: str) -> tuple[dict[str, Any], Answer]:
        """The JSON object there. Raises a SourceError saying what came instead."""
        answer = self.get(url, accept)
        if answer.status != 200:
            raise SourceRefused(f"{url} answered {answer.status}")
        try:
            found = answer.json()
        except SourceMalformed as error:
            raise SourceMalformed(f"{url} answered {error}") from error
        if not isinstance(found, dict):
            raise SourceMalformed(f"{url} answered JSON of another kind")
        return found, answer
