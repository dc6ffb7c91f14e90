"""A report that is open for longer than its access token lives reads on, where the EHR gives refresh tokens."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from flask import Blueprint, request
from smart_house import MakeHouse, SmartHouse

from cds.demo.authorization import AuthorizationServer
from cds.demo.authorization_grants import Grant

PATIENT = "new-diabetes"
SCOPES = ["launch", "openid", "fhirUser", "patient/*.read", "online_access"]
LIVES_S = 300


class Watching(AuthorizationServer):
    """Its access tokens live for five minutes; writes down which ones the record was read with."""

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more, token_s=LIVES_S)
        self.read_with: list[str] = []
        self.refreshed = 0
        self.lie: dict[str, Any] = {}

    def blueprint(self) -> Blueprint:
        pages = super().blueprint()
        pages.before_app_request(self.note)
        return pages

    def note(self) -> None:
        if request.path.startswith("/fhir/") and "Authorization" in request.headers:
            self.read_with.append(request.headers["Authorization"])
        if request.form.get("grant_type") == "refresh_token":
            self.refreshed += 1

    def answer(self, grant: Grant) -> dict[str, Any]:
        return {**super().answer(grant), **(self.lie if self.refreshed else {})}


@pytest.fixture(scope="module")
def lasting(make_house: MakeHouse) -> SmartHouse:
    return make_house(smart={"scopes": SCOPES}, server=Watching)


@pytest.fixture(scope="module")
def card(lasting: SmartHouse) -> dict[str, Any]:
    """One for all of them: how often a card comes in a day is limited."""
    return lasting.card(PATIENT)


@pytest.fixture
def report(lasting: SmartHouse, card: dict[str, Any]) -> str:
    """Address of an open report."""
    server = lasting.server
    assert isinstance(server, Watching)
    lasting.browser.cookies.clear()
    server.lie = {}
    address = lasting.follow(lasting.launch(card, PATIENT)).url
    server.refreshed = 0
    return address


def tokens(house: SmartHouse, *addresses: str) -> set[str]:
    """What the record was read with while these pages were asked for at once."""
    assert isinstance(house.server, Watching)
    house.server.read_with.clear()
    cookies = house.browser.cookies.copy()
    with ThreadPoolExecutor(len(addresses)) as pool:
        answers = list(pool.map(lambda address: house.app_get(address, cookies), addresses))
    assert [a.status_code for a in answers] == [200] * len(addresses)
    return set(house.server.read_with)


def refreshed(house: SmartHouse) -> int:
    assert isinstance(house.server, Watching)
    return house.server.refreshed


def test_a_token_that_lives_is_left_alone(lasting: SmartHouse, report: str) -> None:
    [first] = tokens(lasting, f"{report}timeline")
    lasting.clock.now += timedelta(seconds=LIVES_S - 60)
    assert tokens(lasting, f"{report}timeline") == {first}
    assert refreshed(lasting) == 0


def test_one_that_has_ended_is_renewed_and_the_new_one_kept(lasting: SmartHouse, report: str) -> None:
    [first] = tokens(lasting, f"{report}timeline")
    lasting.clock.now += timedelta(seconds=LIVES_S)
    [second] = tokens(lasting, f"{report}timeline")
    assert second != first
    assert tokens(lasting, f"{report}timeline") == {second}
    assert refreshed(lasting) == 1


def test_pages_asked_for_at_once_renew_it_once_and_the_next_time_works(lasting: SmartHouse, report: str) -> None:
    """The server ends everything when a refresh token comes twice."""
    seen: set[str] = set()
    for times in (1, 2):
        lasting.clock.now += timedelta(seconds=LIVES_S)
        found = tokens(lasting, *[f"{report}timeline"] * 4, f"{report}imaging")
        assert len(found) == 1 and not found & seen
        assert refreshed(lasting) == times
        seen |= found


def test_the_report_still_ends_when_it_is_to_end(lasting: SmartHouse, report: str) -> None:
    lasting.clock.now += timedelta(hours=1)
    assert lasting.follow(f"{report}timeline").status_code == 401
    assert refreshed(lasting) == 0


def test_a_renewal_the_hospital_refuses_is_logged_and_the_page_still_comes(
    lasting: SmartHouse, report: str, caplog: pytest.LogCaptureFixture
) -> None:
    [first] = tokens(lasting, f"{report}timeline")
    lasting.server.revoke()
    lasting.clock.now += timedelta(seconds=LIVES_S)
    with caplog.at_level(logging.WARNING, logger="cds.trust"):
        assert tokens(lasting, f"{report}timeline") == {first}
    [line] = [r.getMessage() for r in caplog.records if r.name == "cds.trust"]
    assert "report.token.not_renewed client=demo" in line and PATIENT not in line


@pytest.mark.parametrize("lie", [{"patient": "jaundice-head"}, {"token_type": "mac"}, {"access_token": None}])
def test_an_answer_that_is_not_for_this_report_is_not_used(
    lasting: SmartHouse, report: str, lie: dict[str, Any]
) -> None:
    assert isinstance(lasting.server, Watching)
    [first] = tokens(lasting, f"{report}timeline")
    lasting.server.lie = lie
    lasting.clock.now += timedelta(seconds=LIVES_S)
    assert tokens(lasting, f"{report}timeline") == {first}


def test_without_a_refresh_token_nothing_is_asked(make_house: MakeHouse) -> None:
    house = make_house(server=Watching)
    report = house.opened(PATIENT).url
    [first] = tokens(house, f"{report}timeline")
    house.clock.now += timedelta(seconds=LIVES_S)
    assert tokens(house, f"{report}timeline") == {first}
    assert refreshed(house) == 0


def test_a_report_closed_meanwhile_is_closed(lasting: SmartHouse, report: str) -> None:
    lasting.clock.now += timedelta(seconds=LIVES_S)
    assert lasting.browser.post(f"{report}leave", timeout=20).status_code == 200
    assert lasting.follow(f"{report}timeline").status_code == 401
