"""Requests to an EHR's authorization server: JSON of a bounded size within a bounded time, and no redirects.

Each runs in a thread of its own. A socket's time limit starts anew with each byte, so a server that drips would
otherwise keep the reader's request, and with it one of the service's threads, for as long as it likes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import requests

from cds.errors import LaunchFailed
from cds.trust.outgoing import no_credentials, proxies

TIMEOUT_S = 5.0
MAX_BYTES = 256_000
_MOST = 16
"""At a time: only servers that don't answer keep more than a few."""
_PIECE = 1024


class Wire:
    """Safe for threads; opens no connection before it is asked to."""

    def __init__(
        self, ca_file: Path | None, timeout_s: float = TIMEOUT_S, *, certificate: tuple[Path, Path] | None = None
    ) -> None:
        """``certificate``: our own and its key, for mTLS."""
        self._verify: str | bool = str(ca_file) if ca_file is not None else True
        self._certificate = (str(certificate[0]), str(certificate[1])) if certificate is not None else None
        self._timeout_s = timeout_s
        self._free = threading.BoundedSemaphore(_MOST)

    def get(self, what: str, url: str) -> dict[str, Any]:
        """The object behind ``url``. Raises LaunchFailed, naming ``what`` it is."""
        status, found = self._ask(what, "GET", url)
        if status != 200:
            raise LaunchFailed(f"{what} answered {status}, not 200; a redirect is not followed")
        return found

    def post(
        self, what: str, url: str, form: Mapping[str, str], headers: Mapping[str, str]
    ) -> tuple[int, dict[str, Any]]:
        """(status, object). Raises LaunchFailed when nothing comes that is one."""
        return self._ask(what, "POST", url, data=dict(form), headers=dict(headers))

    def _ask(
        self, what: str, method: str, url: str, headers: Mapping[str, str] | None = None, **more: Any
    ) -> tuple[int, dict[str, Any]]:
        if not self._free.acquire(blocking=False):
            raise LaunchFailed(f"{what} is not asked: {_MOST} requests are still waiting for their answers")
        found: list[tuple[int, bytes] | Exception] = []

        def work() -> None:
            try:
                found.append(self._read(method, url, dict(headers or {}), **more))
            except (
                requests.RequestException,
                LaunchFailed,
                OSError,
            ) as error:  # OSError: a certificate that isn't there
                found.append(error)
            finally:
                self._free.release()

        thread = threading.Thread(target=work, name="smart", daemon=True)
        thread.start()
        thread.join(self._timeout_s)
        if not found:
            raise LaunchFailed(f"{what} did not answer within {self._timeout_s:g} s")
        answer = found[0]
        if isinstance(answer, Exception):
            # the class alone: the text of these names the address with its query
            why = str(answer) if isinstance(answer, LaunchFailed) else type(answer).__name__
            raise LaunchFailed(f"{what} can't be read: {why}") from answer
        status, body = answer
        return status, _object(what, status, body)

    def _read(self, method: str, url: str, headers: dict[str, str], **more: Any) -> tuple[int, bytes]:
        end = time.monotonic() + self._timeout_s
        with (
            requests.Session() as session,
            session.request(
                method,
                url,
                headers={"Accept": "application/json", "Accept-Encoding": "identity", **headers},
                timeout=self._timeout_s,
                allow_redirects=False,
                stream=True,
                auth=no_credentials,
                verify=self._verify,
                cert=self._certificate,
                proxies=proxies(url),
                **more,
            ) as answer,
        ):
            if answer.headers.get("Content-Encoding", "identity") != "identity":
                raise LaunchFailed("answered compressed, though asked not to")
            body = b""
            for piece in answer.iter_content(_PIECE):
                body += piece
                if len(body) > MAX_BYTES:
                    raise LaunchFailed(f"answered more than {MAX_BYTES} bytes")
                if time.monotonic() > end:
                    raise LaunchFailed(f"was still sending after {self._timeout_s:g} s")
            return answer.status_code, body


def _object(what: str, status: int, body: bytes) -> dict[str, Any]:
    if 300 <= status < 400:
        raise LaunchFailed(f"{what} answered {status}: a redirect is not followed")
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise LaunchFailed(f"{what} answered {status} without JSON") from error
    if not isinstance(found, dict):
        raise LaunchFailed(f"{what} answered {status} with JSON that is no object")
    return found
