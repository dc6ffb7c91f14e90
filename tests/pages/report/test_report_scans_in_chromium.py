"""The report of a patient with two scans, in a real browser: its pictures come from an archive under the page's own
policy, nothing jumps when a part arrives, and axe looks at every part with its pictures in place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from uuid import uuid4

import pytest
from accessibility import violations
from playwright.sync_api import Browser, Page, expect
from report_house import Opened
from scan_hospital import ScanHospital, scan_hospital
from smart_house import Late, listening

from cds.app import create_app
from cds.engine import Engine
from cds.settings import load
from cds.web.report_cookie import cookie_name, report_path

pytestmark = pytest.mark.system
PATIENT = "phantom-response"
SAID = {
    "en": {"up": "1 towards the head", "bone": "bone"},
    "nl": {"up": "1 naar het hoofd", "bone": "bot"},
}


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScanHospital]:
    with scan_hospital(tmp_path_factory.mktemp("scans")) as found:
        found.read(PATIENT)
        yield found


@pytest.fixture(scope="module")
def report(hospital: ScanHospital) -> Iterator[Opened]:
    """Of the card that opening the chart gives."""
    with ExitStack() as open_now:
        late = Late()
        url = open_now.enter_context(listening(late))
        settings = load(hospital.settings_file).model_copy(update={"public_url": url})
        late.app = app = create_app(settings)
        engine: Engine = app.extensions["cds"]
        call = {
            "hook": "patient-view",
            "hookInstance": str(uuid4()),
            "fhirServer": f"{hospital.url}/fhir",
            "context": {"userId": "Practitioner/gp", "patientId": PATIENT},
        }
        [card] = app.test_client().post("/cds-services/pancreas-imaging", json=call).get_json()["cards"]
        session, secret = engine.reports.open(
            "demo",
            PATIENT,
            card_id=card["uuid"],
            fhir_server=f"{hospital.url}/fhir",
            access_token="t",
            user="Practitioner/gp",
        )
        yield Opened(url, session, secret, cookie_name(settings), report_path(settings, session.rid), card)


@contextmanager
def reading(browser: Browser, opened: Opened, language: str = "en", width: int = 1280, **more: str) -> Iterator[Page]:
    """Every part loaded, every picture there; nothing may be refused or fail on the way."""
    context = browser.new_context(locale=language, viewport={"width": width, "height": 900}, **more)  # type: ignore[arg-type]
    context.add_cookies([opened.cookie])  # type: ignore[list-item]
    page, complaints = context.new_page(), list[str]()
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda e: complaints.append(str(e)))
    page.goto(opened.address)
    for part in ("scans", "course"):
        page.locator(f"#{part}").scroll_into_view_if_needed()
        expect(page.locator(f"#{part} a[data-part]")).to_have_count(0, timeout=20000)
    page.locator("#scans").scroll_into_view_if_needed()
    all_there = "document.querySelectorAll('#scans img').length > 2 && [...document.images].every(i => i.naturalWidth)"
    page.locator("#scans .strip").scroll_into_view_if_needed()
    for _ in range(200):  # a wait of the browser's own would be a script that the page's policy forbids
        if page.evaluate(all_there):
            break
        page.wait_for_timeout(100)
    assert page.evaluate(all_there), "a picture did not come"
    yield page
    context.close()
    assert complaints == []


@pytest.mark.parametrize(
    ("language", "scheme", "width"), [("en", "light", 1280), ("nl", "dark", 360), ("en", "dark", 3840)]
)
def test_axe_finds_nothing_with_the_pictures_in_place(
    browser: Browser, report: Opened, axe: str, language: str, scheme: str, width: int
) -> None:
    with reading(browser, report, language, width, color_scheme=scheme) as page:
        assert page.locator("#scans figure img").count() == 2
        page.evaluate("document.querySelectorAll('details').forEach(fold => { fold.open = true; })")
        assert violations(page, axe) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("language", ["en", "nl"])
def test_one_scrolls_and_windows_without_losing_the_place(browser: Browser, report: Opened, language: str) -> None:
    said = SAID[language]
    with reading(browser, report, language) as page:
        first = page.locator("#scans figure img").first
        before = first.get_attribute("src")
        page.get_by_role("link", name=said["up"], exact=True).click()
        expect(page.locator("figure img").first).not_to_have_attribute("src", before or "")
        page.get_by_role("link", name=said["bone"], exact=True).click()
        chosen = page.get_by_role("link", name=said["bone"], exact=True)
        expect(chosen).to_have_attribute("aria-current", "true")
        expect(chosen).to_be_in_viewport()


SHIFTS = """window.shifts = [];
    new PerformanceObserver(list => {
        for (const e of list.getEntries()) if (!e.hadRecentInput) shifts.push({
            value: e.value, at: e.startTime,
            moved: e.sources.map(s => [s.node && s.node.nodeName, s.previousRect.y, s.currentRect.y]),
        });
    }).observe({type: 'layout-shift', buffered: true});
    const asked = fetch, standing = new Promise(stands => { window.stands = stands; });
    fetch = async (...of) => {
        await standing;
        await new Promise(later => setTimeout(later, 500));
        return asked(...of);
    };"""
"""Layout shifts as browsers measure them (good: up to 0.1 in all, web.dev/cls); parts come half a second after the
reader stands where they read, however long a busy machine takes to bring them there."""

STAND = """async by => {
    scrollTo(0, document.querySelector('#course').getBoundingClientRect().top + scrollY + by);
    for (const _ of [1, 2]) await new Promise(requestAnimationFrame);
    stands();
}"""
"""The place is on the screen before anything arrives: a jump and a part within one frame would be taken together."""


@contextmanager
def standing(browser: Browser, report: Opened, width: int, by: int, **routes: str) -> Iterator[Page]:
    """So many pixels below the top of the second part while the first, above it, is on its way. ``routes``: addresses
    that answer nothing."""
    context = browser.new_context(locale="en", viewport={"width": width, "height": 900})
    context.add_cookies([report.cookie])  # type: ignore[list-item]
    page = context.new_page()
    for address in routes.values():
        page.route(address, lambda route: route.abort())
    page.add_init_script(SHIFTS)
    page.goto(report.address)
    page.evaluate(STAND, by)
    yield page
    context.close()


def moved(page: Page) -> list[dict[str, Any]]:
    """The shifts, where together they are a hundredth of the screen or more."""
    shifts: list[dict[str, Any]] = page.evaluate("shifts")
    return shifts if sum(shift["value"] for shift in shifts) >= 0.01 else []


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("by", [-400, -150, 100])
def test_a_part_that_arrives_moves_nothing_that_is_being_read(
    browser: Browser, report: Opened, width: int, by: int
) -> None:
    with standing(browser, report, width, by) as page:
        for part in ("scans", "course"):
            expect(page.locator(f"#{part} a[data-part]")).to_have_count(0)
        page.wait_for_timeout(300)
        assert moved(page) == []


def test_a_part_that_does_not_come_moves_nothing_that_is_being_read(browser: Browser, report: Opened) -> None:
    with standing(browser, report, 1280, 100, gone="**/imaging") as page:
        expect(page.locator("#scans [role=status]")).to_have_count(1)
        expect(page.locator("#course a[data-part]")).to_have_count(0)
        page.wait_for_timeout(300)
        assert moved(page) == []


def test_who_waits_for_a_part_sees_its_beginning(browser: Browser, report: Opened) -> None:
    with standing(browser, report, 1280, -880) as page:
        expect(page.locator("#scans a[data-part]")).to_have_count(0)
        page.wait_for_timeout(300)
        expect(page.locator("#scans figure").first).to_be_in_viewport()


def test_the_control_of_a_scan_stays_under_the_pointer(browser: Browser, report: Opened) -> None:
    with reading(browser, report) as page:
        control = page.get_by_role("link", name=SAID["en"]["up"], exact=True).first
        control.scroll_into_view_if_needed()
        before = control.bounding_box()
        first = page.locator("#scans figure img").first.get_attribute("src")
        control.click()
        expect(page.locator("#scans figure img").first).not_to_have_attribute("src", first or "")
        after = page.get_by_role("link", name=SAID["en"]["up"], exact=True).first.bounding_box()
        assert before is not None and after is not None and abs(before["y"] - after["y"]) < 1
