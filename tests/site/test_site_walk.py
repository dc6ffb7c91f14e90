"""A walk through a site of real servers finds what is there, says what it means, and shows nobody's values."""

from __future__ import annotations

import re
from datetime import date

import pytest
from walked_site import NL, SERIES, STUDY, US, Walked, as_text

from cds.site.archive import Archive
from cds.site.findings import Findings
from cds.site.outcome import plain
from cds.site.page import rendered
from hooks.stories import all_resources
from hooks.stories.codes import ANALYTES, LOCAL_LABS

pytestmark = pytest.mark.system


def test_nothing_of_a_sound_site_is_at_fault(walked: Walked) -> None:
    assert [row for row in walked.site.findings.rows if row.verdict == "fault"] == []


def test_it_says_where_it_is_and_tells_each_finding_at_once(walked: Walked) -> None:
    for title in ("database", "FHIR server of us", "FHIR server of nl", "archive main", "device"):
        assert title in walked.steps
    assert walked.steps[-1] == "done"
    assert walked.told == walked.site.findings.rows


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("CapabilityStatement", r"FHIR 4\.0\.1, SEKMET"),
        ("search parameters", "all that is asked with"),
        ("conditions", r"3 of 3 patients, \d+ resources"),
        ("family", r"3 of 3 patients, 0 resources"),
        ("only the patient asked for", "no other patient's data came"),
        ("all queries in one round", r"median \d+ ms, slowest \d+ ms; calls wait 2 s"),
        ("strict handling", "an unknown search parameter is refused"),
        ("sorting", "the newest results come first"),
        ("search by code", "only what was asked for"),
        ("paging", r"\d+ results over \d+ pages, each once"),
    ],
)
def test_a_fhir_server_somebody_else_wrote_is_told_as_it_is(walked: Walked, what: str, said: str) -> None:
    rows = [r for r in walked.site.findings.rows if r.part.startswith("FHIR server") and r.what == what]
    assert len(rows) == 2  # one a client
    assert re.search(said, rows[0].why), rows[0]


def test_it_is_told_of_each_client_whether_its_problem_lists_can_be_read(walked: Walked) -> None:
    rows = [row for row in walked.site.findings.rows if row.what == "problem lists"]
    assert [row.part for row in rows] == ["client us", "client nl"]
    for row in rows:
        assert re.fullmatch(r"[1-9]\d* problems, each with a code of a system that is known here", row.why), row


def test_each_query_that_a_service_needs_is_tried_and_timed(walked: Walked) -> None:
    [look, _] = walked.site.servers
    observed = [row for row in look.asked if row.resource == "Observation"]
    assert len(observed) > 3
    assert {"Condition", "MedicationRequest", "ImagingStudy", "Procedure"} <= {row.resource for row in look.asked}
    for row in look.asked:
        assert row.answered == row.patients == len(US)
        assert 0 < row.median_ms <= row.slowest_ms


def test_models_are_told_by_the_patients_they_are_for_and_what_they_lacked(walked: Walked) -> None:
    rows = {row.model: row for row in walked.site.answers["us"]}
    response = rows["ca19-9-response"]
    assert (response.eligible, response.answered) == (1, 1)
    assert response.told.startswith("would answer for 1 of 1 patients it is for (100%)")
    score = rows["endpac"]
    assert score.answered < score.eligible
    assert "missing: " in score.told and "fasting glucose" in score.told
    assert "none of the 3 test patients is one it is for" in rows["dpyd-dosing"].told
    assert not rows["scottish-referral"].speaks


def test_without_a_concept_map_a_dutch_laboratory_s_inputs_are_missing_and_its_codes_are_found(walked: Walked) -> None:
    found = walked.site.codes["nl"]
    local = {key: one for key, one in found.unknown.items() if key[0] == LOCAL_LABS}
    assert len(local) > 10
    truth = {analyte.local: analyte.loinc for analyte in ANALYTES.values() if analyte.local}
    groups = walked.site.concept_maps["nl"]["group"]
    proposed = {e["code"]: e["target"][0] for g in groups if g["source"] == LOCAL_LABS for e in g["element"]}
    named = {code: target["code"] for code, target in proposed.items() if "code" in target}
    assert named == {code: truth[code] for code in named}
    assert len(named) >= len(local) - 1
    rows = {row.model: row for row in walked.site.answers["nl"]}
    assert rows["endpac"].answered == 0


def test_codes_and_units_stand_beside_the_input_they_are_for(walked: Walked) -> None:
    known = walked.site.codes["us"].known
    assert known["hba1c"].codes.keys() == {("http://loinc.org", "4548-4")}
    assert known["hba1c"].units.keys() == {"%"}
    assert not known["hba1c"].refused


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("fetching a series (WADO-RS)", r"12 slices, .* MB/s\); Explicit VR Little Endian"),
        ("storing (STOW-RS)", r"would take results: refused what is no DICOM \(\d+\)"),
    ],
)
def test_an_archive_is_searched_fetched_from_and_asked_whether_it_would_store(
    walked: Walked, what: str, said: str
) -> None:
    row = walked.of("image archive main", what)
    assert row.verdict == "good"
    assert re.search(said, row.why), row.why


@pytest.mark.parametrize(
    ("today", "verdict", "said"),
    [
        (date(2026, 1, 10), "good", "1 CT studies since"),
        (date(2026, 11, 23), "note", "has no CT since 2026-05-27; name a study with --study"),
    ],
)
def test_without_a_study_the_newest_scan_that_a_poll_would_find_is_taken(
    walked: Walked, today: date, verdict: str, said: str
) -> None:
    findings = Findings()
    Archive("main", walked.settings, findings).look(None, today)
    rows = {row.what: row for row in findings.rows}
    assert rows["search (QIDO-RS)"].verdict == verdict
    assert said in rows["search (QIDO-RS)"].why
    assert ("fetching a series (WADO-RS)" in rows) is (verdict == "good")


def test_trying_to_store_stores_nothing(walked: Walked) -> None:
    from cds.studies.archives import opened

    web = opened(walked.settings, "main")
    try:
        assert [row.uid for row in web.studies()] == [STUDY]
        assert [row.uid for row in web.series(STUDY)] == [SERIES]
        assert len(web.instances(STUDY, SERIES)) == 12
    finally:
        web.close()


def test_networks_are_run_on_this_machine_s_device(walked: Walked) -> None:
    rows = [r for r in walked.site.findings.rows if r.part == "device" and r.what.startswith("network ")]
    assert rows
    for row in rows:
        assert "one window: " in row.why and "ms" in row.why


def test_the_database_the_queue_the_disk_and_the_files_are_looked_at(walked: Walked) -> None:
    assert walked.of("database").why.startswith("sqlite, its schema is this version's")
    assert walked.of("queue").why.startswith("queued 0, running 0")
    assert walked.of("files").why == "2 named, all can be read"
    assert "GB free" in walked.of("disk").why
    assert walked.of("client us", "keys").why.startswith("2 usable (ES384, RS384)")


def test_no_output_names_a_test_patient_or_shows_a_value(walked: Walked) -> None:
    outcome = plain(walked.site)
    for text in (as_text(outcome), rendered(outcome)):
        for patient in (*US, *NL):
            assert patient not in text
        for resource in all_resources(walked.site.at.date()):
            if resource["resourceType"] == "Patient":
                assert resource["birthDate"] not in text
                for name in resource.get("name", ()):
                    assert not name.get("family") or name["family"] not in text


def test_the_page_stands_by_itself_and_says_first_what_to_mend(walked: Walked) -> None:
    page = rendered(plain(walked.site))
    assert "Nothing is at fault." in page
    assert not re.search(
        r"<(script|link|img)|https?://(?!loinc|snomed|hl7|unitsofmeasure|[^<\" ]*\|)[^<]*\.(css|js)", page
    )
    assert "@media print" in page
    assert page.index("What models will be able to say: us") < page.index("Under which codes and units")


def test_what_others_wrote_is_text_on_the_page(walked: Walked) -> None:
    outcome = plain(walked.site)
    row = {"part": "client <b>", "what": "", "verdict": "fault", "why": "<script>alert(1)</script>", "ms": None}
    page = rendered({**outcome, "findings": [row], "good": False})
    assert "<script>" not in page and "&lt;script&gt;" in page
    assert "1 thing is at fault" in page
