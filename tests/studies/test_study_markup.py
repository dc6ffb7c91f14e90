"""A scan whose header holds scripts, in its maker's private elements and in texts: read, and none of them passed on."""

from __future__ import annotations

import json

import pytest
from ct_series import phantom, slices_of, stored
from study_house import Build
from study_scene import STUDY, Archive
from test_study_cards import cards, study

from cds.imaging.instance import read

SCRIPT = "<script>alert(1)</script>"


def spoilt() -> list[bytes]:
    found = []
    for ds in slices_of(phantom(30, 64), study_uid=STUDY, series_uid=f"{STUDY}.1"):
        ds.PatientName, ds.ImageComments, ds.Manufacturer = f"{SCRIPT}^One", SCRIPT, SCRIPT
        ds.SeriesDescription = f"Abdomen portal venous 3.0 {SCRIPT}"
        block = ds.private_block(0x0041, SCRIPT, create=True)
        block.add_new(0x01, "LT", SCRIPT * 50)
        block.add_new(0x02, "OB", SCRIPT.encode() * 50 + b"\0" * 10)
        block.add_new(0x03, "UN", b"%PDF-1.7 /JavaScript " + SCRIPT.encode())
        found.append(stored(ds))
    return found


@pytest.mark.threat("dicom-script")
def test_private_elements_are_not_read() -> None:
    [first, *_] = spoilt()
    assert SCRIPT.encode() in first
    instance = read(first)
    assert len(instance.frames) == 1
    # of texts, the series' description alone: it tells the phase, and is shown to nobody
    assert repr(instance).count(SCRIPT) == instance.about.description.count(SCRIPT) == 1


@pytest.mark.threat("dicom-script", "xss-names")
def test_neither_a_card_nor_a_result_nor_the_ledger_holds_what_the_header_says(build: Build, archive: Archive) -> None:
    archive.holds(instances=spoilt(), t00081030=f"CT abdomen {SCRIPT}")
    house = build()
    cards(house, study(description=f"CT abdomen {SCRIPT}"))
    job = house.work()
    assert job is not None and job.state == "done" and job.result is not None, job
    assert job.result["outcome"] == "assessed"
    told = json.dumps([cards(house, study(description=f"CT abdomen {SCRIPT}")), job.result], default=str)
    assert "suspicion" in told
    assert "<script" not in told
    house.engine.ledger.close()
    kept = b"".join(path.read_bytes() for path in house.settings.data_dir.glob("*.db*"))
    assert kept and SCRIPT.encode() not in kept
