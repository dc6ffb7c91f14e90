"""Every threat has a test that proves it stopped, and the page in docs/ says so."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import threats_page
from threats import THREATS


def test_every_threat_has_a_proof() -> None:
    found = threats_page.proofs()
    assert [name for name in THREATS if not found.get(name)] == []


def test_no_test_names_a_threat_that_is_not_in_the_table() -> None:
    assert sorted(set(threats_page.proofs()) - set(THREATS)) == []


def test_the_page_in_docs_is_what_the_tests_say() -> None:
    assert threats_page.PAGE.read_text(encoding="utf-8") == threats_page.page(), "run scripts/threat-table"


PROOFS = """
import pytest

def point(test):
    test.points = (1,)
    return test

@pytest.mark.threat("a")
def test_passes(): pass

@pytest.mark.threat("a")
@pytest.mark.skip("no such server")
def test_skipped(): pass

@pytest.mark.threat("a")
@pytest.mark.parametrize("of", [])
def test_of_nothing(of): pass

@pytest.mark.threat("a")
def test_skips_itself(): pytest.skip("not today")

@pytest.mark.threat("a")
@pytest.mark.xfail
def test_is_expected_to_fail(): assert False

@point
@pytest.mark.skip("no such browser")
def test_of_a_point(): pass

@pytest.mark.skip("proves nothing")
def test_of_no_page(): pass
"""


def _plain() -> dict[str, str]:
    """What somebody asks of this run is not asked of the one inside."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}


def test_a_proof_that_did_not_run_fails_the_run(tmp_path: Path) -> None:
    (tmp_path / "test_proofs.py").write_text(PROOFS, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = threat(name): one\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "proofs", "-p", "no:cacheprovider", "-rA", "-q", str(tmp_path)],
        cwd=tmp_path,
        env={**_plain(), "PYTHONPATH": str(threats_page.TESTS / "plugins")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    fell = set(re.findall(r"^(?:ERROR|FAILED) test_proofs\.py::(\w+)", done.stdout, re.MULTILINE))
    shirked = {"test_skipped", "test_of_nothing", "test_skips_itself", "test_is_expected_to_fail", "test_of_a_point"}
    assert fell == shirked, done.stdout
    assert re.findall(r"^PASSED test_proofs\.py::(\w+)", done.stdout, re.MULTILINE) == ["test_passes"]
    assert "docs/threats.md list this test as proof, and it did not run through: Skipped: not today" in done.stdout
    assert "docs/conformance.md list this test as proof" in done.stdout
