"""What the demonstration EHR claims, over HTTP, against a stub CDS service that plays the public specification."""

from __future__ import annotations

import re
import uuid
from datetime import datetime
from html import unescape
from pathlib import Path

import pytest
import requests
import yaml
from demo_hospital import Hospital
from flask import Response, jsonify
from stub_cds_service import TABLE

PAGES = Path(__file__).parents[2] / "cds" / "pages"


def opened(hospital: Hospital, patient: str = "new-diabetes", language: str = "en") -> tuple[str, str]:
    """(address, page) of a chart just opened."""
    answer = requests.post(
        f"{hospital.url}/charts", {"patient": patient}, headers={"Accept-Language": language}, timeout=20
    )
    assert answer.status_code == 200, answer.text
    return answer.url, unescape(answer.text)


def submit(url: str, path: str, **fields: object) -> requests.Response:
    return requests.post(url.partition("#")[0] + path, fields, timeout=20)


@pytest.mark.parametrize("language", ["en", "nl"])
def test_every_stage_of_a_call_has_a_name_under_the_hood(language: str) -> None:
    stages = set(re.findall(r'timings\.stage\("(\w+)"\)', (PAGES.parent / "engine.py").read_text(encoding="utf-8")))
    texts = yaml.safe_load((PAGES / "catalogue" / f"{language}.yaml").read_text(encoding="utf-8"))
    assert len(stages) > 5 and stages <= set(texts["ehr"]["hood"]["stage"])


def test_the_list_shows_every_story_with_its_line_and_the_services_discovered(hospital: Hospital) -> None:
    page = unescape(requests.get(hospital.url, timeout=20).text)
    assert "Nora Testpatient" in page
    assert "67 years, female" in page
    assert "Diabetes out of the blue in a slim woman who has lost 7 kg" in page
    assert "Advice on opening" in page


def test_opening_a_chart_fires_patient_view_as_the_specification_asks(hospital: Hospital) -> None:
    opened(hospital, language="nl")
    (service, body, language), *others = hospital.stub.calls
    assert (service, others) == ("stub-advice", [])
    assert body["hook"] == "patient-view"
    assert uuid.UUID(body["hookInstance"]).version == 4
    assert body["fhirServer"] == f"{hospital.url}/fhir"
    assert body["context"] == {"userId": "Practitioner/new-diabetes-prac", "patientId": "new-diabetes"}
    assert language == "nl"


def test_each_call_has_its_own_hook_instance(hospital: Hospital) -> None:
    opened(hospital)
    opened(hospital)
    first, second = (body["hookInstance"] for _, body, _ in hospital.stub.calls)
    assert first != second


def test_prefetch_holds_all_pages_and_leaves_out_what_the_context_cannot_fill(hospital: Hospital) -> None:
    _, page = opened(hospital)
    prefetch = hospital.stub.calls[0][1]["prefetch"]
    assert prefetch["patient"]["id"] == "new-diabetes"
    bundle = prefetch["observations"]
    assert len(bundle["entry"]) == bundle["total"] > 50
    assert all(link["relation"] != "next" for link in bundle["link"])
    assert "encounter" not in prefetch
    assert "Prefetch left out: encounter" in page


def test_the_chart_shows_problems_labs_with_units_and_dates_medication_and_orders_to_sign(hospital: Hospital) -> None:
    _, page = opened(hospital)
    assert "Unexplained weight loss" in page
    assert re.search(r"Hemoglobin A1c.*?7\.4 %.*?\d{4}.*?5\.6 %", page, re.S)
    assert page.index("7.4 %") < page.index("C reactive protein"), "newest tests come first"
    assert "lisinopril" in page
    assert re.search(r'name="order" value="MedicationRequest/new-diabetes-draft-01" checked', page)


def test_what_was_entered_in_error_or_cancelled_is_not_shown(hospital: Hospital) -> None:
    _, page = opened(hospital)
    assert "Hospice care" not in page
    assert "CT abdomen with contrast" not in page


def test_a_patient_who_died_is_shown_as_such(hospital: Hospital) -> None:
    _, page = opened(hospital, "deceased")
    assert re.search(r"<strong>died \d", page)


def test_a_card_shows_its_urgency_in_words_its_source_links_and_suggestions(hospital: Hospital) -> None:
    _, page = opened(hospital)
    assert re.search(r'class="card warning".*?<svg.*?Warning', page, re.S)
    assert '<a href="https://guideline.invalid/" target="_blank" rel="noopener noreferrer">Stub guideline' in page
    assert (
        '<a href="https://guideline.invalid/1.2" target="_blank" rel="noopener noreferrer">Guideline, section 1.2'
        in page
    )
    assert "https://app.invalid/launch" not in re.sub(r"<pre.*?</pre>", "", page, flags=re.S)
    assert "Order CT of the abdomen, urgent" in page
    assert "Recommended" in page


@pytest.mark.threat("xss-card-text")
def test_detail_is_markdown_and_cannot_bring_html(hospital: Hospital) -> None:
    hospital.stub.detail += "\n<script>alert(1)</script>"
    answer = requests.post(f"{hospital.url}/charts", {"patient": "new-diabetes"}, timeout=20)
    assert "<strong>Consider a CT within 2 weeks.</strong>" in answer.text
    assert "<script" not in answer.text


def test_figures_nobody_asked_for_are_folded_and_a_warning_shows_its_first_paragraph(hospital: Hospital) -> None:
    hospital.stub.cards = [
        {"summary": kind, "indicator": kind, "detail": TABLE, "source": {"label": "s"}} for kind in ("info", "warning")
    ]
    _, page = opened(hospital)
    warning, info = page.split('<article class="card info')
    assert '<details class="detail folded">' in info
    assert '<div class="scroll" tabindex="0"><table>' in info
    assert "Of 100 people like this" in warning.partition('<details class="detail folded">')[0]
    assert "Of 100 people like this" not in info.partition('<details class="detail folded">')[0]
    assert page.index(">warning</h3>") < page.index(">info</h3>"), "the most urgent card comes first"


def test_signing_fires_order_sign_with_the_chosen_drafts_only(hospital: Hospital) -> None:
    url, _ = opened(hospital, "folfirinox-falling")
    chosen = [f"MedicationRequest/folfirinox-falling-draft-0{n}" for n in (1, 2)]
    page = unescape(submit(url, "/hook", hook="order-sign", order=chosen).text)
    service, body, _ = hospital.stub.calls[-1]
    assert (service, body["hook"]) == ("stub-outlook", "order-sign")
    entries = body["context"]["draftOrders"]["entry"]
    assert [f"MedicationRequest/{e['resource']['id']}" for e in entries] == chosen
    assert {e["resource"]["status"] for e in entries} == {"draft"}
    assert "selections" not in body["context"]
    assert "The signature waits until the advice has been read." in page
    assert "Prognosis information available" in page


def test_selecting_fires_order_select_with_selections_and_all_drafts(hospital: Hospital) -> None:
    url, _ = opened(hospital, "folfirinox-falling")
    chosen = ["MedicationRequest/folfirinox-falling-draft-01"]
    page = submit(url, "/hook", hook="order-select", order=chosen).text
    service, body, _ = hospital.stub.calls[-1]
    assert (service, body["context"]["selections"]) == ("stub-check", chosen)
    assert len(body["context"]["draftOrders"]["entry"]) == 4
    assert "Critical" in page


def test_signing_nothing_asks_for_an_order_and_calls_nobody(hospital: Hospital) -> None:
    url, _ = opened(hospital)
    before = len(hospital.stub.calls)
    assert "Choose at least one order." in submit(url, "/hook", hook="order-sign").text
    assert len(hospital.stub.calls) == before


def test_accepting_creates_the_order_sends_feedback_and_shows_it(hospital: Hospital) -> None:
    url, _ = opened(hospital)
    page = submit(url, "/cards/0/0/accept", suggestion=0).text
    (order,) = hospital.found("ServiceRequest?patient=new-diabetes&status=draft")
    assert order["code"]["text"] == "Order CT of the abdomen, urgent"  # type: ignore[index]
    ((service, body),) = hospital.stub.feedback
    (item,) = body["feedback"]
    stamp = item.pop("outcomeTimestamp")
    assert datetime.fromisoformat(stamp).tzinfo is not None
    assert service == "stub-advice"
    assert item == {"card": "card-advice", "outcome": "accepted", "acceptedSuggestions": [{"id": "ct"}]}
    assert f'value="ServiceRequest/{order["id"]}" checked' in page
    assert "✓ Accepted" in page


def test_accepting_twice_orders_once(hospital: Hospital) -> None:
    url, _ = opened(hospital)
    for _ in range(2):
        submit(url, "/cards/0/0/accept", suggestion=0)
    assert len(hospital.found("ServiceRequest?patient=new-diabetes&status=draft")) == 1
    assert len(hospital.stub.feedback) == 1


def test_an_order_the_record_refuses_is_told_and_no_feedback_is_sent(hospital: Hospital) -> None:
    bad = {"resourceType": "ServiceRequest", "status": "draft"}
    hospital.stub.cards = [{
        "uuid": "c", "summary": "s", "indicator": "info", "source": {"label": "s"}, "selectionBehavior": "any",
        "suggestions": [{"label": "l", "actions": [{"type": "create", "description": "d", "resource": bad}]}],
    }]  # fmt: skip
    url, _ = opened(hospital)
    page = unescape(submit(url, "/cards/0/0/accept", suggestion=0).text)
    assert "Nothing was changed. The record refused: HTTP 422" in page
    assert hospital.stub.feedback == []


def test_overriding_sends_the_coded_reason_and_the_comment(hospital: Hospital) -> None:
    url, _ = opened(hospital)
    page = submit(url, "/cards/0/0/override", reason="declined", comment=" wants to wait ").text
    ((_, body),) = hospital.stub.feedback
    (item,) = body["feedback"]
    assert item["outcome"] == "overridden"
    assert item["overrideReason"] == {
        "reason": {"code": "declined", "system": "urn:stub:reason", "display": "Patient declines"},
        "userComment": "wants to wait",
    }
    assert "acceptedSuggestions" not in item
    assert "Not followed: Patient declines" in page
    assert "The next call should be quieter." in page


def test_asking_again_after_an_override_fires_the_hook_anew(hospital: Hospital) -> None:
    url, _ = opened(hospital)
    submit(url, "/cards/0/0/override", reason="declined")
    page = submit(url, "/hook", hook="patient-view").text
    assert len(hospital.stub.calls) == 2
    assert "No new advice. What was refused earlier is not repeated." in page


def test_an_override_without_a_reason_is_not_sent(hospital: Hospital) -> None:
    url, _ = opened(hospital)
    assert "Choose a reason first." in submit(url, "/cards/0/0/override", reason="invented").text
    assert hospital.stub.feedback == []


def test_reloading_a_chart_repeats_nothing(hospital: Hospital) -> None:
    url, _ = opened(hospital)
    submit(url, "/cards/0/0/accept", suggestion=0)
    requests.get(url, timeout=20)
    assert (len(hospital.stub.calls), len(hospital.stub.feedback)) == (1, 1)


def test_under_the_hood_shows_what_was_sent_and_what_came(hospital: Hospital) -> None:
    _, page = opened(hospital)
    assert re.search(r"HTTP 200 · \d+ ms", page)
    assert '"hook": "patient-view"' in page
    assert '"uuid": "card-advice"' in page
    assert re.search(r"… \d+ more entries were sent and are left out here", page)


def test_a_service_error_is_told_in_its_own_words_and_the_chart_still_works(hospital: Hospital) -> None:
    outcome = {"resourceType": "OperationOutcome", "issue": [{"details": {"text": "The model is being replaced."}}]}
    with hospital.stub.app().test_request_context():
        hospital.stub.broken = jsonify(outcome)
        hospital.stub.broken.status_code = 503
    _, page = opened(hospital)
    assert "Advice on opening gave no answer that can be used: HTTP 503: The model is being replaced." in page
    assert "Unexplained weight loss" in page


@pytest.mark.parametrize("body", ["<html>gateway</html>", "[]", '{"cards": "none"}', '{"cards": [{"summary": 1}]}'])
def test_an_answer_that_is_no_cds_hooks_response_is_told(hospital: Hospital, body: str) -> None:
    hospital.stub.broken = Response(body, 200, content_type="application/json")
    _, page = opened(hospital)
    assert "HTTP 200: the answer is not a CDS Hooks response." in page


def test_no_address_names_a_patient(hospital: Hospital) -> None:
    url, _ = opened(hospital)
    assert "new-diabetes" not in url
    assert "Nora" not in url


def test_the_language_switch_changes_the_page_and_asks_again_in_that_language(hospital: Hospital) -> None:
    with requests.Session() as session:
        page = session.post(f"{hospital.url}/charts", {"patient": "new-diabetes"}, timeout=20)
        token = page.url.rpartition("/")[2]
        page = session.post(f"{hospital.url}/language", {"language": "nl", "chart": token}, timeout=20)
        assert '<html lang="nl"' in page.text
        assert "Overweeg een CT binnen 2 weken" in page.text
        assert "7,4 %" in page.text
        assert [language for *_, language in hospital.stub.calls] == ["en", "nl"]
        assert "Patiënten" in session.get(hospital.url, timeout=20).text


@pytest.mark.threat("xss-card-text")
def test_pages_allow_one_script_of_their_own_no_inline_style_and_no_other_host(hospital: Hospital) -> None:
    answer = requests.get(hospital.url, timeout=20)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    for path in PAGES.glob("templates/**/*.html"):
        text = path.read_text().replace(
            """<script src="{{ url_for('ehr.static', filename='ehr.js') }}" defer></script>""", ""
        )
        assert not re.search(r"<script|style=|\son\w+=|https?://", text), path.name
    assert "url(" not in (PAGES / "assets" / "ehr.css").read_text()


@pytest.mark.parametrize("headers", [{"Origin": "https://elsewhere.invalid"}, {"Sec-Fetch-Site": "cross-site"}])
def test_another_sites_form_does_nothing_here(hospital: Hospital, headers: dict[str, str]) -> None:
    answer = requests.post(f"{hospital.url}/charts", {"patient": "new-diabetes"}, headers=headers, timeout=20)
    assert answer.status_code == 403
    assert hospital.stub.calls == []


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/charts", {"patient": "nobody"}),
        ("/charts/gone/hook", {"hook": "patient-view"}),
        ("/charts/gone/cards/0/0/accept", {"suggestion": "0"}),
    ],
)
def test_what_is_not_there_is_a_page_that_says_so(hospital: Hospital, path: str, fields: dict[str, str]) -> None:
    answer = requests.post(hospital.url + path, fields, timeout=20)
    assert answer.status_code == 404
    assert "open it again from the list" in answer.text


def test_a_card_position_that_is_not_there_is_not_found(hospital: Hospital) -> None:
    url, _ = opened(hospital)
    assert submit(url, "/cards/0/7/accept", suggestion=0).status_code == 404
    assert submit(url, "/cards/0/0/accept", suggestion=9).status_code == 404
    assert submit(url, "/cards/0/0/accept", suggestion="x").status_code == 400
