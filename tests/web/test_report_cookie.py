"""The cookie of an open report: for its own address, its own browser and its own hour."""

from __future__ import annotations

from datetime import timedelta
from http.cookies import SimpleCookie
from typing import Any

import pytest
import requests
from flask import Flask
from ledger_reading import rows
from service import FHIR, Clock, Keys, MakeApp, signed_settings
from smart_house import MakeHouse, SmartHouse, register_tiny_page
from werkzeug.test import TestResponse

from cds.engine import Engine
from cds.ledger import tables
from cds.web import report_cookie

PATIENT, OTHER = "new-diabetes", "jaundice-head"


def set_cookies(answer: Any) -> SimpleCookie:
    found: SimpleCookie = SimpleCookie()
    for line in answer.headers.getlist("Set-Cookie"):
        found.load(line)
    return found


def back_again(house: SmartHouse) -> TestResponse:
    """The answer to the callback, with its cookies as sent."""
    client = house.app.test_client()
    link = house.card(PATIENT)["links"][0]
    address = house.server.launch_url(link["url"], link["appContext"], PATIENT)
    away = client.get(address.removeprefix(house.url))
    home = requests.get(away.headers["Location"], allow_redirects=False, timeout=20).headers["Location"]
    return client.get(home.removeprefix(house.url))


@pytest.mark.threat("report-session")
def test_it_is_bound_to_the_reports_own_address(house: SmartHouse) -> None:
    answer = back_again(house)
    cookie = set_cookies(answer)["cds_report"]
    assert answer.headers["Location"].endswith(f"{cookie['path']}/") and cookie["path"].startswith("/report/")
    assert cookie["httponly"] and cookie["samesite"] == "Lax" and cookie["max-age"] == "3600"
    assert not cookie["domain"] and not cookie["secure"]


def test_the_cookie_of_the_launch_is_for_the_way_back_alone(house: SmartHouse) -> None:
    client = house.app.test_client()
    link = house.card(PATIENT)["links"][0]
    answer = client.get(house.server.launch_url(link["url"], link["appContext"], PATIENT).removeprefix(house.url))
    [cookie] = set_cookies(answer).values()
    assert cookie["path"] == "/report/callback" and cookie["httponly"] and cookie["max-age"] == "600"
    assert cookie.key.startswith("cds_launch_") and PATIENT not in cookie.value


@pytest.fixture
def production(make_app: MakeApp, client_keys: Keys) -> Any:
    def make(public_url: str = "https://cds.hospital.example/cds", **smart: Any) -> Flask:
        app = make_app(
            now=Clock(),
            public_url=public_url,
            **signed_settings(client_keys.public_set(), smart={"client_id": "r", **smart}),
        )
        register_tiny_page(app)
        return app

    return make


def given(app: Flask) -> tuple[Any, str]:
    """(the cookie as a browser gets it in production, the report's path below the public address)"""
    engine: Engine = app.extensions["cds"]
    session, secret = engine.reports.open(
        "hospital", PATIENT, card_id=None, fhir_server=FHIR, access_token="t", scopes=[]
    )
    with app.test_request_context():
        answer = app.response_class()
        report_cookie.give(answer, engine.settings, session, secret)
    [line] = answer.headers.getlist("Set-Cookie")
    return line, f"/report/{session.rid}"


@pytest.mark.threat("report-session")
def test_in_production_it_is_secure_and_under_the_public_address(production: Any) -> None:
    line, path = given(production())
    assert line.startswith("__Secure-cds_report=")
    assert "Secure" in line and "HttpOnly" in line and "SameSite=Lax" in line and f"Path=/cds{path}" in line
    assert "Partitioned" not in line and "Domain" not in line


def test_in_a_frame_of_the_ehr_it_is_partitioned(production: Any) -> None:
    app = production(embedded=True, allowed=["https://ehr.hospital.example/oauth", "https://login.example"])
    line, _ = given(app)
    assert "SameSite=None" in line and "Partitioned" in line and "Secure" in line
    settings = app.extensions["cds"].settings
    ancestors = report_cookie.frame_ancestors(settings, "hospital")
    assert ancestors == "frame-ancestors https://ehr.hospital.example https://login.example"
    refusal = app.test_client().get("/report/launch")
    assert ancestors in refusal.headers["Content-Security-Policy"]


@pytest.mark.threat("cross-site-form")
def test_without_embedding_no_page_may_frame_it(production: Any) -> None:
    settings = production().extensions["cds"].settings
    assert report_cookie.frame_ancestors(settings, "hospital") == "frame-ancestors 'none'"


def test_two_reports_in_one_browser_do_not_mix(house: SmartHouse) -> None:
    first, second = house.opened(PATIENT), house.opened(OTHER)
    assert f"patient={PATIENT} " in house.follow(f"{first.url}whose").text
    assert f"patient={OTHER} " in house.follow(f"{second.url}whose").text
    [mine] = [c for c in house.browser.cookies if c.path in first.url and c.name == "cds_report"]
    forced = house.app.test_client()
    forced.set_cookie("cds_report", str(mine.value), path="/")
    rid = second.url.rstrip("/").rsplit("/", 1)[1]
    assert forced.get(f"/report/{rid}/whose").status_code == 401


@pytest.mark.threat("report-session")
def test_a_report_closes_by_itself(house: SmartHouse) -> None:
    report = house.opened(PATIENT)
    house.clock.now += timedelta(minutes=59)
    assert house.follow(f"{report.url}whose").ok
    house.clock.now += timedelta(minutes=1)
    answer = house.follow(f"{report.url}whose")
    assert answer.status_code == 401 and "CDS-311" in answer.text and "WWW-Authenticate" not in answer.headers


def test_leaving_closes_it_at_once(house: SmartHouse) -> None:
    report = house.opened(PATIENT)
    rid = report.url.rstrip("/").rsplit("/", 1)[1]
    assert rid in [row["id"] for row in rows(house.app, tables.report_sessions)]
    left = house.browser.post(f"{report.url}leave", timeout=20, headers={"Accept": "text/html"})
    assert left.ok and "The report is closed" in left.text
    assert not [c for c in house.browser.cookies if c.name == "cds_report" and c.path in report.url]
    assert rid not in [row["id"] for row in rows(house.app, tables.report_sessions)]
    assert house.follow(f"{report.url}whose").status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "null"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
@pytest.mark.threat("cross-site-form")
def test_another_sites_form_does_nothing(house: SmartHouse, headers: dict[str, str], status: int) -> None:
    report = house.opened(PATIENT)
    answer = house.browser.post(f"{report.url}whose", headers=headers, timeout=20)
    assert answer.status_code == status


def test_our_own_form_is_taken_by_its_origin(house: SmartHouse) -> None:
    report = house.opened(PATIENT)
    assert house.browser.post(f"{report.url}whose", headers={"Origin": house.url}, timeout=20).ok


def test_a_ledger_that_is_down_is_a_page_that_says_so(make_house: MakeHouse) -> None:
    house = make_house()
    report = house.opened(PATIENT)
    card = house.card(PATIENT)
    engine: Engine = house.app.extensions["cds"]
    process = engine.ledger._process()
    process.open = True
    for address in (f"{report.url}whose", house.launch(card, PATIENT)):
        answer = house.follow(address)
        assert answer.status_code == 503 and "CDS-800" in answer.text and "Try again in a few minutes" in answer.text
    process.open = False
