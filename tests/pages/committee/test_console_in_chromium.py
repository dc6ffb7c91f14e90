"""The console in a real browser: from signing in to a call made again, at any width, and nothing axe objects to."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from accessibility import violations
from console_house import MODEL, SITE, Console, enter
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.system

PAGES = ["/", f"/models/{MODEL}/{SITE}/", f"/models/{MODEL}/{SITE}/calls?carded=1", "/incidents", "/reports/2026-11"]
SignIn = Callable[..., Page]


@pytest.fixture
def sign_in(browser: Browser, console: Console) -> Iterator[SignIn]:
    """Fails at the end if a page asked for what its policy forbids."""
    complaints: list[str] = []
    contexts = []

    def go(**context: object) -> Page:
        made = browser.new_context(**{"locale": "en-GB", "viewport": {"width": 1280, "height": 900}, **context})  # type: ignore[arg-type]
        contexts.append(made)
        page = made.new_page()
        page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
        enter(page, console)
        expect(page.get_by_role("heading", level=1)).to_have_text("Is each model still right here?")
        return page

    yield go
    for made in contexts:
        made.close()
    assert complaints == []


def test_from_the_first_page_to_a_call_made_again(sign_in: SignIn, console: Console) -> None:
    page = sign_in(java_script_enabled=False)
    page.get_by_label("Verdict").select_option("watch")
    page.get_by_role("button", name="Show").click()
    page.get_by_role("link", name="Two-year risk of pancreatic cancer").click()
    expect(page.get_by_role("heading", name="Drift over time")).to_be_visible()
    page.get_by_role("link", name="Single calls").click()
    page.get_by_role("link", name="Only calls with a card").click()
    page.get_by_role("link", name=console.call).click()
    expect(page.get_by_text("Everything is as it was, to the letter and the bit.")).to_be_visible()
    page.locator(".menu > summary").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_axe_finds_nothing_and_no_page_is_wider_than_the_window(
    sign_in: SignIn, console: Console, axe: str, width: int, scheme: str
) -> None:
    page = sign_in(viewport={"width": width, "height": 900}, color_scheme=scheme)
    for address in (*PAGES, f"/calls/{console.call}"):
        page.goto(f"{console.address}/committee{address}")
        assert violations(page, axe) == [], address
        assert page.evaluate("document.documentElement.scrollWidth") <= width, address


def test_on_a_phone_the_bar_is_low_and_its_menu_is_opened_by_keys_without_script(sign_in: SignIn) -> None:
    page = sign_in(viewport={"width": 390, "height": 844}, java_script_enabled=False)
    bar = page.locator("header.bar").bounding_box()
    assert bar is not None
    assert bar["height"] <= 100
    expect(page.get_by_role("button", name="Dark")).to_be_hidden()
    page.locator(".menu > summary").focus()
    page.keyboard.press("Enter")
    dark = page.get_by_role("button", name="Dark")
    expect(dark).to_be_in_viewport(ratio=1)
    dark.focus()
    page.keyboard.press("Enter")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing_in_the_open_menu(sign_in: SignIn, axe: str, width: int) -> None:
    page = sign_in(viewport={"width": width, "height": 844})
    page.locator(".menu > summary").click()
    assert violations(page, axe) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


UNLABELLED = """[...document.querySelectorAll('.verdicts tbody td:not([data-label])')]
    .filter(cell => cell.innerText.trim() && !cell.querySelector('.level, a')).map(cell => cell.innerText)"""


def test_on_a_phone_every_value_of_a_list_is_said_with_its_column(sign_in: SignIn, console: Console) -> None:
    """The head of a table is not seen there: "0.34" and "nothing" alone say nothing."""
    page, seen = sign_in(viewport={"width": 390, "height": 844}), 0
    for address in (*PAGES, f"/models/{MODEL}/{SITE}/calls"):
        page.goto(f"{console.address}/committee{address}")
        page.evaluate("document.querySelectorAll('details').forEach(folded => { folded.open = true; })")
        assert page.evaluate(UNLABELLED) == [], address
        seen += page.locator(".verdicts tbody td[data-label]").count()
        told = page.locator(".verdicts td[data-label]").evaluate_all(
            "cells => cells.map(cell => getComputedStyle(cell, '::before').content)"
        )
        assert "none" not in told, address
    assert seen > 0
