"""Whatever the FHIR server does, the round is over at the deadline, and good answers are not lost to bad ones."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from servers import (
    Behaviour,
    FhirServer,
    compressed,
    drips,
    drips_headers,
    gives,
    hangs,
    pages_for_ever,
    searchset,
    stalls,
    status,
)
from small_chart import CONDITIONS, MEDICATIONS, OBSERVATIONS, ORDERS, PATIENT_1, QUERIES, condition, observation

from cds.fhir.client import FhirClient, Target
from cds.fhir.queries import PATIENT, Query
from cds.trust import AllowList

Fetch = Callable[..., Any]
SLACK_S = 0.15
"""What a busy test machine may add to a deadline."""


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param(hangs(), id="hangs"),
        pytest.param(drips(searchset([observation()])), id="a byte a second"),
        pytest.param(stalls(searchset([observation()])), id="stops half-way"),
        pytest.param(drips_headers(), id="headers without end"),
        pytest.param(status(429, Retry_After="3600"), id="come back in an hour"),
        pytest.param(gives(searchset([observation()]), after=5), id="five seconds late"),
    ],
)
def test_the_round_is_over_at_the_deadline(fhir: FhirServer, fetch: Fetch, behaviour: Behaviour) -> None:
    fhir.on("Observation", behaviour)
    round_ = fetch(within=0.4)
    assert round_.seconds < 0.4 + SLACK_S
    assert round_["observations"].fault is not None


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param(hangs(), id="hangs"),
        pytest.param(drips(searchset([observation()])), id="drips"),
        pytest.param(stalls(searchset([observation()])), id="stalls"),
    ],
)
def test_being_too_slow_is_told_apart_from_being_unreachable(
    fhir: FhirServer, fetch: Fetch, behaviour: Behaviour
) -> None:
    fhir.on("Observation", behaviour)
    assert fetch(within=0.3).code() == "CDS-601"


def test_slow_pages_end_at_the_deadline_and_keep_what_came(fhir: FhirServer, fetch: Fetch) -> None:
    page = gives(searchset([observation()], next=f"{fhir.base}/Observation?page=2"))
    fhir.on("Observation", page, hangs())
    found = fetch(within=0.4)["observations"]
    assert [r.id for page in found.pages for r in page.resources] == ["o1"]
    assert found.fault is not None
    assert found.fault.code == "CDS-601"


def test_all_queries_go_out_at_once(fhir: FhirServer, fetch: Fetch) -> None:
    fhir.on("*", gives(searchset([]), after=0.15))
    fhir.on("Patient", gives(PATIENT_1, after=0.15))
    fetch(PATIENT)  # open a first connection: the claim is about the round
    fhir.hits.clear()
    round_ = fetch(*QUERIES, within=2.0)
    arrivals = [hit.at for hit in fhir.hits]
    assert all(a.fault is None for a in round_.answers.values())
    assert len(arrivals) == len(QUERIES)
    assert max(arrivals) - min(arrivals) < 0.15  # the last was asked before the first was answered
    assert round_.seconds < 2 * 0.15


def test_one_bad_source_does_not_spoil_the_others(fhir: FhirServer, fetch: Fetch) -> None:
    fhir.on("Patient", gives(PATIENT_1))
    fhir.on("Observation", hangs())
    fhir.on("Condition", gives(searchset([condition()])))
    fhir.on("MedicationRequest", status(500))
    fhir.on("ServiceRequest", gives(searchset([])))
    round_ = fetch(PATIENT, OBSERVATIONS, CONDITIONS, MEDICATIONS, ORDERS, within=0.4)
    codes = {key: round_.code(key) for key in round_.answers}
    assert codes == {
        "patient": None,
        "observations": "CDS-601",
        "conditions": None,
        "medications": "CDS-603",
        "orders": None,
    }


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param(hangs(), id="hangs"),
        pytest.param(drips(searchset([observation(n) for n in range(20)]), every=0.05), id="drips"),
    ],
)
def test_a_slow_server_does_not_use_up_the_threads(
    fhir: FhirServer, fetch: Fetch, new_client: Callable[..., FhirClient], behaviour: Behaviour
) -> None:
    """More hopeless queries than there are threads; the call after them is answered all the same."""
    client = new_client(pool_size=4, retries=0)
    slow = [Query(f"slow-{n}", "Observation", f"Observation?slow={n}") for n in range(4)]
    fhir.on("Observation", behaviour)
    fetch(*slow, within=0.2, client=client)
    fhir.on("Condition", gives(searchset([condition()])))
    assert fetch(CONDITIONS, within=1.0, client=client).code("conditions") is None


@pytest.mark.threat("slow")
def test_dripped_headers_hold_no_thread_past_the_deadline(
    fhir: FhirServer, fetch: Fetch, new_client: Callable[..., FhirClient]
) -> None:
    """Every byte of a head renews a socket's time limit, so the limit alone would never end it."""
    client = new_client(pool_size=4, retries=0)
    fhir.on("Observation", drips_headers())
    slow = [Query(f"slow-{n}", "Observation", f"Observation?slow={n}") for n in range(4)]
    round_ = fetch(*slow, within=0.3, client=client)
    assert round_.seconds < 0.3 + SLACK_S
    assert {round_.code(query.key) for query in slow} == {"CDS-601"}
    fhir.on("Condition", gives(searchset([condition()])))
    assert fetch(CONDITIONS, within=1.0, client=client).code("conditions") is None


@pytest.mark.threat("slow")
def test_a_server_that_never_answers_leaves_the_others_their_threads(
    fhir: FhirServer, stranger: FhirServer, new_client: Callable[..., FhirClient]
) -> None:
    client = new_client(pool_size=4, retries=0)
    fhir.on("*", hangs())
    stranger.on("Condition", gives(searchset([condition()])))
    hospitals = AllowList((fhir.base, stranger.base))
    waiting = threading.Thread(
        target=client.fetch,
        args=(
            tuple(Query(f"slow-{n}", "Observation", f"Observation?slow={n}") for n in range(40)),
            "p1",
            Target(fhir.base, hospitals, None),
            time.monotonic() + 1.5,
        ),
    )
    waiting.start()
    while len(fhir.hits) < 4:  # all the threads it may have are waiting on it
        time.sleep(0.005)
    found = client.fetch((CONDITIONS,), "p1", Target(stranger.base, hospitals, None), time.monotonic() + 0.5)
    assert waiting.is_alive()
    waiting.join()
    assert found[0].fault is None
    assert len(fhir.hits) == 4


@pytest.mark.threat("ssrf-next-link")
def test_endless_pages_are_cut_off_at_the_limit(fhir: FhirServer, fetch: Fetch) -> None:
    fhir.on("Observation", pages_for_ever(observation))
    found = fetch(page_limit=5)["observations"]
    assert found.truncated
    assert len(found.pages) == 5
    assert len(fhir.hits) == 5


def test_connections_are_kept_for_the_next_call(
    fhir: FhirServer, fetch: Fetch, new_client: Callable[..., FhirClient]
) -> None:
    client = new_client()
    fhir.on("Observation", gives(searchset([observation()])), compressed(searchset([observation()])))
    for _ in range(5):
        assert fetch(client=client).code() is None
    assert len({hit.caller for hit in fhir.hits}) == 1
