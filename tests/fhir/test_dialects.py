"""A server that falls short is asked as it wants to be, and is asked for no less."""

from __future__ import annotations

import time

import pytest
from servers import FhirServer, gives, searchset

from cds.fhir.client import FhirClient, Target
from cds.fhir.dialect import PLAIN, Dialect, dialect_of
from cds.fhir.queries import PATIENT, Query
from cds.settings import ClientSettings, DialectSettings, FhirSettings
from cds.trust import AllowList

LABS = Query(
    "observations",
    "Observation",
    "Observation?patient={{context.patientId}}&code=http://a|1,http://b|2&_sort=-date&_count=250",
)


@pytest.mark.parametrize(
    ("dialect", "path"),
    [
        (PLAIN, "Observation?patient=7&code=http://a|1,http://b|2&_sort=-date&_count=250"),
        (Dialect(strict=False), "Observation?patient=7&code=http://a|1,http://b|2&_sort=-date&_count=250"),
        (Dialect(leave_out=frozenset({"_sort"})), "Observation?patient=7&code=http://a|1,http://b|2&_count=250"),
        (Dialect(leave_out=frozenset({"code", "_count"})), "Observation?patient=7&_sort=-date"),
        (
            Dialect(patient="typed", page=100),
            "Observation?patient=Patient/7&code=http://a|1,http://b|2&_sort=-date&_count=100",
        ),
        (Dialect(patient="subject"), "Observation?subject=Patient/7&code=http://a|1,http://b|2&_sort=-date&_count=250"),
        (Dialect(page=1000), "Observation?patient=7&code=http://a|1,http://b|2&_sort=-date&_count=250"),
    ],
)
def test_the_query_is_written_for_the_server(dialect: Dialect, path: str) -> None:
    assert dialect.path(LABS, "7") == path


def test_a_read_stays_a_read() -> None:
    assert Dialect(patient="subject", page=5).path(PATIENT, "7") == "Patient/7"


@pytest.mark.parametrize(("strict", "sent"), [(True, "handling=strict"), (False, None)])
def test_what_is_sent_is_what_the_client_s_settings_say(fhir: FhirServer, strict: bool, sent: str | None) -> None:
    fhir.on("Observation", gives(searchset([])))
    own = DialectSettings(strict=strict, leave_out=("code",), patient="subject", page=0)
    client = ClientSettings.model_validate({"issuer": "x", "jwks": {}, "dialect": own.model_dump()})
    target = Target(fhir.base, AllowList([fhir.base]), None, dialect=dialect_of(client))
    [found] = FhirClient(FhirSettings.model_validate({})).fetch((LABS,), "7", target, time.monotonic() + 5)
    assert found.fault is None
    [hit] = fhir.hits
    assert hit.query == {"subject": ["Patient/7"], "_sort": ["-date"], "_count": ["250"]}
    assert hit.headers.get("prefer") == sent
