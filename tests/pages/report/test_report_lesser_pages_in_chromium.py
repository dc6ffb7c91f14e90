"""axe on what few people see: cards held back, refusals, the closed report, and every part as a page of its own whose
script did not come; in both languages, light on a desk and dark on a phone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from accessibility import violations
from playwright.sync_api import Browser, Page, expect
from report_house import Reports
from smart_house import MakeHouse, SmartHouse

pytestmark = pytest.mark.system

NAMES = {"folfirinox-falling": "Daan Bakker", "jaundice-head": "Bram Visser"}
RISK, SIGN = ("pancreas-risk", "patient-view"), ("pancreas-first-line", "order-sign")
MANNERS = [("en", "light", 1280), ("nl", "dark", 360)]


@pytest.fixture(scope="module")
def house(make_house: MakeHouse) -> SmartHouse:
    """Where one card was shown yesterday and was held back today."""
    made = make_house(names=NAMES)
    reports = Reports(made.url, made.app)
    assert len(reports.cards("jaundice-head", *RISK, "en")) == 1
    made.clock.now += timedelta(days=1)
    assert reports.cards("jaundice-head", *RISK, "en") == []
    return made


@pytest.fixture(params=MANNERS, ids=["-".join(map(str, manner)) for manner in MANNERS])
def open_page(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Callable[..., Page]]:
    language, scheme, width = request.param
    contexts = []

    def go(*, script: bool = True) -> Page:
        """``script``: whether the page's own comes; axe needs a browser that could run it."""
        context = browser.new_context(locale=language, color_scheme=scheme, viewport={"width": width, "height": 800})
        contexts.append(context)
        page = context.new_page()
        if not script:
            page.route("**/report.js", lambda route: route.abort())
        return page

    yield go
    for context in contexts:
        context.close()


def faults(page: Page, axe: str) -> list[str]:
    """With everything unfolded; and nothing may be wider than the window."""
    page.evaluate("document.querySelectorAll('details').forEach(fold => { fold.open = true; })")
    too_wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    return [*violations(page, axe), *(["wider than the window"] if too_wide else [])]


def test_the_cards_that_were_held_back(house: SmartHouse, open_page: Callable[..., Page], axe: str) -> None:
    page = open_page()
    page.goto(house.server.launch_url(f"{house.url}/report/launch", patient="jaundice-head", app_context=None))
    expect(page.locator("#held .missing-list > li")).to_have_count(1)
    assert faults(page, axe) == []


@pytest.mark.parametrize("address", ["/report/launch", "/report/gone/"])
def test_a_report_that_can_not_be_had(
    house: SmartHouse, open_page: Callable[..., Page], axe: str, address: str
) -> None:
    page = open_page()
    answer = page.goto(f"{house.url}{address}")
    assert answer is not None and answer.status >= 400
    assert faults(page, axe) == []


def test_one_that_ran_out_and_one_that_was_closed(
    house: SmartHouse, open_page: Callable[..., Page], axe: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = open_page()
    page.goto(house.launch(house.card("folfirinox-falling", "en", *SIGN), "folfirinox-falling"))
    monkeypatch.setattr(house.clock, "now", house.clock.now + timedelta(days=1))
    answer = page.reload()
    assert answer is not None and answer.status == 401
    assert faults(page, axe) == []
    page.goto(house.launch(house.card("folfirinox-falling", "en", *SIGN), "folfirinox-falling"))
    page.locator("button.leave").click()
    expect(page.get_by_role("button")).to_have_count(0)
    assert faults(page, axe) == []


def test_each_part_and_the_answers_to_forms_as_pages(
    house: SmartHouse, open_page: Callable[..., Page], axe: str
) -> None:
    page = open_page(script=False)
    page.goto(house.launch(house.card("folfirinox-falling", "en", *SIGN), "folfirinox-falling"))
    at = page.url
    page.locator("details.deliberate > summary").click()
    supposed = page.locator("form[action$='/what-if/metastatic-os']")
    supposed.locator("xpath=..").locator("> summary").click()
    supposed.locator("[name=ecog]").select_option("2")
    supposed.locator("button").click()
    expect(page.locator("h1")).to_have_count(1)
    assert "what-if" in page.url and faults(page, axe) == []
    page.goto(at)
    problem = page.locator("#problem form")
    problem.evaluate("form => { form.noValidate = true; }")
    problem.locator("button").click()  # without a kind: what is lacking is said
    page.wait_for_url("**/problem")  # and until it has loaded
    assert faults(page, axe) == []
    for part in ("timeline", "imaging"):
        page.goto(f"{at}{part}")
        expect(page.locator("#part")).to_be_visible()
        assert faults(page, axe) == []
