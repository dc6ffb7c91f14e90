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

from cds.imaging.frames import seconds
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
_ATTRIBUTE = re.compile(r"\b(?:late|laat|sp[aä]t|early|vroeg|fr[uü]h)\s?(?=arteri)")
_VENOUS = r"ven(?:ous|eus|euze|[oö]s)\w*|v[ei]+neu(?:x|ses?)"
_LINK = r"malform\w*|fist[ue]l\w*|shunt\w*"
_IV = re.compile(rf"\b\w*intra ?(?:{_VENOUS})\b|\bi v\b")
# the way in or a disease, not a phase: a "native" or arterial series with intravenous contrast is not venous
_NO_PHASE = re.compile(
    rf"\bintra ?arteri\w*|\bendo ?(?:{_VENOUS})|"
    rf"\bart[eé]rio ?(?:{_VENOUS}) (?:{_LINK})|\b(?:{_LINK}) art[eé]rio ?(?:{_VENOUS})|"
    # of a region scanned along with the abdomen it is the abdomen's phase, too
    rf"\b(?:(?<!abdomen )(?<!abd )pulm\w*|cerebral|central|deep|sinus) (?:{_VENOUS})|"
    rf"\b(?:{_VENOUS}) (?:sinus|access|line|catheter|malformation|insuff\w*|thromb\w*)|"
    r"\bport(?:al|ale) (?:hypertens\w*(?! protocol)\b|(?:vein )?thromb\w*|vein emboli\w*)|"
    rf"\b(?:non|not|no|niet|nicht|geen|kein\w*) ?(?:\w*arteri\w*|(?:port\w* ?)?(?:{_VENOUS})|portal\w*)|"
    r"\b(?:with|w|met|mit|avec)(?: (?:and|en|und|et))? (?:without|w ?o|zonder|ohne|sans)\b|"
    r"\b(?:without|w ?o|zonder|ohne|sans) (?:and|en|und|et) (?:with|w|met|mit|avec)\b"
)
_SECONDS = r"\b(?:{}) ?s(?:ec|ek|econds)?\b"
# words of English, Dutch, German and French series descriptions
_SAYS = {
    Phase.NATIVE: re.compile(
        r"\b(?:native|nativ|natief|blanco|blank|unenhanced|non ?enhanced|plain|ncct|nect|"
        r"(?:non|pre|no|geen)(?: iv)? ?contrast|"
        # without it, or just "without": what is said to be missing is not always contrast by the vein
        r"(?:without|zonder|ohne|sans)(?: (?:iv|iv contrast\w*|contrast\w*|kontrast\w*|km|injection)| ?$)|"
        r"wo(?: iv)? contrast|w o(?! (?:oral|oraal|orale|rectal|rectaal)\b))\b"
    ),
    Phase.ARTERIAL: re.compile(
        r"\w*arteri\w*|\bart\b|\bangio\w*|\bcta\b|\bparenchym\w*|" + _SECONDS.format("2[05]|3[05]|4[05]")
    ),
    Phase.PORTAL: re.compile(
        r"\bport(?:al|aal|ale|o|ov|oven)\b|"
        # makers and technicians glue it to what stands before: AbdVenous, spätportalvenös
        rf"\b\w*(?:{_VENOUS})\b|"
        r"\b(?:ven|pv|pvp|pvf)\b|" + _SECONDS.format("6[05]|7[05]|80|90")
    ),
    Phase.DELAYED: re.compile(
        r"\b(?:delay|delayed|late|laat|late fase|sp[aä]t(?:e|er|phase)?|tardi\w*|excret\w*|uitscheiding\w*|"
        rf"nephrogra\w*|equilib\w*|urogra\w*|\w*(?:laat|late|sp[aä]t)\w{{0,12}}?(?:{_VENOUS}))\b|"
        r"\b(?:3|5|8|10|15) ?min\w*\b"
    ),
}
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
    """The phases that a description, protocol name and the like speak of; several when they do."""
    spoken = [_spoken(text) for text in texts]
    return frozenset(phase for phase, words in _SAYS.items() if any(map(words.search, spoken)))


def _spoken(text: str) -> str:
    plain = _IV.sub("iv", _SEPARATORS.sub(" ", text.lower()).strip())
    return _NO_PHASE.sub(" ", _ATTRIBUTE.sub("", plain))


def timed(bolus_start: str, times: Iterable[str]) -> tuple[Phases, float | None]:
    """(phases, seconds) from the injection's start to the middle of the scan; times as DICOM writes them, HHMMSS.f.

    The bounds are those that TotalSegmentator's phase classifier uses (``pi_time_to_phase``: arterial from 10 s,
    portal venous 60-100 s), with the ranges in which its versions differ or are unsure left to both neighbours.
    """
    start = seconds(bolus_start)
    scanned = sorted(t for t in map(seconds, times) if t is not None)
    if start is None or not scanned:
        return NOT_SAID, None
    delay = (scanned[len(scanned) // 2] - start) % 86400  # a scan may run past midnight
    for until, phases in (
        (10, {Phase.NATIVE}),
        (50, {Phase.ARTERIAL}),
        (60, {Phase.ARTERIAL, Phase.PORTAL}),
        (100, {Phase.PORTAL}),
        (150, {Phase.PORTAL, Phase.DELAYED}),
        (1800, {Phase.DELAYED}),
    ):
        if delay < until:
            return frozenset(phases), delay
    return NOT_SAID, delay  # no scan waits for half an hour: clocks differ, or another injection is meant


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
