"""A clinician follows a card's link in a real browser: through the EHR's sign-in, with PKCE, to the report and out."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, BrowserContext, Page
from smart_house import NAMES, SmartHouse

from cds.web import metrics

pytestmark = pytest.mark.system
PATIENT, OTHER = "new-diabetes", "jaundice-head"


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(locale="en-GB")
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """Fails when the page asks for anything its policy forbids."""
    tab = context.new_page()
    complaints: list[str] = []
    tab.on("console", lambda message: complaints.append(message.text) if "Content Security" in message.text else None)
    yield tab
    assert complaints == []


def whose(page: Page) -> str:
    page.goto(f"{page.url}whose")
    return page.inner_text("body")


def test_a_card_leads_to_its_report(house: SmartHouse, page: Page, context: BrowserContext) -> None:
    card = house.card(PATIENT)
    page.goto(house.launch(card, PATIENT))
    assert page.url.startswith(f"{house.url}/report/") and page.url.count("/") == 5 and "?" not in page.url
    told = whose(page)
    assert f"patient={PATIENT} card={card['uuid']}" in told
    [cookie] = context.cookies(page.url)
    assert cookie["name"] == "cds_report" and cookie["httpOnly"] and cookie["sameSite"] == "Lax"
    assert cookie["path"] == page.url.removeprefix(house.url).removesuffix("/whose")
    assert page.evaluate("document.cookie") == "" and page.evaluate("document.referrer") == ""


def test_two_patients_in_two_tabs_stay_apart(house: SmartHouse, context: BrowserContext) -> None:
    """Both are on their way at once, and come back in the other order."""
    first, second = context.new_page(), context.new_page()
    house.card(PATIENT)
    card = house.card(OTHER)
    first.goto(f"{house.url}/report/start?iss={house.fhir_base}")
    second.goto(house.launch(card, OTHER))
    first.get_by_role("button", name=NAMES[PATIENT]).click()
    assert f"patient={OTHER} card={card['uuid']}" in whose(second)
    assert f"patient={PATIENT} card=None" in whose(first)
    first.reload()
    second.reload()
    assert PATIENT in first.inner_text("body") and OTHER in second.inner_text("body")


def test_outside_the_ehr_a_clinical_lead_chooses_the_patient(house: SmartHouse, page: Page) -> None:
    house.card(OTHER)
    page.goto(f"{house.url}/report/start?iss={house.fhir_base}")
    assert page.inner_text("h1") == "Choose a patient"
    page.get_by_role("button", name=NAMES[OTHER]).click()
    assert f"patient={OTHER} card=None" in whose(page)


def test_a_card_of_another_patient_shows_a_sentence_and_nothing_else(house: SmartHouse, page: Page) -> None:
    page.goto(house.launch(house.card(OTHER), PATIENT))
    assert page.inner_text("h1") == "The report can't be opened"
    assert "belongs to another patient" in page.inner_text("main") and "CDS-309" in page.inner_text("main")


def test_refusals_are_read_in_dutch_too(house: SmartHouse, browser: Browser) -> None:
    dutch = browser.new_context(locale="nl-NL")
    page = dutch.new_page()
    card = house.card(PATIENT)
    house.clock.now += timedelta(hours=72)
    page.goto(house.launch(card, PATIENT))
    assert "Deze kaart is te oud" in page.inner_text("main") and "CDS-308" in page.inner_text("main")
    dutch.close()


def test_back_after_the_launch_opens_nothing_anew(house: SmartHouse, page: Page) -> None:
    page.goto(house.launch(house.card(PATIENT), PATIENT))
    report = page.url
    callback = next(line for line in house.asked if line.startswith("/report/callback"))
    page.goto(house.url + callback.split(" ")[0])
    assert "CDS-303" in page.inner_text("main")
    page.goto(report)
    assert PATIENT in page.inner_text("body")


def test_a_report_whose_time_is_over_says_so(house: SmartHouse, page: Page) -> None:
    page.goto(house.launch(house.card(PATIENT), PATIENT))
    house.clock.now += timedelta(hours=1)
    page.reload()
    assert "CDS-311" in page.inner_text("main")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_refusal_fits_a_phone_and_has_contrast(house: SmartHouse, browser: Browser, scheme: str) -> None:
    phone = browser.new_context(viewport={"width": 320, "height": 568}, color_scheme=scheme)  # type: ignore[arg-type]
    page = phone.new_page()
    page.goto(f"{house.url}/report/launch")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    ink, sheet = (
        page.evaluate(f"getComputedStyle(document.querySelector('{where}')).{what}")
        for where, what in (("h1", "color"), ("main", "backgroundColor"))
    )
    assert ink != sheet and sheet != "rgba(0, 0, 0, 0)"
    phone.close()


@pytest.mark.threat("phi-in-traces")
def test_no_address_referrer_log_or_metric_names_the_patient(
    house: SmartHouse, context: BrowserContext, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("urllib3").setLevel(logging.DEBUG)
    visited: list[str] = []
    tab = context.new_page()
    tab.on("request", lambda request: visited.append(f"{request.url} {request.headers.get('referer', '')}"))
    cards = {patient: house.card(patient) for patient in (PATIENT, OTHER)}
    for patient, card in cards.items():
        tab.goto(house.launch(card, patient))
        whose(tab)
        tab.goto(house.launch(card, next(other for other in cards if other != patient)))
    tab.goto(house.server.launch_url(f"{house.url}/report/launch", None, "nobody"))
    tab.goto(f"{house.url}/report/start?iss={house.fhir_base}")
    tab.get_by_role("button", name=NAMES[PATIENT]).click()
    # the test's own web server writes addresses; gunicorn, which serves the product, is told to write none
    # and urllib3 tells the addresses of the record at a level that the product never logs at
    quiet = ("werkzeug", "asyncio", "urllib3.connectionpool")
    logs = [record.getMessage() for record in caplog.records if record.name not in quiet]
    assert len(visited) > 15 and len(house.asked) > 15 and any("route=/report/callback" in line for line in logs)
    # the record is asked about a patient by the service, with the reader's token; no browser sees those addresses
    asked = [line for line in house.asked if not line.startswith("/fhir/")]
    everything = "\n".join([*visited, *asked, *logs, metrics.exposition().decode()])
    secrets = {cookie["value"] for cookie in context.cookies()}
    wanted = {PATIENT, OTHER, *NAMES.values(), *secrets, "enc-1"}
    assert {clue for clue in wanted if clue in everything} == set()
    logged = "\n".join(logs)
    for line in house.asked:
        for part in ("launch=", "code=", "state="):
            if part in line:
                assert line.split(part)[1].split("&")[0].split(" ")[0] not in logged
