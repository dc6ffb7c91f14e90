"""What a technician may write as a description is read in no time, whatever it is."""

from __future__ import annotations

import time

import pytest

from cds.imaging import phase
from cds.imaging.frames import projected
from cds.imaging.region import shows_abdomen


@pytest.mark.parametrize("again", ["1/1/", "70s ", "PV", "no ", "apnoe 20 s ", "ae"])
def test_an_endless_description_holds_nobody_up(again: str) -> None:
    endless = again * (40_000 // len(again))
    begun = time.process_time()
    phase.said([endless])
    shows_abdomen(endless, endless)
    projected(endless)
    assert time.process_time() - begun < 1.0  # 12 s before


def test_a_long_description_is_read_to_its_end() -> None:
    told = "CT abdomen, met uitgebreide toelichting van de laborant over de voorbereiding, " * 2
    assert phase.said([f"{told} portaal veneuze fase"]) == phase.said(["portaal veneuze fase"]) != phase.said([told])
