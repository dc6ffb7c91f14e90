"""A balancer before several services, and an EHR that keeps its connections to it.

It passes bytes on and repeats nothing: whatever a service drops is lost. It looks at ``/ready`` of each and gives no
new connection to one that says no.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import requests
from running_service import Ehr, RunningService
from toxic_proxy import ToxicProxy

LOOKS_EVERY_S = 0.1


class Balancer(ToxicProxy):
    def __init__(self) -> None:
        self._ready: tuple[int, ...] = ()
        self._ports: tuple[int, ...] = ()
        self._turn = count()
        self.taken = 0
        """Connections so far."""
        super().__init__(0)
        threading.Thread(target=self._look, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def share(self, *services: RunningService) -> None:
        """From now on among these."""
        self._ports = tuple(map(_port, services))

    def gives_to(self, service: RunningService) -> bool:
        return _port(service) in self._ready

    def holds(self, service: RunningService) -> int:
        """Connections that are open to it."""
        with self._lock:
            return sum(_far_end(one) == _port(service) for one in self._open)

    def goes_to(self) -> int:
        self.taken += 1
        ready = self._ready
        return ready[next(self._turn) % len(ready)]

    def _look(self) -> None:
        while not self._over.wait(LOOKS_EVERY_S):
            self._ready = tuple(port for port in self._ports if _is_ready(port, port in self._ready))


def _port(service: RunningService) -> int:
    return int(service.url.rpartition(":")[2])


def _far_end(connection: socket.socket) -> int:
    try:
        return int(connection.getpeername()[1])
    except OSError:  # it has just ended
        return 0


def _is_ready(port: int, before: bool) -> bool:
    """As ``before`` where the answer is slow: a machine that is busy is no service that is told to stop."""
    try:
        return requests.get(f"http://127.0.0.1:{port}/ready", timeout=5).ok
    except requests.ReadTimeout:
        return before
    except requests.RequestException:
        return False


@contextmanager
def balancer() -> Iterator[Balancer]:
    made = Balancer()
    try:
        yield made
    finally:
        made.close()


class KeptCalls:
    """Calls through a balancer, on one connection a thread for as long as the other side keeps it."""

    def __init__(self, ehr: Ehr, url: str) -> None:
        self._ehr, self._url = ehr, f"{url}/cds-services/pancreas-risk"
        self._own = threading.local()

    def call(self, body: dict[str, Any], /) -> requests.Response:
        if not hasattr(self._own, "session"):
            self._own.session = requests.Session()
        headers = {"Authorization": f"Bearer {self._ehr.token(self._url)}"}
        answer: requests.Response = self._own.session.post(self._url, json=body, headers=headers, timeout=60)
        return answer
