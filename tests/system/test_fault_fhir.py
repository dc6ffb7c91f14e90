"""The EHR's FHIR server fails in each way a server can, under a running service: the card says what was not read."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import partial

import pytest
import requests
import story_calls
from faults import Seen
from ledger_rows import kept_once, sqlite_of
from running_service import Ehr, RunningService, running
from servers import (
    Behaviour,
    FhirServer,
    breaks_off,
    drips,
    drips_headers,
    fhir_server,
    gives,
    hangs,
    searchset,
    sends,
    stalls,
    status,
)
from toxic_proxy import ToxicProxy, toxic_proxy

from hooks import stories

pytestmark = pytest.mark.system
DEADLINE_S = 1.0
CHART = stories.build(story_calls.ALARMING, date.today())
OBSERVATIONS = searchset([r for r in CHART if r["resourceType"] == "Observation"])
HTML = b"<!doctype html><html><body>Please sign in</body></html>"
BAD: dict[str, dict[str, Behaviour]] = {
    "hangs": {"no byte": hangs(), "half an answer": stalls(OBSERVATIONS)},
    "drips (slow loris)": {"body": drips(OBSERVATIONS, 0.05), "headers": drips_headers()},
    "answers 500": {"": status(500)},
    "answers 429": {"": status(429, Retry_After="60")},
    "answers something else": {
        "HTML": sends(HTML, content_type="text/html"),
        "half an answer, then closed": breaks_off(OBSERVATIONS),
        "no JSON": sends(b'{"resourceType":"Bundle","entry":[{'),
    },
}


@pytest.fixture(scope="module")
def hospital() -> Iterator[FhirServer]:
    with fhir_server() as server:
        yield server


@pytest.fixture(scope="module")
def wire(hospital: FhirServer) -> Iterator[ToxicProxy]:
    with toxic_proxy(hospital.port) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def base(wire: ToxicProxy) -> str:
    return f"http://127.0.0.1:{wire.port}/fhir"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, ehr: Ehr, base: str) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp("fhir-faults")
    with running(folder, ehr, fhir_servers=(base,), deadline_s=DEADLINE_S, workers=1) as service:
        yield service


@dataclass
class Chart:
    """A patient whose measurements the EHR did not send along."""

    service: RunningService
    base: str
    sent: list[str] = field(default_factory=list)

    def open(self) -> requests.Response:
        body = story_calls.patient_view(fhirServer=self.base)
        del body["prefetch"]["observations"]
        self.sent.append(body["hookInstance"])
        return self.service.call(body)

    def open_until(self, good: list[tuple[str, str]]) -> tuple[requests.Response, float]:
        """The first answer with these cards again, and the seconds until it came."""
        begun = time.monotonic()
        while True:
            answer = self.open()
            if words(answer) == good:
                return answer, time.monotonic() - begun
            assert time.monotonic() - begun < 20.0, "the cards never came back"
            time.sleep(0.05)


@pytest.fixture
def chart(service: RunningService, base: str, hospital: FhirServer) -> Chart:
    hospital.holds(CHART)
    return Chart(service, base)


def words(answer: requests.Response) -> list[tuple[str, str]]:
    return [(card["summary"], card["detail"]) for card in answer.json()["cards"]]


def told_of_the_gap(answer: requests.Response) -> str:
    """The line of the card that says what could not be read."""
    [line] = {
        line.lstrip("- ")
        for card in answer.json()["cards"]
        for line in card["detail"].splitlines()
        if "could not be read (CDS-" in line
    }
    return line


def fails(chart: Chart, seen: Seen, what: str, case: str, begin: Callable[[], None], end: Callable[[], None]) -> None:
    before = len(chart.sent)
    good = words(chart.open())
    begin()
    started = time.monotonic()
    during = chart.open()
    assert time.monotonic() - started < DEADLINE_S + 1.0
    assert during.status_code == 200
    line = told_of_the_gap(during)
    end()
    after, seconds = chart.open_until(good)
    sent = chart.sent[before:]
    seen(
        "FHIR server",
        what,
        during=[during],
        after=[after],
        also=line,
        of="calls in the ledger",
        owed=len(sent),
        kept=kept_once(sqlite_of(chart.service), sent),
        recovery_s=seconds,
        case=case,
    )


@pytest.mark.fault("FHIR server", "hangs")
@pytest.mark.fault("FHIR server", "drips (slow loris)")
@pytest.mark.fault("FHIR server", "answers 500")
@pytest.mark.fault("FHIR server", "answers 429")
@pytest.mark.fault("FHIR server", "answers something else")
def test_what_a_bad_server_withheld_is_on_the_card(hospital: FhirServer, chart: Chart, seen: Seen) -> None:
    well = partial(hospital.on, "Observation", gives(OBSERVATIONS))
    for what, cases in BAD.items():
        for case, behaviour in cases.items():
            fails(chart, seen, what, case, partial(hospital.on, "Observation", behaviour), well)


@pytest.mark.fault("FHIR server", "can't be reached")
def test_what_a_cut_connection_withheld_is_on_the_card(wire: ToxicProxy, chart: Chart, seen: Seen) -> None:
    for case, begin in {"reset": wire.resets, "refused": wire.refuses, "silent": wire.silent}.items():
        fails(chart, seen, "can't be reached", case, begin, wire.well)
