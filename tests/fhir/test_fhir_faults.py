"""Every way an answer can be wrong has its code, nothing is raised, and repeats are few."""

from __future__ import annotations

import json
import socket
from codecs import BOM_UTF8
from collections.abc import Callable
from typing import Any

import pytest
from servers import (
    Behaviour,
    FhirServer,
    breaks_off,
    compressed,
    gives,
    hangs_up,
    outcome,
    searchset,
    sends,
    status,
)
from small_chart import observation

from cds.fhir.queries import Query

Fetch = Callable[..., Any]
GOOD = searchset([observation()])
HTML = b"<!doctype html><html><body>Please sign in</body></html>"
TRUNCATED = b'{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Obser'
LARGE = searchset([{**observation(n), "note": [{"text": "x" * 1000}]} for n in range(40)])


@pytest.mark.parametrize(
    ("behaviour", "code"),
    [
        pytest.param(status(400), "CDS-603", id="400"),
        pytest.param(status(401), "CDS-603", id="401"),
        pytest.param(status(403), "CDS-603", id="403"),
        pytest.param(status(404), "CDS-606", id="404"),
        pytest.param(status(429), "CDS-603", id="429 for ever"),
        pytest.param(status(500), "CDS-603", id="500 for ever"),
        pytest.param(status(503), "CDS-603", id="503 for ever"),
        pytest.param(gives(outcome()), "CDS-603", id="OperationOutcome with 200"),
        pytest.param(sends(HTML, content_type="text/html"), "CDS-604", id="HTML with 200"),
        pytest.param(sends(HTML), "CDS-604", id="HTML that says it is FHIR"),
        pytest.param(sends(TRUNCATED), "CDS-604", id="truncated JSON"),
        pytest.param(sends(b""), "CDS-604", id="nothing"),
        pytest.param(sends(b"\xff\xfe\x00garbage"), "CDS-604", id="not even text"),
        pytest.param(sends(b"[1, 2, 3]"), "CDS-604", id="JSON, not FHIR"),
        pytest.param(sends(b'{"hello": "world"}'), "CDS-604", id="an object, not FHIR"),
        pytest.param(sends(b"[" * 100_000), "CDS-604", id="very deep"),
        pytest.param(sends(b'{"resourceType":"Bundle","entry":' + b"[" * 100_000), "CDS-604", id="a very deep Bundle"),
        pytest.param(sends(b'{"resourceType":"Bundle","entry":{}}'), "CDS-604", id="entry is no list"),
        pytest.param(breaks_off(GOOD), "CDS-604", id="fewer bytes than promised"),
        pytest.param(gives(LARGE), "CDS-604", id="over max_bytes"),
        pytest.param(compressed(LARGE), "CDS-604", id="over max_bytes once unpacked"),
        pytest.param(gives(GOOD, headers={"Content-Encoding": "gzip"}), "CDS-604", id="not the gzip it says it is"),
        pytest.param(hangs_up(), "CDS-602", id="hangs up"),
    ],
)
def test_a_fault_has_its_code_and_nothing_is_raised(
    fhir: FhirServer, fetch: Fetch, behaviour: Behaviour, code: str
) -> None:
    fhir.on("Observation", behaviour)
    round_ = fetch(within=2.0, max_bytes=20_000)
    assert round_.code() == code
    assert round_["observations"].pages == []
    assert round_.seconds < 2.0  # a plain fault does not wait for the deadline


def test_a_byte_order_mark_before_the_answer_is_no_part_of_it(fhir: FhirServer, fetch: Fetch) -> None:
    fhir.on("Observation", sends(BOM_UTF8 + json.dumps(GOOD).encode()))
    round_ = fetch()
    assert round_.code() is None
    assert len(round_["observations"].pages) == 1


@pytest.mark.parametrize(
    ("behaviour", "told"),
    [
        pytest.param(status(401), "answered 401: it does not take the access token", id="401"),
        pytest.param(status(403), "answered 403: what the access token allows does not cover this query", id="403"),
        pytest.param(breaks_off(GOOD), "broke off before its end", id="fewer bytes than promised"),
    ],
)
def test_what_went_wrong_is_told_in_words(fhir: FhirServer, fetch: Fetch, behaviour: Behaviour, told: str) -> None:
    fhir.on("Observation", behaviour)
    assert told in str(fetch()["observations"].fault)


def test_a_closed_port_is_unreachable(fetch: Fetch, fhir: FhirServer) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    base = f"http://127.0.0.1:{port}/fhir"
    fhir_base, fhir.port = fhir.base, port  # so that the allow-list lets it through
    assert fetch(base=base).code() == "CDS-602"
    assert fhir_base != base


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504, 507, 599])
def test_a_passing_fault_is_tried_again(fhir: FhirServer, fetch: Fetch, code: int) -> None:
    fhir.on("Observation", status(code), gives(GOOD))
    round_ = fetch()
    assert round_.code() is None
    assert len(fhir.hits) == 2


def test_a_lost_connection_is_tried_again(fhir: FhirServer, fetch: Fetch) -> None:
    fhir.on("Observation", hangs_up(), gives(GOOD))
    assert fetch().code() is None


@pytest.mark.parametrize("retries", [0, 1, 2])
def test_it_is_not_tried_more_often_than_set(fhir: FhirServer, fetch: Fetch, retries: int) -> None:
    fhir.on("Observation", status(503))
    fetch(within=3.0, retries=retries)
    assert len(fhir.hits) == 1 + retries


@pytest.mark.parametrize("code", [400, 401, 403, 404, 501, 505])
def test_a_lasting_fault_is_not_tried_again(fhir: FhirServer, fetch: Fetch, code: int) -> None:
    fhir.on("Observation", status(code))
    fetch()
    assert len(fhir.hits) == 1


def test_the_pauses_between_tries_are_jittered(fhir: FhirServer, fetch: Fetch) -> None:
    """Calls that failed together must not come back together. Without jitter each third pause would be 0.2 s."""
    fhir.on("Observation", status(503))
    queries = [Query(f"q{n}", "Observation", f"Observation?n={n}") for n in range(20)]
    fetch(*queries, within=5.0, retries=3)
    arrivals = [[hit.at for hit in fhir.hits if hit.query == {"n": [str(n)]}] for n in range(20)]
    third = [times[3] - times[2] for times in arrivals]
    assert min(third) >= 0.1  # never less than half
    assert min(third) < 0.19
    assert max(third) > 0.21


def test_retry_after_is_heeded_when_there_is_time(fhir: FhirServer, fetch: Fetch) -> None:
    fhir.on("Observation", status(429, Retry_After="1"), gives(GOOD))
    assert fetch(within=3.0).code() is None
    first, second = fhir.hits
    assert second.at - first.at >= 1.0  # a server that asks for a second gets a second


@pytest.mark.parametrize("value", ["soon", "-5", "Wed, 21 Oct 2099 07:28:00 GMT", "nan", "inf", "1e400"])
def test_a_senseless_retry_after_does_no_harm(fhir: FhirServer, fetch: Fetch, value: str) -> None:
    fhir.on("Observation", status(503, Retry_After=value), gives(GOOD))
    round_ = fetch(within=1.0)
    assert round_.code() in (None, "CDS-603")
    assert round_.seconds < 1.2


def test_a_compressed_answer_is_read(fhir: FhirServer, fetch: Fetch) -> None:
    fhir.on("Observation", compressed(GOOD))
    round_ = fetch()
    assert round_.code() is None
    assert [r.id for r in round_["observations"].pages[0].resources] == ["o1"]


def test_an_outcome_among_the_entries_is_a_remark_not_a_failure(fhir: FhirServer, fetch: Fetch) -> None:
    remark = {"resource": outcome("warning"), "search": {"mode": "outcome"}}
    bundle = {**GOOD, "entry": [remark, *GOOD["entry"]]}
    fhir.on("Observation", gives(bundle))
    round_ = fetch()
    assert round_.code() is None
    assert [r.id for r in round_["observations"].pages[0].resources] == ["o1"]


def test_one_unreadable_entry_costs_only_itself(fhir: FhirServer, fetch: Fetch) -> None:
    bad = {**observation(2), "valueQuantity": "seven"}
    fhir.on("Observation", gives(searchset([observation(1), bad, observation(3)])))
    page = fetch()["observations"].pages[0]
    assert [r.id for r in page.resources] == ["o1", "o3"]
    assert page.malformed == 1
