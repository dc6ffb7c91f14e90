"""Whether a CT series shows the abdomen, by what it and its scanner say of the region."""

from __future__ import annotations

import re

from cds.imaging.phase import folded

# words of English, Dutch, German and French descriptions, and BodyPartExamined (DICOM PS3.16 Annex L: CHESTABDPELVIS)
_ABDOMEN = re.compile(
    r"abd|oberbauch|bauch|buik|pan[ck]rea|\bpan[ck]\b|liver|leber|\blever\b|hepat|\bfoie\b|\b[tc]ap\b|"
    r"(?:chest|thorax)\W?(?:to\W?)?pelvis"
)
_ELSEWHERE = re.compile(
    r"thora[xck]|chest|\blungs?\b|\blunge\b|\blongen\b|poumon|heart|cardiac|coronar|"
    r"\bhead|brain|skull|schadel|kopf|schedel|hersen|\bcran(?!io\W?caud)|\bneck\b|\bhals\b"
)


def shows_abdomen(description: str, body_part: str) -> bool | None:
    """None: not said. The body part is often that of the protocol, whatever was scanned by it, so a description that
    names a region is believed before it."""
    for text in (folded(description), folded(body_part)):
        words = text.replace("_", " ")
        if _ABDOMEN.search(words):
            return True
        if _ELSEWHERE.search(words):
            return False
    return None
