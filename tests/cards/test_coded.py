"""Codes are called by names in the reader's language, found by scheme and code; an unknown one stays as it was sent."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cds.cards.coded import Coded
from cds.cards.phrasebook import Catalogues
from cds.fhir.resources import ImagingStudy
from cds.inference import registry
from cds.pages.report.studied import studied

ROOT = Path(__file__).parents[2]
CATALOGUES = Catalogues([ROOT / "hooks" / "catalogue"])
DUTCH = CATALOGUES.book("nl")


def test_a_name_is_found_by_code_whatever_was_displayed_beside_it() -> None:
    for meaning in ("Pancreas", "Pancreatic structure", "Liver"):
        assert Coded("SCT", "15776009", meaning).named(DUTCH) == ("alvleesklier", "nl")
    assert Coded("http://snomed.info/sct", "15776009", "Pancreas").named(DUTCH) == ("alvleesklier", "nl")


def test_the_same_code_of_another_scheme_is_another_code() -> None:
    assert Coded("99OTHER", "15776009", "Spleen").named(DUTCH) == ("Spleen", "en")
    assert Coded("99OTHER", "SUSPICION", "Suspected artefact").named(DUTCH) == ("Suspected artefact", "en")


@pytest.mark.parametrize("language", ["en", "nl"])
def test_every_structure_that_an_installed_network_outlines_has_a_name(language: str) -> None:
    volumes = [m.manifest.runtime.volume for m in registry.load([ROOT / "models"]).models.values()]
    legends = [bundle.legend for bundle in volumes if bundle is not None]
    codes = [code for legend in legends for code in (legend.lesion, *(s.code for s in legend.structures.values()))]
    assert len(codes) > 2
    texts = CATALOGUES.book(language).texts
    assert [code.value for code in codes if f"code.{code.scheme}.{code.value}" not in texts] == []


CODED = {"system": "http://loinc.org", "code": "79103-8", "display": "CT Abdomen W contrast IV"}
LOCAL = {"system": "https://hospital.example/codes", "code": "CT7", "display": "CT whole body"}


@pytest.mark.parametrize(
    ("more", "title", "language"),
    [
        ({"procedureCode": [{"coding": [LOCAL, CODED]}]}, "CT van het abdomen met intraveneus contrast", "nl"),
        ({"procedureCode": [{"coding": [LOCAL]}]}, "CT whole body", "en"),
        ({"procedureCode": [{"coding": [CODED], "text": "CT buik blanco"}]}, "CT buik blanco", "nl-BE"),
        ({"description": "CT buik", "procedureCode": [{"coding": [CODED]}]}, "CT buik", "nl-BE"),
        ({}, "CT", "nl"),
    ],
    ids=["known-code", "unknown-code", "own-text", "own-description", "nothing"],
)
def test_a_study_is_called_as_the_hospital_wrote_it_and_else_by_its_code(
    more: dict[str, Any], title: str, language: str
) -> None:
    raw = {
        "resourceType": "ImagingStudy",
        "id": "s",
        "status": "available",
        "subject": {"reference": "Patient/p"},
        "modality": [{"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "CT"}],
        **more,
    }
    [one] = studied([msgspec.convert(raw, ImagingStudy)], "p", UTC, DUTCH, "nl-BE")
    assert (one.title, one.language) == (title, language)
