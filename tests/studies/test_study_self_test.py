"""A network with known answers gives them once, on each device, before it reads a scan; one that doesn't reads none."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from study_house import Build, House
from study_scene import MODEL, Archive, known_answers
from test_study_cards import cards, only, study

from cds.inference.volumes import golden
from cds.studies.devices import Devices


def with_answers(build: Build, folder: Path, *, of: float) -> House:
    """A house whose network was imported with the answers of one ``of`` times as strong."""
    content = known_answers(of=of)
    pinned = {"file": "golden.json", "sha256": hashlib.sha256(content).hexdigest()}
    house = build(model={"golden": pinned}, imaging={"most_attempts": 1})
    (folder / "models" / MODEL / "golden.json").write_bytes(content)
    return house


def test_a_network_that_answers_as_known_reads_scans(build: Build, archive: Archive, tmp_path: Path) -> None:
    archive.holds()
    house = with_answers(build, tmp_path, of=1.0)
    house.ask(why="hand")
    job = house.work()
    assert job is not None and job.result is not None and job.result["outcome"] == "assessed"


def test_one_that_does_not_reads_none_and_its_card_says_so(build: Build, archive: Archive, tmp_path: Path) -> None:
    archive.holds()
    house = with_answers(build, tmp_path, of=1.02)
    house.ask(why="call")
    job = house.work()
    assert job is not None and (job.state, job.reason) == ("dead", "self-test-failed")
    assert house.predictions() == []
    summary, detail = only(cards(house, study()))
    assert "Could not be assessed" in summary
    assert "does not compute here what it computed when it was set up" in detail and "no reassurance" in detail
    _, dutch = only(cards(house, study(), language="nl"))
    assert "rekent hier iets anders uit" in dutch


def test_the_answers_are_asked_for_once_a_device(
    build: Build, archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, asked, real = with_answers(build, tmp_path, of=1.0), [], golden.misses

    def counted(*given: Any) -> Any:
        asked.append(1)
        return real(*given)

    monkeypatch.setattr(golden, "misses", counted)
    devices, model = Devices(house.settings), house.engine.models[MODEL]
    devices.analysis(model, "cpu-0")
    devices.analysis(model, "cpu-0")
    assert len(asked) == 1
