"""What the committee measured of a model at this hospital stands where the report says what it rests on."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
import sqlalchemy as sa
from report_house import Opened, Reports
from service import NOW

from cds.ledger.book import Book
from cds.ledger.committee_tables import verdicts
from cds.ledger.verdicts import Verdict, VerdictLevel

MODEL = "qcancer-2013-pancreas"
AUC = {"measure": "auc", "about": "", "level": "green", "value": 0.812, "lower": 0.76, "upper": 0.86}
COUNTED = {"n": 1512, "events": 96}
RATIO = {"measure": "ratio", "about": "", "level": "green", "value": 1.1, "lower": 0.9, "upper": 1.34, **COUNTED}
LACKING = {"measure": "auc", "about": "", "level": "green", "lacking": "not enough data: 3 events, 50 needed"}


@pytest.fixture(scope="module")
def risk(reports: Reports) -> Opened:
    return reports.open("new-diabetes")


@pytest.fixture
def book(reports: Reports) -> Iterator[Book]:
    with Book(reports.engine.settings.ledger_url) as found:
        yield found
        found.write(lambda c: c.execute(verdicts.delete()))


def reached(
    reports: Reports, book: Book, *findings: dict[str, Any], level: VerdictLevel = "green", days: int = 1, **other: str
) -> None:
    version = reports.engine.models.models[MODEL].manifest.version
    who = {"model": MODEL, "site": "demo", "model_version": version, **other}
    at = NOW - timedelta(days=days)
    found = Verdict(
        f"v{days}", at, charter_version="1", since=at, until=at, level=level, raised="green", streak=1,
        findings=findings, **who,
    )  # fmt: skip
    book.put_all(verdicts, [found.row])


def validation(opened: Opened, language: str = "en") -> str:
    page = opened.get(language=language).text
    found = re.search(r"<dt>Valid[^<]*</dt><dd>(.*?)</dd>", page, re.DOTALL)
    assert found is not None
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", "", found[1])))


def test_where_nobody_measured_that_is_said(risk: Opened) -> None:
    assert validation(risk) == "None yet. How well these models do here has not been measured."


def test_what_was_measured_is_told_with_its_interval_and_of_how_many(
    reports: Reports, book: Book, risk: Opened
) -> None:
    reached(reports, book, AUC | COUNTED, RATIO)
    told = validation(risk)
    assert "on 1,512 patients of whom 96 had the outcome" in told
    assert "with a chance of 0.81 (0.76 to 0.86)" in told
    assert "1.1 (0.9 to 1.34) times as many had the outcome as expected" in told
    assert "END-PAC score for new-onset diabetes: Not measured here." in told
    assert "0,81 (0,76 tot 0,86)" in validation(risk, "nl")


def test_the_newest_verdict_counts_and_its_level_is_said(reports: Reports, book: Book, risk: Opened) -> None:
    reached(reports, book, AUC | COUNTED, RATIO, days=9)
    reached(reports, book, AUC | COUNTED, RATIO | {"value": 2.4, "lower": 1.9, "upper": 3.0}, level="act", days=2)
    told = validation(risk)
    assert "2.4 (1.9 to 3) times" in told and "1.34" not in told
    assert "something must be done about it" in told


@pytest.mark.parametrize("other", [{"site": "elsewhere"}, {"model_version": "0.0.1"}, {"model_sha256": "f" * 64}])
def test_another_site_version_or_file_says_nothing_of_this_one(
    reports: Reports, book: Book, risk: Opened, other: dict[str, str]
) -> None:
    reached(reports, book, AUC | COUNTED, **other)
    assert validation(risk).startswith("None yet.")


def test_days_are_the_hospital_s(reports: Reports, book: Book, risk: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """Noon by UTC is the next day already on Kiritimati: of the card as of what was measured."""
    reached(reports, book, AUC | COUNTED)
    there = reports.engine.settings.model_copy(update={"timezone": "Pacific/Kiritimati"})
    monkeypatch.setattr(reports.engine, "settings", there)
    page = unescape(risk.get().text)
    assert "Card of 24 Nov 2026." in page and "24 Nov 2026, 02:00" in page
    assert "22 Nov 2026" not in page and "23 Nov 2026" in validation(risk)


def test_too_few_outcomes_or_no_upper_end_are_no_measurement(reports: Reports, book: Book, risk: Opened) -> None:
    reached(reports, book, LACKING, RATIO | {"upper": None})
    assert validation(risk).startswith("None yet.")


def test_no_query_is_asked_once_a_model(reports: Reports, book: Book, risk: Opened) -> None:
    reached(reports, book, AUC | COUNTED)
    assert risk.get().text.count('<details class="model"') >= 3
    asked: Counter[str] = Counter()

    def ask(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        asked[statement] += 1

    sa.event.listen(sa.Engine, "before_cursor_execute", ask)
    try:
        assert "on 1,512 patients" in validation(risk)
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", ask)
    assert [statement for statement in asked if "FROM verdicts" in statement] != []
    assert asked.most_common(1)[0][1] <= 2  # the card is read, and the cards of its call
