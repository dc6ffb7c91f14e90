"""What a card says of a network's measures: in units, against the scan before, and never more than was measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cds.cards import measured
from cds.cards.phrasebook import Catalogues, Phrasebook
from cds.imaging.results.comparison import compared
from cds.imaging.results.findings import Contact, Findings, Lesion
from cds.inference import registry
from cds.inference.manifest import Manifest
from cds.inference.volumes.reading import StudyReading
from cds.studies.findings import told

ROOT = Path(__file__).parents[2]
CARDS = Catalogues([ROOT / "cds" / "cards" / "catalogue"])
MODEL = "pancreas-ct-demo"
Place = tuple[float, float, float]


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    return registry.load([ROOT / "models"])[MODEL].manifest


@pytest.fixture
def words() -> Phrasebook:
    return CARDS.book("en")


def lesion(number: int, longest: float, category: str = "high", offset: Place = (20.0, 0.0, 0.0)) -> Lesion:
    uid = f"2.25.{number}{int(longest * 10)}"
    return Lesion(number, 0.9, category, offset, offset, longest / 5, longest, "1.2", 1, uid, f"L{number}")


def findings(day: str, *lesions: Lesion, **more: Any) -> Findings:
    return Findings(f"1.2.{day}", f"1.2.{day}.1", day, MODEL, "1", "cd" * 32, "high", 0.9, lesions, **more)


def reading(now: Findings, *past: Findings) -> StudyReading:
    result: dict[str, Any] = {"findings": now.stored()}
    if (comparison := compared(past, now, "low")) is not None:
        result |= {"findings": comparison.findings.stored(), "comparison": told(comparison)}
    return StudyReading(MODEL, "fresh", result=result)


def test_each_finding_has_its_size_and_those_of_low_suspicion_none(words: Phrasebook, manifest: Manifest) -> None:
    seen = reading(findings("20260105", lesion(1, 33.4), lesion(2, 12.0, "low"), duct_mm=4.46))
    assert measured.lines(words, manifest, seen) == [
        "Finding 1, suspicion high: longest diameter in one slice 33 mm, volume 6.7 mL.",
        "Duct, widest inner diameter: 4.5 mm.",
    ]


def test_the_vessel_that_is_touched_is_named_with_its_part(words: Phrasebook, manifest: Manifest) -> None:
    touching = Lesion(**{**vars(lesion(1, 30.0)), "contacts": (Contact("duct", 90), Contact("artery", 180))})
    lines = measured.lines(words, manifest, reading(findings("20260105", touching)))
    assert "Contact with Pancreatic duct: about 90° of its outline." in lines
    assert "Contact with artery: about 180° of its outline." in lines, "without a legend its class's name"


def test_a_shrinking_lesion_is_told_with_both_sizes_and_its_category(words: Phrasebook, manifest: Manifest) -> None:
    lines = measured.lines(
        words, manifest, reading(findings("20260301", lesion(1, 20.0)), findings("20260105", lesion(1, 40.0)))
    )
    assert lines[-2:] == [
        "Finding 1 since the scan of 5 Jan 2026: from 40 to 20 mm (−50%), from 8 to 4 mL.",
        "Since the scan of 5 Jan 2026, by the thresholds of RECIST 1.1: partial response.",
    ]


def test_new_and_lost_lesions_are_said_and_a_lost_one_is_no_response(words: Phrasebook, manifest: Manifest) -> None:
    far = (-90.0, 60.0, 40.0)
    lost = measured.lines(words, manifest, reading(findings("20260301"), findings("20260105", lesion(1, 40.0))))
    assert lost == [
        "A finding of the scan of 5 Jan 2026 was not found again: it may have gone or been missed.",
        "No response category: a finding was not found again; it may have gone or been missed.",
    ]
    new = reading(
        findings("20260301", lesion(1, 40.0), lesion(2, 15.0, offset=far)), findings("20260105", lesion(1, 40.0))
    )
    assert measured.lines(words, manifest, new)[-2:] == [
        "Not found on the scan of 5 Jan 2026: finding 2.",
        "Since the scan of 5 Jan 2026, by the thresholds of RECIST 1.1: progression.",
    ]


def test_only_so_many_are_listed_and_the_rest_counted(words: Phrasebook, manifest: Manifest) -> None:
    many = [lesion(n, 20.0, offset=(100.0 * n, 0.0, 0.0)) for n in range(1, 6)]
    lines = measured.lines(words, manifest, reading(findings("20260105", *many)))
    assert len(lines) == 4 and lines[-1] == "And 2 more."


def test_a_reading_without_measures_says_nothing_of_them(words: Phrasebook, manifest: Manifest) -> None:
    assert measured.lines(words, manifest, StudyReading(MODEL, "fresh", result={"likelihood": 0.9})) == []
    assert measured.lines(words, manifest, None) == []


def test_in_dutch(manifest: Manifest) -> None:
    seen = reading(findings("20260301", lesion(1, 20.0)), findings("20260105", lesion(1, 40.0)))
    assert measured.lines(CARDS.book("nl"), manifest, seen) == [
        "Bevinding 1, verdenking hoog: langste diameter in één coupe 20 mm, volume 4 mL.",
        "Bevinding 1 sinds de scan van 5 jan 2026: van 40 naar 20 mm (−50%), van 8 naar 4 mL.",
        "Sinds de scan van 5 jan 2026, volgens de grenzen van RECIST 1.1: partiële respons.",
    ]
