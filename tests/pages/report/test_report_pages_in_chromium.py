"""The report in a real browser: suppositions in place, axe, keyboard, any width, and on paper."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator

import pytest
from accessibility import violations
from playwright.sync_api import Browser, Page, expect
from report_house import Opened, Reports

pytestmark = pytest.mark.system

Visit = Callable[..., Page]


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """Opens a report; fails at the end if a page asked for what its policy forbids, or a script failed."""
    complaints: list[str] = []
    contexts = []

    def go(opened: Opened, below: str = "", **context: object) -> Page:
        made = browser.new_context(**{"locale": "en-GB", "viewport": {"width": 1280, "height": 900}, **context})  # type: ignore[arg-type]
        contexts.append(made)
        made.add_cookies([opened.cookie])  # type: ignore[list-item]
        page = made.new_page()
        page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda e: complaints.append(str(e)))
        page.goto(opened.address + below)
        return page

    yield go
    for made in contexts:
        made.close()
    assert complaints == []


def sheets_of(pdf: bytes) -> list[str]:
    """The words of each page, as poppler reads them."""
    if shutil.which("pdftotext") is None:
        pytest.fail("This test reads what was printed with pdftotext: run scripts/test-system-packages.")
    told = subprocess.run(["pdftotext", "-layout", "-", "-"], input=pdf, capture_output=True, check=True, timeout=60)
    return told.stdout.decode().split("\f")[:-1]


@pytest.fixture(scope="module")
def risk(reports: Reports) -> Opened:
    return reports.open("new-diabetes")


@pytest.fixture(scope="module")
def outlook(reports: Reports) -> Opened:
    return reports.survival("msi-high")


@pytest.fixture(scope="module")
def silent(reports: Reports) -> Opened:
    """Of a patient for whom a model says nothing."""
    return reports.open("jaundice-head")


@pytest.mark.parametrize("which", ["risk", "outlook", "silent"])
def test_axe_finds_nothing(visit: Visit, axe: str, request: pytest.FixtureRequest, which: str) -> None:
    page = visit(
        request.getfixturevalue(which), "?outlook=1", color_scheme="light", viewport={"width": 1280, "height": 800}
    )
    page.evaluate("document.querySelectorAll('details').forEach(fold => { fold.open = true; })")
    assert violations(page, axe) == []
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 360, "height": 800})
    assert violations(page, axe) == []


def test_axe_finds_nothing_on_the_pages_behind_the_forms(visit: Visit, axe: str, risk: Opened) -> None:
    page = visit(risk, java_script_enabled=True)
    page.locator("#problem input[value=unclear]").check()
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    assert violations(page, axe) == []


@pytest.mark.parametrize("language", ["en", "nl"])
@pytest.mark.parametrize("script", [True, False])
def test_a_supposition_is_answered_with_and_without_a_script(
    visit: Visit, risk: Opened, script: bool, language: str
) -> None:
    page = visit(risk, java_script_enabled=script, locale={"en": "en-GB", "nl": "nl-NL"}[language])
    part = page.locator("#endpac")
    part.locator("details.what-if > summary").click()
    part.locator("input[name=glucose_onset]").fill("190")
    part.locator("form[data-what-if] button").click()
    told = {"en": "Hypothetical. Not this patient's data.", "nl": "Hypothetisch. Geen gegevens van deze patiënt."}
    expect(page.get_by_text(told[language])).to_be_visible()
    assert page.url == risk.address + ("" if script else "what-if/endpac")
    if not script:
        page.get_by_role("link", name={"en": "Back to the report", "nl": "Terug naar het rapport"}[language]).click()
        expect(page.locator("#endpac")).to_be_visible()


def test_the_outlook_is_opened_by_keyboard_and_not_before(visit: Visit, outlook: Opened) -> None:
    page = visit(outlook)
    curve = page.locator("#outlook svg.chart").first
    assert not curve.is_visible()
    page.locator("#outlook details.deliberate > summary").focus()
    page.keyboard.press("Enter")
    expect(curve).to_be_visible()


def test_another_trial_is_chosen_without_losing_the_place(visit: Visit, outlook: Opened) -> None:
    page = visit(outlook, "?outlook=1")
    page.get_by_role("link", name=re.compile("MPACT")).click()
    expect(page.get_by_role("rowheader", name="MPACT: gemcitabine (trial arm)")).to_be_visible()
    assert page.url.endswith("#outlook")


@pytest.mark.parametrize(("width", "rows"), [(360, 3), (1280, 1)])
def test_a_hundred_people_at_three_times_are_read_side_by_side_or_on_a_phone_below_each_other(
    visit: Visit, outlook: Opened, width: int, rows: int
) -> None:
    page = visit(outlook, "?outlook=1", viewport={"width": width, "height": 900})
    boxes = [one.bounding_box() for one in page.locator(".people svg").all()]
    assert len(boxes) == 3
    assert len({round(box["y"]) for box in boxes if box is not None}) == rows


@pytest.mark.parametrize("width", [320, 360, 768, 1440, 3840])
def test_no_width_makes_the_page_scroll_sideways(visit: Visit, outlook: Opened, width: int) -> None:
    page = visit(outlook, "?outlook=1", viewport={"width": width, "height": 900})
    page.evaluate("document.querySelectorAll('details').forEach(fold => { fold.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_language_and_theme_are_switched_on_the_page(visit: Visit, risk: Opened) -> None:
    page = visit(risk)
    page.get_by_role("button", name="Dark").click()
    assert page.locator("html").get_attribute("data-theme") == "dark"
    page.get_by_role("button", name="NL").click()
    expect(page.get_by_role("heading", name="Waarop dit berust")).to_be_visible()
    assert page.locator("html").get_attribute("data-theme") == "dark"


@pytest.mark.parametrize("opened", [False, True])
def test_paper_shows_an_outlook_only_if_the_reader_opened_it(visit: Visit, outlook: Opened, opened: bool) -> None:
    page = visit(outlook, "?outlook=1" if opened else "")
    page.emulate_media(media="print")
    assert page.locator("#outlook .milestones").is_visible() is opened
    assert not page.locator(".what-if summary").first.is_visible()
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_every_sheet_says_which_report_and_which_sheet_of_how_many_it_is(visit: Visit, outlook: Opened) -> None:
    """What a tumour board lays on the table may fall on the floor."""
    page = visit(outlook, "?outlook=1")
    number = page.locator("#provenance code").first.inner_text()
    sheets = sheets_of(page.pdf(prefer_css_page_size=True))
    assert len(sheets) > 1
    for position, sheet in enumerate(sheets, start=1):
        last = sheet.strip().splitlines()[-1]
        assert f"Report {number}" in last
        assert re.search(rf"\b{position} ?/ ?{len(sheets)}$", last)


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ("Alive after 6, 12 and 24 months", "As 100 people", "What randomised trials saw", "How sure")),
        ("nl", ("In leven na 6, 12 en 24 maanden", "Als 100 mensen", "Wat gerandomiseerd onderzoek zag", "Hoe zeker")),
    ],
)
def test_an_outlook_is_five_sheets_at_most_and_the_first_holds_the_answer(
    visit: Visit, outlook: Opened, language: str, words: tuple[str, ...]
) -> None:
    page = visit(outlook, "?outlook=1", locale={"en": "en-GB", "nl": "nl-NL"}[language])
    page.wait_for_load_state("networkidle")
    first, *others = sheets_of(page.pdf(prefer_css_page_size=True))
    assert len(others) <= 4
    assert [said for said in words if said not in first] == []
    told = first + "".join(others)
    sources = page.locator("#provenance .from code").all_inner_texts()
    assert sources != [] and [source for source in sources if source not in told] == []


def test_what_is_folded_on_the_screen_is_on_paper(visit: Visit, risk: Opened) -> None:
    """Evidence and limits of each model, and the criterion that does not hold."""
    page = visit(risk)
    limits = page.locator("#provenance details.model").get_by_text("What it can't do")
    assert limits.count() > 1 and not limits.first.is_visible()
    told = "\n".join(sheets_of(page.pdf(prefer_css_page_size=True)))
    assert told.count("What it can't do") == limits.count()
    assert re.search(r"Jaundice at 40 or over\s+does not hold", told)


def test_closing_the_report_leaves_nothing_to_come_back_to(visit: Visit, reports: Reports) -> None:
    opened = reports.open("new-diabetes")
    page = visit(opened)
    page.get_by_role("button", name="Close the report").click()
    expect(page.get_by_role("heading", name="The report is closed")).to_be_visible()
    assert opened.get().status_code == 401


def test_nothing_moves_while_the_page_loads(visit: Visit, outlook: Opened) -> None:
    page = visit(outlook, "?outlook=1")
    page.wait_for_load_state("networkidle")
    shift = page.evaluate(
        """() => new Promise(done => {
             let total = 0;
             new PerformanceObserver(list => { for (const e of list.getEntries()) total += e.value; })
               .observe({type: 'layout-shift', buffered: true});
             setTimeout(() => done(total), 300);
           })"""
    )
    assert shift < 0.05
