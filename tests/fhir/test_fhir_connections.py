"""Connections are kept, counted, waited for in turn and opened within their time, and an old one is no worse."""

from __future__ import annotations

import gc
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from servers import (
    Behaviour,
    Exchange,
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
from small_chart import CONDITIONS, OBSERVATIONS, PATIENT_1, condition, observation

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


def test_a_server_is_asked_so_many_things_at_a_time(fhir: FhirServer, fetch: Fetch, new_client: NewClient) -> None:
    """By one call with many queries, and by many calls together."""
    client, lock = new_client(pool_size=4), threading.Lock()
    now = most = 0
    faults: list[Any] = []

    def counted(exchange: Exchange) -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        exchange.pause(0.02)
        with lock:
            now -= 1
        exchange.answer(json.dumps(GOOD).encode())

    def call(queries: int) -> None:
        faults.extend(answer.fault for answer in fetch(*many(queries), client=client, within=5.0).answers.values())

    fhir.on("Observation", counted)
    call(20)
    calls = [threading.Thread(target=call, args=(6,)) for _ in range(6)]
    for one in calls:
        one.start()
    for one in calls:
        one.join()
    assert faults == [None] * 56
    assert most == 4


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


_SLOW_NAMES = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>
int getaddrinfo(const char *name, const char *port, const struct addrinfo *hints, struct addrinfo **found) {
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    real = (int (*)(const char *, const char *, const struct addrinfo *, struct addrinfo **))
        dlsym(RTLD_NEXT, "getaddrinfo");
    if (name && !strcmp(name, "hangs.example")) sleep(60);
    return real(name, port, hints, found);
}
"""
_ASKS_FOR_A_SLOW_NAME = """
import os, sys, time
from cds.fhir.client import FhirClient, Target
from cds.fhir.queries import PATIENT
from cds.settings import FhirSettings
from cds.trust import AllowList
bases = "http://hangs.example/fhir", sys.argv[1]
client = FhirClient(FhirSettings(connect_timeout_s=10.0))
for base, expected in ((bases[0], "CDS-601"), (bases[1], None), (bases[0], "CDS-601")):
    start = time.monotonic()
    found = client.fetch((PATIENT,), "p1", Target(base, AllowList(bases), None), start + 0.3)[0]
    assert time.monotonic() - start < 0.45, time.monotonic() - start
    assert (found.fault.code if found.fault else None) == expected, found
os._exit(0)
"""


def test_a_name_that_is_looked_up_for_ever_ends_at_the_deadline(fhir: FhirServer, tmp_path: Path) -> None:
    """And other servers' names are looked up meanwhile. The operating system's look-up is made slow by a preload."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("needs Linux and a C compiler")
    source, library = tmp_path / "slow_names.c", tmp_path / "slow_names.so"
    source.write_text(_SLOW_NAMES)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    fhir.on("Patient", gives(PATIENT_1))
    subprocess.run(
        [sys.executable, "-c", _ASKS_FOR_A_SLOW_NAME, fhir.base],
        env={**os.environ, "LD_PRELOAD": str(library)},
        check=True,
        timeout=30,
    )


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
