"""What is installed is what was locked, and what is built is what was committed."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
BUILD_LOCK = (ROOT / "requirements-build.lock").read_text(encoding="utf-8")
LOCKED_EXTRAS = ("postgres", "celery", "imaging", "report", "committee", "telemetry")
"""What the service's image installs, and what a site may switch on by settings; training and tests are no product."""


def locked(lock: str = LOCK) -> dict[str, list[str]]:
    """Package -> versions, one for each set of platforms."""
    found: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", lock, re.MULTILINE):
        found.setdefault(canonicalize_name(name), []).append(version)
    return found


@pytest.mark.threat("supply-chain")
def test_every_dependency_is_locked_at_a_version_it_allows() -> None:
    versions = locked()
    lines = [*PROJECT["dependencies"]]
    for extra in LOCKED_EXTRAS:
        lines += PROJECT["optional-dependencies"][extra]
    wanted = [Requirement(line) for line in lines]
    assert len(wanted) > 30
    missing = [str(one) for one in wanted if canonicalize_name(one.name) not in versions]
    assert missing == [], "run make lock"
    outside = [
        f"{one} locked at {version}"
        for one in wanted
        for version in versions[canonicalize_name(one.name)]
        if version not in one.specifier
    ]
    assert outside == [], "run make lock"


@pytest.mark.threat("supply-chain")
@pytest.mark.parametrize("lock", [LOCK, BUILD_LOCK], ids=["shipped", "build"])
def test_every_locked_package_has_hashes_and_comes_from_nowhere_in_particular(lock: str) -> None:
    blocks = re.split(r"^(?=[A-Za-z0-9])", lock, flags=re.MULTILINE)[1:]
    assert len(blocks) == sum(map(len, locked(lock).values())) > 0
    assert [block.splitlines()[0] for block in blocks if not re.search(r"--hash=sha256:[0-9a-f]{64}\b", block)] == []
    assert not re.search(r"https?://|--index-url|--find-links|--extra-index-url|@ ", lock)


@pytest.mark.threat("supply-chain")
def test_what_builds_is_locked_with_all_that_it_needs() -> None:
    """The backend is what pip would fetch by itself, without a hash, in the moment of a build."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    versions, waiting = locked(BUILD_LOCK), [Requirement(line) for line in project["build-system"]["requires"]]
    needed: set[str] = set()
    while waiting:
        one = waiting.pop()
        name = canonicalize_name(one.name)
        if name in needed or (one.marker is not None and not one.marker.evaluate({"extra": ""})):
            continue
        needed.add(name)
        assert all(one.specifier.contains(version) for version in versions[name]), "run make lock"
        waiting += map(Requirement, metadata.requires(name) or ())
    assert needed == set(versions), "run make lock"


@pytest.mark.threat("supply-chain")
def test_what_the_tests_run_on_is_what_is_locked() -> None:
    """`make` installs under the lock's versions; who installs otherwise tries another product than ships."""
    made = subprocess.run(
        ["make", "--dry-run", "--always-make", "VENV=.venv", ".venv/constraints.txt"],
        cwd=ROOT, capture_output=True, text=True, timeout=30, check=True,
    ).stdout  # fmt: skip
    [strip] = [line for line in made.splitlines() if line.startswith("sed ")]
    command = strip.replace("> .venv/constraints.txt", "")
    lines = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    wanted = [Requirement(line) for line in lines.splitlines()]
    assert len(wanted) == sum(map(len, locked().values()))
    apart = [
        f"{one}, and {metadata.version(one.name)} is installed"
        for one in wanted
        if (one.marker is None or one.marker.evaluate()) and not one.specifier.contains(metadata.version(one.name))
    ]
    assert apart == [], "run make test, which installs what is locked; or make lock"


def built(tree: Path, into: Path, moment: str) -> Path:
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(into)],
        cwd=tree,
        env={**os.environ, "SOURCE_DATE_EPOCH": moment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    (wheel,) = into.glob("*.whl")
    return wheel


@pytest.mark.threat("supply-chain")
def test_two_builds_in_two_places_at_two_times_are_the_same_bytes(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("pyproject.toml", "README.md", "openapi.yaml", ".gitignore"):
        shutil.copyfile(ROOT / name, elsewhere / name)
    for name in ("cds", "hooks", "models"):
        # without the times and the rights of the files here, and without what Python left among them
        ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
        shutil.copytree(ROOT / name, elsewhere / name, copy_function=shutil.copyfile, ignore=ignored)
    first = built(ROOT, tmp_path / "first", "1767225600")
    second = built(elsewhere, tmp_path / "second", "1767225600")
    assert first.name == second.name
    assert hashlib.sha256(first.read_bytes()).digest() == hashlib.sha256(second.read_bytes()).digest()


@pytest.mark.parametrize(
    ("answer", "line", "code"),
    [
        ("", "pip-audit: NO ANSWER, so nothing is known of vulnerabilities (no route)", 0),
        (
            [{"name": "a", "skip_reason": "not found"}],
            "pip-audit: NO ANSWER, so nothing is known of vulnerabilities (",
            0,
        ),
        ([], "pip-audit: NO ANSWER, so nothing is known of vulnerabilities (no packages)", 0),
        (None, "pip-audit: NO ANSWER, so nothing is known of vulnerabilities (what it wrote can't be read)", 0),
        (
            [{"name": "a", "version": "1", "vulns": []}, {"name": "b", "skip_reason": "not found"}],
            "pip-audit: 0 known vulnerabilities in 1 packages; NO ANSWER for 1 others",
            0,
        ),
        (
            [{"name": "a", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]}],
            "a 1: CVE-1, mended in 2\npip-audit: 1 known vulnerabilities in 1 packages",
            1,
        ),
    ],
)
def test_no_answer_of_the_audit_is_told_as_none(tmp_path: Path, answer: Any, line: str, code: int) -> None:
    text = json.dumps({"dependencies": answer}) if answer != "" else ""
    if answer is None:
        text = text[:10]
    (tmp_path / "answer").write_text(text, encoding="utf-8")
    (tmp_path / "said").write_text("warning\nno route\n", encoding="utf-8")
    command = [
        sys.executable,
        str(ROOT / "scripts" / "audit-verdict"),
        str(tmp_path / "answer"),
        str(tmp_path / "said"),
    ]
    done = subprocess.run([*command, "yes"], capture_output=True, text=True, check=False)
    assert (done.stdout.startswith(line), done.returncode, done.stderr) == (True, code, "")
    assert subprocess.run([*command, "no"], capture_output=True, check=False).returncode == 0
