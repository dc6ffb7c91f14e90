"""Every figure of the trials' table is the published one, and a table that can't be true is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from pydantic import ValidationError

from hooks import trials
from hooks.regimens import Regimen

# As read in the publications: medians of overall survival, hazard ratio with its interval, people in each arm.
PUBLISHED: dict[str, tuple[tuple[float, float], tuple[float, ...], tuple[int | None, int | None]]] = {
    "PRODIGE 4 / ACCORD 11": ((11.1, 6.8), (0.57, 0.45, 0.73), (171, 171)),
    "NAPOLI 3": ((11.1, 9.2), (0.83, 0.70, 0.99), (383, 387)),
    "MPACT": ((8.5, 6.7), (0.72, 0.62, 0.83), (431, 430)),
    "PASS-01": ((8.5, 9.7), (1.57, 1.08, 2.28), (80, 80)),
    "PRODIGE 24 / PA6": ((54.4, 35.0), (), (None, None)),
    "ESPAC-4": ((28.0, 25.5), (0.82, 0.68, 0.98), (364, 366)),
    "ESPAC-1": ((19.7, 14), (0.66,), (None, None)),
    "CONKO-001": ((22.8, 20.2), (0.76,), (None, None)),
    "ESPAC-3": ((23.1, 23.6), (0.94,), (None, None)),
    "JASPAC-01": ((46.5, 25.5), (0.57,), (None, None)),
    "APACT": ((40.5, 36.2), (0.82,), (None, None)),
    "PREOPANC": ((15.7, 14.3), (0.73, 0.56, 0.96), (119, 127)),
    "POLO": ((19.0, 19.2), (0.83, 0.56, 1.22), (92, 62)),
}
# percent alive by month
ALIVE = {
    "PRODIGE 4 / ACCORD 11": {12: (48.4, None)},
    "NAPOLI 3": {12: (45.6, 39.5), 18: (26.2, 19.3)},
    "MPACT": {6: (67, 55), 12: (35, 22), 18: (16, 9), 24: (9, 4)},
    "PRODIGE 24 / PA6": {36: (63.4, 48.6)},
    "PREOPANC": {60: (20.5, 6.5)},
    "POLO": {36: (33.9, 17.8)},
    "CONKO-001": {60: (20.7, 10.4)},
}
PROGRESSION = {
    "PRODIGE 4 / ACCORD 11": (6.4, 3.3),
    "NAPOLI 3": (7.4, 5.6),
    "MPACT": (5.5, 3.7),
    "PASS-01": (4.0, 5.3),
    "POLO": (7.4, 3.8),
}
RESPONSE = {
    "PRODIGE 4 / ACCORD 11": (31.6, 9.4),
    "NAPOLI 3": (41.8, 36.2),
    "MPACT": (23, 7),
    "POLO": (23.1, 11.5),
}
LATER = {
    "NAPOLI 3": ((11.1, 9.2), (0.84, 0.72, 0.98)),
    "PRODIGE 24 / PA6": ((53.5, 35.5), (0.68, None, None)),
    "ESPAC-4": ((31.6, 28.4), (0.83, 0.71, 0.98)),
}


def overall(name: str) -> trials.Result:
    found = trials.named(name).first("overall-survival")
    assert found is not None
    return found


def test_each_trial_is_found_on_a_page_of_its_own_and_not_on_a_front_page() -> None:
    front = [t.trial for t in trials.trials() if urlsplit(t.source).path in ("", "/")]
    assert front == []


def test_the_table_holds_these_trials_and_no_other() -> None:
    assert {t.trial for t in trials.trials()} == set(PUBLISHED)


@pytest.mark.parametrize("name", PUBLISHED)
def test_medians_ratios_and_numbers_are_the_published_ones(name: str) -> None:
    medians, ratio, sizes = PUBLISHED[name]
    found, trial = overall(name), trials.named(name)
    assert found.medians == medians
    held = found.hazard_ratio
    assert (() if held is None else tuple(v for v in (held.value, held.low, held.high) if v is not None)) == ratio
    assert (trial.experimental.n, trial.control.n) == sizes


@pytest.mark.parametrize("name", ALIVE)
def test_shares_alive_are_the_published_ones(name: str) -> None:
    assert overall(name).share == ALIVE[name]


@pytest.mark.parametrize("name", PROGRESSION)
def test_progression_free_medians_are_the_published_ones(name: str) -> None:
    found = trials.named(name).first("progression-free-survival")
    assert found is not None
    assert found.medians == PROGRESSION[name]


@pytest.mark.parametrize("name", RESPONSE)
def test_response_rates_are_the_published_ones(name: str) -> None:
    found = trials.named(name).first("response")
    assert found is not None
    assert found.percent == RESPONSE[name]


@pytest.mark.parametrize("name", LATER)
def test_later_reports_stand_beside_the_first(name: str) -> None:
    medians, ratio = LATER[name]
    found = trials.named(name).latest("overall-survival")
    assert found is not None
    assert found.hazard_ratio is not None
    assert (found.medians, (found.hazard_ratio.value, found.hazard_ratio.low, found.hazard_ratio.high)) == (
        medians,
        ratio,
    )


def test_olaparib_delays_progression_and_does_not_lengthen_life() -> None:
    """The interval of the ratio of death holds 1: no card may read it as a gain."""
    ratio = overall("POLO").hazard_ratio
    assert ratio is not None
    assert ratio.high is not None
    assert ratio.high > 1
    progression = trials.named("POLO").first("progression-free-survival")
    assert progression is not None
    assert progression.hazard_ratio == trials.Ratio(value=0.53, low=0.35, high=0.82)


def test_pass_01_does_not_favour_folfirinox_in_the_classical_subtype() -> None:
    found = [r for r in trials.named("PASS-01").results if r.people.get("en") == "classical subtype"]
    assert [r.medians for r in found if r.outcome == "overall-survival"] == [(9.7, 13.9)]


def test_each_setting_can_be_asked_for() -> None:
    assert [t.trial for t in trials.of_setting("maintenance")] == ["POLO"]
    assert {t.setting for t in trials.of_setting("adjuvant")} == {"adjuvant"}
    assert len(trials.of_setting("adjuvant")) == 7


def test_the_first_line_card_shows_one_arm_a_regimen_with_its_ratio_the_right_way_round() -> None:
    for regimen in Regimen:
        (arm,) = trials.arms_of(regimen)
        assert arm.regimen is regimen
        assert arm.hazard_ratio.favours == ("other" if regimen is Regimen.gemcitabine else "arm")
    (mpact,) = trials.arms_of(Regimen.gemcitabine)
    assert (mpact.median, mpact.other_median, mpact.n) == (6.7, 8.5, 430)
    assert mpact.alive == {6: 55, 12: 22, 18: 9, 24: 4}


GOOD: dict[str, Any] = {
    "trial": "X",
    "year": 2020,
    "setting": "adjuvant",
    "experimental": {"name": "A"},
    "control": {"name": "B"},
    "results": [{"outcome": "overall-survival", "medians": [20, 10]}],
    "source": "https://example.org/x",
}


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"source": "a colleague"}, "source"),
        ({"source": None}, "source"),
        ({"source": "https://example.org"}, "source"),
        ({"source": "https://example.org/"}, "source"),
        ({"setting": "second-line"}, "setting"),
        ({"results": []}, "results"),
        ({"results": [{"outcome": "overall-survival"}]}, "medians"),
        ({"results": [{"outcome": "response", "medians": [2, 1]}]}, "percent"),
        ({"results": [{"outcome": "overall-survival", "share": {12: [120, 20]}}]}, "100"),
        ({"results": [{"outcome": "overall-survival", "share": {12: [20, 20], 24: [30, 10]}}]}, "rise"),
        (
            {
                "results": [
                    {
                        "outcome": "overall-survival",
                        "medians": [2, 1],
                        "hazard_ratio": {"value": 0.9, "low": 0.5, "high": 0.8},
                    }
                ]
            },
            "outside its interval",
        ),
        ({"effect": "better"}, "effect"),
    ],
)
def test_a_table_that_cannot_be_true_is_refused(tmp_path: Path, changed: dict[str, Any], says: str) -> None:
    path = tmp_path / "trials.yaml"
    path.write_text(yaml.safe_dump([GOOD]), encoding="utf-8")
    assert len(trials.read(path)) == 1
    path.write_text(yaml.safe_dump([GOOD | changed]), encoding="utf-8")
    with pytest.raises(ValidationError, match=says):
        trials.read(path)


@pytest.mark.parametrize("regimen", list(Regimen))
def test_the_report_begins_with_the_trial_of_the_card(regimen: Regimen) -> None:
    """A trial in which the regimen was the control of another stands behind the one its figures on the card are of."""
    told = trials.comparisons({"regimen": regimen.value})
    on_card = [arm.trial for arm in trials.arms_of(regimen)]
    assert on_card and [one.trial for one in told][: len(on_card)] == on_card
    assert [one.of_card for one in told] == sorted((one.of_card for one in told), reverse=True)
