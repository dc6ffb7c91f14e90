"""Single calls and incidents of one group of people: chosen by keys alone, and kept in whatever the page leads to."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from accessibility import violations
from committee_room import NOW
from console_house import MODEL, SITE, Console, signed_in
from playwright.sync_api import Browser, expect

from cds.committee import incidents
from cds.committee.charter import Charter
from cds.committee.charter_file import read_charter
from cds.ids import new_id
from cds.ledger.book import Book
from cds.ledger.cohort import PredictedRow, newest_predicted
from cds.ledger.tables import calls, problems
from cds.pages.committee import lists
from cds.pages.committee.groups import holds
from cds.pages.committee.lists import PAGE

LIST = f"/committee/models/{MODEL}/{SITE}/calls"
TURKISH, DUTCH = "patient-language: tr", "patient-language: nl"


@pytest.fixture(scope="module")
def house(open_console: Callable[..., Console]) -> Console:
    """With an incident about a call of a Turkish patient, one about a Dutch one's, one about no call, one about a call
    that is gone, and one about a call of somebody of whom it is not known what they speak."""
    made = open_console()
    with Book(made.app.extensions["cds"].settings.ledger_url) as book:
        for n, language in enumerate(("tr", "nl", None)):
            call = None if language is None else sorted(spoken(made, language))[0]
            at = NOW - timedelta(days=n)
            first = incidents.report(book, SITE, "wrong-data", f"text of {language}", at, call=call, card=None)
        silent, gone = sorted(spoken(made, None))[0], replace(first, id=new_id(), text="text of gone", call_id="gone")
        incidents.report(book, SITE, "unclear", "text of silent", NOW - timedelta(days=4), call=silent, card=None)
        book.put_all(problems, [dict(gone.__dict__)])
    return made


def spoken(house: Console, language: str | None) -> set[str]:
    """Calls of whoever speaks it; None: of whoever it is not known of."""
    question = sa.select(calls.c.id).where(calls.c.patient_language == language)
    with Book(house.app.extensions["cds"].settings.ledger_url) as book:
        return set(book.read(lambda c: c.execute(question).scalars().all()))


def listed(house: Console, address: str, **asked: str) -> list[str]:
    """The calls of a CSV."""
    content = house.client().get(address, query_string=asked or None).data.decode("utf-8-sig")
    head, *rows = csv.reader(io.StringIO(content))
    return [row[head.index("call")] for row in rows]


def test_single_calls_are_of_the_group_alone(house: Console) -> None:
    turkish = spoken(house, "tr")
    assert set(listed(house, f"{LIST}.csv", group=TURKISH)) == turkish and len(turkish) == 300
    assert set(listed(house, f"{LIST}.csv", group=DUTCH)) == spoken(house, "nl")
    men, women = (set(listed(house, f"{LIST}.csv", group=f"sex: {sex}")) for sex in ("male", "female"))
    assert men and women and men.isdisjoint(women)
    carded = listed(house, f"{LIST}.csv", group=TURKISH, carded="1")
    assert carded and set(carded) < turkish


def test_the_group_is_kept_from_the_models_page_through_all_of_the_list(house: Console) -> None:
    browser = house.client()
    text = browser.get(f"/committee/models/{MODEL}/{SITE}/", query_string={"group": TURKISH}).text
    [address] = re.findall(r'href="([^"]*/calls\?[^"]*)"', html.unescape(text))
    seen: list[str] = []
    for page in range(6):
        text = html.unescape(browser.get(address).text)
        assert f'<option value="{TURKISH}" selected>patient\'s language: Turkish</option>' in text
        seen += re.findall(r"/committee/calls/([^\"]+)", text)
        links = re.findall(rf'href="({re.escape(LIST.removesuffix("calls"))}[^"]*)"', text)
        assert len(links) == (4 if page in (0, 5) else 5) and all("group=patient-language" in link for link in links)
        older = re.search(r'href="([^"]+)">Older', text)
        address = older[1] if older is not None else ""
    assert address == "", "three hundred on six pages"
    assert len(seen) == 6 * PAGE and set(seen) == spoken(house, "tr")


def test_days_and_cards_are_kept_beside_it(house: Console) -> None:
    asked = {"group": TURKISH, "carded": "1", "from": "2020-01-01", "to": "2031-01-01"}
    text = html.unescape(house.client().get(LIST, query_string=asked).text)
    older = re.search(r'href="([^"]+)">Older', text)
    assert older is not None and all(f"{name}=" in older[1] for name in asked)
    assert 'name="carded" value="1"' in text and 'name="from" type="date" value="2020-01-01"' in text


def test_a_group_no_verdict_names_has_no_list(house: Console) -> None:
    said = {
        LIST: "The newest verdict on this model here does not name this group.",
        "/committee/incidents": "No verdict names this group (any more).",
    }
    for group in ("patient-language: fr", "patient-language", "sex: other", "nonsense: 1"):
        for address in (LIST, "/committee/incidents", "/committee/", f"/committee/models/{MODEL}/{SITE}/"):
            text = house.client().get(address, query_string={"group": group}).text
            assert f'<option value="{group}" selected>{group}</option>' in text, address
            assert said.get(address, "") in text, address
        assert listed(house, f"{LIST}.csv", group=group) == []
    dutch: dict[str, Any] = {"query_string": {"group": "nonsense: 1"}, "headers": {"Accept-Language": "nl"}}
    assert "Het nieuwste oordeel over dit model hier noemt deze groep niet." in house.client().get(LIST, **dutch).text
    assert "Geen oordeel noemt deze groep (meer)." in house.client().get("/committee/incidents", **dutch).text


def test_a_rare_group_is_looked_for_among_the_newest_calls_and_the_page_says_so(
    house: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = re.compile(r"Looked for this group among the newest ([\d,]+) calls alone\.")

    def looked(group: str, **asked: str) -> tuple[int, list[str]]:
        text = house.client().get(LIST, query_string={"group": group, **asked}).text
        return text.count("/committee/calls/"), told.findall(text)

    assert looked(TURKISH) == (PAGE, []) and looked(TURKISH, page="5") == (PAGE, [])
    monkeypatch.setattr(lists, "LOOKS", 1_100)
    few, said = looked(TURKISH)
    assert 0 < few < PAGE and said == ["1,100"]
    assert looked("nonsense: 1") == (0, []), "for a group that no verdict names at none is looked"
    monkeypatch.setattr(lists, "LOOKS", 500)
    assert looked(TURKISH) == (0, ["500"])
    assert looked(TURKISH, to="2024-12-31")[0] > 0, "earlier days lead to earlier calls"
    dutch = house.client().get(LIST, query_string={"group": TURKISH}, headers={"Accept-Language": "nl"}).text
    assert "alleen onder de nieuwste 500 aanroepen gezocht" in dutch


def test_looking_ends_where_it_is_told_to_and_says_whether_there_was_more(house: Console) -> None:
    seen: list[str] = []

    def never(row: PredictedRow) -> bool:
        seen.append(row.id)
        return False

    with Book(house.app.extensions["cds"].settings.ledger_url) as book:
        whole = book.read(lambda c: newest_predicted(c, MODEL, SITE, 0, 10_000, looks=0)).rows
        for looks, cut in ((700, True), (len(whole) - 1, True), (len(whole), False), (20_000, False)):
            seen.clear()
            found = book.read(lambda c, n=looks: newest_predicted(c, MODEL, SITE, 0, 51, only=never, looks=n))  # type: ignore[misc]
            assert (found.rows, found.cut) == ((), cut) and seen == [row.id for row in whole[:looks]]


def test_incidents_are_of_whoever_their_call_is_of(house: Console) -> None:
    browser = house.client()
    whole = html.unescape(browser.get("/committee/incidents").text)
    assert (
        all(f"text of {one}" in whole for one in ("tr", "nl", "None", "gone", "silent"))
        and "Joined to no call" not in whole
    )
    for group, own, other in ((TURKISH, "tr", "nl"), (DUTCH, "nl", "tr")):
        text = html.unescape(browser.get("/committee/incidents", query_string={"group": group}).text)
        assert f'<option value="{group}" selected>' in text and "Incidents: 1" in text
        assert f"text of {own}" in text
        assert not any(f"text of {one}" in text for one in (other, "None", "gone", "silent"))
        assert "Joined to no call, and so in no group: 1." in text
        assert "Their call is gone, or nothing tells which of these groups it is of: 2." in text
        [address] = re.findall(r'href="([^"]*incidents\.csv[^"]*)"', text)
        assert listed(house, address) == [sorted(spoken(house, own))[0]]
    by_sex = [
        browser.get("/committee/incidents", query_string={"group": f"sex: {sex}"}).text for sex in ("male", "female")
    ]
    assert all("it is of: 1." in text for text in by_sex), "of the call that is gone alone"
    assert sum("text of silent" in text for text in by_sex) == 1
    none = browser.get("/committee/incidents", query_string={"group": TURKISH, "from": "2031-01-01"}).text
    assert "No incident&#39;s call is of anybody in this group." in none


def test_who_is_in_a_group_too_small_to_be_named_is_among_all_others(house: Console) -> None:
    charter: Charter = read_charter(house.folder / "committee.yaml", house.app.extensions["cds"].models)[0]
    turk = PredictedRow("p", NOW, "c", "k", "en", "1", "predicted", None, {}, {}, False, "", "tr")
    told = {DUTCH, "patient-language: other"}
    assert holds("patient-language: other", turk, None, charter, told)
    assert not holds(TURKISH, turk, None, charter, told) and not holds(DUTCH, turk, None, charter, told)
    assert holds(TURKISH, turk, None, charter, told | {TURKISH})
    assert not holds("patient-language: other", turk, None, charter, told | {TURKISH})
    unknown = replace(turk, patient_language=None)
    assert not any(holds(group, unknown, None, charter, told) for group in told), "nobody knows what they speak"


@pytest.mark.system
@pytest.mark.parametrize("address", [LIST, "/committee/incidents"])
def test_it_is_chosen_by_keys_alone_in_dutch(house: Console, browser: Browser, axe: str, address: str) -> None:
    page = signed_in(browser, house, locale="nl-NL", java_script_enabled=False)
    page.goto(f"{house.address}{address}")
    page.get_by_label("Tot en met").focus()
    group = page.get_by_label("Groep", exact=True)
    for _ in range(5):  # a date has a stop for its day, month, year and calendar
        page.keyboard.press("Tab")
        if group.evaluate("box => box === document.activeElement"):
            break
    expect(group).to_be_focused()
    page.keyboard.press("End")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Groep", exact=True)).to_have_value(TURKISH)
    assert "group=patient-language" in page.url
    page.context.close()
    page = signed_in(browser, house, locale="nl-NL")
    page.goto(f"{house.address}{address}?group={TURKISH}")
    assert violations(page, axe) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.context.close()
