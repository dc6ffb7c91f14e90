"""A real Chromium, one for the whole test session, driven by Playwright's synchronous interface."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

_QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


_PATIENCE_MS = 20_000
"""For what a page should show; the default of five seconds is too few where three tests share two processors."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Fails, never skips, when Chromium is absent: a page nobody looked at is not tested."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.fail("These tests look at the pages in Chromium, which is not here: run `apt-get install chromium`.")
    with sync_playwright() as playwright:
        expect.set_options(timeout=_PATIENCE_MS)
        chromium = playwright.chromium.launch(executable_path=found, args=list(_QUIET))
        yield chromium
        chromium.close()
