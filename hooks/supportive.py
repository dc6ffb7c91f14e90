"""Drugs that are given beside a treatment of cancer and are no line of it, as texts have them, in English and Dutch.

Read only where no code tells the drug: coded, ATC tells them apart, and of RxNorm the vocabulary has their ingredients.
A text that begins with one and adds another drug, or may, is none of these.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from hooks import drug_names

# WHO ATC index: A04 (antiemetics), H02 (corticosteroids), V03AF (detoxifying agents, folinates among them), L03AA
# (colony stimulating factors), and what else the vocabulary counts as a drug that is not against cancer; Dutch names
# end as the stem goes on, and brands are those of the EU
_NAMES = (
    "ondansetron|zofran|granisetron|kytril|palonosetron|aloxi|tropisetron|fosaprepitant|aprepitant|emend|netupitant|akynzeo|"
    "metoclopramid|primperan|domperidon|olanzapin|haloperidol|"
    "dexameth?ason|prednison|prednisolon|methylprednisolon|hydrocortison|"
    "(?:levo-?)?leucovorin|folin(?:ic acid|ezuur|ate)|calcium ?(?:levo)?folina|natrium ?folina|"
    "(?:di)?sodium ?(?:levo)?folina|levofolin|rescuvolin|mesna|"
    "(?:peg)?filgrastim|lipegfilgrastim|neulasta|atropin|loperamid|clemastin|tavegil|diphenhydramin|famotidin|"
    "omeprazol|pantoprazol|esomeprazol|paracetamol|acetaminophen"
)
# before the name: what it is for, how much is in it and how it is given
_BEFORE = (
    r"(?:premed\w*+[\s:,.-]*|(?:inj|inf|tab|caps?|drank|amp)\w*\.?\s+|(?:iv|po|i\.v\.|p\.o\.)\s+|"
    r"\d+(?:[.,]\d+)?\s*(?:ml|mg|g|mcg)\s+)*"
)
_FIRST = re.compile(rf"^\s*{_BEFORE}(?:{_NAMES})\w*(?:\s*(?:[/+&,]|\ben\b|\band\b)\s*(?:{_NAMES})\w*)*")
_MORE = re.compile(r"[+&]|^\s*/|\b(?:en|and|met|with|plus|combi\w*)\b")


def alone(texts: Iterable[str]) -> bool:
    """Whether all texts of an order name such a drug and nothing beside it; False where there is none."""
    written = [text.lower() for text in texts]
    return bool(written) and all(map(_names_no_other, written))


def _names_no_other(text: str) -> bool:
    first = _FIRST.search(text)
    return first is not None and not _MORE.search(text[first.end() :]) and not drug_names.ordered(text)
