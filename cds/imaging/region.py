"""Whether a CT series shows the abdomen, by what it and its scanner say of the region."""

from __future__ import annotations

import re

from cds.imaging.descriptions import folded

# words of English, Dutch, German, French, Italian and Spanish descriptions, and BodyPartExamined (DICOM PS3.16 Annex L:
# CHESTABDPELVIS); as folded: coeur is cour
_ABDOMEN = re.compile(
    r"abd|addom|oberbauch|bauch|buik|pan[ck]rea|\bpan[ck]\b|liver|leber|\blever|hepat|epati[ct]|\bfoie\b|fegato|"
    r"higado|\b[tc]ap(?:\b|pv|ven)|"
    r"(?:chest|thorax)\W?(?:to\W?)?pelvis"
)
_ELSEWHERE = re.compile(
    r"thora[xck]|torax|torac|chest|\blungs?\b|\blunge\b|\blongen\b|poumon|polmon|pulmon|"
    r"heart|\bhart(?!mann)|\bherz|\bcour\b|cuore|corazon|\b[ck]ardi(?!as?\b)|coronar|"
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
