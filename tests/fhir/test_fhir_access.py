"""The patient's data and the client's token go to the client's own FHIR server and nowhere else."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from servers import FhirServer, gives, hangs, redirects, searchset, sends, status
from small_chart import OBSERVATIONS, PATIENT_1, QUERIES, observation

from cds.fhir.client import Target
from cds.fhir.queries import PATIENT
from cds.trust import AllowList

Fetch = Callable[..., Any]
TOKEN = "very-secret-token-4711"


def test_the_token_and_strictness_are_sent(fhir: FhirServer, fetch: Fetch) -> None:
    fhir.on("Observation", gives(searchset([observation()])))
    fetch(token=TOKEN)
    headers = fhir.hits[0].headers
    assert headers["authorization"] == f"Bearer {TOKEN}"
    assert headers["prefer"] == "handling=strict"
    assert headers["accept"] == "application/fhir+json"


def test_without_a_token_none_is_made_up(
    fhir: FhirServer, fetch: Fetch, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """Neither from the environment nor from a .netrc in the home directory."""
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login someone password something\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    fhir.on("Observation", gives(searchset([])))
    fetch()
    assert "authorization" not in fhir.hits[0].headers


@pytest.mark.threat("proxy-environment")
def test_a_proxy_of_the_environment_never_sees_a_query(
    fhir: FhirServer, stranger: FhirServer, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{stranger.port}")
    fhir.on("Observation", gives(searchset([])))
    assert fetch().code() is None
    assert stranger.hits == []


@pytest.mark.parametrize("address", ["{stranger}/Observation", "{base}/Observation?page=9", "/fhir/Observation?x=1"])
@pytest.mark.threat("ssrf-redirect")
def test_no_redirect_is_followed(fhir: FhirServer, stranger: FhirServer, fetch: Fetch, address: str) -> None:
    fhir.on("Observation", redirects(address.format(base=fhir.base, stranger=stranger.base)))
    round_ = fetch(token=TOKEN)
    assert round_.code() == "CDS-605"
    assert len(fhir.hits) == 1
    assert stranger.hits == []


@pytest.mark.threat("ssrf-fhir-server")
def test_an_address_outside_the_list_is_never_asked(fhir: FhirServer, stranger: FhirServer, fetch: Fetch) -> None:
    round_ = fetch(*QUERIES, base=stranger.base, token=TOKEN)
    assert {round_.code(q.key) for q in QUERIES} == {"CDS-605"}
    assert stranger.hits == []


@pytest.mark.threat("ssrf-next-link")
def test_a_first_page_of_the_ehr_cannot_lead_elsewhere(fhir: FhirServer, stranger: FhirServer, fetch: Fetch) -> None:
    round_ = fetch(continued={"observations": f"{stranger.base}/Observation?page=2"}, token=TOKEN)
    assert round_.code() == "CDS-605"
    assert stranger.hits == []


@pytest.mark.threat("token-theft")
def test_neither_token_nor_address_is_logged(fhir: FhirServer, fetch: Fetch, caplog: pytest.LogCaptureFixture) -> None:
    """At INFO, the level in use: urllib3's own debug lines name addresses, so they stay off in production."""
    caplog.set_level(logging.INFO)
    fhir.on("Observation", status(503))
    fhir.on("Patient", hangs())
    fhir.on("Condition", sends(b"<html>"))
    round_ = fetch(*QUERIES, within=0.3, token=TOKEN)
    told = caplog.text + "".join(f"{a.fault!r} {a.fault}" for a in round_.answers.values())
    assert TOKEN not in told
    assert "p1" not in told
    assert TOKEN not in repr(Target(fhir.base, AllowList((fhir.base,)), TOKEN))


def test_the_patient_is_read_by_id(fhir: FhirServer, fetch: Fetch) -> None:
    fhir.on("Patient", gives(PATIENT_1))
    fetch(PATIENT, OBSERVATIONS)
    assert [hit.path for hit in fhir.asked("Patient")] == ["/fhir/Patient/p1"]
