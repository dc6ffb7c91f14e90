"""What a test of a fault saw, written down: what the clinician got, what was lost, how long until all was well again.

A test is marked ``@pytest.mark.fault(part, what)``, once for each fault it causes, and tells the fixture ``seen`` of
each. ``pytest --record-faults FILE`` appends a JSON line for each; ``scripts/reliability-table`` makes
docs/reliability.md of them. A marked test that passes and told nothing is an error, and so is one that lost something.
"""

from __future__ import annotations

import ast
import json
import os
import platform
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import requests

TESTS = Path(__file__).resolve().parents[1]

Answer = requests.Response | list[dict[str, Any]] | None
"""An HTTP answer, the cards of one, or None where the connection ended without any."""


@dataclass(frozen=True)
class Row:
    """One fault as one test saw it."""

    part: str
    what: str
    case: str
    """Which of several kinds of it, or empty."""
    test: str
    during: str
    """What came to the clinician while it lasted."""
    after: str
    """And afterwards."""
    of: str
    """What could have been lost."""
    owed: int
    kept: int
    recovery_s: float | None
    """From the moment the cause was gone until all was as before; None: nothing had to recover."""
    not_run: str = ""
    at: str = ""
    """When it was written down, UTC to the second; by whoever writes, with the next two."""
    commit: str = ""
    machine: str = ""


@dataclass
class Seen:
    """Takes what a test saw; ``rows`` are written down when the test is over."""

    faults: frozenset[tuple[str, str]]
    test: str
    rows: list[Row] = field(default_factory=list)

    def __call__(
        self,
        part: str,
        what: str,
        *,
        during: Iterable[Answer],
        after: Iterable[Answer] = (),
        of: str,
        owed: int,
        kept: int,
        recovery_s: float | None,
        case: str = "",
        also: str = "",
        slowest_s: float | None = None,
    ) -> None:
        """``owed``: how many of ``of`` there had to be afterwards, ``kept``: how many there were. ``also``: what of a
        card's text matters here, as it was read from the answer."""
        assert (part, what) in self.faults, f"the test is not marked with this fault: {part}, {what}"
        assert owed > 0, "a fault at which nothing could be lost proves nothing"
        assert kept == owed, f"{part}, {what}: of {owed} {of} there are {kept}"
        during_words = told(during) + (f': "{also}"' if also else "")
        if slowest_s is not None:
            during_words += f"; the slowest after {slowest_s:.1f} s"
        self.rows.append(
            Row(part, what, case, self.test, during_words, told(after), of, owed, kept, recovery_s),
        )


def told(answers: Iterable[Answer]) -> str:
    """Answers in words, the most frequent first: ``12 × "Summary of the card"``."""
    counted = Counter(_one(answer) for answer in answers)
    return "; ".join(f"{count} × {words}" for words, count in counted.most_common())


def _one(answer: Answer) -> str:
    if answer is None:
        return "no answer (connection ended)"
    if isinstance(answer, list):
        return _cards(answer)
    content = answer.json()
    if answer.status_code != 200:
        return f'{answer.status_code} "{content["issue"][0]["details"]["text"]}"'
    return _cards(content["cards"])


def _cards(cards: list[dict[str, Any]]) -> str:
    return " + ".join(f'"{card["summary"]}"' for card in cards) or "no card"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record-faults", metavar="FILE", help="append what tests of faults saw, a JSON line each")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    report = yield
    marks = _marked(item)
    target = item.config.getoption("--record-faults")
    if marks and target and report.skipped:
        reason = report.longrepr[2].removeprefix("Skipped: ") if isinstance(report.longrepr, tuple) else "skipped"
        _write(Path(target), [Row(*m, "", item.nodeid, "", "", "", 0, 0, None, reason) for m in sorted(marks)])
    if report.when == "call":
        item.stash[_PASSED] = report.passed
    return report


_PASSED = pytest.StashKey[bool]()


def _marked(item: pytest.Item) -> frozenset[tuple[str, str]]:
    return frozenset((str(m.args[0]), str(m.args[1])) for m in item.iter_markers("fault"))


@pytest.fixture
def seen(request: pytest.FixtureRequest) -> Iterator[Seen]:
    """Call it for each fault the test is marked with."""
    taken = Seen(_marked(request.node), request.node.nodeid)
    yield taken
    if not request.node.stash.get(_PASSED, False):
        return
    missing = taken.faults - {(row.part, row.what) for row in taken.rows}
    assert not missing, f"the test saw nothing of: {sorted(missing)}"
    if target := request.config.getoption("--record-faults"):
        _write(Path(target), taken.rows)


def _write(path: Path, rows: Iterable[Row]) -> None:
    stamp = {"at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", "commit": _commit(), "machine": _machine()}
    with path.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(asdict(row) | stamp, ensure_ascii=False) + "\n" for row in rows)


@cache
def _commit() -> str:
    command = ["git", "-C", str(TESTS), "rev-parse", "--short=10", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or "unknown"


def _machine() -> str:
    processors = f"{os.cpu_count()} processors that other programs used, too"
    return f"{processors}, {platform.system()}, Python {platform.python_version()}"


def read(path: Path) -> list[Row]:
    return [Row(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def marked_in_source(folder: Path = TESTS) -> dict[Path, set[tuple[str, str]]]:
    """File -> the faults its tests are marked with, read from the source: nothing has to be imported."""
    found: dict[Path, set[tuple[str, str]]] = {}
    for path in sorted(folder.rglob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        if "mark.fault(" not in text:
            continue
        calls = (d for node in ast.walk(ast.parse(text)) for d in getattr(node, "decorator_list", ()))
        marks = {tuple(a.value for a in d.args) for d in calls if isinstance(d, ast.Call) and _is_mark(d.func)}
        found[path] = {(str(part), str(what)) for part, what in marks}
    return found


def _is_mark(function: ast.expr) -> bool:
    return isinstance(function, ast.Attribute) and ast.unparse(function) == "pytest.mark.fault"
