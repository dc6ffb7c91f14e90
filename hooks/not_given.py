"""Whether a text names a cancer drug to say that it is not to be given: denied, stopped, paused, replaced, or only
what another drug is given beside. In English and Dutch.

An order with a condition is an order ("5-FU, stop bij diarree"), and where a text can be read either way it is one:
what hangs on it is advice on a dose, which must not be missed.
"""

from __future__ import annotations

import re

FAR = 40
"""Characters beside a word in which its denial is looked for: a text may be long, and have the word many times."""

# "stop gemcitabine", "geen irinotecan": said of what is not to be given. A word or two may stand between, but none that
# it is said of itself ("geen DPYD-variant FOLFIRINOX", "stop gemcitabine start Xeloda") or that turns ("maar Xeloda")
_NOT_GIVEN = re.compile(
    r"(?:\b(?:no|not|without|instead of|in place of|allerg\w+(?: to)?|"
    r"geen|niet|zonder|plaats van|ipv|i\.p\.v\.|allergi\w+(?: voor)?|was|"
    # said of it, unless on a condition
    r"(?<!restart )(?<!resume )(?<!hervat )(?<!hervatten )"
    r"(?P<stop>stop(?:s|ped|ping)?|discontinued?|hold|cancel(?:led)?|stopzetten|gestopt|staak|staken|gestaakt|"
    r"paus(?:e|ed|ing)|suspend(?:ed)?|interrupt(?:ed)?|pauzeer|pauzeren|gepauzeerd|onderbreek|onderbreken|opschorten))"
    # "stop FOLFIRINOX, start gem-nab" denies the first alone, with or without the comma
    r"(?:\s+(?!lipos|pegyl|sched|schem|start(?!en)|begin(?!nen)|give\b|geef|then\b|dan\b|maar\b|but\b|dpd|dpyd|ugt|varia|mutat|gemcit|gemz|"
    r"oxalip|eloxat|irinot|fluor|capec|xelod|paclit|abrax|folf|nalir)[^\W\d_]+){0,2}|"
    # and of what another drug is given with: an antiemetic "before FOLFIRINOX", "24 uur na de gemcitabine"; not what is
    # given for a disease: "chemotherapie bij pancreascarcinoom gemcitabine"
    r"\b(?:before|after|during|prior to|premed\w*|voor|v\u00f3\u00f3r|na|bij|tijdens|rond(?:om)?)"
    r"(?:\s+(?:the|a|each|every|first|next|start(?:ing)?|of|with|cycles?|chemo\w*|infusions?|administration|doses?|"
    r"de|het|een|elke|iedere|eerste|volgende|begin|van|met|kuur|kuren|cyclus|infuus|infusie|toediening|gift|dosis)\b){0,4})"
    r"[\s(\"'-]*$"
)
_ENDED = re.compile(
    r"^\w*[\s)(,:-]*(?:(?:is|was|wordt|has been)\s+)?"
    r"(?:(?:stop(?:zetten|pen)?|pauzeer|pause|suspend|interrupt|onderbreken|opschorten)(?=[\s).!]*$)|"
    r"(?:staken|pauzeren|gepauzeerd|paused|suspended|interrupted|onderbroken|opgeschort)"
    r"(?=[\s).!]*$|\W+(?:per direct|vandaag|today|until further|tot nader|wegens|vanwege|ivm|i\.v\.m|due to|"
    r"because)\b)|"
    r"stopped|discontinued|cancelled|on hold(?!\s+(?:if|when|in case)\b)|gestopt|gestaakt|"
    r"niet (?:geven|toedienen|starten|innemen)(?!\s+(?:bij|als|indien|voor|na)\b)|"
    r"allerg\w+\b(?!\W*(?:no|none|not known|unknown|geen|niet bekend|onbekend)\b)|"
    r"not to be given(?!\s+(?:if|when|in|at|with|before|after)\b))\b"
)

# "stop 5-FU bij diarree", "if neutropenia hold gemcitabine", "stop 5-FU na 46 uur": what is ordered is the drug
_ON = "(?:if|when|in case|upon|unless|at|after|days?|als|indien|wanneer|zodra|mocht|bij|tenzij|zo nodig|na|dag|dagen)"
_CONDITION_AFTER = re.compile(rf"^(?:(?!\b(?:start|begin|geef|give)|;|[.,](?!\d)).)*[,(]?\s*\b{_ON}\b")
_CONDITION_BEFORE = re.compile(rf"\b{_ON}\b(?:[^.;]|\.(?=\d))*$")

# "suspend capecitabine in 200 ml water" is how it is taken: to suspend is to dissolve, too
_TAKEN_UP_IN = re.compile(
    r"^[^.,;]*?\bin\s+(?:(?:about|approx\w*|ca|a|an|half|one|some|the|een|warm|lukewarm|cold|sterile|purified|"
    r"drinking|glass|cup|of|spoon\w*|table\w*)\.?\s+)*"
    r"(?:\d+(?:[.,]\d+)?\s*(?:ml|cc|l|oz)\b|water|juice|apple|orange|yogh?urt|saline|nacl|glucose|sodium|syrup|glass)"
)

# "vervang 5-FU door gemcitabine", "switch from Xeloda to gemcitabine": only where a drug follows, since a pump, a bag
# and a dose are replaced as well. English "substitute a for b" is told from neither end
_THE = r"(?:\s+(?:the|current|de|het|huidige|from|van)){0,2}[\s(\"'-]*$"
_DOSE = r"^\w*(?:\s+\(?[\d.,]+\)?\s*[a-z/\d\u00b2]*)?[\s)]*"
_BY = tuple(
    (re.compile(rf"\b(?:{verbs}){_THE}"), re.compile(rf"{_DOSE}\b(?:{links})\s+(?:(?:the|de|het|een|a)\s+)?"))
    for verbs, links in (
        (r"vervang(?:en)?|replac(?:e|ing)", "door|by|with"),
        (r"switch(?:en|ing)?|omzetten|chang(?:e|ing)|convert(?:ing)?|from|van", "to|into|naar"),
        (r"wissel(?:en)?|zet", "(?:om )?naar"),
    )
)
_REPLACED_BY = re.compile(
    r"^\w*[\s)(,:-]*(?:(?:is|was|wordt|worden|has been|to be|should be)\s+)?"
    r"(?:(?:vervangen|replaced) (?:door|by|with)|"
    r"(?:omgezet|omzetten|gewisseld|switched|switchen|changed) (?:to|into|naar))\s+(?:(?:the|de|het|een|a)\s+)?"
)
# "gemcitabine vervangt 5-FU": what stands before is the drug that is given
_REPLACES = re.compile(
    r"\b(?:vervangt|vervanging (?:van|voor)|replaces|replacing|replacement (?:of|for))(?:\s+(?:the|de|het))?\s+$"
)
_EQUIPMENT = re.compile(
    r"^\w*[\s-]*(?:pump|pomp|cassette|bag|zak|line|lijn|infus|infuu|elastom|perfusor|spuit|syringe)"
)


def said(text: str, start: int, end: int, drug: re.Pattern[str]) -> bool:
    """Of the drug named at ``text[start:end]``, in lower case. ``drug``: what names any cancer drug."""
    near, after = max(0, start - FAR), text[end : end + FAR]
    if ended := _ENDED.search(after):
        return "allerg" in ended[0] or not _conditional(text[near:start], after[ended.end() :])
    if (denied := _NOT_GIVEN.search(text, near, start)) is not None:
        if (denied["stop"] or "").startswith("suspend") and _TAKEN_UP_IN.search(after):
            return False
        return not denied["stop"] or not _conditional(text[near : denied.start()], after)
    return _replaced(text, near, start, after, drug)


def _conditional(before: str, after: str) -> bool:
    return bool(_CONDITION_AFTER.search(after) or _CONDITION_BEFORE.search(before))


def _replaced(text: str, near: int, start: int, after: str, drug: re.Pattern[str]) -> bool:
    if (verb := _REPLACES.search(text, near, start)) is not None and drug.search(text, near, verb.start()):
        return not _EQUIPMENT.search(after) and not _CONDITION_AFTER.search(after)
    pairs = ((verb.search(text, near, start), link.search(after)) for verb, link in _BY)
    ways = [(verb.start(), link.end()) for verb, link in pairs if verb and link]
    if by := _REPLACED_BY.search(after):
        ways.append((start, by.end()))
    return any(drug.match(after, past) and not _conditional(text[near:at], after[past:]) for at, past in ways)
