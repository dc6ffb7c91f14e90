"""A scanner has one name however its series are written, and nothing in it that a name does not have."""

from __future__ import annotations

import pytest
from ct_series import phantom, slices_of, stored

from cds.imaging.instance import read
from cds.imaging.scanner import scanner


@pytest.mark.parametrize(
    ("manufacturer", "model", "name"),
    [
        ("SIEMENS", "SOMATOM Force", "SIEMENS SOMATOM FORCE"),
        (" Siemens ", "Somatom   force", "SIEMENS SOMATOM FORCE"),
        ("", "Aquilion ONE", "AQUILION ONE"),
        ("Philips", "", "PHILIPS"),
        ("", "  ", ""),
        ("GE\r\nMED\x00ICAL", "\u202eRevolution", "GE MED ICAL REVOLUTION"),
        ("M" * 5000, "x", "M" * 64),
    ],
)
def test_case_blanks_length_and_what_can_not_be_printed(manufacturer: str, model: str, name: str) -> None:
    assert scanner(manufacturer, model) == name


def test_it_is_read_from_the_images() -> None:
    tags = {"Manufacturer": "Philips ", "ManufacturerModelName": "iQon - Spectral CT"}
    [one] = slices_of(phantom(1, 8), **tags)
    assert read(stored(one)).about.scanner == "PHILIPS IQON - SPECTRAL CT"
    del one.Manufacturer, one.ManufacturerModelName
    assert read(stored(one)).about.scanner == ""
