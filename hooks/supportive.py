"""Drugs that are given beside a treatment of cancer and are no line of it, as texts have them, in English and Dutch.

Read only where no code tells the drug: coded, ATC tells them apart, and of RxNorm the vocabulary has their ingredients.
A text that begins with one and adds another drug, or may, is none of these. Behind a comma any word may be a drug,
but for those known here to tell how the first is given.
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

# a comma may part a drug from how it is given, or from the next one: behind it only such words name none
_PARTED = re.compile(r"[;|\n]|(?<!\d)[,:]|[,:](?!\d)|\.(?=\s)")
_WORD = re.compile(r"[^\W\d_]{4,}")
_HOW = re.compile(
    # what it is in, and its salt
    r"tabl|capsu|drank|zetpil|suppos|smelt|zuig|film|omhuld|coated|retard|release|dispers|oplos|solution|vloeistof|poeder|"
    r"powder|concentra|conc|ampul|flac|vial|spuit|syringe|stuk|natrium|sodium|calcium|fosfaat|phosph|hydrochl|aceta|"
    # how and how much
    r"oraa?l|intra|subcut|infu|inject|injvl|bolus|langzaam|slow|pomp|pump|dos[ei]|gift|maxim|water|glucose|saline|nacl|"
    # when
    r"daags|dagelijks|daily|dag(?:en)?\b|days?\b|uren|hour|minu|week|weken|maal|keer|times|once|twice|thrice|eenmaal|"
    r"tweemaal|driemaal|over\b|when|wanneer|within|binnen|elke|iedere|every|each|gedurende|start|begin|vanaf|from|until|stop|then|daarna|ochtend|avond|"
    r"middag|nacht|morning|evening|night|noon|bedtime|slapen|maaltijd|meal|eten|food|cycl|kuur|kuren|chemo|before|after|"
    r"during|prior|v[o\u00f3]{2}r\b|vooraf|tijdens|"
    # what for
    r"premed|anti-?emet|support|profyla|prophyla|indien|tenzij|unless|nodig|need|requi|misselijk|nause|brak|vomi|diarr|"
    r"koorts|fever|pijn|pain|allerg|react|overgevoel|hypersens|innemen|take|geven|give|toedien|administer|"
    rf"(?:{_NAMES})"
)


def alone(texts: Iterable[str]) -> bool:
    """Whether all texts of an order name such a drug and nothing beside it; False where there is none."""
    written = [text.lower() for text in texts]
    return bool(written) and all(map(_names_no_other, written))


def _names_no_other(text: str) -> bool:
    first = _FIRST.search(text)
    if first is None or drug_names.ordered(text):
        return False
    rest = text[first.end() :]
    return not _MORE.search(rest) and not any(map(_may_name_a_drug, _PARTED.split(rest)[1:]))


def _may_name_a_drug(part: str) -> bool:
    """By a word that is no known one; what names a cancer drug was asked of the whole text."""
    return any(not _HOW.match(word) and not drug_names.named(word) for word in _WORD.findall(part))
