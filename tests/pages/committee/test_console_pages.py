"""The committee's console: who sees what, what a page says, and every view as a file."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Callable

import pytest
from console_house import MEMBER, MODEL, PASSWORD, SITE, VIEWER, Console
from fhir.resources.R4B.bundle import Bundle
from prometheus_client.parser import text_string_to_metric_families

PAGE = f"/committee/models/{MODEL}/{SITE}"
OPEN = ["/committee/", f"{PAGE}/", "/committee/reports/2026-11"]
CLOSED = [f"{PAGE}/calls", "/committee/incidents", f"{PAGE}/calls.csv", "/committee/incidents.csv"]


@pytest.mark.parametrize("address", [*OPEN, *CLOSED])
def test_whoever_is_not_signed_in_is_led_to_where_one_signs_in(console: Console, address: str) -> None:
    answer = console.client(None).get(address)
    assert answer.status_code == 303 and answer.location.endswith("/committee/sign-in")


@pytest.mark.parametrize("address", CLOSED)
def test_single_calls_and_incidents_are_for_members(console: Console, address: str) -> None:
    assert console.client(MEMBER).get(address).status_code == 200
    refused = console.client(VIEWER).get(address)
    assert refused.status_code == 403 and "This needs a member of the committee." in refused.text


@pytest.mark.parametrize("address", OPEN)
def test_verdicts_and_plots_are_for_both(console: Console, address: str) -> None:
    for name in (MEMBER, VIEWER):
        assert console.client(name).get(address).status_code == 200


def test_a_wrong_password_is_refused_and_guessing_gets_slow(open_console: Callable[..., Console]) -> None:
    guesser = open_console(filled=False).client(None)

    def attempt(password: str) -> int:
        return guesser.post("/committee/sign-in", data={"name": VIEWER, "password": password}).status_code

    assert [attempt("wrong") for _ in range(6)] == [403] * 5 + [429]
    assert attempt(PASSWORD) == 429


def test_a_changed_account_is_signed_out(open_console: Callable[..., Console]) -> None:
    from cds.committee.accounts import Accounts

    house = open_console(filled=False)
    browser = house.client(VIEWER)
    assert browser.get("/committee/").status_code == 200
    Accounts(house.folder / "accounts.yaml").put(VIEWER, "another-long-password", "viewer")
    assert browser.get("/committee/").status_code == 303


def test_a_cookie_that_was_tampered_with_opens_nothing(console: Console) -> None:
    browser = console.client(None)
    browser.set_cookie("cds_committee", "A" * 120)
    assert browser.get("/committee/").status_code == 303


def test_another_site_s_form_does_nothing(console: Console) -> None:
    sent = {"reason": "because another site says so"}
    answer = console.client().post(f"{PAGE}/stop", data=sent, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403


def test_the_first_page_can_be_filtered(console: Console) -> None:
    browser = console.client()
    assert "Verdicts: 1" in browser.get(f"/committee/?site={SITE}&model={MODEL}").text
    assert "No verdict is like this" in browser.get("/committee/?level=stopped").text
    assert "No verdict is like this" in browser.get("/committee/?site=elsewhere").text


def test_a_model_s_page_has_every_plot_and_says_what_outcomes_rest_on(console: Console) -> None:
    text = console.client().get(f"{PAGE}/").text
    for title in ("Calibration", "Drift over time", "Burden over time", "From shown to accepted", "Ranking by hospital",
                  "Sensitivity by group"):  # fmt: skip
        assert f"<h2>{title}</h2>" in text
    assert text.count("<svg") == 12  # each for a page and for a phone
    assert "Outcomes from: registry “national”." in text
    assert "Complete up to 24 Aug 2026; predictions newer than 3 months are left out." in text


def test_a_model_s_page_explains_its_measures_and_its_charter_in_plain_words(console: Console) -> None:
    text = console.client().get(f"{PAGE}/").text
    assert "0.5: as good as tossing a coin; 1: always." in text
    assert "<summary>How the verdict comes about</summary>" in text
    assert "A limit counts only when the whole 95% interval lies beyond it" in text
    assert "earlier version of the charter" not in text


def test_the_language_patients_speak_is_a_group_by_its_name_on_the_page_in_the_month_s_report_and_in_both(
    console: Console,
) -> None:
    browser = console.client()
    for address in (f"{PAGE}/", "/committee/reports/2026-11"):
        text = html.unescape(browser.get(address).text)
        assert "patient's language: Turkish" in text and "patient's language: Dutch" in text
        assert "Group not known" in text
    head, *lines = rows(browser.get(f"{PAGE}/findings.csv").data)
    [unknown] = [found for line in lines if (found := dict(zip(head, line, strict=True)))["measure"] == "group_unknown"]
    assert unknown["about"] == "patient-language" and 0.2 < float(unknown["value"]) < 0.3
    browser.post("/committee/settings", data={"language": "nl"})
    text = html.unescape(browser.get(f"{PAGE}/").text)
    assert "taal van de patiënt: Turks" in text and "Groep niet bekend" in text


def test_a_command_to_type_is_set_as_one(console: Console) -> None:
    text = console.client().get("/committee/incidents").text
    assert "<code>cds committee incidents</code>" in text and "`" not in text


def test_it_is_read_in_dutch(console: Console) -> None:
    browser = console.client()
    browser.post("/committee/settings", data={"language": "nl"})
    model = browser.get(f"{PAGE}/").text
    assert "Verschuiving in de tijd" in model
    assert re.search(r">23 nov 2026</text>", model), "an axis writes dates as the language does"
    call = browser.get(f"/committee/calls/{console.call}").text
    for told in ("programma", "zinnen (en)", "beleid"):
        assert f'<th scope="row">{told}</th>' in call


def test_what_is_missing_is_said_in_words(console: Console) -> None:
    text = console.client().get(f"{PAGE}/").text
    assert "<strong>Not enough data: 0 people, 30 needed:</strong>" in text


def test_calls_are_pseudonyms_and_lead_to_a_replay(console: Console) -> None:
    browser = console.client()
    listed = browser.get(f"{PAGE}/calls?carded=1").text
    assert console.call in listed and f"/committee/calls/{console.call}" in listed
    made_again = browser.get(f"/committee/calls/{console.call}")
    assert made_again.status_code == 200
    assert "Everything is as it was, to the letter and the bit." in made_again.text
    assert browser.get("/committee/calls/no-such-call").status_code == 404


def test_calls_come_page_by_page(console: Console) -> None:
    browser = console.client()
    first, second = browser.get(f"{PAGE}/calls").text, browser.get(f"{PAGE}/calls?page=1").text
    assert "Older" in first and "Newer" not in first
    assert "Newer" in second


def rows(content: bytes) -> list[list[str]]:
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))


@pytest.mark.parametrize(
    "address", ["/committee/overview.csv", f"{PAGE}/findings.csv", f"{PAGE}/calls.csv", "/committee/incidents.csv"]
)
def test_tables_are_csv_of_even_width(console: Console, address: str) -> None:
    found = rows(console.client().get(address).data)
    assert len({len(row) for row in found}) == 1
    assert len(found) > 1 or "incidents" in address


def test_the_findings_in_csv_are_the_ledger_s(console: Console) -> None:
    head, *lines = rows(console.client().get(f"{PAGE}/findings.csv").data)
    auc = next(dict(zip(head, line, strict=True)) for line in lines if line[4] == "auc" and line[5] == "")
    assert 0.5 < float(auc["lower"]) < float(auc["value"]) < float(auc["upper"]) < 1


@pytest.mark.parametrize("address", ["/committee/overview.pdf", f"{PAGE}/report.pdf", "/committee/reports/2026-11.pdf"])
def test_views_are_pdf(console: Console, address: str) -> None:
    answer = console.client().get(address)
    assert answer.status_code == 200 and answer.mimetype == "application/pdf"
    assert answer.data.startswith(b"%PDF-") and answer.data.rstrip().endswith(b"%%EOF")


@pytest.mark.parametrize("name", ["calibration", "drift", "burden", "funnel", "sites", "gaps"])
def test_plots_are_png(console: Console, name: str) -> None:
    answer = console.client().get(f"{PAGE}/plots/{name}.png")
    assert answer.status_code == 200 and answer.data[:8] == b"\x89PNG\r\n\x1a\n"


def test_the_month_is_a_report_and_valid_fhir(console: Console) -> None:
    browser = console.client(VIEWER)
    text = browser.get("/committee/reports/2026-11").text
    assert "Report of November 2026" in text and "1 Nov 2026 to 30 Nov 2026" in text
    bundle = Bundle.model_validate_json(browser.get("/committee/reports/2026-11.json").data)
    assert {entry.resource.get_resource_type() for entry in bundle.entry} == {"MeasureReport"}
    assert "No model was judged in this month." in browser.get("/committee/reports/2026-01").text
    assert browser.get("/committee/reports/2027-01").status_code == 404
    assert browser.get("/committee/reports/x").status_code == 404


def test_a_member_stops_a_model_alone_and_somebody_else_confirms(open_console: Callable[..., Console]) -> None:
    house = open_console()
    one = house.client()
    short = one.post(f"{PAGE}/stop", data={"reason": "no"})
    assert short.status_code == 400 and "Say why in a sentence" in short.text
    assert house.client(VIEWER).post(f"{PAGE}/stop", data={"reason": "calibration is off here"}).status_code == 403
    assert one.post(f"{PAGE}/stop", data={"reason": "calibration is off here"}).status_code == 303
    assert "Nobody else has confirmed this yet." in one.get("/committee/").text
    own = one.post(f"{PAGE}/confirm", data={"reason": "I am still of that opinion"})
    assert own.status_code == 400
    assert "withheld" in one.get("/committee/reports/2026-11").text


def test_no_page_names_a_patient(console: Console) -> None:
    from hooks.stories import STORIES

    browser = console.client()
    for address in (*OPEN, *CLOSED, f"/committee/calls/{console.call}"):
        text = browser.get(address).text
        assert [s.name for s in STORIES if s.name in text or s.id in text] == [], address


def test_nothing_is_kept_by_browsers_or_framed_and_no_script_runs(console: Console) -> None:
    answer = console.client().get("/committee/")
    assert answer.headers["Cache-Control"] == "no-store"
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "script" not in policy


def test_prometheus_gets_the_same_series(console: Console) -> None:
    families = text_string_to_metric_families(console.client(None).get("/metrics").text)
    told = {(s.name, s.labels.get("measure"), s.labels.get("about")): s.value for f in families for s in f.samples
            if s.labels.get("model") == MODEL and s.labels.get("site") == SITE}  # fmt: skip
    head, *lines = rows(console.client().get(f"{PAGE}/findings.csv").data)
    found = [dict(zip(head, line, strict=True)) for line in lines]
    for f in found:
        name = (
            "cds_committee_measure",
            f["measure"],
            f["about"].removeprefix("'"),
        )  # the apostrophe is for spreadsheets
        assert told.get(name) == (float(f["value"]) if f["value"] else None)
    assert told["cds_committee_verdict", None, None] == 1


def test_without_accounts_and_openid_connect_there_is_no_console(client: object) -> None:
    assert client.get("/committee/").status_code == 404  # type: ignore[attr-defined]
