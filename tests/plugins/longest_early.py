"""The files that take longest are begun early and apart from each other.

One that is begun last keeps the other workers waiting; several at once, each with processes of its own, keep each
other waiting. So they are spread over the first part of the run. Takes effect with ``--no-loadscope-reorder``;
otherwise xdist begins with the files of the most tests, and the demonstrations, few and long, come last.
"""

from __future__ import annotations

from pathlib import Path

import pytest

LONGEST = (
    "studies/test_study_workers_killed.py",
    "cli/test_demo_command.py",
    "studies/test_study_commands.py",
    "pages/report/test_report_stories_in_chromium.py",
    "pages/test_scans_in_chromium.py",
    "simulation/test_trials.py",
    "app/test_wheel.py",
    "background/test_background_calls.py",
    "pages/test_report_imaging.py",
    "system/test_no_patient_data_leaks.py",
    "docs/test_add_a_model.py",
    "preview/test_preview_page.py",
    "system/test_fault_database.py",
)
"""Below ``tests/``, as the durations of a whole run order them (``make test ARGS=--durations=60``)."""
_SPREAD = 0.7
"""Of the other files, over which they are spread."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    tests = config.rootpath / "tests"
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    long = [path for name in LONGEST if (path := tests / name) in files]
    order = [path for path in files if path not in long]
    step = max(1, int(_SPREAD * len(order) / max(1, len(long))))
    for number, path in enumerate(long):
        order.insert(number * (step + 1), path)
    items[:] = [item for path in order for item in files[path]]
