"""A clinical lead changes a threshold, previews it on a page, gets it approved, sees it live with no restart, and rolls
it back: commands and Chromium, against a service that runs all the while."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from policy_house import CHANGE, House
from service import NOW, MakeApp

import hooks
from hooks.stories import STORIES

PACKAGED = Path(hooks.__file__).parent / "policy.yaml"
DIAL = "services.pancreas-risk.parameters.risk_at_least"
OURS = "chronic-pancreatitis"


@contextmanager
def previewed(house: House, file: Path) -> Iterator[str]:
    """``cds policy preview FILE --page`` in a process of its own, stopped as a person stops it; yields the address."""
    words = ["policy", "preview", str(file), "--days", "3653", "--threshold", DIAL, "--page"]
    process = subprocess.Popen(
        [sys.executable, "-m", "cds", "--settings", str(house.settings), *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=house.folder,
        env={name: value for name, value in os.environ.items() if not name.startswith("CDS_")},
        # a run in a shell's background ignores Ctrl-C, and so would what it starts
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - takes no lock
    )  # fmt: skip
    try:
        assert process.stdout is not None and process.stderr is not None
        line = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+/\S+", line)
        assert found is not None, line + process.stderr.read()
        yield found[0]
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 0


@pytest.fixture
def house(make_app: MakeApp, tmp_path: Path) -> House:
    """With past calls: every story's chart was opened ten days ago, but for one."""
    house = House(make_app, tmp_path)
    house.clock.now = NOW - timedelta(days=10)
    for story in STORIES:
        if story.id != OURS:
            house.cards(story.id)
    house.clock.now = NOW
    return house


def said(house: House) -> list[str]:
    return [card["summary"] for card in house.cards(OURS)]


def test_a_threshold_is_moved_approved_live_and_taken_back(house: House, browser: Browser) -> None:
    packaged = PACKAGED.read_bytes()
    before = said(house)
    assert len(before) == 1
    louder = house.file(CHANGE)

    # preview: at a fifth of a percent it is much work; moved up, it is less, at once
    with previewed(house, louder) as address:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(address)
        dial = page.locator("#dial-0")
        expect(dial.locator("select option:checked")).to_contain_text("0.002 (this policy)")
        work = dial.locator("[data-figures] dd").nth(1)
        much = float(work.inner_text())
        dial.locator("input[type=range]").press("End")
        assert float(work.inner_text()) < much
        chosen = float(dial.locator("[data-figures] dd").first.inner_text())
        page.get_by_role("button", name="Save as a proposed file").click()
        expect(page.get_by_role("status")).to_contain_text("It changes nothing yet.")
        shown = page.get_by_role("status").locator("pre").inner_text()
        page.close()
    assert said(house) == before
    assert louder.read_text(encoding="utf-8") == CHANGE

    # the command that the page shows, as a second person's approval follows it
    command, group, act, file, *_ = shlex.split(shown)
    assert (command, group, act) == ("cds", "policy", "propose")
    version = house.proposed_file(file)
    assert f"{DIAL}: 0.02 -> {chosen:g}" in house.did("diff", version)
    assert "is not approved" in house.refused("activate", version, "--by", "A. Lead", "--why", "now")
    assert "is not among the approvers" in house.refused("approve", version, "--by", "A. Lead", "--why", "mine")
    house.did("approve", version, "--by", "B. Second", "--why", "less work, agreed in the meeting")
    assert said(house) == before, "approved is not activated"

    # live in the service that has run all the while, and taken back in it
    house.did("activate", version, "--by", "A. Lead", "--why", "from today")
    assert said(house) == []
    house.did("rollback", "--by", "A. Lead", "--why", "a card was missed")
    assert said(house) == before
    assert PACKAGED.read_bytes() == packaged
