"""``cds worker`` evaluates by itself, once an interval however many workers there are, and stops what must be."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from committee_room import CHARTER, NOW, Room, Said, ago

from cds.committee.rounds import Rounds
from cds.inference.registry import Registry
from cds.jobs import Jobs
from cds.ledger.standings import every, stops
from cds.ledger.verdicts import newest
from cds.policy.book import PolicyBook
from cds.policy.packaged import packaged_policy
from cds.policy.schema import Known
from cds.policy.store import PolicyStore
from cds.services.declaration import installed_packages
from cds.settings import load

MODEL = "qcancer-2013-pancreas"
NORTH = '[clients.north]\nauthentication = "loopback"\nfhir_servers = ["https://fhir.example/r4"]\n'


@pytest.fixture
def make(room: Room, models: Registry, tmp_path: Path) -> Callable[..., Rounds]:
    from cds import services as service_room

    path = packaged_policy(installed_packages())
    known = Known(models.thresholds(), service_room.load().parameters())
    charter = tmp_path / "committee.yaml"
    charter.write_text(CHARTER, encoding="utf-8")
    (tmp_path / "empty.toml").touch()

    def run(now: datetime = NOW, **committee: object) -> Rounds:
        settings = load(
            tmp_path / "empty.toml",
            data_dir=tmp_path,
            database_url=room.url,
            committee={"charter_file": charter, **committee},
        )
        policies = PolicyBook(
            PolicyStore(path, known, poll_s=60),
            known,
            room.ledger,
            tmp_path / "layers.json",
            today=now.date,
            poll_s=60,
        )
        return Rounds(settings, models, policies, room.ledger, Jobs(room.url, now=lambda: now), lambda: now)

    return run


def broken(room: Room, models: Registry) -> None:
    version = models[MODEL].manifest.version
    fine, bad = {"age": {"state": "found", "value": 66.0}}, {"age": {"state": "unit-unknown"}}
    room.tell([Said(f"p{n}", ago(50 + n / 10), {"risk": 0.01}, fine) for n in range(100)], version=version)
    room.tell([Said(f"q{n}", ago(0.2), {"risk": 0.01}, bad) for n in range(50)], version=version)


def test_of_two_workers_one_does_the_round_and_stops_the_model(
    room: Room, models: Registry, make: Callable[..., Rounds]
) -> None:
    broken(room, models)
    assert [make(outcomes_h=0).once(), make(outcomes_h=0).once()] == [1, 0]
    [verdict] = room.book.read(newest)
    assert (verdict.model, verdict.level) == (MODEL, "stopped")
    assert set(stops(room.book.read(every))) == {(MODEL, "north")}


def test_the_next_interval_is_another_round(room: Room, models: Registry, make: Callable[..., Rounds]) -> None:
    assert make().once() == 1
    assert make(NOW + timedelta(hours=1)).once() == 0
    assert make(NOW + timedelta(hours=24)).once() == 1


def test_switched_off_nothing_happens(room: Room, models: Registry, make: Callable[..., Rounds]) -> None:
    broken(room, models)
    assert make(every_h=0, outcomes_h=0).once() == 0
    assert room.book.read(newest) == ()
