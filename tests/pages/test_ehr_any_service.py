"""What a CDS service may send and what it may lack: the EHR plays the specification and shows no more than is there."""

from __future__ import annotations

import re
from datetime import datetime
from html import unescape
from typing import Any

import pytest
import requests
from demo_hospital import Hospital
from test_ehr_orders import Chart, create, offering

BARE = {"summary": "A bare card", "indicator": "info", "source": {"label": "Anybody"}}


def shown(page: str) -> str:
    """Without what lies under the hood."""
    return page.partition('id="hood"')[0]


def test_services_for_hooks_it_does_not_fire_are_listed_and_never_called(hospital: Hospital) -> None:
    assert "vendor-specific-hook" in requests.get(hospital.url, timeout=20).text
    chart = Chart(hospital, "new-diabetes")
    chart.do("/orders", orderable="crp")
    assert {service for service, *_ in hospital.stub.calls} == {"stub-advice", "stub-check"}


def test_a_card_with_the_least_the_specification_asks_is_shown(hospital: Hospital) -> None:
    hospital.stub.cards = [BARE]
    page = shown(Chart(hospital, "new-diabetes").page)
    assert "A bare card" in page
    assert "This card has no identifier, so a reason for not following it can't be sent." in page
    assert "Do not follow" not in page


def test_members_and_values_it_does_not_know_are_passed_over(hospital: Hospital) -> None:
    hospital.stub.cards = [{**BARE, "indicator": "hard-stop", "extension": {"com.example": 1}, "colour": "red"}]
    hospital.stub.more = {"extension": {"com.example.answer": True}}
    assert 'class="card info"' in Chart(hospital, "new-diabetes").page


def test_critical_comes_first_and_says_so_in_a_word(hospital: Hospital) -> None:
    hospital.stub.cards = [BARE, {**BARE, "summary": "Stop", "indicator": "critical"}]
    page = shown(Chart(hospital, "new-diabetes").page)
    assert page.index("Stop") < page.index("A bare card")
    assert re.search(r'class="card critical".*?Critical', page, re.S)


def test_a_link_without_a_type_is_an_ordinary_link_and_one_that_is_no_web_address_is_none(hospital: Hospital) -> None:
    links = [{"label": "Plain", "url": "https://plain.invalid/"}, {"label": "Odd", "url": "javascript:alert(1)"}]
    hospital.stub.cards = [{**BARE, "links": links}]
    page = shown(Chart(hospital, "new-diabetes").page)
    assert '<a href="https://plain.invalid/" target="_blank" rel="noopener noreferrer">Plain' in page
    assert "javascript:" not in page
    assert "Odd" in page


def test_a_suggestion_without_an_identifier_is_carried_out_and_no_feedback_is_made_up(hospital: Hospital) -> None:
    hospital.stub.cards = [offering({"label": "do", "actions": [create("do")]})]
    chart = Chart(hospital, "new-diabetes")
    page = chart.do("/cards/0/0/accept", suggestion=0)
    assert len(chart.of("ServiceRequest", "draft")) == 1
    assert "The suggestion has no identifier, so no feedback could be sent." in page
    assert hospital.stub.feedback == []


def test_system_actions_are_told_and_not_done(hospital: Hospital) -> None:
    hospital.stub.more = {"systemActions": [create("Add a code behind the clinician's back")]}
    chart = Chart(hospital, "new-diabetes")
    assert "Add a code behind the clinician's back" in shown(chart.page)
    assert "This record system makes none of them." in chart.page
    assert chart.of("ServiceRequest", "draft") == []


def test_feedback_has_the_shape_the_specification_gives(hospital: Hospital) -> None:
    chart = Chart(hospital, "new-diabetes")
    chart.do("/cards/0/0/accept", suggestion=1)
    chart.do("/cards/0/0/override", reason="done-already", comment="elsewhere")
    (taken,), (refused,) = (body["feedback"] for _, body in hospital.stub.feedback)
    for item in (taken, refused):
        stamp = item.pop("outcomeTimestamp")
        assert stamp.endswith("Z")
        assert datetime.fromisoformat(stamp).utcoffset() is not None
    assert taken == {"card": "card-advice", "outcome": "accepted", "acceptedSuggestions": [{"id": "hba1c"}]}
    reason = {"code": "done-already", "system": "urn:stub:reason", "display": "Already investigated"}
    assert refused == {
        "card": "card-advice",
        "outcome": "overridden",
        "overrideReason": {"reason": reason, "userComment": "elsewhere"},
    }


def test_a_smart_link_is_a_button_that_mints_a_launch_and_leads_to_it(hospital: Hospital) -> None:
    chart = Chart(hospital, "new-diabetes")
    (action,) = re.findall(r'target="_blank" rel="noopener" action="([^"]*)"', chart.page)
    answer = requests.post(f"{hospital.url}{action}", timeout=20)
    assert hospital.launches.minted == [
        ("https://app.invalid/launch", "sealed-reference", "new-diabetes", None),
    ]
    page = unescape(answer.text)
    assert 'content="0; url=https://app.invalid/launch?iss=https%3A%2F%2Fehr.invalid&launch=opaque-1"' in page
    assert "An app of app.invalid is opening" in page
    assert "new-diabetes" not in page
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(("link", "status"), [(0, 404), (1, 200), (7, 404)])
def test_only_a_cards_smart_links_are_launched(hospital: Hospital, link: int, status: int) -> None:
    chart = Chart(hospital, "new-diabetes")
    assert requests.post(f"{chart.url}/cards/0/0/links/{link}", timeout=20).status_code == status
    assert len(hospital.launches.minted) == (status == 200)


def refused(hospital: Hospital) -> Chart:
    """A chart asked again after its advice was refused."""
    chart = Chart(hospital, "new-diabetes")
    chart.do("/cards/0/0/override", reason="declined")
    chart.do("/hook", hook="patient-view")
    return chart


def silent(page: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", page.partition('class="silent"')[2].partition("</section>")[0]).split())


def test_what_was_refused_is_said_to_be_silent_and_until_when_the_service_tells(hospital: Hospital) -> None:
    hospital.stub.keeps_rows = True
    told = silent(refused(hospital).page)
    assert "Silent now" in told
    assert "Cancer risk Not followed: Patient declines. Silent until 23 May 2027, says the service." in told


def test_without_ledger_rows_the_silence_is_shown_and_its_end_is_not_made_up(hospital: Hospital) -> None:
    told = silent(refused(hospital).page)
    assert "Not followed: Patient declines. The service does not say until when." in told


SHOWN = {"topic": "stub-risk/score", "label": "Cancer risk", "reason": "shown-before", "until": "2027-02-21"}


def test_what_was_ready_and_not_shown_is_told_with_why_and_until_when(hospital: Hospital) -> None:
    hospital.stub.keeps_rows, hospital.stub.cards = True, []
    hospital.stub.withheld = [SHOWN, {"topic": "else", "label": None, "reason": "not-eligible", "until": None}]
    page = Chart(hospital, "new-diabetes").page
    told = silent(page)
    assert "Not shown this time" in told
    assert "Cancer risk You were shown this before." in told
    assert "Otherwise from 21 Feb 2027." in told
    assert "else" not in told
    assert "No new advice." in page


@pytest.mark.parametrize("odd", [{"reason": 7, "label": 3}, {"label": "x"}, {"reason": "shown-before"}])
def test_a_row_that_says_something_else_is_passed_over(hospital: Hospital, odd: dict[str, Any]) -> None:
    hospital.stub.keeps_rows, hospital.stub.cards, hospital.stub.withheld = True, [], [odd]
    assert "Not shown this time" not in Chart(hospital, "new-diabetes").page


def test_a_service_that_says_it_again_is_not_called_silent(hospital: Hospital) -> None:
    chart = Chart(hospital, "new-diabetes")
    chart.do("/cards/0/0/override", reason="declined")
    hospital.stub.quiet = False
    assert silent(chart.do("/hook", hook="patient-view")) == ""
    assert "consider CT within 2 weeks" in chart.page


def test_silence_is_one_patients_own(hospital: Hospital) -> None:
    refused(hospital)
    hospital.stub.quiet = False
    hospital.stub.cards = []
    assert silent(Chart(hospital, "deceased").page) == ""


def test_the_ledger_row_and_its_timings_lie_under_the_hood_where_the_service_offers_them(hospital: Hospital) -> None:
    assert (
        "This service offers no ledger row of a call (GET /calls/{hookInstance})"
        in Chart(hospital, "new-diabetes").page
    )
    hospital.stub.keeps_rows = True
    hood = Chart(hospital, "new-diabetes").page.partition('id="hood"')[2]
    assert re.search(r"models run.*?1\.5 ms", hood, re.S)
    assert '"heldBack": []' in hood


def test_the_theme_is_kept_and_leaves_the_chart_open_without_asking_anybody(hospital: Hospital) -> None:
    chart = Chart(hospital, "new-diabetes")
    asked = len(hospital.stub.calls)
    answer = chart.http.post(
        f"{hospital.url}/theme", {"theme": "dark", "chart": chart.url.rpartition("/")[2]}, timeout=20
    )
    assert answer.url.partition("#")[0] == chart.url
    assert '<html lang="en" data-theme="dark">' in answer.text
    assert '<meta name="color-scheme" content="dark">' in answer.text
    assert len(hospital.stub.calls) == asked
    assert 'data-theme="dark"' in chart.http.get(hospital.url, timeout=20).text
    assert chart.http.post(f"{hospital.url}/theme", {"theme": "plaid"}, timeout=20).status_code == 400


def test_wrong_cookies_are_nobodys_theme(hospital: Hospital) -> None:
    odd: dict[str, Any] = {"ehr_theme": '"><script>', "ehr_language": "../../etc"}
    page = requests.get(hospital.url, cookies=odd, timeout=20).text
    assert '<html lang="en" data-theme="system">' in page
