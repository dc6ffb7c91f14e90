"""Where the workers' counters lie: of each service that runs, whatever other is started or ends beside it."""

from __future__ import annotations

import errno
import multiprocessing
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from cds.counters import metrics_folder, prepare_metrics, remove_metrics
from cds.errors import SettingsError


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "set anew")
    return tmp_path


def of_another_process(work: Callable[[], object]) -> None:
    other = multiprocessing.get_context("fork").Process(target=work)
    other.start()
    other.join(30)
    assert other.exitcode == 0


def test_what_a_service_counts_goes_with_it(data_dir: Path) -> None:
    folder = prepare_metrics(data_dir)
    (folder / "counter_1.db").touch()
    assert folder.parent == metrics_folder(data_dir)
    assert os.environ["PROMETHEUS_MULTIPROC_DIR"] == str(folder)
    remove_metrics(folder)
    remove_metrics(folder)  # nothing is there any more
    assert not folder.exists()


def test_counts_of_a_service_that_was_killed_are_gone_at_the_next_start(data_dir: Path) -> None:
    def counts() -> None:
        (prepare_metrics(data_dir) / "counter_1.db").touch()

    of_another_process(counts)
    [stale] = metrics_folder(data_dir).iterdir()
    (metrics_folder(data_dir) / "counter_2.db").touch()  # as a version before left it
    folder = prepare_metrics(data_dir)
    assert list(metrics_folder(data_dir).iterdir()) == [folder] != [stale]
    remove_metrics(folder)


def test_a_service_started_beside_it_takes_nothing_from_one_that_runs(data_dir: Path) -> None:
    folder = prepare_metrics(data_dir)
    (folder / "counter_1.db").touch()
    of_another_process(lambda: remove_metrics(prepare_metrics(data_dir)))
    of_another_process(lambda: remove_metrics(folder))  # a worker's end is not the service's
    assert (folder / "counter_1.db").exists()
    remove_metrics(folder)


def test_a_worker_that_outlives_its_service_keeps_the_counts(data_dir: Path) -> None:
    folder = prepare_metrics(data_dir)
    context = multiprocessing.get_context("fork")
    stop = context.Event()
    worker = context.Process(target=stop.wait, args=(30,))
    worker.start()
    try:
        _let_go()
        other = prepare_metrics(data_dir)
        assert folder.exists()
    finally:
        stop.set()
        worker.join(30)
    remove_metrics(other)
    third = prepare_metrics(data_dir)
    assert not folder.exists()
    remove_metrics(third)


@pytest.mark.parametrize("full", ["memory", "all"])
def test_where_memory_has_no_room_they_lie_on_disk_and_where_nothing_has_it_is_said(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, full: str
) -> None:
    made, disk = tempfile.mkdtemp, data_dir / "metrics"

    def without_room(*, dir: Path) -> str:
        if full == "all" or dir != disk:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return made(dir=dir)

    monkeypatch.setattr("cds.counters.tempfile.mkdtemp", without_room)
    if full == "all":
        with pytest.raises(SettingsError, match=r"metrics can't be written.*No space left"):
            prepare_metrics(data_dir)
        return
    folder = prepare_metrics(data_dir)
    assert folder.parent == disk
    remove_metrics(folder)


def _let_go() -> None:
    """This process's end, as far as locks go."""
    from cds import counters

    for lock in counters._locks.values():
        os.close(lock)
    counters._locks.clear()
