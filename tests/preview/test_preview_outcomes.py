"""What became of patients is read as the committee reads it: its sources, the lag of the record, its charter."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hospital import Hospital
from scipy.stats import poisson
from trying import Preview

from cds.ledger.cohort import SHADOW
from cds.preview.figures import expected

SPARE = ("--days", "1500", "--events-needed", "10")


def found(preview: Preview, hospital: Hospital, *words: str, **more: Path) -> dict[str, Any]:
    result = preview(hospital, *SPARE, "--json", *words, **more)
    assert result.exit_code == 0, result.output
    told: dict[str, Any] = json.loads(result.stdout)
    return told


def called(hospital: Hospital) -> None:
    for n in range(12):
        hospital.call(f"case-{n}", 0.03, days_ago=900)
    for n in range(25):
        hospital.call(f"other-{n}", 0.001, days_ago=900)


def test_where_they_come_from_and_how_late_they_are_is_told(hospital: Hospital, preview: Preview) -> None:
    called(hospital)
    hospital.outcomes(*((f"case-{n}", 600.0) for n in range(12)))
    (told,) = found(preview, hospital)["found"]
    assert told["known"] == {
        "sources": ["registry:national"], "through": "2026-08-29", "byContact": False, "maturity": "3m", "faults": [],
    }  # fmt: skip
    assert told["label"]["nl"] == "alvleesklierkanker"
    text = " ".join(preview(hospital, *SPARE).stdout.split())
    assert "Found and missed: pancreatic cancer" in text
    assert "known until 29 Aug 2026; the newest 3 months are left out" in text
    dutch = " ".join(preview(hospital, *SPARE, "--language", "nl").stdout.split())
    assert "zonder de nieuwste 3 maanden, omdat uitkomsten laat in het dossier komen" in dutch


def test_a_case_of_whom_the_time_is_not_over_counts_no_more_than_the_others_of_that_time(
    hospital: Hospital, preview: Preview
) -> None:
    """Cases found early, of calls whose others can't be known yet, would make it look commoner than it is."""
    called(hospital)
    for n in range(8):
        hospital.call(f"young-{n}", 0.03, days_ago=400)
    hospital.outcomes(*((f"case-{n}", 600.0) for n in range(12)), *((f"young-{n}", 300.0) for n in range(8)))
    (told,) = found(preview, hospital)["found"]
    assert (told["cases"], told["notFollowedYet"]) == ({"count": 12}, {"count": 8})
    (told,) = found(preview, hospital, "--within-days", "200")["found"]
    assert told["cases"] == {"count": 8}, "the others had it later than that"


def test_where_no_source_is_complete_nobody_counts_as_free_who_was_not_seen(
    hospital: Hospital, preview: Preview
) -> None:
    called(hospital)
    hospital.outcomes(*((f"case-{n}", 600.0) for n in range(12)), complete=False)
    for n in range(11):
        hospital.call(f"other-{n}", 0.001, days_ago=100)
    (told,) = found(preview, hospital)["found"]
    assert (told["others"], told["notFollowedYet"]) == ({"count": 11}, {"count": 14})
    assert told["known"]["through"] is None
    text = " ".join(preview(hospital, *SPARE).stdout.split())
    assert "no source is complete" in text
    assert "the share of true alerts looks better than it is" in text


def test_an_outcome_that_the_charter_does_not_have_is_said(
    hospital: Hospital, preview: Preview, tmp_path: Path
) -> None:
    called(hospital)
    hospital.outcomes(("case-1", 600.0))
    charter = tmp_path / "committee.yaml"
    charter.write_text(
        "name: Ours\nauthor: A. Chair\napprover: B. Second\neffective: 2026-11-01\n"
        "outcomes: {death: {label: {en: death, nl: overlijden}, death: true}}\n"
    )
    told = found(preview, hospital, charter=charter)
    assert told["found"] == []
    assert {"note": "not-in-charter", "outcome": "pancreatic-cancer"} in told["notes"]


def test_answers_that_the_committee_withheld_are_decided_on_and_that_is_said(
    hospital: Hospital, preview: Preview
) -> None:
    hospital.call("p", 0.05, days_ago=20)
    said = hospital.predicted("qcancer-2013-pancreas", {"risk": 0.05, "reference_risk": 0.0004})
    hospital.call("q", None, days_ago=2, predictions=(replace(said, id="p-withheld", reason=SHADOW),))
    told = found(preview, hospital)
    assert told["workload"]["before"]["cards"] == 2
    assert {"note": "withheld", "model": "qcancer-2013-pancreas", "answers": 1} in told["notes"]
    assert "as long as it is withheld, no card shows them" in " ".join(preview(hospital).stdout.split())


def test_what_is_expected_has_intervals_that_few_people_widen() -> None:
    chances = {f"low-{n}": 0.002 for n in range(900)} | {f"high-{n}": 0.1 for n in range(100)}
    told = expected(chances, {p for p in chances if p.startswith("high")})
    assert told is not None
    low, high = poisson.interval(0.95, 10)
    assert told["ppv"] == {"value": 0.1, "low": pytest.approx(low / 100, rel=0.05),
                           "high": pytest.approx(high / 100, rel=0.05)}  # fmt: skip
    assert told["missedPer1000"]["value"] == pytest.approx(1.8)
    assert told["missedPer1000"]["low"] == 0
    assert told["sensitivity"]["low"] < told["sensitivity"]["value"] < told["sensitivity"]["high"] <= 1


def test_half_an_expected_case_can_be_found_or_missed() -> None:
    few = expected({"a": 0.5, "b": 0.01}, {"a"})
    assert few is not None
    assert few["sensitivity"] == {"value": 0.98, "low": 0, "high": 1}
    assert few["ppv"]["high"] == 1
    assert few["missedPer1000"] == {"value": 5, "low": 0, "high": 500}, "none missed is likely, and not sure"
    nobody = expected({"a": 0.5}, set())
    assert nobody is not None and nobody["ppv"] is None
    assert expected({}, set()) is None


def test_what_is_expected_of_numbers_that_round_alike_is_the_same_and_falls_with_the_number() -> None:
    chances = {f"p{n}": 0.001 * (n + 1) for n in range(60)}
    of = {n: expected(chances, {f"p{60 - m}" for m in range(1, n + 1)}, 5) for n in range(31)}
    assert of[8] == of[10] == of[12]
    assert of[12] != of[13]
    assert of[2] == of[0], "fewer than are told are told as nobody"
    found = [of[n]["sensitivity"]["value"] for n in range(31)]  # type: ignore[index]
    assert found == sorted(found)


def test_where_a_few_more_are_alerted_what_is_found_is_rounded(hospital: Hospital, preview: Preview) -> None:
    """Else the difference of two exact shares is the number that is hidden."""
    for n in range(23):
        hospital.call(f"case-{n}", 0.03 if n < 18 else 0.015 if n < 21 else 0.001, days_ago=900)
    for n in range(25):
        hospital.call(f"other-{n}", 0.001, days_ago=900)
    hospital.outcomes(*((f"case-{n}", 600.0) for n in range(23)))
    (told,) = found(preview, hospital)["found"]
    assert told["before"]["sensitivity"]["value"] == told["after"]["sensitivity"]["value"] == round(20 / 23, 3)
    assert told["before"]["ppv"]["value"] == 1.0
