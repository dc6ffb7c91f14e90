"""A patient's scans in the demo EHR, in a real browser, without script: outlined, scrolled, measured, compared."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from accessibility import violations
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect
from scan_hospital import ScanHospital, scan_hospital

from cds.demo.dicomweb_endpoint import Refused

pytestmark = pytest.mark.system
AMBER, BLUE = (255, 176, 0), (64, 200, 230)


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScanHospital]:
    folder: Path = tmp_path_factory.mktemp("scans")
    with scan_hospital(folder) as found:
        found.read("phantom-response")
        found.read("phantom-elsewhere")
        yield found


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """No script runs, and nothing may complain."""
    context = browser.new_context(viewport={"width": 1280, "height": 1000}, locale="en-GB", java_script_enabled=False)
    found = context.new_page()
    complaints: list[str] = []
    found.on("console", lambda message: complaints.append(message.text))
    # one that going on to the next page cut off is none
    found.on("requestfailed", lambda r: complaints.append(r.url) if r.failure != "net::ERR_ABORTED" else None)
    yield found
    context.close()
    assert complaints == []


def opened(page: Page, hospital: ScanHospital, name: str) -> Locator:
    page.goto(hospital.url)
    page.get_by_role("button", name=f"Open chart of {name} Testpatient").click()
    page.wait_for_url("**/charts/*")
    return page.get_by_role("region", name="Scans")


def pixels(page: Page, picture: Locator) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """What the picture's file holds, [rows, columns, 3]."""
    answer = page.request.get(f"{page.url.split('/charts')[0]}{picture.get_attribute('src')}")
    assert answer.headers["content-type"] == "image/png"
    return np.asarray(Image.open(io.BytesIO(answer.body())).convert("RGB"))


def count(image: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], colour: tuple[int, int, int]) -> int:
    return int((image == colour).all(axis=2).sum())


def test_the_chart_opens_on_the_finding_outlined_with_the_earlier_scan_beside(
    page: Page, hospital: ScanHospital
) -> None:
    scans = opened(page, hospital, "Roos")
    expect(scans.get_by_text("A network has read this scan.")).to_be_visible()
    expect(scans.get_by_text("Preliminary, not confirmed by a physician.")).to_be_visible()
    now, before = scans.get_by_role("figure").all()
    for figure, words in ((now, "This scan"), (before, "Earlier scan")):
        expect(figure).to_contain_text(words)
        picture = figure.get_by_role("img")
        assert "a finding outlined" in str(picture.get_attribute("alt"))
        shown = pixels(page, picture)
        assert count(shown, AMBER) > 50
        assert count(shown, BLUE) > 50
    boxes = [figure.bounding_box() for figure in (now, before)]
    assert boxes[0] is not None
    assert boxes[1] is not None
    assert boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"]


def test_outlines_can_be_taken_away_and_the_picture_brought_closer(page: Page, hospital: ScanHospital) -> None:
    scans = opened(page, hospital, "Roos")
    picture = scans.get_by_role("figure").first.get_by_role("img")
    far = count(pixels(page, picture), AMBER)
    scans.get_by_role("link", name="closer").click()
    assert count(pixels(page, picture), AMBER) > 1.5 * far
    scans.get_by_role("link", name="outlines").click()
    shown = pixels(page, picture)
    assert (count(shown, AMBER), count(shown, BLUE)) == (0, 0)


def test_one_scrolls_by_links_and_by_the_neighbours_and_comes_back_to_the_finding(
    page: Page, hospital: ScanHospital
) -> None:
    scans = opened(page, hospital, "Roos")
    at = scans.locator(".at")
    first = int(at.inner_text().split()[0])
    seen = [pixels(page, scans.get_by_role("figure").first.get_by_role("img"))]
    scans.get_by_role("link", name="1 towards the head").click()
    expect(at).to_have_text(f"{first + 1} of 80")
    scans.get_by_role("link", name="5 towards the feet").click()
    expect(at).to_have_text(f"{first - 4} of 80")
    scans.get_by_role("link", name=re.compile(f"Slice {first + 2}")).click()
    expect(at).to_have_text(f"{first + 2} of 80")
    seen.append(pixels(page, scans.get_by_role("figure").first.get_by_role("img")))
    assert not np.array_equal(*seen)
    scans.get_by_role("link", name=re.compile("^1, on slice")).click()
    expect(at).to_have_text(f"{first} of 80")


def test_the_window_changes_what_is_white(page: Page, hospital: ScanHospital) -> None:
    scans = opened(page, hospital, "Roos")
    picture = scans.get_by_role("figure").first.get_by_role("img")
    soft = float((pixels(page, picture)[..., 0] > 250).mean())
    scans.get_by_role("link", name="bone").click()
    assert float((pixels(page, picture)[..., 0] > 250).mean()) < soft
    expect(scans.get_by_role("link", name="bone")).to_have_attribute("aria-current", "true")


def test_the_scroll_stops_at_both_ends(page: Page, hospital: ScanHospital) -> None:
    opened(page, hospital, "Roos")
    chart = page.url.split("?")[0].split("#")[0]
    for wish, shown in (("-9", "1 of 80"), ("100000", "80 of 80"), ("x", "of 80")):
        page.goto(f"{chart}?slice={wish}")
        expect(page.locator(".at")).to_contain_text(shown)


def test_measures_of_both_scans_stand_side_by_side_with_what_changed(page: Page, hospital: ScanHospital) -> None:
    scans = opened(page, hospital, "Roos")
    whole = scans.get_by_role("table", name="The scan as a whole")
    response = whole.get_by_role("row", name="Response measured by the network, unconfirmed")
    expect(response).to_contain_text("partial response")
    finding = scans.get_by_role("table", name="Finding 1")
    cells = finding.get_by_role("row", name="Longest diameter").first.get_by_role("cell").all_inner_texts()
    now, before = (float(text.split()[0]) for text in cells)
    change = finding.get_by_role("row", name="Change of longest diameter").get_by_role("cell").first.inner_text()
    assert now < before
    assert float(change.split()[0].replace("−", "-")) == pytest.approx(now - before, abs=0.11)


def test_a_scan_nobody_could_read_is_shown_and_said_to_be_no_reassurance(page: Page, hospital: ScanHospital) -> None:
    scans = opened(page, hospital, "Els")
    expect(scans.get_by_text("No result lies beside this scan.")).to_be_visible()
    expect(scans.get_by_text("That is no reassurance.")).to_be_visible()
    shown = pixels(page, scans.get_by_role("figure").get_by_role("img"))
    assert shown.std() > 20
    assert count(shown, AMBER) == 0
    expect(scans.get_by_role("table")).to_have_count(0)


def test_a_scan_sent_now_goes_from_being_read_to_read_before_ones_eyes(page: Page, hospital: ScanHospital) -> None:
    scans = opened(page, hospital, "Tom")
    scans.get_by_role("button", name="Make the scan and send it").click()
    expect(scans.get_by_text("The scan is in the archive and is being read.")).to_be_visible()
    expect(scans.get_by_role("button", name="Make the scan and send it")).to_have_count(0)
    asked = len(hospital.stub.calls)
    hospital.read("phantom-today")
    expect(scans.get_by_text("A network has read this scan.")).to_be_visible(timeout=20_000)
    assert len(hospital.stub.calls) > asked, "the chart asks its services again"
    assert "http-equiv" not in page.content(), "and then stops looking"


def test_with_script_the_strip_follows_the_reading_live_and_ends_at_the_fresh_card(
    browser: Browser, hospital: ScanHospital, axe: str
) -> None:
    hospital.scanner.waiting.add("phantom-elsewhere")  # sent again: nothing will lie beside it, as before
    context = browser.new_context(viewport={"width": 1280, "height": 1000}, locale="nl-NL")
    live = context.new_page()
    complaints: list[str] = []
    live.on("console", lambda message: complaints.append(message.text))
    live.on("pageerror", lambda error: complaints.append(str(error)))
    live.goto(hospital.url)
    live.get_by_role("button", name="Dossier van Els Testpatient openen").click()
    live.get_by_role("button", name="Scan maken en versturen").click()
    strip = live.locator(".progress-strip")
    expect(strip).to_contain_text("wordt beoordeeld: haalt beelden op")
    expect(live.get_by_role("progressbar")).to_have_attribute("value", "25")
    here = live.url
    assert violations(live, axe) == []
    hospital.stub.progress = ("running", "analyse", 0.8)
    expect(strip).to_contain_text("analyseert")
    expect(live.get_by_role("progressbar")).to_have_attribute("value", "80")
    assert live.url == here, "the page is not loaded anew for that"
    asked = len(hospital.stub.calls)
    hospital.stub.progress = ("indeterminate", "", 1.0)
    expect(strip).to_contain_text("niet beoordeeld", timeout=10_000)
    expect(live.get_by_role("progressbar")).to_have_count(0)
    live.wait_for_url(re.compile("look="))
    assert len(hospital.stub.calls) > asked, "the chart asks its services again"
    assert complaints == []
    context.close()
    hospital.stub.progress = None


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 360)])
def test_axe_finds_nothing_on_a_chart_with_two_scans_and_their_measures(
    browser: Browser, hospital: ScanHospital, axe: str, scheme: Literal["light", "dark"], width: int
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, locale="en-GB", color_scheme=scheme)
    chart = context.new_page()
    expect(opened(chart, hospital, "Roos").get_by_role("figure")).to_have_count(2)
    chart.evaluate("document.querySelectorAll('details').forEach(fold => { fold.open = true; })")
    assert violations(chart, axe) == []
    context.close()


def test_dutch_and_a_phone_hold_it_all(browser: Browser, hospital: ScanHospital) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 740}, locale="nl-NL", color_scheme="dark")
    phone = context.new_page()
    phone.goto(hospital.url)
    phone.get_by_role("button", name="Dossier van Roos Testpatient openen").click()
    scans = phone.get_by_role("region", name="Scans")
    expect(scans.get_by_text("Een netwerk heeft deze scan beoordeeld.")).to_be_visible()
    expect(scans.get_by_role("table", name="De scan als geheel")).to_contain_text("gedeeltelijke respons")
    assert int(phone.evaluate("document.documentElement.scrollWidth - window.innerWidth")) <= 0
    heights = [(link.bounding_box() or {})["height"] for link in scans.locator(".step").all()]
    assert min(heights) >= 44, "a thumb needs 44 pixels"
    context.close()


def test_no_address_and_no_picture_names_the_patient(page: Page, hospital: ScanHospital) -> None:
    scans = opened(page, hospital, "Roos")
    addresses = [str(one.get_attribute("src")) for one in scans.get_by_role("img").all()]
    addresses += [str(one.get_attribute("href")) for one in scans.get_by_role("link").all()]
    assert addresses
    assert not [a for a in addresses if "phantom" in a or "Roos" in a or "2.25." in a]
    picture = page.request.get(f"{hospital.url}{addresses[0]}").body()
    assert not any(word in picture for word in (b"Testpatient", b"phantom", b"2.25.", b"tEXt", b"iTXt"))


def test_an_archive_that_is_away_is_said_and_leaves_the_rest_of_the_chart(
    page: Page, hospital: ScanHospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(**_uids: str) -> None:
        raise Refused(403, "not now")

    monkeypatch.setattr(hospital.scanner.archive, "found", away)
    scans = opened(page, hospital, "Roos")
    expect(scans.get_by_role("status")).to_contain_text("The image archive can't be read: ")
    expect(page.get_by_role("heading", name="Laboratory")).to_be_visible()


def test_studies_the_archive_does_not_have_are_listed_and_not_shown(
    page: Page, hospital: ScanHospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hospital.scanner.archive, "found", lambda **_uids: [])
    expect(opened(page, hospital, "Roos")).to_have_count(0)
    expect(page.get_by_role("region", name="Imaging")).to_contain_text("generated phantom")
