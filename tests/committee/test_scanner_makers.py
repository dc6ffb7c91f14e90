"""A maker is one group however it writes itself; a maker nobody has listed is left alone."""

from __future__ import annotations

import pytest

from cds.committee.scanner_makers import SPELLINGS, one_spelling
from cds.imaging.scanner import scanner


@pytest.mark.parametrize(
    ("manufacturer", "model", "group"),
    [
        ("SIEMENS", "SOMATOM Force", "SIEMENS SOMATOM FORCE"),
        ("Siemens Healthineers", "SOMATOM Force", "SIEMENS SOMATOM FORCE"),
        ("Siemens  HealthCare GmbH", "SOMATOM Force", "SIEMENS SOMATOM FORCE"),
        ("GE MEDICAL SYSTEMS", "Revolution CT", "GE REVOLUTION CT"),
        ("GE_Healthcare", "Revolution CT", "GE REVOLUTION CT"),
        ("Philips Medical Systems Nederland B.V.", "iCT 256", "PHILIPS ICT 256"),
        ("Philips", "iQon - Spectral CT", "PHILIPS IQON - SPECTRAL CT"),
        ("TOSHIBA_MEC", "Aquilion ONE", "TOSHIBA AQUILION ONE"),
        ("Canon Medical Systems", "Aquilion ONE", "CANON AQUILION ONE"),
        ("UIH", "uCT 780", "UNITED IMAGING UCT 780"),
        ("FUJI PHOTO FILM Co., Ltd.", "FCT Speedia", "FUJIFILM FCT SPEEDIA"),
        ("Siemens Healthineers", "", "SIEMENS"),
    ],
)
def test_well_known_makers_have_one_name(manufacturer: str, model: str, group: str) -> None:
    assert one_spelling(scanner(manufacturer, model)) == group


@pytest.mark.parametrize("written", ["OTHER MAKER 1", "GENIX CT", "PHILIPSON X", "AQUILION ONE", "", "SIEMENS-ELEMA 3"])
def test_others_stay_as_they_are_written(written: str) -> None:
    assert one_spelling(written) == written


def test_case_and_blanks_make_no_other_scanner() -> None:
    assert one_spelling("  Some   maker x ") == "SOME MAKER X"


def test_the_table_says_each_spelling_once_and_what_a_name_is_brought_to_stays() -> None:
    every = [spelling for spellings in SPELLINGS.values() for spelling in spellings]
    assert len(every) == len(set(every))
    for name in SPELLINGS:
        assert one_spelling(f"{name} 1") == f"{name} 1"
