"""A worker whose analysis stands still: its process ends, a rival reads the study, and nothing says "negative"."""

from __future__ import annotations

from pathlib import Path

import pytest
from study_house import House
from study_site import Open, Site, until

from cds.errors import SettingsError
from cds.jobs import Job
from cds.jobs.slots import Slots
from cds.settings import load
from cds.studies.poll import Poller
from cds.studies.work import HUNG, Crew

pytestmark = pytest.mark.system


def seen(site: Site, job: Job) -> Job:
    found = site.engine.studies.jobs.get(job.id)
    assert found is not None
    return found


def test_a_network_that_hangs_gives_its_study_to_a_rival_and_its_device_back(site: Open) -> None:
    here = site(pacs={"total_s": 10.0}, imaging={"silent_s": 15.0, "device": "cpu"})
    victim = here.start("look")
    job = here.ask()
    until(lambda: here.said("halted"), 90)
    slots = Slots(here.engine.settings.data_dir / "slots", ("cpu-0",))
    with slots.take() as taken:
        assert taken is None
    assert victim.wait(timeout=90) == HUNG
    with slots.take() as taken:
        assert taken == "cpu-0"
    given = seen(here, job)
    assert (given.state, given.reason, given.attempts) == ("queued", "no-progress", 1)
    here.move_up()
    here.start()
    assert here.done(job).attempts == 2
    assert here.stored() == 1


def test_a_worker_that_ends_itself_takes_no_new_study(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker goes on waking it until the process is gone."""
    ended: list[int] = []
    monkeypatch.setattr("cds.studies.work.os._exit", ended.append)
    monkeypatch.setattr("cds.studies.work.logging.shutdown", lambda: None)
    engine = house.engine
    poller = Poller(house.settings, engine.studies.intake, engine.now)
    crew = Crew(house.settings, engine.models, engine.catalogues, engine.policies, engine.ledger, poller, engine.now)
    house.ask(why="hand")
    crew._end(crew.worker())
    assert ended == [HUNG]
    assert not crew.worker().once()
    [job] = house.jobs.newest()
    assert (job.state, job.attempts) == ("queued", 0)


def test_an_archive_that_may_take_longer_than_a_worker_may_be_silent_is_refused(tmp_path: Path) -> None:
    (empty := tmp_path / "cds.toml").touch()
    slow = {"slow": {"url": "https://pacs.example/dicom-web", "total_s": 900.0}}
    with pytest.raises(SettingsError, match=r"imaging\.silent_s \(900\) must be more than pacs 'slow' .* \(900\)"):
        load(empty, pacs=slow)
    assert load(empty, pacs=slow, imaging={"silent_s": 901.0}).imaging.silent_s == 901


def test_a_study_at_which_every_attempt_hangs_ends_dead_and_its_card_says_nothing_of_the_scan(site: Open) -> None:
    here = site(pacs={"total_s": 4.0}, imaging={"silent_s": 5.0, "device": "cpu", "most_attempts": 1})
    victim = here.start("look")
    job = here.ask()
    assert victim.wait(timeout=90) == HUNG
    ended = seen(here, job)
    assert (ended.state, ended.reason, ended.result) == ("dead", "no-progress", None)
    assert here.stored() == 0
    [card] = here.cards()
    assert "The analysis stood still and was ended" in card["detail"]
