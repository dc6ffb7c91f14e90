"""axe-core, the checker of WCAG that browsers' own tools use, run on a page under test."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

VERSION = "4.10.3"
_CACHE = Path(__file__).parents[2] / ".cache" / "axe-core"
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def axe_source() -> str:
    """The script, from npm the first time. Fails, never skips, where it can't be had."""
    kept = _CACHE / f"axe-{VERSION}.min.js"
    if not kept.exists():
        if shutil.which("npm") is None:
            pytest.fail("These tests check pages with axe-core from npm: run scripts/test-system-packages.")
        _CACHE.mkdir(parents=True, exist_ok=True)
        command = ["npm", "pack", f"axe-core@{VERSION}", "--silent", "--pack-destination", str(_CACHE)]
        subprocess.run(command, check=True, capture_output=True, timeout=120, cwd=_CACHE)
        with tarfile.open(_CACHE / f"axe-core-{VERSION}.tgz") as packed:
            found = packed.extractfile("package/axe.min.js")
            assert found is not None
            fresh = kept.with_suffix(".new")
            fresh.write_bytes(found.read())
        fresh.replace(kept)
    return kept.read_text(encoding="utf-8")


def violations(page: Page, source: str, *, most: str = "minor") -> list[str]:
    """What axe finds, from ``most`` on: rule, impact and where. The page's own policy stays as it is: the script is
    evaluated by the browser's debugger, not put into the page."""
    page.wait_for_load_state()  # of a page that a click has just asked for, the style comes after the text
    page.emulate_media(reduced_motion="reduce")  # a colour on its way to another is neither
    page.evaluate(source)
    found: dict[str, Any] = page.evaluate(
        "rules => axe.run(document, {runOnly: {type: 'tag', values: rules}, resultTypes: ['violations']})", _RULES
    )
    levels = ["minor", "moderate", "serious", "critical"]
    return [
        f"{v['id']} ({v['impact']}): {'; '.join(str(node['target']) for node in v['nodes'][:5])}"
        for v in found["violations"]
        if levels.index(v["impact"] or "minor") >= levels.index(most)
    ]
