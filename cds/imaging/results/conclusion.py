"""The findings as a few plain sentences, English and Dutch, for the conclusion of a report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import resources

from cds import yaml_lines
from cds.imaging.results.comparison import Comparison
from cds.imaging.results.findings import Findings
from cds.imaging.results.guard import Permit
from cds.inference.volumes.legend import Code, Legend

LANGUAGES = ("en", "nl")


@dataclass(frozen=True)
class Naming:
    """What is called how in a language. By itself the bundle's own names, which are English."""

    code: Callable[[Code, str], str] = lambda code, language: code.meaning
    category: Callable[[str, str], str] = lambda category, language: category


AS_SENT = Naming()


@cache
def _catalogue() -> dict[str, dict[str, str]]:
    text = resources.files(__package__).joinpath("words.yaml").read_text(encoding="utf-8")
    found: dict[str, dict[str, str]] = yaml_lines.plain(text)
    return found


def sentence(key: str, language: str, **values: str | int) -> str:
    """English where the language is not known."""
    said = _catalogue()[key]
    return said.get(language, said["en"]).format(**values)


def figure(value: float, language: str, digits: int = 1) -> str:
    text = f"{value:.{digits}f}"
    return text.replace(".", ",") if language == "nl" else text


def conclusion(
    findings: Findings,
    legend: Legend,
    permit: Permit,
    comparison: Comparison | None = None,
    language: str = "en",
    named: Naming = AS_SENT,
) -> str:
    category = named.category(findings.category, language)
    said = [sentence("unread", language), sentence("category", language, category=category)]
    if findings.lesions:
        largest = max(findings.lesions, key=lambda one: one.longest_mm)
        longest, volume = figure(largest.longest_mm, language, 0), figure(largest.volume_ml, language)
        said.append(sentence("lesions", language, count=len(findings.lesions), longest=longest, volume=volume))
    else:
        said.append(sentence("no-lesion", language))
    if findings.cut_off:
        said.append(sentence("ends-inside", language))
    if findings.duct_mm:
        said.append(sentence("duct", language, width=figure(findings.duct_mm, language)))
    for name, degrees in _contacts(findings).items():
        vessel = named.code(legend.structures[name].code, language)
        said.append(sentence("contact", language, vessel=vessel, degrees=degrees))
    if comparison is not None:
        said += _compared(comparison, language)
    return permit.noted(" ".join(said), language)


def _contacts(findings: Findings) -> dict[str, int]:
    found: dict[str, int] = {}
    for contact in (contact for lesion in findings.lesions for contact in lesion.contacts):
        found[contact.structure] = max(found.get(contact.structure, 0), contact.degrees)
    return found


def _compared(comparison: Comparison, language: str) -> list[str]:
    day = comparison.since
    said = [
        sentence("since", language, day=f"{day[:4]}-{day[4:6]}-{day[6:]}")
        if len(day) == 8
        else sentence("since-unknown", language)
    ]
    said.append(sentence((comparison.why_not or comparison.response).value, language))
    if comparison.new:
        said.append(sentence("new", language, count=len(comparison.new)))
    return said
