"""The files that take longest are begun first: whichever worker ends up with one last keeps the others waiting.

Takes effect with ``--no-loadscope-reorder``; otherwise xdist begins with the files of the most tests, and the
demonstrations, few and long, come last.
"""

from __future__ import annotations

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
_PLACE = {name: place for place, name in enumerate(LONGEST)}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    tests = config.rootpath / "tests"
    last = len(_PLACE)

    def place(item: pytest.Item) -> int:
        inside = item.path.is_relative_to(tests)
        return _PLACE.get(item.path.relative_to(tests).as_posix(), last) if inside else last

    items.sort(key=place)  # stable: within a file, and among all others, the order stays
