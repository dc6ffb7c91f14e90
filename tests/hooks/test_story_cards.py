"""Every authored patient gets the cards a clinician expects, word for word.

``tests/golden`` holds each story's cards in English and Dutch as plain text, to be read and judged by people. After a
deliberate change: ``UPDATE_GOLDEN=1 pytest tests/hooks`` and read the difference.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from story_house import TODAY, Fire

from hooks import stories
from hooks.stories import verdict

GOLDEN = Path(__file__).parents[1] / "golden"
HOOKS = ("patient-view", "order-select", "order-sign")


def as_text(response: dict[str, Any]) -> str:
    """A response as people read it: no ids, no policy version."""
    if not response["cards"]:
        return "(no card)\n"
    return "\n\n".join(_card(card) for card in response["cards"]) + "\n"


def _card(card: dict[str, Any]) -> str:
    source = card["source"]
    lines = [f"[{card['indicator']}] {card['summary']}", "", card["detail"], ""]
    for suggestion in card.get("suggestions", ()):
        (action,) = suggestion["actions"]
        coding = action["resource"]["code"]["coding"][0]
        star = " (recommended)" if suggestion.get("isRecommended") else ""
        lines.append(f"-> {suggestion['label']}{star} = {action['resource']['priority']} {coding['code']}")
    lines += [f"override: {reason['display']}" for reason in card.get("overrideReasons", ())]
    lines += [f"link: {link['label']} {link['url']}" for link in card.get("links", ())]
    lines.append(f"source: {source['label']} {source.get('url', '')} topic {source['topic']['code']}")
    return re.sub(r"(policy|beleid) [0-9a-f]{12}", r"\1 …", "\n".join(lines))


@pytest.mark.parametrize("language", ["en", "nl"])
@pytest.mark.parametrize("story", stories.STORIES, ids=lambda s: s.id)
def test_the_cards_are_the_reviewed_ones(fire: Fire, story: stories.Story, language: str) -> None:
    hooks = [hook for hook in HOOKS if hook == "patient-view" or story.drafts]
    text = "".join(f"## {hook}\n\n{as_text(fire(story, hook, language))}\n" for hook in hooks)
    text = f"# {story.id}: {story.tells}\n\n{text}"
    path = GOLDEN / f"{story.id}.{language}.md"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("story", stories.STORIES, ids=lambda s: s.id)
def test_each_story_gets_what_a_clinician_expects(fire: Fire, story: stories.Story) -> None:
    for expect in story.expects:
        assert verdict.faults(expect, fire(story, expect.hook, "en")) == []


def test_the_same_person_under_local_codes_and_molar_units_gets_the_same_answer(fire: Fire) -> None:
    american = fire(stories.story("new-diabetes"), "patient-view", "en")["cards"][0]
    dutch = fire(stories.story("dutch-new-diabetes"), "patient-view", "en")["cards"][0]
    assert american["summary"] == dutch["summary"]
    assert "END-PAC 9, high" in american["detail"]
    assert "END-PAC 9, high" in dutch["detail"]


def test_the_survival_headline_holds_no_number(fire: Fire) -> None:
    for story in stories.STORIES:
        if story.drafts:
            for card in fire(story, "order-sign", "en")["cards"]:
                if card["source"]["topic"]["code"].startswith("pancreas-survival"):
                    assert not re.search(r"\d", card["summary"]), card["summary"]


def test_the_score_alone_says_what_each_of_the_missing_values_would_add(fire: Fire) -> None:
    """Monocytes would make the full estimate possible, the performance status surer; both are had at the visit."""
    (card,) = (
        card
        for card in fire(stories.story("two-labs"), "order-sign", "en")["cards"]
        if card["source"]["topic"]["code"] == "pancreas-survival"
    )
    lines = card["detail"].splitlines()
    assert "- Monocytes (not recorded): without it the full estimate can't be made." in lines
    (other,) = (line for line in lines if "it would be surer" in line)
    assert other.startswith("- ECOG performance status (not recorded)")


def test_another_drug_in_the_draft_does_not_change_the_estimate(fire: Fire) -> None:
    """The estimate must not be usable to choose between regimens."""
    from dataclasses import replace

    story = stories.story("lewis-negative")
    details = [
        card["detail"]
        for drafts in (("gemcitabine",), ("folfirinox",))
        for card in fire(replace(story, drafts=drafts), "order-sign", "en")["cards"]
        if card["source"]["topic"]["code"] == "pancreas-survival"
    ]
    told = [
        [line for line in detail.splitlines() if line.startswith(("| This estimate", "- For comparison", "- About"))]
        for detail in details
    ]
    assert len(told) == 2
    assert len(told[0]) >= 5
    assert told[0] == told[1]


@pytest.mark.parametrize(
    "spoil",
    [
        {"doNotPerform": "false"},
        {"medicationCodeableConcept": None, "medicationReference": {"reference": "Medication/not-sent"}},
        {"subject": {"reference": "Patient/somebody-else"}},
        {"modifierExtension": [{"url": 7}]},
    ],
    ids=["malformed", "drug not sent", "another patient", "a modifier that can't be read"],
)
def test_an_order_that_was_lost_does_not_make_another_regimen(
    fire: Fire, monkeypatch: pytest.MonkeyPatch, spoil: dict[str, Any]
) -> None:
    """Gemcitabine with a nab-paclitaxel that can't be read is not gemcitabine alone."""
    story = stories.story("gemnab-rising")
    bundle = stories.draft_orders(story, TODAY)
    (lost,) = (e["resource"] for e in bundle["entry"] if "paclitaxel" in json.dumps(e))
    lost.update(spoil)
    monkeypatch.setattr(stories, "draft_orders", lambda *_: bundle)
    cards = {card["source"]["topic"]["code"]: card for card in fire(story, "order-sign", "en")["cards"]}
    assert set(cards) == {"pancreas-survival-none", "dpyd-dose-not-assessed"}  # the lost one may be that drug, too
    card = cards["pancreas-survival-none"]
    assert "could not be read" in card["detail"]
    assert "MPACT" not in card["detail"]
