"""What was held back stands on the patient's report, word for word, with why and how often."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest
from ledger_reading import rows
from report_house import Opened, Reports
from service import FHIR, NOW, Clock, MakeApp, loopback
from smart_house import Late, listening

import hooks
from cds.ledger import tables
from cds.web.report_cookie import cookie_name, report_path

DAY = timedelta(days=1)


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def reports(make_app: MakeApp, clock: Clock) -> Iterator[Reports]:
    with ExitStack() as open_now:
        late = Late()
        url = open_now.enter_context(listening(late))
        late.app = make_app(now=clock, public_url=url, **loopback(smart={"client_id": "report"}))
        yield Reports(url, late.app)


def without_card(reports: Reports, patient: str, user: str | None = "Practitioner/gp") -> Opened:
    """As the EHR's list of apps opens it."""
    session, secret = reports.engine.reports.open(
        "demo", patient, card_id=None, fhir_server=FHIR, access_token="t", user=user
    )
    settings = reports.engine.settings
    return Opened(reports.url, session, secret, cookie_name(settings), report_path(settings, session.rid), {})


def held(opened: Opened, language: str = "en") -> str:
    answer = opened.get(language=language)
    assert answer.status_code == 200, answer.text[:300]
    found = re.search(r'<section class="panel" id="held".*?</section>', answer.text, re.DOTALL)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", found[0]))) if found else ""


def opens(reports: Reports, patient: str = "jaundice-head") -> int:
    return len(reports.cards(patient, "pancreas-risk", "patient-view", "en"))


def test_a_card_shown_before_is_counted_and_can_be_read(reports: Reports, clock: Clock) -> None:
    opened = reports.open("jaundice-head")
    assert held(opened) == ""
    for days in (1, 5):
        clock.now = NOW + days * DAY
        assert opens(reports) == 0
    told = held(without_card(reports, "jaundice-head"))
    assert "Pancreatic cancer risk : shown to the same clinician before, and nothing about it was new." in told
    assert "2 times, last on 28 Nov 2026. Without change it may come again from 21 Feb 2027." in told
    assert opened.card["summary"] in told
    assert "suspected cancer pathway" in told
    dutch = held(without_card(reports, "jaundice-head"), "nl")
    assert "2 keer, laatst op 28 nov 2026." in dutch


def test_another_patients_report_does_not_hold_it(reports: Reports, clock: Clock) -> None:
    opens(reports)
    clock.now = NOW + DAY
    assert opens(reports) == 0
    assert held(reports.open("new-diabetes")) == ""


def test_a_refused_card_says_the_reason_in_words(reports: Reports, clock: Clock) -> None:
    (card,) = reports.cards("jaundice-head", "pancreas-risk", "patient-view", "en")
    reason = {"reason": {"code": "later", "system": "urn:cds:override-reason"}}
    item = {"card": card["uuid"], "outcome": "overridden", "overrideReason": reason}
    client = reports.app.test_client()
    assert client.post("/cds-services/pancreas-risk/feedback", json={"feedback": [item]}).status_code == 200
    assert opens(reports) == 0
    assert "somebody gave a reason not to follow it (Will do later)." in held(without_card(reports, "jaundice-head"))


def test_who_may_be_the_patient_is_shown_none_of_it(reports: Reports, clock: Clock) -> None:
    opens(reports)
    clock.now = NOW + DAY
    opens(reports)
    assert held(without_card(reports, "jaundice-head", user="Patient/jaundice-head")) == ""


def test_a_patient_of_whom_every_card_was_held_back_has_a_report(
    make_app: MakeApp, clock: Clock, tmp_path: Path
) -> None:

    packaged = (Path(hooks.__file__).parent / "policy.yaml").read_text(encoding="utf-8")
    policy = tmp_path / "policy.yaml"
    policy.write_text(packaged.replace("per_clinician_day: 30", "per_clinician_day: 0"), encoding="utf-8")
    with ExitStack() as open_now:
        late = Late()
        url = open_now.enter_context(listening(late))
        late.app = make_app(now=clock, public_url=url, policy_file=policy, **loopback(smart={"client_id": "report"}))
        reports = Reports(url, late.app)
        assert opens(reports, "chronic-pancreatitis") == 0
        assert rows(late.app, tables.cards) == []
        opened = without_card(reports, "chronic-pancreatitis")
        told = held(opened)
        assert "the clinician had as many cards that day as this hospital allows. Once, on 23 Nov 2026." in told
        assert 'id="qcancer-2013-pancreas"' in opened.get().text
        assert without_card(reports, "new-diabetes").get().status_code == 404
