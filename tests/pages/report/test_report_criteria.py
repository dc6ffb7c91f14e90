"""What each test of a guideline was held against, where that is no single value of the record."""

from __future__ import annotations

import pytest
from report_house import Opened, Reports
from test_report_page import plain, section


@pytest.fixture(scope="module")
def cyst(reports: Reports) -> Opened:
    return reports.open("ipmn-followup", "pancreas-care")


def test_of_a_difference_both_values_are_told(cyst: Opened) -> None:
    """One alone stood behind the limit: "2.5 mm or more: 25 mm", and did not hold."""
    told = plain(section(cyst.get().text, "ipmn-kyoto-2024"))
    assert (
        "does not hold: Largest diameter of the cyst less diameter of the cyst 4 weeks to 6 months before: "
        "2.5 mm or more: 25 mm, 24 Oct 2026; diameter of the cyst 4 weeks to 6 months before: "
        "no size measured then: growth within half a year is not known"
    ) in told


@pytest.mark.parametrize(
    ("language", "said"),
    [
        (
            "en",
            "Enhancing mural nodule: 5 mm or more: not recorded in coded form: taken as not there, check the report",
        ),
        ("nl", "Aankleurende wandnodus: 5 mm of meer: niet gecodeerd vastgelegd: gelezen als afwezig"),
    ],
)
def test_what_nobody_recorded_is_said_to_be_taken_as_absent(cyst: Opened, language: str, said: str) -> None:
    assert said in plain(section(cyst.get(language=language).text, "ipmn-kyoto-2024"))


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "does not hold: New-onset diabetes: not on record as new"),
        ("nl", "geldt niet: Nieuwe diabetes: niet als nieuw vastgelegd"),
    ],
)
def test_a_first_time_that_does_not_hold_is_not_called_unrecorded(cyst: Opened, language: str, said: str) -> None:
    """Diabetes without a date, or of long ago, is on record, and not as new."""
    assert said in plain(section(cyst.get(language=language).text, "ipmn-european-2018"))


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "Worrisome features, endoscopic ultrasound advised"),
        ("nl", "Zorgwekkende kenmerken, endo-echografie geadviseerd"),
    ],
)
def test_what_it_concludes_begins_with_a_capital(cyst: Opened, language: str, said: str) -> None:
    assert said in plain(section(cyst.get(language=language).text, "ipmn-kyoto-2024"))
