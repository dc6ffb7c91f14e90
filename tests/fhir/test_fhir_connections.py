"""Connections are kept, counted, waited for in turn and opened within their time, and an old one is no worse."""

from __future__ import annotations

import gc
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from servers import (
    Behaviour,
    FhirServer,
    drips,
    drips_headers,
    gives,
    gives_and_closes,
    hangs,
    searchset,
    stalls,
    status,
)
from small_chart import CONDITIONS, OBSERVATIONS, PATIENT_1, QUERIES, condition, observation

from cds.fhir.client import FhirClient, Target
from cds.fhir.queries import PATIENT, Query
from cds.trust import AllowList

Fetch = Callable[..., Any]
NewClient = Callable[..., FhirClient]
GOOD = searchset([observation()])


def many(count: int) -> list[Query]:
    return [Query(f"query-{n}", "Observation", f"Observation?n={n}") for n in range(count)]


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that takes connections and never says a word on them."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param(hangs(), id="hangs"),
        pytest.param(drips(GOOD), id="drips"),
        pytest.param(stalls(GOOD), id="stalls"),
        pytest.param(drips_headers(), id="headers without end"),
    ],
)
def test_an_open_connection_is_given_up_at_the_deadline(
    fhir: FhirServer, fetch: Fetch, new_client: NewClient, behaviour: Behaviour
) -> None:
    client = new_client(retries=0)
    fhir.on("Condition", gives(searchset([condition()])))
    fhir.on("Observation", gives(GOOD), behaviour, gives(GOOD))
    assert fetch(OBSERVATIONS, CONDITIONS, client=client).code() is None
    round_ = fetch(OBSERVATIONS, CONDITIONS, client=client, within=0.3)
    assert round_.seconds < 0.45
    assert (round_.code("observations"), round_.code("conditions")) == ("CDS-601", None)
    # and never used again: what it still says would be taken for the next answer
    assert fetch(OBSERVATIONS, CONDITIONS, client=client).code() is None
    assert len({hit.caller for hit in fhir.asked("Observation")[1:]}) == 2


def test_one_that_the_server_closed_meanwhile_is_no_fault(
    fhir: FhirServer, fetch: Fetch, new_client: NewClient
) -> None:
    client = new_client(retries=0)
    fhir.on("Observation", gives_and_closes(GOOD))
    for _ in range(3):
        assert fetch(client=client).code() is None
        time.sleep(0.05)
    assert len(fhir.hits) == 3


@pytest.mark.parametrize("code", [404, 500, 503])
def test_a_refusal_does_not_cost_the_connection(
    fhir: FhirServer, fetch: Fetch, new_client: NewClient, code: int
) -> None:
    """A server without family histories says so at every call."""
    client = new_client(retries=0)
    fhir.on("Observation", status(code))
    for _ in range(4):
        fetch(client=client)
    assert len({hit.caller for hit in fhir.hits}) == 1


def test_the_rest_of_a_refusal_is_not_waited_for(fhir: FhirServer, fetch: Fetch) -> None:
    fhir.on("Observation", stalls(GOOD, code=503), gives(GOOD))
    assert fetch().code() is None


def test_more_queries_than_connections_are_answered_in_turn(
    fhir: FhirServer, fetch: Fetch, new_client: NewClient
) -> None:
    client = new_client(pool_size=4)
    fhir.on("Observation", gives(GOOD, after=0.02))
    round_ = fetch(*many(20), client=client)
    assert {answer.fault for answer in round_.answers.values()} == {None}
    assert len({hit.caller for hit in fhir.hits}) == 4


def test_calls_wait_for_each_others_connections(fhir: FhirServer, fetch: Fetch, new_client: NewClient) -> None:
    client = new_client(pool_size=4)
    fhir.on("Observation", gives(GOOD, after=0.02))
    faults: list[Any] = []

    def call() -> None:
        faults.extend(answer.fault for answer in fetch(*many(6), client=client, within=5.0).answers.values())

    calls = [threading.Thread(target=call) for _ in range(6)]
    for one in calls:
        one.start()
    for one in calls:
        one.join()
    assert faults == [None] * 36
    assert len({hit.caller for hit in fhir.hits}) == 4


def test_a_call_that_gave_up_its_turn_costs_nobody_a_connection(
    fhir: FhirServer, fetch: Fetch, new_client: NewClient
) -> None:
    client = new_client(pool_size=4, retries=0)
    fhir.on("Observation", hangs())
    for _ in range(3):
        fetch(*many(12), client=client, within=0.1)
    fhir.on("Observation", gives(GOOD))
    round_ = fetch(*many(12), client=client)
    assert {answer.fault for answer in round_.answers.values()} == {None}


def test_a_name_that_is_looked_up_for_ever_ends_at_the_deadline(
    fhir: FhirServer, new_client: NewClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, stop, real = threading.Event(), threading.Event(), socket.getaddrinfo

    def look_up(host: str, *rest: Any, **more: Any) -> Any:
        if host == "hangs.example" and more.get("flags") != socket.AI_NUMERICHOST:
            asked.set()
            stop.wait(10)
        return real(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    base = "http://hangs.example/fhir"
    client, hospitals = new_client(connect_timeout_s=5.0), AllowList((base, fhir.base))
    start = time.monotonic()
    try:
        found = client.fetch(QUERIES, "p1", Target(base, hospitals, None), start + 0.3)
        assert asked.is_set()
        assert time.monotonic() - start < 0.45
        assert {one.fault.code for one in found if one.fault} == {"CDS-601"}
        fhir.on("Patient", gives(PATIENT_1))  # another server's names are looked up all the same
        other = client.fetch((PATIENT,), "p1", Target(fhir.base, hospitals, None), time.monotonic() + 0.5)
        assert other[0].fault is None
    finally:
        stop.set()


def test_a_name_is_looked_up(fhir: FhirServer, new_client: NewClient) -> None:
    """``localhost`` may stand for an IPv6 address first, on which nobody listens."""
    fhir.on("Patient", gives(PATIENT_1))
    base = f"http://localhost:{fhir.port}/fhir"
    found = new_client().fetch((PATIENT,), "p1", Target(base, AllowList((base,)), None), time.monotonic() + 1.0)
    assert found[0].fault is None
    assert fhir.hits[0].headers["host"] == f"localhost:{fhir.port}"


def test_a_name_without_an_address_is_unreachable(new_client: NewClient) -> None:
    base = "http://no-such-host.invalid/fhir"
    target = Target(base, AllowList((base,)), None)
    found = new_client(retries=0, connect_timeout_s=5.0).fetch((PATIENT,), "p1", target, time.monotonic() + 5.0)
    assert found[0].fault is not None
    assert found[0].fault.code == "CDS-602"


def test_greetings_that_never_end_are_left_after_the_time_to_connect(silent: int, new_client: NewClient) -> None:
    base = f"https://127.0.0.1:{silent}/fhir"
    start = time.monotonic()
    target = Target(base, AllowList((base,)), None)
    found = new_client(connect_timeout_s=0.2).fetch((PATIENT,), "p1", target, start + 3.0)
    assert found[0].fault is not None
    assert found[0].fault.code == "CDS-601"
    assert time.monotonic() - start < 0.5


def test_nothing_is_asked_after_the_deadline(fhir: FhirServer, fetch: Fetch) -> None:
    assert fetch(within=-0.1).code() == "CDS-601"
    assert fhir.hits == []


def test_what_a_request_line_can_not_hold_is_quoted(fhir: FhirServer, fetch: Fetch) -> None:
    fhir.on("Observation", gives(GOOD))
    fetch(Query("observations", "Observation", 'Observation?code=http://loinc.org|4548-4&x="<>^`{}'))
    assert fhir.hits[0].path == "/fhir/Observation?code=http://loinc.org%7C4548-4&x=%22%3C%3E%5E%60%7B%7D"


def test_a_client_no_longer_used_leaves_no_connection_open(
    fhir: FhirServer, fetch: Fetch, new_client: NewClient
) -> None:
    fhir.on("Observation", gives(GOOD))
    client = new_client()
    fetch(client=client)
    del client
    gc.collect()  # a socket left open is a warning, and a warning an error
