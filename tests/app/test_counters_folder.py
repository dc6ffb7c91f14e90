"""Where the workers' counters lie: of one service at a time, also when it is started again before the old one ends."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from cds.serve import metrics_folder, prepare_metrics, remove_metrics


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "set anew")
    return tmp_path


def of_another_process(work: object, argument: Path) -> None:
    other = multiprocessing.get_context("fork").Process(target=work, args=(argument,))  # type: ignore[arg-type]
    other.start()
    other.join(30)
    assert other.exitcode == 0


def test_what_a_service_counts_goes_with_it(data_dir: Path) -> None:
    folder = prepare_metrics(data_dir)
    (folder / "counter_1.db").touch()
    assert folder == metrics_folder(data_dir)
    remove_metrics(folder)
    assert not folder.exists()


def test_counts_of_a_former_service_are_gone_at_the_start(data_dir: Path) -> None:
    stale = prepare_metrics(data_dir) / "counter_1.db"
    stale.touch()
    folder = prepare_metrics(data_dir)
    assert not stale.exists()
    remove_metrics(folder)


def test_the_end_of_the_old_service_takes_nothing_from_the_new_one(data_dir: Path) -> None:
    folder = prepare_metrics(data_dir)
    of_another_process(prepare_metrics, data_dir)
    remove_metrics(folder)
    assert folder.is_dir()
    prepare_metrics(data_dir)
    of_another_process(remove_metrics, folder)
    assert folder.is_dir()
    remove_metrics(folder)
    remove_metrics(folder)  # nothing is there any more
    assert not folder.exists()
