"""The FHIR client under test, aimed at a server the test controls."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from servers import FhirServer
from small_chart import OBSERVATIONS, QUERIES

from cds.fhir.client import Fetched, FhirClient, Target
from cds.fhir.evidence import Evidence, deadline_in, gather
from cds.fhir.queries import Query
from cds.protocol.request import parse_call
from cds.settings import FhirSettings
from cds.trust import AllowList


@dataclass
class Fetching:
    """One round of the client, and how long it took."""

    answers: dict[str, Fetched]
    seconds: float

    def __getitem__(self, key: str) -> Fetched:
        return self.answers[key]

    def code(self, key: str = "observations") -> str | None:
        fault = self.answers[key].fault
        return fault.code if fault is not None else None


@pytest.fixture
def new_client() -> Callable[..., FhirClient]:
    """Call it with FHIR settings, such as ``retries=0``."""

    def make(**changes: Any) -> FhirClient:
        return FhirClient(FhirSettings(**{"deadline_s": 1.0, "connect_timeout_s": 0.5, **changes}))

    return make


@pytest.fixture
def fetch(fhir: FhirServer, new_client: Callable[..., FhirClient]) -> Callable[..., Fetching]:
    """Fetch from ``fhir`` as one call of a hook does; without queries, the observations."""

    def run(
        *queries: Query,
        within: float = 1.0,
        token: str | None = None,
        base: str | None = None,
        listed: tuple[str, ...] = (),
        client: FhirClient | None = None,
        continued: dict[str, str] | None = None,
        **settings: Any,
    ) -> Fetching:
        target = Target(base or fhir.base, AllowList(listed or (fhir.base,)), token)
        client = client or new_client(**settings)
        start = time.monotonic()
        answers = client.fetch(queries or (OBSERVATIONS,), "p1", target, start + within, continued)
        return Fetching({a.query.key: a for a in answers}, time.monotonic() - start)

    return run


@pytest.fixture
def gathered(fhir: FhirServer, new_client: Callable[..., FhirClient]) -> Callable[..., Evidence]:
    """Gather for a call that sent ``prefetch``; ``reachable=False``: there is no FHIR server to ask."""

    def run(prefetch: dict[str, Any] | None, *, reachable: bool = True, within: float = 1.0) -> Evidence:
        body: dict[str, Any] = {
            "hook": "patient-view",
            "hookInstance": "1",
            "context": {"userId": "Practitioner/1", "patientId": "p1"},
        }
        if prefetch is not None:
            body["prefetch"] = prefetch
        target = Target(fhir.base, AllowList((fhir.base,)), None) if reachable else None
        return gather(parse_call(msgspec.json.encode(body)), QUERIES, new_client(), target, deadline_in(within))

    return run
