"""The demonstration EHR in a real browser: by keyboard, on a phone, without errors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from demo_hospital import Hospital
from playwright.sync_api import Browser, BrowserContext, Page, expect
from stub_cds_service import DUTCH

pytestmark = pytest.mark.system

GOLDEN = Path(__file__).parents[1] / "golden"


@dataclass
class Screen:
    """A page, and everything its console complained of."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def reach(self, name: str) -> None:
        """Press Tab until the control of that accessible name has the focus, and check that one can see it."""
        wanted = self.page.get_by_role("button", name=name, exact=True).or_(
            self.page.get_by_role("link", name=name, exact=True)
        )
        for _ in range(60):
            self.page.keyboard.press("Tab")
            if wanted.first.evaluate("e => e === document.activeElement"):
                assert wanted.first.evaluate("e => getComputedStyle(e).outlineStyle") == "solid"
                return
        pytest.fail(f"'{name}' cannot be reached with the Tab key")

    def open(self, hospital: Hospital, patient: str = "Nora Testpatient") -> None:
        self.page.goto(hospital.url)
        self.page.get_by_role("button", name=f"Open chart of {patient}").click()
        expect(self.page.get_by_role("heading", level=1, name=patient)).to_be_visible()

    def overflow(self) -> int:
        """CSS pixels the page is wider than the window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))


def _screen(context: BrowserContext) -> Screen:
    screen = Screen(context.new_page())
    screen.page.on("console", lambda message: screen.complaints.append(message.text))
    screen.page.on("pageerror", lambda error: screen.complaints.append(str(error)))
    screen.page.on("requestfailed", lambda request: screen.complaints.append(request.url))
    return screen


@pytest.fixture
def screen(browser: Browser) -> Iterator[Screen]:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB")
    yield _screen(context)
    context.close()


def test_a_chart_is_opened_and_orders_are_signed_by_keyboard_alone(screen: Screen, hospital: Hospital) -> None:
    page = screen.page
    page.goto(hospital.url)
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    screen.reach("Open chart of Felix Testpatient")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1, name="Felix Testpatient")).to_be_visible()
    screen.reach("Sign orders")
    page.keyboard.press("Enter")
    card = page.get_by_role("article", name="Prognosis information available")
    expect(card.get_by_role("table")).to_be_hidden()
    expect(card.get_by_text("Hide the details")).to_be_hidden()
    card.locator("summary", has_text="Show the details").focus()
    page.keyboard.press("Enter")
    expect(card.get_by_role("table")).to_be_visible()
    expect(card.get_by_text("Hide the details")).to_be_visible()
    expect(card.get_by_text("Show the details")).to_be_hidden()
    assert screen.complaints == []


def test_accepting_puts_the_order_in_the_record_and_tells_the_service(screen: Screen, hospital: Hospital) -> None:
    screen.open(hospital)
    screen.page.get_by_role("button", name="Accept: Order HbA1c").click()
    expect(screen.page.get_by_role("status").get_by_text("Done: Order HbA1c.")).to_be_in_viewport()
    expect(screen.page.get_by_role("checkbox", name="Order HbA1c")).to_be_checked()
    (order,) = hospital.found("ServiceRequest?patient=new-diabetes&status=draft")
    assert order["code"]["text"] == "Order HbA1c"  # type: ignore[index]
    expect(screen.page.get_by_role("status").get_by_text("The service has been told.")).to_be_visible()
    assert hospital.stub.feedback[0][1]["feedback"][0]["acceptedSuggestions"] == [{"id": "hba1c"}]
    assert screen.complaints == []


def test_an_override_needs_a_reason_and_sends_it(screen: Screen, hospital: Hospital) -> None:
    screen.open(hospital)
    page = screen.page
    page.get_by_text("Do not follow").click()
    page.get_by_role("button", name="Send reason").click()
    assert hospital.stub.feedback == []
    page.get_by_role("radio", name="Already investigated").check()
    page.get_by_label("Comment (optional)").fill("CT last month elsewhere")
    page.get_by_role("button", name="Send reason").click()
    expect(page.get_by_text("Not followed: Already investigated")).to_be_visible()
    sent = hospital.stub.feedback[0][1]["feedback"][0]["overrideReason"]
    assert (sent["reason"]["code"], sent["userComment"]) == ("done-already", "CT last month elsewhere")
    page.get_by_role("button", name="Ask again").click()
    expect(page.get_by_text("No new advice.")).to_be_visible()
    assert screen.complaints == []


def test_the_language_switch_speaks_dutch_throughout(screen: Screen, hospital: Hospital) -> None:
    screen.open(hospital)
    screen.page.get_by_role("button", name="Nederlands").click()
    expect(screen.page.get_by_role("heading", name=DUTCH)).to_be_visible()
    expect(screen.page.get_by_role("heading", name="Te ondertekenen orders")).to_be_visible()
    assert screen.page.locator("html").get_attribute("lang") == "nl"
    screen.page.get_by_role("link", name="Alle patiënten").click()
    expect(screen.page.get_by_role("heading", level=1, name="Patiënten")).to_be_visible()
    assert screen.complaints == []


SURVIVAL = "\n".join(
    line for line in (GOLDEN / "dpyd-variant.nl.md").read_text(encoding="utf-8").splitlines() if line.startswith("|")
)


@pytest.mark.parametrize("width", [390, 360])
def test_the_table_of_a_prognosis_fits_its_box_on_a_phone(browser: Browser, hospital: Hospital, width: int) -> None:
    assert SURVIVAL.count("\n") == 6  # one table of seven lines
    bare = {"summary": "Prognose", "indicator": "info", "source": {"label": "Rekenmodel"}}
    hospital.stub.cards = [bare | {"detail": f"**In leven na**\n\n{SURVIVAL}"}]
    context = browser.new_context(viewport={"width": width, "height": 844}, locale="nl-NL")
    page = context.new_page()
    page.goto(hospital.url)
    page.get_by_role("button", name="Dossier van Nora Testpatient openen").click()
    page.wait_for_load_state("load")
    page.evaluate("document.querySelectorAll('details').forEach(folded => { folded.open = true; })")
    boxes = page.locator(".card .scroll")
    expect(boxes).not_to_have_count(0)
    wider = [box.evaluate("e => e.scrollWidth - e.clientWidth") for box in boxes.all()]
    hospital.stub.cards = None
    context.close()
    assert set(wider) == {0}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_scrolls_sideways_on_a_360_pixel_phone(browser: Browser, hospital: Hospital, scheme: str) -> None:
    context = browser.new_context(
        viewport={"width": 360, "height": 740}, color_scheme="dark" if scheme == "dark" else "light", locale="nl-NL"
    )
    screen = _screen(context)
    page = screen.page
    page.goto(hospital.url)
    assert screen.overflow() <= 0
    page.get_by_role("button", name="Dossier van Felix Testpatient openen").click()
    page.get_by_text("Niet opvolgen").click()
    page.get_by_text("Onder de motorkap").click()
    assert screen.overflow() <= 0
    page.get_by_role("button", name="Orders ondertekenen").click()
    page.get_by_text("Details tonen").click()
    assert screen.overflow() <= 0
    small = [
        button.inner_text()
        for button in page.get_by_role("button").all()
        if (button.bounding_box() or {})["height"] < 44
    ]
    assert small == [], "a thumb needs 44 pixels"
    assert screen.complaints == []
    context.close()


def test_cards_stand_beside_the_chart_on_a_wide_screen_and_before_it_on_a_phone(
    browser: Browser, hospital: Hospital
) -> None:
    for width, beside in ((1440, True), (390, False)):
        context = browser.new_context(viewport={"width": width, "height": 900}, locale="en")
        screen = _screen(context)
        screen.open(hospital)
        cards = screen.page.get_by_role("complementary").bounding_box()
        problems = screen.page.get_by_role("region", name="Problems").bounding_box()
        assert cards is not None
        assert problems is not None
        if beside:
            assert cards["x"] > problems["x"] + problems["width"]
        else:
            assert cards["y"] + cards["height"] < problems["y"]
        context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_a_contrast_of_at_least_4_5(browser: Browser, hospital: Hospital, scheme: str) -> None:
    context = browser.new_context(color_scheme="dark" if scheme == "dark" else "light", locale="en")
    screen = _screen(context)
    screen.open(hospital)
    assert screen.page.evaluate(_FAINT) == []
    context.close()


_FAINT = """() => {
  const rgb = text => {
    const n = text.match(/[\\d.]+/g).map(Number);
    return {c: n.slice(0, 3), a: n.length > 3 ? n[3] : 1};
  };
  const lum = c => c.map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((s, v, i) => s + v * [.2126, .7152, .0722][i], 0);
  const ground = e => {
    const layers = [];
    for (; e; e = e.parentElement) {
      layers.push(rgb(getComputedStyle(e).backgroundColor));
      if (layers.at(-1).a === 1) break;
    }
    return layers.reverse().reduce((under, l) => under.map((v, i) => v * (1 - l.a) + l.c[i] * l.a), [255, 255, 255]);
  };
  const faint = [];
  for (const e of document.querySelectorAll('body *')) {
    const text = [...e.childNodes].filter(n => n.nodeType === 3 && n.textContent.trim());
    if (!text.length || !e.checkVisibility() || e.closest('svg, .unseen')) continue;
    const [a, b] = [lum(rgb(getComputedStyle(e).color).c), lum(ground(e))].sort((x, y) => y - x);
    if ((a + .05) / (b + .05) < 4.5) faint.push(text[0].textContent.trim() + ' ' + ((a + .05) / (b + .05)).toFixed(2));
  }
  return faint;
}"""
