"""``cds policy preview``: the figures are right, small counts are hidden, and what can't be known is not told."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from hospital import Hospital, populated
from scipy.stats import binomtest
from trying import CHANGE, Preview

from cds.preview.followed import Share

Json = dict[str, Any]


def figures(result: Result) -> Json:
    assert result.exit_code == 0, result.output
    found: Json = json.loads(result.stdout)
    return found


def said(result: Result) -> str:
    assert result.exit_code == 2
    assert isinstance(result.exception, SystemExit)
    return " ".join(result.stderr.split())


def test_who_is_newly_alerted_is_counted_and_small_counts_are_hidden(hospital: Hospital, preview: Preview) -> None:
    for n in range(20):
        hospital.call(f"low-{n}", 0.001, days_ago=30)
    for n in range(7):
        hospital.call(f"between-{n}", 0.015, days_ago=20)
    for n in range(9):
        hospital.call(f"high-{n}", 0.05, days_ago=10)
    told = figures(preview(hospital, "--json"))
    assert told["patients"] == {
        "newly": {"count": 7},
        "noLonger": {"count": 0},
        "both": {"count": 9},
        "before": {"count": 9},
        "after": {"count": 16},
    }
    assert told["workload"]["before"]["cards"], told["workload"]["after"]["cards"] == (9, 16)
    assert told["workload"]["after"]["per1000Patients"] == 440
    assert told["window"] | {"since": "", "until": ""} == {
        "since": "", "until": "", "weeks": 2.9, "calls": 36, "predictions": 72, "patients": 36, "clinicians": 1,
        "cardsShownThen": 0,
    }  # fmt: skip
    for n in range(3):
        hospital.call(f"more-{n}", 0.8, days_ago=5)
    less = CHANGE.replace("0.01}", "0.06}")
    told = figures(preview(hospital, "--json", change=less))
    assert told["patients"]["both"] == {"count": None, "below": 5}
    assert told["patients"]["before"] == told["patients"]["noLonger"] == {"count": 10, "about": True}, "12 less 9 is 3"


def test_a_hidden_part_can_not_be_worked_out_from_the_whole(hospital: Hospital, preview: Preview) -> None:
    for n in range(11):
        hospital.call(f"high-{n}", 0.05, days_ago=30)
    for n in range(2):
        hospital.call(f"between-{n}", 0.015, days_ago=20)
    told = figures(preview(hospital, "--json"))
    assert told["patients"]["newly"] == {"count": None, "below": 5}
    assert told["patients"]["before"] == {"count": 10, "about": True}
    assert told["patients"]["after"] == {"count": 15, "about": True}
    assert told["workload"]["after"]["cards"] == 15
    text = preview(hospital).stdout
    assert "fewer than 5" in text
    assert "about 15" in text


def test_nor_from_a_rate_beside_it(
    hospital: Hospital, preview: Preview, tmp_path: Path, versions: dict[str, str]
) -> None:
    """Two or three newly alerted, of the same forty: a rate of an exact count would say which."""
    (tmp_path / "other").mkdir()
    other = Hospital(tmp_path / "other", versions)
    told = []
    for place, newly in ((hospital, 2), (other, 3)):
        for n in range(11):
            place.call(f"high-{n}", 0.05, days_ago=30, user=f"doctor-{n}")
        for n in range(29):
            place.call(f"rest-{n}", 0.015 if n < newly else 0.001, days_ago=20)
        told.append(figures(preview(place, "--json")))
    other.close()
    assert told[0]["workload"] == told[1]["workload"]
    assert told[0]["patients"] == told[1]["patients"]
    rows = [[{k: row[k] for k in ("cardsPerWeek", "per1000Patients", "alerted")} for row in of["thresholds"][0]["rows"]
             if row["value"] in (0.01, 0.02)] for of in told]  # fmt: skip
    assert rows[0] == rows[1] and len(rows[0]) == 2


def test_no_key_of_a_patient_or_clinician_is_in_what_is_told(followed: Hospital, preview: Preview) -> None:
    for words in ((), ("--json",)):
        told = preview(followed, "--days", "1500", *words).stdout
        assert "patient-" not in told
        assert "doctor-" not in told


# ---- repeats and budgets are part of it


def test_a_card_is_not_counted_again_for_who_was_shown_it(hospital: Hospital, preview: Preview) -> None:
    for days_ago in (60, 50, 40, 30):
        hospital.call("p", 0.05, days_ago=days_ago)
    hospital.call("p", 0.05, days_ago=29, user="colleague")
    hospital.call("p", 0.11, days_ago=28)  # two bands higher
    told = figures(preview(hospital, "--json"))["workload"]["after"]
    assert told["cards"] == 3
    assert told["heldBack"] == {"shown-before": pytest.approx(3 / ((60 - 28) / 7), rel=0.1)}
    again = CHANGE + "repeats: {silent_for: 0d}\n"
    assert figures(preview(hospital, "--json", change=again))["workload"]["after"]["cards"] == 6


def test_what_was_shown_before_the_window_counts(hospital: Hospital, preview: Preview) -> None:
    hospital.call("p", 0.05, days_ago=100, shown=("pancreas-risk/risk",))
    hospital.call("p", 0.05, days_ago=50)
    hospital.call("p", 0.05, days_ago=5)
    told = figures(preview(hospital, "--days", "60", "--json"))["workload"]["after"]
    assert (told["cards"], list(told["heldBack"])) == (1, ["shown-before"])


def test_what_holds_a_card_back_in_the_record_holds_it_back_here(hospital: Hospital, preview: Preview) -> None:
    ct = {"imaging": [{"source": "ImagingStudy/1", "days": 40.0, "latest": 39.5, "middle": "2026-10-01T12:00:00+00:00",
                       "kinds": ["CT"]}]}  # fmt: skip
    for n in range(6):
        hospital.call(f"imaged-{n}", 0.05, days_ago=30, standing=ct)
        hospital.call(f"known-{n}", 0.05, days_ago=20, standing={"fixed": "known-cancer"})
        hospital.call(f"old-{n}", 0.05, days_ago=19, standing={"age": 101})
        hospital.call(f"open-{n}", 0.05, days_ago=9)
    assert figures(preview(hospital, "--json"))["workload"]["after"]["cards"] == 6
    shorter = CHANGE.replace("risk_at_least: 0.01", "recent_imaging: 30d")
    assert figures(preview(hospital, "--json", change=shorter))["workload"]["after"]["cards"] == 12


def test_clinicians_are_told_as_a_distribution_or_not_at_all(
    followed: Hospital, hospital: Hospital, preview: Preview
) -> None:
    told = figures(preview(followed, "--days", "1500", "--json"))["workload"]["after"]["perClinician"]
    assert told["medianPerWeek"] <= told["ninetiethPercentilePerWeek"]
    counts = told["cliniciansByCardsPerWeek"].values()
    assert all(c["count"] is None or c["count"] >= 5 for c in counts)
    assert sum(c["count"] or 0 for c in counts) == 40
    for n in range(4):
        hospital.call(f"p{n}", 0.05, days_ago=20 - n * 5, user=f"doctor-{n}")
    assert figures(preview(hospital, "--json"))["workload"]["after"]["perClinician"] is None
    assert "no distribution is shown" in preview(hospital).stdout


# ---- outcomes


def test_without_outcomes_that_is_said_and_the_models_own_expectation_is_marked_as_such(
    hospital: Hospital, preview: Preview
) -> None:
    for n in range(40):
        hospital.call(f"p{n}", 0.001 * (n + 1), days_ago=30 - n / 2)
    result = preview(hospital)
    text = " ".join(result.stdout.split())
    assert "No outcomes yet: this ledger keeps none" in text
    assert "As true as its chances are in this hospital" in text or "as true as its chances are" in text
    told = figures(preview(hospital, "--json"))
    assert told["outcomesKept"] is False
    rows = {row["value"]: row["expected"] for row in told["thresholds"][0]["rows"]}
    chances = [0.001 * (n + 1) for n in range(40)]
    above = [c for c in chances if c >= 0.01]
    assert rows[0.01]["ppv"]["value"] == pytest.approx(sum(above) / len(above), rel=0.05)
    assert rows[0.01]["sensitivity"]["value"] == pytest.approx(sum(above) / sum(chances), rel=0.05)


@pytest.mark.parametrize(
    ("events", "told"),
    [(0, "not enough data: no event, 100 needed"), (1, "not enough data: fewer than 5 events, 100 needed"),
     (14, "not enough data: 14 events, 100 needed")],
)  # fmt: skip
def test_too_few_events_give_no_figure(hospital: Hospital, preview: Preview, events: int, told: str) -> None:
    for n in range(30):
        hospital.call(f"p{n}", 0.03, days_ago=900 - n)
    hospital.outcomes(*((f"p{n}", 700.0) for n in range(events)))
    result = preview(hospital, "--days", "1000")
    assert told in " ".join(result.stdout.split())
    found = figures(preview(hospital, "--days", "1000", "--json"))
    assert found["found"][0]["after"] is None
    assert all("sensitivity" not in row for row in found["thresholds"][0]["rows"])


def test_who_had_it_before_or_was_not_followed_counts_neither_way(hospital: Hospital, preview: Preview) -> None:
    for n in range(12):
        hospital.call(f"case-{n}", 0.03, days_ago=900)
    for n in range(25):
        hospital.call(f"other-{n}", 0.001, days_ago=900)
    for n in range(6):
        hospital.call(f"before-{n}", 0.03, days_ago=900)
    for n in range(7):
        hospital.call(f"recent-{n}", 0.03, days_ago=100)
    hospital.call("hospice", 0.03, days_ago=900, standing={"fixed": "hospice-or-palliative"})
    hospital.outcomes(*((f"case-{n}", 600.0) for n in range(12)), *((f"before-{n}", 950.0) for n in range(6)))
    hospital.outcomes(("other-1", 500.0), kind="another-disease")
    found = figures(preview(hospital, "--days", "1000", "--events-needed", "10", "--json"))["found"][0]
    assert (found["cases"], found["others"]) == ({"count": 12}, {"count": 25})
    assert (found["hadBefore"], found["notFollowedYet"]) == ({"count": 6}, {"count": 7})
    assert found["after"]["sensitivity"]["value"] == 1.0
    assert found["after"]["ppv"] == {"value": 1.0, "low": pytest.approx(0.757, abs=0.002), "high": 1.0}


def test_found_and_missed_are_counted_under_both_policies_and_at_each_threshold(
    followed: Hospital, preview: Preview
) -> None:
    told = figures(preview(followed, "--days", "1500", "--json"))
    (found,) = told["found"]
    before, after, cases = found["before"], found["after"], found["cases"]["count"]
    assert before["sensitivity"]["value"] < after["sensitivity"]["value"]
    assert before["ppv"]["value"] > after["ppv"]["value"]
    for each in (before, after):
        assert each["sensitivity"]["value"] + each["missed"]["value"] == pytest.approx(1, abs=0.002)
        assert all(s["low"] <= s["value"] <= s["high"] for s in each.values())
    (risk,) = [t for t in told["thresholds"] if t["key"].endswith("risk_at_least")]
    assert (risk["before"], risk["after"]) == (0.02, 0.01)
    by_value = {row["value"]: row for row in risk["rows"]}
    # a row's counts are rounded, since the next row's patients are few more
    assert by_value[0.01]["sensitivity"]["value"] == pytest.approx(after["sensitivity"]["value"], abs=2.6 / cases)
    assert by_value[0.02]["ppv"]["value"] == pytest.approx(before["ppv"]["value"], rel=0.05)
    hits = {round(row["sensitivity"]["value"] * cases, 1) for row in risk["rows"]}
    assert len(hits) > 3 and all(n % 5 < 0.2 or n % 5 > 4.8 or n == cases for n in hits)
    works = [row["cardsPerWeek"] for row in risk["rows"]]
    assert works == sorted(works, reverse=True)
    finds = [row["sensitivity"]["value"] for row in risk["rows"]]
    assert finds == sorted(finds, reverse=True)
    # the chances are true in this hospital, so the model expects what is found
    assert by_value[0.01]["expected"]["ppv"]["value"] == pytest.approx(after["ppv"]["value"], rel=0.25)
    assert by_value[0.01]["expected"]["sensitivity"]["value"] == pytest.approx(after["sensitivity"]["value"], rel=0.25)
    assert by_value[0.01]["netBenefit"] > by_value[0.01]["netBenefitOfAll"]


@pytest.mark.parametrize(("part", "of"), [(0, 10), (1, 1), (3, 10), (10, 10), (14, 200), (999, 1000)])
def test_the_interval_is_scipys(part: int, of: int) -> None:
    expected = binomtest(part, of).proportion_ci(method="wilson")
    low, high = Share(part, of).interval
    assert math.isclose(low, expected.low, abs_tol=1e-9)
    assert math.isclose(high, expected.high, abs_tol=1e-9)


# ---- what goes wrong is told in words


def test_no_call_in_the_window_is_said(hospital: Hospital, preview: Preview) -> None:
    hospital.call("p", 0.05, days_ago=200)
    assert "there is nothing to decide again. Take a longer time (--days)" in said(preview(hospital, "--days", "90"))


def test_without_a_ledger_a_bulk_export_is_proposed(preview: Preview) -> None:
    assert "there are no past calls: take records from a FHIR bulk export (--bulk FOLDER)" in said(preview(None))


Change = Callable[[str], str]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda c: c.replace("0.01}", "2}"), "less than 1"),
        (lambda c: c.replace("risk_at_least", "risk_atleast"), "did you mean 'risk_at_least'?"),
        (lambda c: "- 1\n", "a policy is a mapping"),
        (lambda c: c.replace("author: A. Lead\n", ""), "author: this key is required"),
    ],
)
def test_a_wrong_policy_is_told_with_its_line(hospital: Hospital, preview: Preview, change: Change, told: str) -> None:
    hospital.call("p", 0.05)
    assert told in said(preview(hospital, change=change(CHANGE)))


def test_a_threshold_that_is_none_is_told_which_there_are(hospital: Hospital, preview: Preview) -> None:
    hospital.call("p", 0.05)
    told = said(preview(hospital, "--threshold", "services.pancreas-risk.parameters.ages"))
    assert "services.pancreas-risk.parameters.risk_at_least" in told


def test_months_without_a_call_and_answers_of_other_versions_are_noted(
    hospital: Hospital, preview: Preview, versions: dict[str, str]
) -> None:
    hospital.call("p", 0.05, days_ago=85)
    hospital.call("q", 0.05, days_ago=2)
    hospital.versions = {**versions, "qcancer-2013-pancreas": "0.0.9"}
    hospital.call("r", 0.05, days_ago=1)
    hospital.call("s", 0.05, days_ago=1, weighed=None)
    told = " ".join(preview(hospital).stdout.split())
    assert "No call in 2026-10." in told
    assert "1 answer of qcancer-2013-pancreas from another version than is installed" in told or "2 answers" in told
    assert "1 call is from before their decisions were kept" in told


@pytest.mark.parametrize(
    ("zone", "empty"), [("UTC", ["2026-10"]), ("Europe/Amsterdam", []), ("America/New_York", ["2026-10"])]
)
def test_a_months_calls_are_those_of_the_hospitals_clock(
    hospital: Hospital, preview: Preview, zone: str, empty: list[str]
) -> None:
    """Half past eleven in the evening, UTC, of the last of September is October in Amsterdam."""
    for n, at in enumerate((datetime(2026, 9, 30, 23, 30, tzinfo=UTC), datetime(2026, 11, 20, tzinfo=UTC))):
        hospital.call(f"p{n}", 0.05, at=at)
    told = figures(preview(hospital, "--json", zone=zone))
    assert [note["month"] for note in told["notes"] if note["note"] == "empty-month"] == empty


def test_what_is_not_seen_here_is_said(hospital: Hospital, preview: Preview) -> None:
    hospital.call("p", 0.05)
    change = CHANGE + "  pancreas-first-line: {parameters: {say_when_not_possible: false}}\n"
    told = " ".join(preview(hospital, change=change).stdout.split())
    assert "parameters.say_when_not_possible: no call in this time is of a service that it bears on" in told
    assert "Less than a week of calls was seen" in told


def test_what_was_kept_too_little_of_is_told_in_words_with_its_count(hospital: Hospital, preview: Preview) -> None:
    for n in range(3):
        hospital.call(f"p{n}", service="pancreas-first-line", hook="order-sign", weighed={}, predictions=())
    hospital.call("q", service="a-service-of-last-year")
    change = CHANGE + "  pancreas-first-line: {parameters: {say_when_not_possible: false}}\n"
    change += "models: {metastatic-os: {enabled: false}, purist-subtype: {enabled: true}}\norders: {hba1c: null}\n"
    told = " ".join(preview(hospital, change=change).stdout.split())
    for setting in ("services.pancreas-first-line.parameters.say_when_not_possible", "models.metastatic-os.enabled"):
        assert f"{setting}: of 3 calls too little was kept to see all that it does" in told
    assert "models.purist-subtype.enabled: " in told
    assert "orders.hba1c.code changes what cards say or propose" in told
    assert "1 call to a-service-of-last-year, which is not installed here any more: left out" in told


def test_dutch_is_dutch(hospital: Hospital, preview: Preview) -> None:
    hospital.call("p", 0.05, days_ago=20)
    hospital.call("q", 0.05, days_ago=2)
    assert "Kaarten per week" in preview(hospital, "--language", "nl").stdout
    result = preview(hospital, "--language", "xx")
    assert (result.exit_code, "there is no language 'xx'" in result.stderr) == (2, True)


# ---- speed


def test_twenty_thousand_predictions_are_replayed_in_a_minute(hospital: Hospital, preview: Preview) -> None:
    """Of processor time, every threshold's every value included; measured on one core."""
    populated(hospital, 3000)
    begun = time.process_time()
    told = figures(preview(hospital, "--days", "1500", "--json"))
    took = time.process_time() - begun
    assert told["window"]["predictions"] == 6000
    assert 60 * told["window"]["predictions"] / took >= 20_000
