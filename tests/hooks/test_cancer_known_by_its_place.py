"""Cancer of the pancreas that is known under the code of its place or its type brings no advice to look for it."""

from __future__ import annotations

import pytest
from story_house import House
from test_diabetes_known_before import problem, told

JAUNDICE = problem("18165001", "2026-10-20")
KNOWN = {
    "372119009": "primary of the head",
    "94082003": "primary of the tail",
    "109848009": "overlapping",
    "681721000119103": "primary adenocarcinoma of the head",
    "314964006": "local recurrence",
    "254612002": "endocrine",
    "783706007": "serous cystadenocarcinoma",
    "189814006": "pancreatoblastoma",
}


@pytest.mark.parametrize("code", KNOWN, ids=KNOWN.values())
def test_it_is_known(house: House, code: str) -> None:
    cards, kept = told(house, JAUNDICE, problem(code, "2026-02-01"))
    assert cards == []
    assert {reason.partition(" ")[0] for _, reason in kept} == {"known-cancer"}


def test_a_metastasis_to_the_pancreas_is_not_that_cancer(house: House) -> None:
    (card,), _ = told(house, JAUNDICE, problem("94459006", "2026-02-01"))
    assert card.startswith("Jaundice at 68")
