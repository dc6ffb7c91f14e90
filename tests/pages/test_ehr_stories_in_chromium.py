"""The demonstration EHR's stories in a real browser, in both languages, with and without script, checked with axe."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import pytest
from accessibility import violations
from demo_hospital import Hospital, serving
from flask import Flask, request
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.system

WORDS = {
    "en": {
        "locale": "en-GB", "open": "Open chart of Nora Testpatient", "new": "New order", "find": "Find an order",
        "search": "Search", "add": "Order CT pancreas, pancreas protocol", "accept": "Accept: Order HbA1c",
        "undo": "Undo: Order HbA1c", "sign": "Sign orders", 
        "held": "The signature waits until the advice has been read.",
        "complete": "Complete the signature (3)", "signed": "Signed and active:", "way": "Orders under way",
        "ct": "CT pancreas, pancreas protocol", "no": "Do not follow", "send": "Send reason", "again": "Ask again",
        "silent": "Silent until 23 May 2027, says the service.", "back": "Back to the advice on opening",
        "hood": "Under the hood", "row": "Ledger row", "dark": "Dark", "entry": "CT pancreas",
    },
    "nl": {
        "locale": "nl-NL", "open": "Dossier van Nora Testpatient openen", "new": "Nieuwe order",
        "find": "Een order zoeken", "search": "Zoeken", "add": "CT pancreas, pancreasprotocol aanvragen",
        "accept": "Accepteren: Order HbA1c", "undo": "Ongedaan maken: Order HbA1c", "sign": "Orders ondertekenen",
        "held": "De ondertekening wacht tot het advies is gelezen.", "complete": "Ondertekening voltooien (3)",
        "signed": "Ondertekend en actief:", "way": "Lopende aanvragen", "ct": "CT pancreas, pancreas protocol",
        "no": "Niet opvolgen", "send": "Reden versturen", "again": "Opnieuw vragen",
        "silent": "Stil tot 23 mei 2027, zegt de service.", "back": "Terug naar het advies bij openen",
        "hood": "Onder de motorkap", "row": "Regel in het logboek", "dark": "Donker", "entry": "CT pancreas",
    },
}  # fmt: skip


@contextmanager
def looking(browser: Browser, **context: Any) -> Iterator[Page]:
    """A page whose console and requests may complain of nothing."""
    made = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **context})
    page, complaints = made.new_page(), []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    made.close()
    assert complaints == []


@pytest.mark.parametrize(("language", "script"), [("nl", True), ("en", False)], ids=["nl-script", "en-no-script"])
def test_from_opening_to_signing_overriding_and_silence(
    browser: Browser, hospital: Hospital, language: str, script: bool
) -> None:
    said = WORDS[language]
    hospital.stub.keeps_rows = True
    with looking(browser, locale=said["locale"], java_script_enabled=script) as page:
        page.goto(hospital.url)
        page.get_by_role("button", name=said["open"]).click()
        # a card's suggestion becomes a draft, is undone, and taken again
        page.get_by_role("button", name=said["accept"]).click()
        expect(page.get_by_role("checkbox", name="Order HbA1c")).to_be_checked()
        page.get_by_role("button", name=said["undo"]).click()
        expect(page.get_by_role("checkbox", name="Order HbA1c")).to_have_count(0)
        page.get_by_role("button", name=said["accept"]).click()
        # an order from the catalogue is found and drafted; order-select speaks at once
        page.get_by_text(said["new"], exact=True).click()
        page.get_by_label(said["find"]).fill("abdomen")
        page.get_by_role("button", name=said["search"]).click()
        page.get_by_role("button", name=said["add"]).click()
        expect(page.get_by_role("article", name="a blood count would complete the picture")).to_be_visible()
        # signing waits for advice, then really signs
        for box in page.get_by_role("checkbox").all():
            box.check()
        page.get_by_role("button", name=said["sign"]).click()
        expect(page.get_by_text(said["held"])).to_be_visible()
        page.get_by_role("button", name=said["complete"]).click()
        expect(page.get_by_role("status").get_by_text(said["signed"])).to_be_visible()
        expect(page.get_by_role("region", name=said["way"])).to_contain_text(said["ct"])
        assert len(hospital.found("ServiceRequest?patient=new-diabetes&status=active")) >= 2
        # saying no makes the next call quieter, and the page says until when
        page.get_by_role("button", name=said["back"]).click()
        page.get_by_text(said["no"], exact=True).click()
        page.get_by_role("radio").nth(1).check()
        page.get_by_role("button", name=said["send"]).click()
        page.get_by_role("button", name=said["again"]).click()
        expect(page.get_by_text(said["silent"])).to_be_visible()
        expect(page.get_by_role("article")).to_have_count(0)
        # under the hood
        page.locator("summary").filter(has_text=said["hood"]).click()
        expect(page.get_by_label(said["row"])).to_contain_text('"reason": "snoozed:declined"')


def test_a_smart_link_opens_the_app_in_a_new_tab_with_its_launch(browser: Browser, hospital: Hospital) -> None:
    app = Flask("some_app")

    @app.get("/launch")
    def begun() -> str:
        return f"<title>App</title><p>{request.args['iss']} {request.args['launch']}</p>"

    with serving(app) as elsewhere, looking(browser, locale="en-GB") as page:
        hospital.launches.address = f"{elsewhere}/launch"
        page.goto(hospital.url)
        page.get_by_role("button", name="Open chart of Nora Testpatient").click()
        with page.context.expect_page() as opened:
            page.get_by_role("button", name=re.compile("^Calculator")).click()
        expect(opened.value.get_by_text("https://ehr.invalid opaque-1")).to_be_visible()
        assert opened.value.evaluate("window.opener === null")
        hospital.launches.address = ""


def _list(page: Page, hospital: Hospital) -> None:
    page.goto(hospital.url)


def _warning(page: Page, hospital: Hospital) -> None:
    page.goto(hospital.url)
    page.get_by_role("button", name="Open chart of Nora Testpatient").click()
    page.get_by_text("Do not follow").click()
    page.get_by_text("New order", exact=True).click()
    page.locator(".hood > summary").click()


def _signing(page: Page, hospital: Hospital) -> None:
    page.goto(hospital.url)
    page.get_by_role("button", name="Open chart of Felix Testpatient").click()
    page.get_by_role("button", name="Sign orders").click()
    page.get_by_text("Show the details").click()


def _silence(page: Page, hospital: Hospital) -> None:
    hospital.stub.more = {"systemActions": [{"type": "delete", "description": "Tidy up"}]}
    _warning(page, hospital)
    page.get_by_role("radio").first.check()
    page.get_by_role("button", name="Send reason").click()
    page.get_by_role("button", name="Ask again").click()


@pytest.mark.parametrize("see", [_list, _warning, _signing, _silence], ids=lambda f: f.__name__.strip("_"))
def test_axe_finds_nothing(
    browser: Browser, hospital: Hospital, axe: str, see: Callable[[Page, Hospital], None]
) -> None:
    hospital.stub.keeps_rows = True
    with looking(browser, locale="en-GB", color_scheme="light", viewport={"width": 1440, "height": 800}) as page:
        see(page, hospital)
        assert violations(page, axe) == []
        page.emulate_media(color_scheme="dark")
        page.set_viewport_size({"width": 360, "height": 800})
        assert violations(page, axe) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_the_way_to_an_app_and_where_there_is_no_page(
    browser: Browser, hospital: Hospital, axe: str, scheme: Literal["light", "dark"]
) -> None:
    context = browser.new_context(locale="nl-NL", color_scheme=scheme, viewport={"width": 360, "height": 800})
    page = context.new_page()
    page.goto(f"{hospital.url}/charts/gone")
    expect(page.get_by_role("heading", level=1)).to_have_text("404")
    assert violations(page, axe) == []
    # an app that leaves one where one is
    context.route(re.compile("launch=opaque"), lambda route: route.fulfill(status=204))
    page.goto(hospital.url)
    page.get_by_role("button", name="Dossier van Nora Testpatient openen").click()
    with context.expect_page() as opened:
        page.get_by_role("button", name=re.compile("^Calculator|^Rekenhulp")).click()
    expect(opened.value.get_by_role("status")).to_be_visible()
    assert violations(opened.value, axe) == []
    context.close()


@pytest.mark.parametrize("width", [360, 768, 1440, 3840])
def test_nothing_overflows_and_nothing_moves_while_a_page_loads(
    browser: Browser, hospital: Hospital, width: int
) -> None:
    with looking(browser, locale="nl-NL", viewport={"width": width, "height": 900}) as page:
        for name in ("Nora", "Felix"):
            page.goto(hospital.url)
            page.get_by_role("button", name=f"Dossier van {name} Testpatient openen").click()
            page.wait_for_load_state("load")  # a click does not wait for the stylesheet
            page.evaluate("document.querySelectorAll('details').forEach(folded => { folded.open = true; })")
            assert int(page.evaluate("document.documentElement.scrollWidth - window.innerWidth")) <= 0
        page.reload()
        shift = page.evaluate(
            "() => new Promise(done => { new PerformanceObserver(l => done(l.getEntries().reduce((s, e) => s + e.value,"
            " 0))).observe({type: 'layout-shift', buffered: true}); setTimeout(() => done(0), 500); })"
        )
        assert shift < 0.01


def test_the_theme_is_the_devices_until_one_chooses(browser: Browser, hospital: Hospital) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    with looking(browser, locale="en-GB", color_scheme="light") as page:
        page.goto(hospital.url)
        light = page.evaluate(ground)
        page.get_by_role("button", name="Dark").click()
        page.wait_for_load_state()
        dark = page.evaluate(ground)
        assert dark != light
        page.get_by_role("button", name="Light").click()
        page.wait_for_load_state()
        assert page.evaluate(ground) == light
        page.get_by_role("button", name="As the device").click()
        page.wait_for_load_state()
        page.emulate_media(color_scheme="dark")
        assert page.evaluate(ground) == dark
