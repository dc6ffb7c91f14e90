"""Clinicians opening charts while something breaks."""

from __future__ import annotations

import threading
import time
from typing import Any, Protocol

import requests
import story_calls

PATIENT = story_calls.ALARMING


class Called(Protocol):
    def call(self, body: dict[str, Any], /) -> requests.Response: ...


class Traffic:
    """Clinicians opening charts, until told to stop."""

    def __init__(self, service: Called, clinicians: int = 3, pause_s: float = 0.02) -> None:
        """``pause_s``: of a clinician between two charts."""
        self.service, self.clinicians, self._pause_s = service, clinicians, pause_s
        self.sent: list[str] = []
        self.answers: list[requests.Response] = []
        self.answered: list[str] = []
        self.cut = 0
        """Calls whose connection ended without an answer."""
        self.slowest = 0.0
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._open_charts) for _ in range(clinicians)]

    def __enter__(self) -> Traffic:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(timeout=30)

    def until(self, count: int) -> None:
        """Wait for that many further answers."""
        goal, deadline = len(self.answers) + count, time.monotonic() + 30
        while len(self.answers) < goal:
            assert time.monotonic() < deadline, "the service stopped answering"
            time.sleep(0.02)

    def settled(self) -> None:
        """Wait until what has been sent so far is answered."""
        owed, deadline = set(self.sent), time.monotonic() + 30
        while not owed <= set(self.answered):
            assert time.monotonic() < deadline, "the service stopped answering"
            time.sleep(0.02)

    def _open_charts(self) -> None:
        body = story_calls.patient_view(PATIENT)
        while not self._over.is_set():
            ask = {**body, "hookInstance": f"{threading.get_ident()}-{time.monotonic_ns()}"}
            self.sent.append(ask["hookInstance"])
            start = time.monotonic()
            try:
                self.answers.append(self.service.call(ask))
            except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):  # before or within an answer
                self.cut += 1
            else:
                self.answered.append(ask["hookInstance"])
                self.slowest = max(self.slowest, time.monotonic() - start)
            self._over.wait(self._pause_s)
