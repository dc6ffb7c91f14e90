"""A model that was withheld before any verdict on it was kept is let speak again on the console, too."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from accessibility import violations
from console_house import MEMBER, MODEL, OTHER, SITE, VIEWER, Console, signed_in
from playwright.sync_api import Browser, expect

from cds.committee.actions import stop_by_service
from cds.ledger.book import Book
from cds.ledger.standings import EVERYWHERE, every, stops
from cds.pages.committee import view


@pytest.fixture(scope="module")
def empty(open_console: Callable[..., Console]) -> Console:
    return open_console(filled=False)


def book(house: Console) -> Book:
    return Book(house.app.extensions["cds"].settings.ledger_url)


def withhold(house: Console, site: str) -> None:
    with book(house) as ledger:
        now = view.here(house.app.extensions["cds"])
        assert stop_by_service(ledger, MODEL, site, "input-failure", "missing: age", "no-verdict", now) is not None


def withheld(house: Console) -> set[tuple[str, str]]:
    with book(house) as ledger:
        return set(stops(ledger.read(every)))


@pytest.mark.parametrize("site", [SITE, EVERYWHERE])
def test_two_members_let_it_speak_again(empty: Console, site: str) -> None:
    withhold(empty, site)
    one, other, viewer = (empty.client(name) for name in (MEMBER, OTHER, VIEWER))
    page = f"/committee/models/{MODEL}/{site}"
    assert f'href="{page}/"' in one.get("/committee/").text
    seen = viewer.get(f"{page}/")
    assert seen.status_code == 200 and "missing: age" in seen.text and "Ask for it" not in seen.text
    why = {"reason": "the analyser sends ages again", "where": site}
    assert one.post(f"{page}/resume", data=why).status_code == 303
    asked = re.search(r'name="asked" value="([^"]+)"', other.get(f"{page}/").text)
    assert asked is not None
    assert one.post(f"{page}/agree", data={**why, "asked": asked[1]}).status_code == 400
    assert withheld(empty) == {(MODEL, site)}
    done = other.post(f"{page}/agree", data={**why, "asked": asked[1]})
    assert done.status_code == 303 and withheld(empty) == set()
    after = other.get(done.location)
    assert after.status_code == 200 and "Withhold now" in after.text, "the page it leads back to is there"


def test_in_an_emergency_it_is_withheld_before_any_verdict(empty: Console) -> None:
    page = f"/committee/models/{MODEL}/{EVERYWHERE}"
    done = empty.client().post(f"{page}/stop", data={"reason": "its answers are of another patient"})
    assert done.status_code == 303 and withheld(empty) == {(MODEL, EVERYWHERE)}
    assert "Confirm the stop" in empty.client(OTHER).get(f"/committee/models/{MODEL}/{SITE}/").text
    one, other = empty.client(), empty.client(OTHER)
    why = {"reason": "they were of the right one", "where": EVERYWHERE}
    one.post(f"{page}/resume", data=why)
    asked = re.search(r'name="asked" value="([^"]+)"', other.get(f"{page}/").text)
    assert asked is not None and other.post(f"{page}/agree", data={**why, "asked": asked[1]}).status_code == 303


@pytest.mark.parametrize("address", [f"no-such-model/{SITE}", f"{MODEL}/no-such-site", "no-such-model/*"])
def test_what_does_not_exist_has_no_page(empty: Console, address: str) -> None:
    assert empty.client().get(f"/committee/models/{address}/").status_code == 404


@pytest.mark.parametrize("export", ["findings.csv", "report.pdf"])
def test_there_is_no_file_of_no_verdict(empty: Console, export: str) -> None:
    assert empty.client().get(f"/committee/models/{MODEL}/{SITE}/{export}").status_code == 404


@pytest.mark.system
def test_it_is_done_in_a_browser_as_narrow_as_a_phone(empty: Console, browser: Browser, axe: str) -> None:
    withhold(empty, SITE)
    page = signed_in(browser, empty, locale="nl-NL")
    assert violations(page, axe) == []
    page.get_by_role("region", name="Nu tegengehouden").get_by_role("link").click()
    expect(page.get_by_text("demo: er is hier nog geen oordeel over dit model.")).to_be_visible()
    assert violations(page, axe) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("region", name="weer laten spreken").get_by_label("Waarom").fill("de leeftijd komt weer")
    page.get_by_role("button", name="Hierom vragen").click()
    expect(page.get_by_text(f"{MEMBER} vroeg hierom op")).to_be_visible()
    page.context.close()
