"""Did a story get the cards a clinician expects of it? Findings are looked for in the cards' own words."""

from __future__ import annotations

from typing import Any

from hooks.stories.story import Expect

# finding -> (topic of the card that tells it, words it tells it with, in English)
TOLD_BY: dict[str, tuple[str, str]] = {
    "ng12-jaundice": ("pancreas-risk", "Refer on the suspected cancer pathway"),
    "ng12-weight-loss": ("pancreas-risk", "CT of the pancreas within 2 weeks"),
    "endpac-high": ("pancreas-risk", ", high: "),
    "qcancer-raised": ("pancreas-risk", "(QCancer 2013)"),
    "marker-rising": ("ca19-9-response", "CA 19-9 has risen under treatment"),
    "marker-falling": ("ca19-9-response", "CA 19-9 is falling under treatment"),
    "marker-not-made": ("ca19-9-response", "CA 19-9 can't show the course here"),
    "cyst-worrisome": ("pancreas-cyst", "Pancreatic cyst with worrisome features"),
    "dpyd-reduce": ("dpyd-dose", "DPYD activity score 1: start fluoropyrimidine at half dose"),
    "dpyd-not-tested": ("dpyd-dose", "No DPYD result on record before the first fluoropyrimidine"),
    "ugt1a1-reduce": ("ugt1a1-dose", "start irinotecan at 70% of the usual dose"),
    "msi-option": ("molecular-options", "MSI-high: a treatment was studied for this"),
    "gbrca-in-use": ("molecular-options", "olaparib is on record. What the trial showed"),
    "surveillance-offer": ("pancreas-surveillance", "surveillance can be offered"),
    "resected-outlook": ("pancreas-adjuvant-outlook", "Alive at 24 months"),
    "survival": ("pancreas-survival", "Of 100 people like this"),
    "survival-fallback": ("pancreas-survival", "MSK Prognostic Score"),
    "survival-none": ("pancreas-survival-none", "No survival estimate"),
}


def faults(expect: Expect, response: dict[str, Any]) -> list[str]:
    """Empty when the response holds every expected finding and no card beside."""
    cards = {c["source"]["topic"]["code"]: f"{c['summary']}\n{c.get('detail', '')}" for c in response.get("cards", ())}
    wanted = {TOLD_BY[finding][0] for finding in expect.topics}
    found = [f"{expect.hook}: unexpected card '{topic}'" for topic in sorted(set(cards) - wanted)]
    for finding in expect.topics:
        topic, words = TOLD_BY[finding]
        if topic not in cards:
            found.append(f"{expect.hook}: no card '{topic}', which should tell {finding}")
        elif words not in cards[topic]:
            found.append(f"{expect.hook}: card '{topic}' does not tell {finding}")
    return found
