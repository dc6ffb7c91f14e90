"""Members act on the console: two let a model speak again; an incident is looked into, joined to a call and closed."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

import pytest
from accessibility import violations
from console_house import MEMBER, MODEL, OTHER, SITE, VIEWER, Console, signed_in
from flask.testing import FlaskClient
from playwright.sync_api import Browser, expect

from cds.committee import incidents
from cds.ledger.book import Book
from cds.ledger.incidents import Incident
from cds.ledger.standings import every, stops
from cds.pages.committee import view

PAGE = f"/committee/models/{MODEL}/{SITE}"
ELSEWHERE = {"Origin": "https://evil.example"}
WHY = {"reason": "the analyser was replaced", "where": SITE}


@pytest.fixture(scope="module")
def acting(open_console: Callable[..., Console]) -> Console:
    return open_console()


def book(house: Console) -> Book:
    return Book(house.app.extensions["cds"].settings.ledger_url)


def stopped(house: Console) -> set[tuple[str, str]]:
    with book(house) as ledger:
        return set(stops(ledger.read(every)))


def hidden(browser: FlaskClient, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]+)"', browser.get(f"{PAGE}/").text)
    return found[1] if found is not None else ""


def test_two_members_let_a_model_speak_again_each_signed_in(acting: Console) -> None:
    one, other, viewer = (acting.client(name) for name in (MEMBER, OTHER, VIEWER))
    assert one.post(f"{PAGE}/stop", data=WHY).status_code == 303
    for address in ("resume", "agree"):
        assert viewer.post(f"{PAGE}/{address}", data=WHY).status_code == 403
        assert one.post(f"{PAGE}/{address}", data=WHY, headers=ELSEWHERE).status_code == 403
        assert acting.client(None).post(f"{PAGE}/{address}", data=WHY).status_code == 401
    assert other.post(f"{PAGE}/agree", data=WHY).status_code == 400, "nobody has asked"
    assert one.post(f"{PAGE}/resume", data=WHY).status_code == 303
    text = other.get(f"{PAGE}/").text
    assert "A. Bee asked for this on" in text and "the analyser was replaced" in text
    assert "Agree, and let it speak" in text and "Agree, and let it speak" not in viewer.get(f"{PAGE}/").text
    assert "A. Bee asked for this on" in viewer.get("/committee/").text
    agree = {"reason": "I have looked at it, too", "where": SITE, "asked": hidden(other, "asked")}
    own = one.post(f"{PAGE}/agree", data=agree)
    assert own.status_code == 400 and "somebody else has to agree" in own.text
    assert other.post(f"{PAGE}/agree", data={**agree, "reason": "yes"}).status_code == 400
    assert stopped(acting) == {(MODEL, SITE)}
    assert other.post(f"{PAGE}/agree", data=agree).status_code == 303
    assert stopped(acting) == set()
    with book(acting) as ledger:
        resumed = ledger.read(every)[-1]
    assert (resumed.person_id, resumed.second_id) == (f"local account {MEMBER}", f"local account {OTHER}")
    assert "resuming asked for" in one.get("/committee/reports/2026-11").text
    assert one.get("/committee/reports/2026-11.pdf").status_code == 200


def reported(house: Console) -> str:
    engine = house.app.extensions["cds"]
    with book(house) as ledger:
        made = incidents.report(
            ledger, SITE, "wrong-data", "the weight is of somebody else", view.here(engine), call=None, card=None
        )
    return made.id


def found(house: Console, number: str) -> Incident:
    with book(house) as ledger:
        return view.incident(ledger, number)


def test_an_incident_is_looked_into_joined_to_its_call_closed_and_opened_again(acting: Console) -> None:
    number, member = reported(acting), acting.client(OTHER)
    address = f"/committee/incidents/{number}"
    assert f'href="{address}"' in member.get("/committee/incidents").text
    assert "say how serious it was" in member.get(address).text
    early = member.post(f"{address}/close", data={"text": "the scale was repaired"})
    assert early.status_code == 400 and "before it is closed" in early.text and f'href="{address}"' in early.text
    assert member.post(f"{address}/triage", data={"severity": "dreadful"}).status_code == 400
    assert member.post(f"{address}/triage", data={"severity": "harm"}).status_code == 303
    assert "Somebody was harmed: withhold the model" in member.get(address).text
    assert member.post(f"{address}/link", data={"call": "no-such-call"}).status_code == 400
    assert member.post(f"{address}/link", data={"call": acting.call}).status_code == 303
    assert member.post(f"{address}/close", data={"text": "no"}).status_code == 400
    assert member.post(f"{address}/close", data={"text": "the scale was repaired"}).status_code == 303
    kept = found(acting, number)
    assert (kept.state, kept.severity, kept.call_id) == ("closed", "harm", acting.call)
    assert {event.person for event in kept.events} == {OTHER}
    assert member.post(f"{address}/triage", data={"severity": "none"}).status_code == 400, "it is closed"
    text = member.get(address).text
    assert "Open it again" in text and "Close it" not in text
    assert member.post(f"{address}/reopen", data={"text": "it happened once more"}).status_code == 303
    assert found(acting, number).state == "open"
    assert member.get(f"{address}.pdf").mimetype == "application/pdf"


def test_nobody_else_acts_on_an_incident_and_no_other_sites_form_does(acting: Console) -> None:
    number = reported(acting)
    address, sent = f"/committee/incidents/{number}", {"severity": "minor"}
    assert acting.client(VIEWER).post(f"{address}/triage", data=sent).status_code == 403
    assert acting.client(VIEWER).get(address).status_code == 403
    assert acting.client(None).post(f"{address}/triage", data=sent).status_code == 401
    assert acting.client(MEMBER).post(f"{address}/triage", data=sent, headers=ELSEWHERE).status_code == 403
    assert acting.client(MEMBER).post(f"{address}/delete", data=sent).status_code == 404
    assert acting.client(MEMBER).get("/committee/incidents/no-such-incident").status_code == 404
    assert found(acting, number).events == ()


def test_acts_are_offered_in_dutch(acting: Console) -> None:
    member = acting.client(MEMBER)
    member.post("/committee/settings", data={"language": "nl"})
    text = member.get(f"/committee/incidents/{reported(acting)}").text
    assert "Hoe ernstig het is" in text and "ernstig: had schade kunnen veroorzaken" in text


def test_what_is_refused_is_told_in_dutch_with_names_and_moments_as_dutch_writes_them(acting: Console) -> None:
    member, other = acting.client(MEMBER), acting.client(OTHER)
    for browser in (member, other):
        browser.post("/committee/settings", data={"language": "nl"})
    assert member.post(f"{PAGE}/stop", data={**WHY, "where": "*"}).status_code == 303
    again = member.post(f"{PAGE}/stop", data={**WHY, "where": "*"})
    told = html.unescape(again.text)
    assert again.status_code == 400 and '<p role="alert">' in told
    assert re.search(r"wordt al tegengehouden \(overal\), sinds \d+ nov 2026 \d\d:\d\d, door A\. Bee\.", told)
    own = member.post(f"{PAGE}/confirm", data={**WHY, "where": "*"})
    assert "A. Bee heeft het tegengehouden: een ander moet dat bevestigen." in own.text
    assert "Zeg in één zin waarom" in member.post(f"{PAGE}/resume", data={"reason": "nee"}).text
    nowhere = member.post(f"{PAGE}/resume", data={**WHY, "where": "elsewhere"})
    assert "Er is geen ziekenhuis elsewhere." in nowhere.text
    member.post(f"{PAGE}/resume", data={**WHY, "where": "*"})
    agree = {**WHY, "where": "*", "asked": hidden(other, "asked")}
    assert "A. Bee heeft erom gevraagd" in member.post(f"{PAGE}/agree", data=agree).text
    assert other.post(f"{PAGE}/agree", data=agree).status_code == 303


@pytest.mark.system
def test_it_is_done_in_a_browser_as_narrow_as_a_phone(acting: Console, browser: Browser, axe: str) -> None:
    one, other = (signed_in(browser, acting, name) for name in (MEMBER, OTHER))
    for page in (one, other):
        page.goto(f"{acting.address}{PAGE}/")
    one.get_by_label("Why, in a sentence").fill("calibration is off here")
    one.get_by_role("button", name="Withhold now").click()
    one.get_by_role("region", name="Let this model speak again").get_by_label("Why").fill("it was the analyser")
    one.get_by_role("button", name="Ask for it").click()
    expect(one.get_by_text("A. Bee asked for this on")).to_be_visible()
    other.reload()
    assert violations(other, axe) == []
    assert other.evaluate("document.documentElement.scrollWidth") <= 390
    other.get_by_role("region", name="Let this model speak again").get_by_label("Why").fill("so I found, too")
    other.get_by_role("button", name="Agree, and let it speak").click()
    expect(other.get_by_role("heading", name="Withhold this model")).to_be_visible()
    number = reported(acting)
    other.goto(f"{acting.address}/committee/incidents/{number}")
    assert violations(other, axe) == []
    assert other.evaluate("document.documentElement.scrollWidth") <= 390
    other.get_by_label("minor: a nuisance").check()
    other.get_by_role("button", name="Keep this").click()
    other.get_by_label("What was found, and what was done about it").fill("the scale was repaired")
    other.get_by_role("button", name="Close", exact=True).click()
    expect(other.get_by_role("heading", name="Open it again")).to_be_visible()
    assert found(acting, number).state == "closed"
    for page in (one, other):
        page.context.close()
