"""One study a device at a time; whoever waits for one can be stopped, and says that it waits."""

from __future__ import annotations

import threading
import time

import pytest
from study_house import House
from study_scene import MODEL

from cds.inference.volumes.analyse import Analysis
from cds.jobs import Worker
from cds.jobs.job import Stop
from cds.jobs.slots import Slots
from cds.studies.devices import Devices
from cds.studies.plan import KIND


def test_two_workers_of_a_machine_never_compute_at_the_same_time_on_one_device(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, most, lock = 0, 0, threading.Lock()
    real = Analysis.__call__

    def watched(self: Analysis, *given: object, **named: object) -> object:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.5)
        try:
            return real(self, *given, **named)  # type: ignore[arg-type]
        finally:
            with lock:
                running -= 1

    monkeypatch.setattr(Analysis, "__call__", watched)
    for uid in ("1.2.3.1", "1.2.3.2"):
        house.archive.holds(uid)
        house.ask(uid, why="hand")
    workers = [threading.Thread(target=Worker(house.jobs, {KIND: house.pipeline()}).once) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert most == 1
    assert [job.state for job in house.jobs.newest()] == ["done", "done"]


def test_a_job_that_waits_for_a_device_says_so_and_can_be_cancelled(house: House) -> None:
    house.ask(why="hand")
    with Slots(house.settings.data_dir / "slots", ("cpu-0",)).take() as taken:
        assert taken == "cpu-0"
        worker = threading.Thread(target=Worker(house.jobs, {KIND: house.pipeline()}).once)
        worker.start()
        deadline = time.monotonic() + 20
        while house.jobs.newest()[0].stage != "wait":
            assert time.monotonic() < deadline, house.jobs.newest()[0]
            time.sleep(0.05)
        assert house.jobs.cancel(house.jobs.newest()[0].id)
        worker.join(timeout=20)
    assert house.jobs.newest()[0].state == "cancelled"
    assert house.predictions() == []


def test_a_device_that_is_taken_is_waited_for_until_the_work_must_stop(house: House) -> None:
    devices = Devices(house.settings)

    def stop() -> None:
        raise Stop("shutting-down")

    with Slots(house.settings.data_dir / "slots", devices.names).take(), pytest.raises(Stop), devices.take(stop):
        raise AssertionError("it was taken")


def test_networks_are_loaded_once_a_device(house: House) -> None:
    devices = Devices(house.settings)
    model = house.engine.models["tiny-network"]
    assert devices.analysis(model, "cpu-0") is devices.analysis(model, "cpu-0")


def test_a_device_without_memory_is_cleared_and_loaded_anew(house: House) -> None:
    devices = Devices(house.settings)
    model = house.engine.models[MODEL]
    first = devices.analysis(model, "cpu-0")
    devices.clear("gpu-1")
    assert devices.analysis(model, "cpu-0") is first
    devices.clear("cpu-0")
    assert devices.analysis(model, "cpu-0") is not first
