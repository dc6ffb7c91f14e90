"""What a network measured on a scan, and against the patient's scan before: lines of a card.

Everything is as the network outlined it and nobody confirmed it, which the heading above these lines says. Findings of
the lowest category are left out: they are marks for whoever looks at the images, and not for a card.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cds.cards.coded import Coded
from cds.cards.phrasebook import Phrasebook
from cds.inference.manifest import Manifest
from cds.inference.volumes.bundle import Bundle
from cds.inference.volumes.reading import StudyReading
from cds.record.moments import parse

_MOST = 3

Json = Mapping[str, Any]


def lines(words: Phrasebook, manifest: Manifest, reading: StudyReading | None) -> list[str]:
    """No lines without a reading, and for one without measures, as earlier versions stored it."""
    bundle = manifest.runtime.volume
    found = reading.result.get("findings") if reading is not None else None
    if bundle is None or reading is None or not isinstance(found, Mapping):
        return []
    lowest = bundle.operating_points[0].category
    lesions = [one for one in found.get("lesions", ()) if one["category"] != lowest]
    told = [_lesion(words, manifest, one) for one in lesions[:_MOST]]
    if len(lesions) > _MOST:
        told.append(words("engine.measured.more", count=words.number(len(lesions) - _MOST, 0)))
    if found.get("duct_mm"):
        told.append(words("engine.measured.duct", width=words.number(found["duct_mm"], 1)))
    told += _contacts(words, bundle, lesions)
    comparison = reading.result.get("comparison")
    return [*told, *(_compared(words, comparison, lesions) if isinstance(comparison, Mapping) else ())]


def _lesion(words: Phrasebook, manifest: Manifest, lesion: Json) -> str:
    output = next((o for o in manifest.outputs if o.kind == "category"), None)
    labels = output.category_labels.get(lesion["category"], {}) if output is not None else {}
    return words(
        "engine.measured.lesion",
        number=lesion["number"],
        category=words.pick(labels) or lesion["category"],
        longest=words.number(lesion["longest_mm"], 0),
        volume=words.number(lesion["volume_ml"], 1),
    )


def _contacts(words: Phrasebook, bundle: Bundle, lesions: list[Json]) -> Iterator[str]:
    """The largest part of each vessel that any of them touches."""
    most: dict[str, int] = {}
    for contact in (contact for lesion in lesions for contact in lesion.get("contacts", ())):
        most[contact["structure"]] = max(most.get(contact["structure"], 0), contact["degrees"])
    for name, degrees in most.items():
        shown = bundle.legend.structures.get(name)
        code = shown.code if shown is not None else None
        vessel = Coded(code.scheme, code.value, code.meaning).named(words)[0] if code is not None else name
        yield words("engine.measured.contact", vessel=vessel, degrees=words.number(degrees, 0))


def _compared(words: Phrasebook, comparison: Json, lesions: list[Json]) -> Iterator[str]:
    since = str(comparison["since"])
    day = words.day(parse(f"{since[:4]}-{since[4:6]}-{since[6:]}")) if len(since) == 8 else words("engine.undated")
    changes = {change["number"]: change for change in comparison["changes"]}
    for lesion in lesions[:_MOST]:
        if (change := changes.get(lesion["number"])) is not None:
            yield _changed(words, lesion, change, day)
    if comparison["new"]:
        numbers = words.join(str(number) for number in comparison["new"])
        yield words("engine.measured.new", day=day, numbers=numbers)
    if count := len(comparison["gone"]):
        yield words.counted("engine.measured.gone", count, day=day)
    why = str(comparison["why_not"] or comparison["response"])
    yield words(f"engine.measured.response.{why}", day=day)


def _changed(words: Phrasebook, lesion: Json, change: Json, day: str) -> str:
    share = change["longest_share"] * 100
    return words(
        "engine.measured.change",
        number=lesion["number"],
        day=day,
        before=words.number(lesion["longest_mm"] - change["longest_mm"], 0),
        longest=words.number(lesion["longest_mm"], 0),
        share=words.signed(share),
        volume_before=words.number(lesion["volume_ml"] - change["volume_ml"], 1),
        volume=words.number(lesion["volume_ml"], 1),
    )
