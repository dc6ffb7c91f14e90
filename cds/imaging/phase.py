"""Which contrast phase a CT series shows: from its description, its timing and its content, each by itself.

Each witness names the phases it allows; none is believed alone against another. What stays open stays open: a content
that is enhanced tells native from enhanced, not portal venous from delayed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from cds.imaging.descriptions import folded
from cds.imaging.frames import seconds
from cds.imaging.region import shows_abdomen
from cds.imaging.resample import resample
from cds.imaging.volume import Volume


class Phase(StrEnum):
    NATIVE = "native"
    ARTERIAL = "arterial"
    PORTAL = "portal-venous"
    DELAYED = "delayed"


Phases = frozenset[Phase]
NOT_SAID: Phases = frozenset()
_SEPARATORS = re.compile(r"[\s_\-./\\^+&(),;:=]+")
# as folded: vroeg is vrog
_ATTRIBUTE = re.compile(r"\b(?:late|laat|spat|early|vrog|fruh|tardo)\s?(?=arteri)")
_VENOUS = r"ven(?:ous|eus|euze|os)\w*|v[ei]+neu(?:x|ses?)"
_LATE = r"spat(?:e[rsn]?|phase|aufnahme)?|delay(?:ed|s)?|verzogert\w*|vertraagd\w*|retard\w*|ritard\w*"
# what names of regions and thicknesses are glued to: AbdPV, 3mmPV, PVphase
_GLUED = (
    r"(?:[a-z]*abd[a-z]{0,10}?|[a-z]*(?:pel|pelvis|becken|bekken|liver|leber|lever|foie|fegato|higado|bauch|buik|pan[ck]|"
    r"pan[ck]reas|thorax|thx|body)|[tc]ap|\d+mm)?"
)
_PHASE = r"(?:ph|phas\w*|fas[ei]\w*)"
_VEIN = r"(?:ven[ae]|veine|v)"
_PORTAL_VEIN = rf"(?:pfortader|poortader|{_VEIN} port(?:a|ae|e))"
_CLOT = r"(?:th?romb\w*|embol\w*|cavernom\w*|kavernom\w*)"
_HYPERTENSION = r"(?:h?iperten\w*|hyperten\w*|hypertonie|hochdruck)"
_OF = r"(?:(?:de|des|du|der|della|del|di|van)(?: (?:la|de|het|der))? )?"
_NOT_BY_MOUTH = r"\b(?! (?:oral|oraal|per os|re[ct]tal|rectaal))"
_LINK = r"malform\w*|fist[ue]l\w*|shunt\w*"
_IV = re.compile(rf"\b\w*intra ?(?:{_VENOUS})\b|\bi v\b")
# the way in or a disease, not a phase: a "native" or arterial series with intravenous contrast is not venous
_NO_PHASE = re.compile(
    rf"\bintra ?arteri\w*|\bendo ?(?:{_VENOUS})|"
    rf"\barterio ?(?:{_VENOUS}) (?:{_LINK})|\b(?:{_LINK}) arterio ?(?:{_VENOUS})|"
    # of a region scanned along with the abdomen it is the abdomen's phase, too
    rf"\b(?:(?<!abdomen )(?<!abd )pulm\w*|cerebral|central|deep|sinus) (?:{_VENOUS})|"
    rf"\b(?:{_VENOUS}) (?:sinus|access|line|catheter|malformation|insuff\w*|thromb\w*)|"
    rf"\bport(?:al|ale) (?:hypertens\w*(?! protocol)\b|(?:vein )?{_CLOT}|vein emboli\w*)|"
    rf"\b{_PORTAL_VEIN} ?(?:{_CLOT}|{_HYPERTENSION}|verschl\w*|stent\w*)|"
    rf"\b(?:{_CLOT}|{_HYPERTENSION}) {_OF}(?:{_VEIN} )?(?:port(?:al|aal|ale|ae?|e)\b|pfortader|poortader)|"
    r"\b(?:non|not|no|niet|nicht|geen|kein\w*) ?"
    rf"(?:\w*arteri\w*|(?:port\w* ?)?(?:{_VENOUS})|portal\w*|{_PORTAL_VEIN}|(?:{_LATE}|late|laat|pv|ven|art)\b)|"
    r"\b(?:with|w|met|mit|avec|con)(?: (?:and|en|und|et|e|y))? (?:without|w ?o|zonder|ohne|sans|senza|sin)\b|"
    r"\b(?:without|w ?o|zonder|ohne|sans|senza|sin) (?:and|en|und|et|e|y) (?:with|w|met|mit|avec|con)\b"
)
_TIME = re.compile(
    r"(?<![a-z0-9.,])((?:\d{1,3} ?[-/+&] ?)*\d{1,3}|\d{1,2}[.,]\d)[ _-]?"
    r"(?:(s(?:e[ck](?:s|unden?|ond(?:s|es|en)?)?)?)|min(?:s|ut\w*|uut)?)\.?(?![a-z0-9])(?! ?ip\b)"
)
"""Seconds or minutes, several where they share a unit: 70s, 35/70 sec, 2.5 min. No number glued to a letter before it,
which is a kernel (B30s)."""
_SHORTEST_S, _LONGEST_S = 15, 600
"""Of what is said in seconds: shorter are increments and turns of the gantry (Abd 5s, 0.5 s), longer stands in
minutes."""
_HOLD = (
    r"(?<![a-z])(?:breath[\s_-]?ho?ld\w*|bh(?![a-z])|atem[\s_-]?(?:stop\w*|anhalt\w*|pause|stillstand)|"
    r"adem[\s_-]?(?:stop\w*|stilstand|inhoud\w*|pauze)|apn\w*)"
)
_HELD_S = r"(\d{1,2})[ _-]?s(?:e[ck]\w*)?\.?(?![a-z0-9])"
_HELD = re.compile(rf"{_HOLD}[\s_\-:=(.]*{_HELD_S}")
_FOR_A_HOLD = re.compile(rf"(?<![a-z0-9.,]){_HELD_S}[\s_-]*{_HOLD}")
_LONGEST_HOLD_S, _EARLIEST_S = 30, 20
"""A breath is held for no longer; no phase of the abdomen begins earlier: "20 s breath hold" is how long it is held,
"35 s breath hold" may be when."""
_GLUED_TIME = re.compile(
    rf"(?<![a-z0-9])({_GLUED}(?:pvp?|ven[a-z]*|port[a-z]*|art[a-z]*))(?=\d{{2,3}}[ _-]?s|\d[ _-]?min)"
)
"""A time glued to its phase is one all the same: PV70s."""
_DELAY = r"(?:delay(?:ed|s)?|verzogerung|verzogert\w*|vertraging|vertraagd\w*|retard\w*|ritard\w*)"
_TIMED_DELAY = re.compile(rf"(?:(?<![a-z]){_DELAY}[\s_\-:=(]*)?\x00(?:[\s_\-)]*{_DELAY}(?![a-z]))?")
"""A delay beside its time is that time, not the delayed phase: 70 sec delay."""
_PV = re.compile(rf"\b{_GLUED}(?:pvp?|pvf){_PHASE}?\b|(?<!\b[a-z] )\bp v\b")
"""Portal venous, unless it is the pulmonary veins that are looked at."""
_PULMONARY_VEINS = re.compile(
    r"\batri(?:a|al|um|en|ale)?\b|\bvorhof|\bboezem|\boreillette|\bauricul|fibril|\bablat|\bisolati|\bmapping\b|"
    r"\bl ?a (?=pv\b)|(?<=\bpv) l ?a\b"
)
# words of English, Dutch, German, French, Italian and Spanish series descriptions, without accents
_SAYS = {
    Phase.NATIVE: re.compile(
        rf"\b(?:{_GLUED}(?:nativ[aeo]?|nat|natief){_PHASE}?|blanco|blank|unenhanced|non ?enhanced|plain|ncct|nect|"
        r"(?:non|pre|no|geen)(?: iv)? ?contrast|(?:pre|pra|vor) ?km|(?<!\b[mpu] )o ?km|non ?inject\w*|sans inj|"
        r"(?:fase|tps|temps) (?:basale?|simple)|diretta|"
        # without it, or just "without": what is said to be missing is not always contrast by the vein
        r"(?:without|zonder|ohne|sans)(?: (?:iv|iv contrast\w*|injection)| ?$)|"
        rf"(?:without|zonder|ohne|sans) (?:[ck]ontrast\w*|km){_NOT_BY_MOUTH}|"
        rf"(?:senza|sin) (?:iv|c ?iv|iv contrast\w*|(?:contrast\w*|m ?d ?c){_NOT_BY_MOUTH})|"
        r"wo(?: iv)? contrast|w o(?! (?:oral|oraal|orale|rectal|rectaal)\b))\b"
    ),
    Phase.ARTERIAL: re.compile(
        rf"\w*arteri\w*|\b{_GLUED}art{_PHASE}?\b|\bangio\w*|\bcta\b|\bhap\b|\bparenchym\w*|"
        # named after the gland that it is for: before the portal venous one
        rf"\bpan[ck]reas(?:{_PHASE}| (?:phase|fase)$)|\b(?:phase|fase|temps|tps) pan[ck]reat\w*|"
        rf"\bpan[ck]reati\w* {_PHASE}\b"
    ),
    Phase.PORTAL: re.compile(
        rf"\b{_GLUED}port(?:al|aal|ale|o|ov|oven|ven|v){_PHASE}?\b|"
        # makers and technicians glue it to what stands before: AbdVenous, spätportalvenös
        rf"\b\w*(?:{_VENOUS})\b|"
        rf"\b{_GLUED}p?ven{_PHASE}?\b|\b{_PORTAL_VEIN}{_PHASE}?\b|\b(?:{_PHASE}|temps|tps) port(?:a|e)\b"
    ),
    Phase.DELAYED: re.compile(
        rf"\b(?:{_LATE}|late|laat|late fase|tard[aeio]\w*|e[xs]cret\w*|uitscheiding\w*|ausscheidung\w*|"
        r"(?:phase|fase|temps|tps) (?:d'|de |di )?elimina\w*|"
        rf"(?:nephro|nefro)(?:gra\w*)?|equilib\w*|urogra\w*|\w*(?:laat|late|spat)\w{{0,12}}?(?:{_VENOUS}))\b"
    ),
}
_UNTIL_S = (
    (10, {Phase.NATIVE}),
    (50, {Phase.ARTERIAL}),
    (60, {Phase.ARTERIAL, Phase.PORTAL}),
    (100, {Phase.PORTAL}),
    (150, {Phase.PORTAL, Phase.DELAYED}),
    (1800, {Phase.DELAYED}),
)
"""After the injection's start. The bounds are those that TotalSegmentator's phase classifier uses
(``pi_time_to_phase``: arterial from 10 s, portal venous 60-100 s), with the ranges in which its versions differ or are
unsure left to both neighbours."""
_COARSE_MM = 4.0
_EVEN_HU = 20.0
"""Standard deviation within 12 mm below which tissue is one organ, not an edge, bone or bowel."""
_ENHANCED_HU = 80.0
_VESSEL_HU = 220.0
_LITTLE, _MUCH = 0.10, 0.35
"""Share of even soft tissue above 80 HU: below, nothing was injected; above, organs are enhanced. Found on generated
series and two real ones (0.5 % native, 58 % portal venous); what lies between says nothing."""
_VESSEL_ML = 1.0
_LEAST_ML = 200.0
"""Even soft tissue that must be seen before its density says anything."""


def said(texts: Iterable[str]) -> Phases:
    """The phases that the first of a description, protocol name and the like speaks of that speaks of any; several when
    it does. A protocol is of all the series that it makes, so it counts only where a description is silent."""
    return next((phases for phases in map(_said, texts) if phases), NOT_SAID)


def _said(text: str) -> Phases:
    plain = _GLUED_TIME.sub(r"\1 ", _without_holds(folded(text)))
    late = (seconds for found in _TIME.finditer(plain) for seconds in _seconds(found))
    named = frozenset().union(*map(_by_delay, late))
    spoken = _spoken(_TIMED_DELAY.sub(" ", _TIME.sub(lambda found: "\x00" if any(_seconds(found)) else " ", plain)))
    if _PV.search(spoken) and not _of_pulmonary_veins(text, spoken):
        named |= {Phase.PORTAL}
    return named | {phase for phase, words in _SAYS.items() if words.search(spoken)}


def _of_pulmonary_veins(text: str, spoken: str) -> bool:
    """Whether PV may be those: of the heart or chest, with no word of the abdomen."""
    abdomen = shows_abdomen(text, "")
    return abdomen is False or (abdomen is None and _PULMONARY_VEINS.search(spoken) is not None)


def _without_holds(plain: str) -> str:
    """How long a breath is held is no delay."""

    def without(plain: str, held: re.Pattern[str], longest: int) -> str:
        return held.sub(lambda found: " " if int(found[1]) <= longest else found[0], plain)

    return without(without(plain, _HELD, _LONGEST_HOLD_S), _FOR_A_HOLD, _EARLIEST_S)


def _seconds(found: re.Match[str]) -> list[float]:
    """The delays in a time that is said; [] where it can't be one."""
    said = [float(number.replace(",", ".")) for number in re.findall(r"\d+(?:[.,]\d)?", found[1])]
    if found[2]:
        return [value for value in said if _SHORTEST_S <= value <= _LONGEST_S]
    return [value * 60 for value in said if value * 60 >= _SHORTEST_S]


def _spoken(text: str) -> str:
    plain = _IV.sub("iv", _SEPARATORS.sub(" ", text).strip())
    return _NO_PHASE.sub(" ", _ATTRIBUTE.sub("", plain))


def timed(bolus_start: str, times: Iterable[str]) -> tuple[Phases, float | None]:
    """(phases, seconds) from the injection's start to the middle of the scan; times as DICOM writes them, HHMMSS.f."""
    delay = _after(bolus_start, times)
    return (NOT_SAID, None) if delay is None else (_by_delay(delay), delay)


def made_by(bolus_start: str, times: Iterable[str]) -> tuple[Phases, float | None]:
    """(phases that can have begun by then, seconds) from the injection's start to when the images were made.

    That is when a computer was done (Siemens), minutes after the scan maybe: no scan is later than its images, and
    nothing else is known of it.
    """
    delay = _after(bolus_start, times)
    if delay is None or not _by_delay(delay):
        return NOT_SAID, None
    starts = (0, *(until for until, _phases in _UNTIL_S))
    begun = frozenset().union(*(phases for since, (_, phases) in zip(starts, _UNTIL_S, strict=False) if since <= delay))
    return (NOT_SAID if begun == frozenset(Phase) else begun), delay


def _after(bolus_start: str, times: Iterable[str]) -> float | None:
    """Seconds from the injection's start to the middle of these times."""
    start = seconds(bolus_start)
    known = sorted(t for t in map(seconds, times) if t is not None)
    if start is None or not known:
        return None
    return (known[len(known) // 2] - start) % 86400  # a scan may run past midnight


def _by_delay(delay: float) -> Phases:
    for until, phases in _UNTIL_S:
        if delay < until:
            return frozenset(phases)
    return NOT_SAID  # no scan waits for half an hour: clocks differ, or another injection is meant


def seen(volume: Volume) -> tuple[Phases, float | None]:
    """(phases, share of even soft tissue above 80 HU) from the image itself."""
    coarse = resample(volume, (_COARSE_MM, _COARSE_MM, _COARSE_MM)).hu.astype(np.float32)
    if min(coarse.shape) < 3:
        return NOT_SAID, None
    mean = _smoothed(coarse)
    spread = np.sqrt(np.maximum(_smoothed(coarse * coarse) - mean * mean, 0))
    even = mean[(spread < _EVEN_HU) & (mean > 0) & (mean < 600)]
    voxel_ml = _COARSE_MM**3 / 1000
    if even.size * voxel_ml < _LEAST_ML:
        return NOT_SAID, None
    share = float((even > _ENHANCED_HU).mean())
    if share < _LITTLE:
        return frozenset({Phase.NATIVE}), share
    if share > _MUCH:
        return frozenset({Phase.PORTAL, Phase.DELAYED}), share
    if float((even > _VESSEL_HU).sum()) * voxel_ml > _VESSEL_ML:
        return frozenset({Phase.ARTERIAL}), share
    return NOT_SAID, share


def _smoothed(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean of 3 x 3 x 3 voxels; one voxel is lost on every side."""
    for axis in range(3):
        along = np.moveaxis(values, axis, 0)
        values = np.moveaxis((along[:-2] + along[1:-1] + along[2:]) / np.float32(3), 0, axis)
    return values
