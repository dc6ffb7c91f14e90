"""Survival on a card that a manifest alone describes: a range and milestones, each with its time, and no number where
the data end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spox.opset.ai.onnx.v17 as op
import tiny_models
from manifest_card import Say
from tiny_models import Json, column, number

MONTHS = [float(m) for m in range(61)]
BOUNDS = {"lower": "low_{0}", "upper": "high_{0}", "interval": 0.95}


def survival(content: Json) -> None:
    """Exponential survival: a hazard of marker / 1000 a month; unknown, it is 100 in half of the patients, else 5."""
    content["task"] = "survival"
    content["inputs"][1]["absent"] = {
        "does": "assume", "value": 5, "vary": [5, 100], "weights": [0.5, 0.5],
    }  # fmt: skip
    curves = [
        {"name": "alive", "kind": "survival", "times": MONTHS, "lower": "low", "upper": "high", "interval": 0.95},
        {"name": "low", "kind": "bound", "times": MONTHS},
        {"name": "high", "kind": "bound", "times": MONTHS},
    ]
    points: list[Json] = []
    for months in (6, 12):
        label = {"en": f"alive at {months} months", "nl": f"in leven na {months} maanden"}
        points += [
            {"name": f"alive_{months}", "kind": "probability", "label": label, "curve": "alive",
             "horizon": f"{months}m",
             "lower": f"low_{months}", "upper": f"high_{months}", "interval": 0.95},
            {"name": f"low_{months}", "kind": "bound", "curve": "low", "horizon": f"{months}m"},
            {"name": f"high_{months}", "kind": "bound", "curve": "high", "horizon": f"{months}m"},
        ]  # fmt: skip
    shares = {
        "from": (0.75, "from", "vanaf"), "to": (0.25, "to", "tot"),
        "best": (0.1, "best case (1 in 10 lives longer)", "in het beste geval (1 op de 10 leeft langer)"),
        "worst": (0.9, "worst case (1 in 10 lives shorter)", "in het slechtste geval (1 op de 10 leeft korter)"),
    }  # fmt: skip
    ranges = [
        {"name": n, "kind": "score", "label": {"en": en, "nl": nl}, "unit": "mo", "curve": "alive", "until": share}
        for n, (share, en, nl) in shares.items()
    ]
    content["outputs"] = [*curves, *points, *ranges]
    content["card"] |= {"thresholds": {}, "speaks": [content["card"]["speaks"][0] | {"when": []}]}
    content["card"]["speaks"][0] |= {"summary": {"en": "Outlook", "nl": "Vooruitzicht"}}


def graph() -> bytes:
    def outputs(x: Any) -> dict[str, Any]:
        rate = op.unsqueeze(op.div(column(x, 1), number(1000.0)), op.const(np.array([1])))
        hazard = op.mul(rate, number([MONTHS]))
        scaled = {"alive": 1.0, "low": 1.4, "high": 1 / 1.4}
        return {name: op.exp(op.neg(op.mul(hazard, number(by)))) for name, by in scaled.items()}

    return tiny_models.graph(outputs)


@pytest.fixture
def say(tmp_path: Path) -> Say:
    return Say(tmp_path, survival, tiny_models.manifest, graph())


def section(detail: str, heading: str) -> list[str]:
    return next(part for part in detail.split("\n\n") if part.startswith(f"**{heading}**")).splitlines()[1:]


def test_a_card_gives_milestones_with_interval_then_the_typical_best_and_worst_case(say: Say) -> None:
    assert section(say(tiny_models.patient(50)).detail, "What it says") == [
        "- Alive at 6 months: about 74 in 100, between about 66 in 100 and about 81 in 100.",
        "- Alive at 12 months: about 55 in 100, between about 43 in 100 and about 65 in 100.",
        "- Typical: half of such patients live between 6 months and 28 months.",
        "- Best case (1 in 10 lives longer): 46 months.",
        "- Worst case (1 in 10 lives shorter): 2.1 months.",
        "- Same age and sex, otherwise as its cohort was, alive at 12 months: about 62 in 100.",
    ]


@pytest.mark.parametrize(
    ("language", "typical", "best"),
    [
        (
            "en",
            "half of such patients live between 29 months and 60 months or more.",
            "1 in 10 lives longer): 60 months or more.",
        ),
        (
            "nl",
            "de helft van zulke patiënten leeft tussen 29 maanden en 60 maanden of meer.",
            "1 op de 10 leeft langer): 60 maanden of meer.",
        ),
    ],
)
def test_where_the_curve_ends_first_the_card_says_or_more_and_no_number(
    say: Say, language: str, typical: str, best: str
) -> None:
    detail = say(tiny_models.patient(10), language=language).detail
    assert typical in detail
    assert best in detail


def test_where_most_live_on_beyond_the_data_the_card_says_so_in_words(say: Say) -> None:
    lines = section(say(tiny_models.patient(1)).detail, "What it says")
    assert "- Typical: three in four of such patients, or more, live 60 months or more." in lines
    lines = section(say(tiny_models.patient(1), language="nl").detail, "Wat het zegt")
    assert "- Gewoonlijk: drie van de vier van zulke patiënten, of meer, leven 60 maanden of meer." in lines


def test_with_an_input_missing_the_range_is_read_off_the_averaged_curve(say: Say) -> None:
    """Half live 3 to 14 months and half 57 or more; that the middle half live 30 to 37 is true of nobody."""
    alive = 0.5 * np.exp(-0.1 * np.array(MONTHS)) + 0.5 * np.exp(-0.005 * np.array(MONTHS))
    start = np.interp(-0.75, -alive, MONTHS)
    lines = section(say(tiny_models.patient(None)).detail, "What it says")
    assert f"- Typical: half of such patients live between {start:.0f} months and 60 months or more." in lines
    assert "- Best case (1 in 10 lives longer): 60 months or more." in lines


@pytest.mark.parametrize(("language", "heading"), [("en", "What is missing"), ("nl", "Wat ontbreekt")])
def test_what_a_missing_input_would_change_is_said_of_a_year_with_its_time(
    say: Say, language: str, heading: str
) -> None:
    (line,) = section(say(tiny_models.patient(None), language=language).detail, heading)
    told = {
        "en": "- Marker (not recorded); known, alive at 12 months: between about 30 in 100 and about 94 in 100.",
        "nl": (
            "- Merkstof (niet vastgelegd); als het bekend was, in leven na 12 maanden: tussen ongeveer 30 op de 100 en "
            "ongeveer 94 op de 100."
        ),
    }
    assert line == told[language]


def other_kinds(content: Json) -> None:
    survival(content)
    content["unused"] = {"imaging": {"en": "size added nothing", "nl": "grootte voegde niets toe"}}


@pytest.mark.parametrize(
    ("language", "heading", "with_marker", "without"),
    [
        (
            "en",
            "How sure",
            "- Evidence that spoke: clinical findings and laboratory values. "
            "Not used: imaging findings (size added nothing).",
            "- Evidence that spoke: clinical findings. Not used: laboratory values (known, alive at 12 months: between "
            "about 30 in 100 and about 94 in 100); imaging findings (size added nothing).",
        ),
        (
            "nl",
            "Hoe zeker",
            "- Gegevens die meespraken: klinische bevindingen en laboratoriumwaarden. "
            "Niet gebruikt: beeldvorming (grootte voegde niets toe).",
            "- Gegevens die meespraken: klinische bevindingen. Niet gebruikt: laboratoriumwaarden (als het bekend was, "
            "in leven na 12 maanden: tussen ongeveer 30 op de 100 en ongeveer 94 op de 100); beeldvorming (grootte "
            "voegde niets toe).",
        ),
    ],
)
def test_one_line_says_which_kinds_of_evidence_spoke_which_did_not_and_what_those_would_add(
    tmp_path: Path, language: str, heading: str, with_marker: str, without: str
) -> None:
    say = Say(tmp_path, other_kinds, tiny_models.manifest, graph())
    assert with_marker in section(say(tiny_models.patient(50), language=language).detail, heading)
    assert without in section(say(tiny_models.patient(None), language=language).detail, heading)
