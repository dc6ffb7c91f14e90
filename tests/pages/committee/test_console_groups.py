"""What verdicts say of one group of people: chosen on a page, and kept in what the page leads to."""

from __future__ import annotations

import csv
import html
import io
import re

import pytest
from accessibility import violations
from console_house import MODEL, SITE, Console, signed_in
from playwright.sync_api import Browser, expect

PAGE = f"/committee/models/{MODEL}/{SITE}"
TURKISH = "patient-language: tr"
ASKED = {"group": TURKISH}


def test_the_first_page_offers_groups_by_name_and_keeps_the_chosen_one(console: Console) -> None:
    browser = console.client()
    text = html.unescape(browser.get("/committee/").text)
    assert f'<option value="{TURKISH}">patient\'s language: Turkish</option>' in text
    chosen = html.unescape(browser.get("/committee/", query_string=ASKED).text)
    assert f'<option value="{TURKISH}" selected>' in chosen and "Verdicts: 1" in chosen
    led_to = re.findall(r'href="([^"]*group=[^"]+)"', chosen)
    assert len(led_to) == 3, "the model, the CSV and the PDF"
    for address in led_to:
        assert browser.get(address).status_code == 200
    assert "No verdict is like this" in browser.get("/committee/?group=sex: other").text


def test_what_raised_a_verdict_is_told_of_the_group_alone(console: Console) -> None:
    browser = console.client()
    [_, whole], [_, part] = (
        rows(browser.get("/committee/overview.csv", query_string=asked).data) for asked in ({}, ASKED)
    )
    assert "stability index" in whole[-1] and "stability index" not in part[-1]
    assert whole[:-1] == part[:-1], "its verdict is the model's all the same"


def test_a_models_page_and_its_table_are_about_the_group_alone(console: Console) -> None:
    browser = console.client()
    text = html.unescape(browser.get(f"{PAGE}/", query_string=ASKED).text)
    assert "patient's language: Turkish" in text and "Calibration intercept" not in text
    [address] = re.findall(r'href="([^"]*findings.csv[^"]*)"', text)
    head, *lines = rows(browser.get(address).data)
    assert lines and {line[head.index("about")] for line in lines} == {TURKISH}
    [address] = re.findall(r'href="([^"]*report.pdf[^"]*)"', text)
    assert "group=" in address and browser.get(address).data.startswith(b"%PDF-")
    nobody = browser.get(f"{PAGE}/?group=sex: other").text
    assert "No measure is about this group." in nobody


def rows(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))


@pytest.mark.system
def test_it_is_chosen_in_a_browser(console: Console, browser: Browser, axe: str) -> None:
    page = signed_in(browser, console, locale="nl-NL")
    page.get_by_label("Groep", exact=True).select_option(label="taal van de patiënt: Turks")
    page.get_by_role("button", name="Tonen").click()
    page.get_by_role("table").get_by_role("link").click()
    expect(page.get_by_label("Groep", exact=True)).to_have_value(TURKISH)
    assert violations(page, axe) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.context.close()
