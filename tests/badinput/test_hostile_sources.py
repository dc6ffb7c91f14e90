"""Every way a FHIR server can fail, from hook to card: an answer within the deadline that names what is missing."""

from __future__ import annotations

import pytest
from called_service import DEADLINE_S, CalledService
from chart_calls import ALARMING, QUIET, chart, labs, patient_view
from servers import (
    Behaviour,
    FhirServer,
    breaks_off,
    drips,
    fhir_server,
    gives,
    hangs,
    hangs_up,
    outcome,
    pages_for_ever,
    redirects,
    searchset,
    sends,
    stalls,
    status,
)

from hooks.stories.story import Story

LABS = searchset([r for r in chart(ALARMING) if r["resourceType"] == "Observation"])
SLACK_S = 0.3
ENDLESS = {"resourceType": "Observation", "status": "final", "code": {}}

HOSTILE = [
    pytest.param(hangs(), "CDS-601", id="hangs"),
    pytest.param(drips(LABS), "CDS-60", id="drips"),
    pytest.param(stalls(LABS), "CDS-60", id="stalls"),
    pytest.param(hangs_up(), "CDS-602", id="hangs up"),
    pytest.param(status(401), "CDS-603", id="401"),
    pytest.param(status(403), "CDS-603", id="403"),
    pytest.param(status(429, Retry_After="60"), "CDS-603", id="429"),
    pytest.param(status(500), "CDS-603", id="500"),
    pytest.param(gives(outcome()), "CDS-603", id="OperationOutcome"),
    pytest.param(sends(b"<html>", content_type="text/html"), "CDS-604", id="HTML"),
    pytest.param(sends(b'{"resourceType":"Bundle","entry":[{"res'), "CDS-604", id="truncated"),
    pytest.param(breaks_off(LABS), "CDS-604", id="breaks off"),
    pytest.param(sends(b"[" * 100_000), "CDS-604", id="deep"),
    pytest.param(redirects("http://169.254.169.254/latest/meta-data"), "CDS-605", id="redirects"),
    pytest.param(pages_for_ever(lambda n: {**ENDLESS, "id": f"e{n}"}), "-", id="pages for ever"),
]


@pytest.mark.parametrize("story", [ALARMING, QUIET], ids=["with a card", "without one"])
@pytest.mark.parametrize(("behaviour", "code"), HOSTILE)
def test_lost_results_are_named(
    service: CalledService, own_fhir: FhirServer, behaviour: Behaviour, code: str, story: Story
) -> None:
    own_fhir.holds(chart(story))
    own_fhir.on("Observation", behaviour)
    told = service.answered(patient_view(story, None, fhirServer=own_fhir.base))
    assert told.seconds < DEADLINE_S + SLACK_S
    assert "Laboratory results and measurements could " in told.text  # "not be read", or "be read only in part"
    assert code in told.text
    assert service.data_state()["observations"]["state"] in ("failed", "partly")


@pytest.mark.parametrize(("behaviour", "code"), HOSTILE)
def test_when_nothing_can_be_had_the_caller_is_told(
    service: CalledService, own_fhir: FhirServer, behaviour: Behaviour, code: str
) -> None:
    own_fhir.on("*", behaviour)
    told = service.call(patient_view(QUIET, None, fhirServer=own_fhir.base))
    assert (told.status, told.code) == (412, "CDS-412")
    assert "patient" in told.words
    assert told.seconds < DEADLINE_S + SLACK_S


def test_a_server_that_is_down_is_named_at_once(service: CalledService, own_fhir: FhirServer) -> None:
    """Prefetch in part, and the FHIR server refuses connections."""
    prefetch = {"patient": chart(QUIET)[0], "conditions": searchset([])}
    own_fhir.on("*", hangs_up())
    told = service.answered(patient_view(QUIET, prefetch, fhirServer=own_fhir.base))
    assert "could not be read (CDS-602)" in told.text


@pytest.mark.threat("ssrf-next-link")
def test_a_next_link_elsewhere_is_named_and_not_followed(service: CalledService, own_fhir: FhirServer) -> None:
    own_fhir.holds(chart(QUIET))
    with fhir_server() as stranger:
        first = searchset(labs(chart(QUIET), "4548-4"), next=f"{stranger.base}/Observation?page=2")
        own_fhir.on("Observation", gives(first))
        told = service.answered(patient_view(QUIET, None, fhirServer=own_fhir.base))
        assert stranger.hits == []
    assert "could be read only in part (CDS-605)" in told.text


@pytest.mark.parametrize("link", ["http://[", "http://[x]/", "//", "\u0000", "\ud7ff" * 10, "javascript:alert(1)"])
@pytest.mark.parametrize("relation", ["next", "self"])
@pytest.mark.threat("ssrf-next-link")
def test_links_that_are_no_addresses_do_no_harm(
    service: CalledService, own_fhir: FhirServer, link: str, relation: str
) -> None:
    """From the FHIR server, and in the prefetch under a key of the site's own."""
    found = searchset(labs(chart(QUIET), "4548-4"), **{relation: link})
    own_fhir.holds(chart(QUIET))
    own_fhir.on("Observation", gives(found))
    service.answered(patient_view(QUIET, None, fhirServer=own_fhir.base))
    own_fhir.holds(chart(QUIET))
    service.answered(patient_view(QUIET, {"labs": found, "patient": chart(QUIET)[0]}, fhirServer=own_fhir.base))


@pytest.mark.parametrize(
    "address",
    [
        "http://169.254.169.254/latest",
        "https://ehr.example.org/fhir",
        "file:///etc/passwd",
        "http://[",
        "",
        " ",
        "{base}@evil.example/",
        "{base}/../admin",
        "{base}x",
        "\u0000",
    ],
)
@pytest.mark.threat("ssrf-fhir-server")
def test_a_server_that_is_not_the_clients_is_refused(
    service: CalledService, own_fhir: FhirServer, address: str
) -> None:
    told = service.call(patient_view(QUIET, None, fhirServer=address.format(base=own_fhir.base)))
    assert (told.status, told.code) == (403, "CDS-403")
    assert own_fhir.hits == []


@pytest.mark.threat("token-theft")
def test_a_token_with_line_breaks_is_no_header(service: CalledService, own_fhir: FhirServer) -> None:
    """Header injection by fhirAuthorization: refused or degraded, never sent, never a 5xx."""
    own_fhir.holds(chart(QUIET))
    for token in ("a\r\nX-Evil: 1", "a\nb", "\u20ac", "", " "):
        body = patient_view(QUIET, None, fhirServer=own_fhir.base)
        body["fhirAuthorization"] = {"access_token": token, "token_type": "Bearer", "scope": "x", "subject": "y"}
        told = service.call(body)
        assert told.status in (200, 400, 412), token
    assert not any("x-evil" in hit.headers for hit in own_fhir.hits)
