"""A test that a page lists as proof has run: skipped, it fails.

docs/threats.md and docs/conformance.md are made of the marks on tests in the source, before anything runs. That such a
test passed is what the run says; one that was skipped, or expected to fail, says nothing, and the run would be green.
"""

from __future__ import annotations

from typing import Any

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    report = yield
    if report.skipped and (pages := _pages(item)):
        why = getattr(report, "wasxfail", "") or (report.longrepr[2] if isinstance(report.longrepr, tuple) else "")
        report.outcome = "failed"
        report.__dict__.pop("wasxfail", None)
        report.longrepr = f"{' and '.join(pages)} list this test as proof, and it did not run through: {why}"
    return report


def _pages(item: pytest.Item) -> list[str]:
    """Those that list it."""
    points = getattr(getattr(item, "function", None), "points", None)  # of `requirement` in tests/conformance
    threats = any(item.iter_markers("threat"))
    return ["docs/threats.md"] * threats + ["docs/conformance.md"] * bool(points)
