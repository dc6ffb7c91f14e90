"""Servers that fall short: what is wrong is said, and where another way of asking works, that way is written down."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from servers import Behaviour, Exchange, FhirServer, gives, searchset, sends, status
from small_site import OBSERVATIONS, PATIENT, capability, settings_for

from cds.settings import load
from cds.site.findings import Finding
from cds.site.walk import Site, Walk

Answer = Callable[[dict[str, list[str]]], dict[str, Any]]


def observations(answer: Answer) -> Behaviour:
    """Answers by the query's parameters; what is no resource is a status."""

    def behave(exchange: Exchange) -> None:
        found = answer(parse_qs(urlsplit(exchange.hit.path).query))
        if "status" in found and "resourceType" not in found:
            exchange.answer(json.dumps(found).encode(), found["status"])
        else:
            exchange.answer(json.dumps(found).encode())

    return behave


def plain_answer(_: dict[str, list[str]]) -> dict[str, Any]:
    return searchset(OBSERVATIONS)


@pytest.fixture
def walk(fhir: FhirServer, tmp_path: Path) -> Callable[..., Site]:
    fhir.on("metadata", gives(capability()))
    fhir.on("Patient", gives(PATIENT))
    for kind in ("Condition", "MedicationRequest", "MedicationAdministration", "ServiceRequest", "ImagingStudy"):
        fhir.on(kind, gives(searchset([])))
    for kind in ("Procedure", "FamilyMemberHistory"):
        fhir.on(kind, gives(searchset([])))
    fhir.on("Observation", observations(plain_answer))

    def run(**settings: Any) -> Site:
        given = settings_for(tmp_path, fhir.base, **settings)
        return Walk(given, {"ehr": ("p1",)}, None, lambda: datetime.now(UTC)).run()

    return run


def row(site: Site, what: str) -> Finding:
    [found] = [r for r in site.findings.rows if r.part.startswith("FHIR server") and r.what == what]
    return found


def test_a_server_that_does_not_sort_is_asked_without_and_the_block_for_it_is_written(
    fhir: FhirServer, walk: Callable[..., Site], tmp_path: Path
) -> None:
    fhir.on("Observation", observations(lambda q: {"status": 400} if "_sort" in q else plain_answer(q)))
    site = walk()
    assert row(site, "dialect").verdict == "fault"
    block = site.dialects["ehr"]
    assert block == '[clients.ehr.dialect]\nleave_out = ["_sort"]'
    (tmp_path / "new.toml").write_text(
        f'[clients.ehr]\nissuer = "x"\njwks = {{keys = []}}\n{block}\n', encoding="utf-8"
    )
    assert load(tmp_path / "new.toml").clients["ehr"].dialect.leave_out == ("_sort",)
    assert all(asked.answered == 1 for asked in site.servers[0].asked)
    # with the block in place there is nothing left to say
    assert not walk(dialect={"leave_out": ["_sort"]}).dialects


def test_a_server_that_refuses_strict_handling_is_asked_without(fhir: FhirServer, walk: Callable[..., Site]) -> None:
    def behave(exchange: Exchange) -> None:
        if "prefer" in {name.lower() for name in exchange.hit.headers}:
            status(400)(exchange)
        else:
            gives(searchset(OBSERVATIONS))(exchange)

    fhir.on("Observation", behave)
    assert walk().dialects["ehr"] == "[clients.ehr.dialect]\nstrict = false"


def test_a_server_that_matches_references_as_written_is_asked_with_the_type(
    fhir: FhirServer, walk: Callable[..., Site]
) -> None:
    fhir.on(
        "Observation", observations(lambda q: plain_answer(q) if q.get("patient") == ["Patient/p1"] else searchset([]))
    )
    assert walk().dialects["ehr"] == '[clients.ehr.dialect]\npatient = "typed"'


def test_a_patient_without_results_is_no_reason_to_ask_otherwise(fhir: FhirServer, walk: Callable[..., Site]) -> None:
    fhir.on("Observation", gives(searchset([])))
    assert walk().dialects == {}


def test_other_patients_data_is_a_fault_whatever_else_is_good(fhir: FhirServer, walk: Callable[..., Site]) -> None:
    stranger = {**OBSERVATIONS[0], "id": "strange", "subject": {"reference": "Patient/p2"}}
    fhir.on("Observation", gives(searchset([*OBSERVATIONS, stranger])))
    found = row(walk(), "only the patient asked for")
    assert found.verdict == "fault"
    assert "don't use this server" in found.why
    assert "p2" not in found.why


@pytest.mark.parametrize(
    ("answer", "what", "verdict", "said"),
    [
        (lambda q: searchset(OBSERVATIONS[::-1]), "sorting", "note", "in no order"),
        (plain_answer, "strict handling", "note", "is ignored"),
        (lambda q: {"status": 400} if "cds-unknown" in q else plain_answer(q), "strict handling", "good", "refused"),
        (plain_answer, "paging", "note", "too few results"),
    ],
)
def test_manners_are_told(
    fhir: FhirServer, walk: Callable[..., Site], answer: Answer, what: str, verdict: str, said: str
) -> None:
    fhir.on("Observation", observations(answer))
    found = row(walk(), what)
    assert found.verdict == verdict
    assert said in found.why


def test_results_of_other_codes_are_more_than_was_asked_for(fhir: FhirServer, walk: Callable[..., Site]) -> None:
    other = {**OBSERVATIONS[0], "id": "other", "code": {"coding": [{"system": "http://loinc.org", "code": "8310-5"}]}}
    fhir.on("Observation", gives(searchset([*OBSERVATIONS, other])))
    assert "1 of 3 results are of other codes" in row(walk(), "search by code").why


def test_a_next_link_to_another_server_is_a_fault_with_what_to_do(
    fhir: FhirServer, stranger: FhirServer, walk: Callable[..., Site]
) -> None:
    away = searchset(OBSERVATIONS, next=f"{stranger.base}/Observation?page=2")
    fhir.on("Observation", gives(away))
    found = row(walk(), "paging")
    assert found.verdict == "fault" and "add that address to fhir_servers" in found.why
    assert not stranger.hits


def test_a_page_that_comes_again_is_a_fault(fhir: FhirServer, walk: Callable[..., Site]) -> None:
    again = searchset(OBSERVATIONS, next=f"{fhir.base}/Observation?page=2")
    fhir.on("Observation", observations(lambda q: searchset(OBSERVATIONS) if "page" in q else again))
    assert row(walk(), "paging").verdict == "fault"


def test_a_server_slower_than_a_call_waits_is_a_fault(fhir: FhirServer, walk: Callable[..., Site]) -> None:
    fhir.on("Condition", gives(searchset([]), after=0.6))
    found = row(walk(fhir_settings={"deadline_s": 0.5}), "all queries in one round")
    assert found.verdict == "fault"
    assert "let the EHR send prefetch, or raise fhir.deadline_s" in found.why


def test_a_server_that_lets_nobody_in_is_not_asked_eight_ways(fhir: FhirServer, walk: Callable[..., Site]) -> None:
    fhir.on("Observation", status(401))
    start = time.monotonic()
    site = walk()
    assert site.dialects == {}
    failed = [asked for asked in site.servers[0].asked if asked.resource == "Observation"]
    assert all(
        asked.fault == "CDS-603: the FHIR server answered 401: it does not take the access token, or wants one"
        for asked in failed
    )
    assert time.monotonic() - start < 60


@pytest.mark.parametrize("code", [401, 403])
def test_a_server_that_lets_not_even_the_patient_be_read_is_told_in_one_sentence(
    fhir: FhirServer, walk: Callable[..., Site], code: int
) -> None:
    for kind in ("Patient", "Observation", "Condition"):
        fhir.on(kind, status(code))
    faults = [r for r in walk().findings.rows if r.part.startswith("FHIR server") and r.verdict == "fault"]
    assert [fault.what for fault in faults] == ["signing in"]
    assert f"answered {code}" in faults[0].why and "[clients.ehr.backend]" in faults[0].why
    assert not fhir.asked("Observation")


def test_a_patient_that_is_not_there_is_told_as_that(fhir: FhirServer, walk: Callable[..., Site]) -> None:
    fhir.on("Patient", status(404))
    found = row(walk(), "patient")
    assert found.verdict == "fault" and "--patient takes the id of a Patient" in found.why


def test_a_type_the_server_does_not_keep_is_a_note_where_hospitals_may_well_lack_it(
    fhir: FhirServer, walk: Callable[..., Site]
) -> None:
    fhir.on("FamilyMemberHistory", status(404))
    assert row(walk(), "family").verdict == "note"
    fhir.on("Condition", status(404))
    assert row(walk(), "conditions").verdict == "fault"


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        (gives({"resourceType": "CapabilityStatement", "fhirVersion": "3.0.2"}), "this service reads R4"),
        (sends(b"<html>", content_type="text/html"), "not JSON"),
        (status(503), "answered 503"),
    ],
)
def test_what_is_no_r4_server_is_told_and_asked_nothing_more(
    fhir: FhirServer, walk: Callable[..., Site], metadata: Behaviour, said: str
) -> None:
    fhir.on("metadata", metadata)
    assert said in row(walk(), "CapabilityStatement").why
    assert not fhir.asked("Observation")


def test_what_the_server_does_not_say_it_can_is_worth_knowing(fhir: FhirServer, walk: Callable[..., Site]) -> None:
    lacking = capability(without=("Procedure",), search={"Observation": ("patient",)})
    fhir.on("metadata", gives(lacking))
    site = walk()
    assert "does not say that it keeps Procedure" in row(site, "resource types").why
    assert "Observation by code" in row(site, "search parameters").why


def test_without_a_test_patient_nothing_is_read(fhir: FhirServer, walk: Callable[..., Site], tmp_path: Path) -> None:
    given = settings_for(tmp_path, fhir.base)
    site = Walk(given, {}, None, lambda: datetime.now(UTC)).run()
    assert "no test patient is named (--patient)" in row(site, "queries").why
    assert {hit.kind for hit in fhir.hits} <= {"metadata", ""}
