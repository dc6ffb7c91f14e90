"""Runs of ``scripts/fuzz``: each target by each engine, one after the other, and the page of what they reached."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import fuzz_targets
from fuzz_engines import ENGINES, HANG_S
from fuzzed_service import LONGEST_S

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = REPOSITORY / "docs" / "fuzzing.md"
_KEPT = REPOSITORY / "var" / "fuzz"


@dataclass(frozen=True)
class Run:
    target: str
    reads: str
    engine: str
    """And its version."""
    inputs: int
    seconds: float
    slowest_s: float
    fault: str
    """Empty: none."""
    day: str


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description="Bad input for everything that reads bytes.")
    with ExitStack() as stack:
        reads = fuzz_targets.targets(stack)
        parser.add_argument("--seconds", type=int, default=30, help="of each target by each engine (30)")
        parser.add_argument("--targets", nargs="+", choices=list(reads), default=list(reads))
        parser.add_argument("--engines", nargs="+", choices=list(ENGINES), default=_installed())
        parser.add_argument("--no-page", action="store_true", help="leave docs/fuzzing.md as it is")
        chosen = parser.parse_args()
        runs = []
        for name in chosen.targets:
            for engine in chosen.engines:
                runs.append(_run(name, fuzz_targets.READS[name], engine, chosen.seconds))
                sys.stdout.write(f"{_row(runs[-1])}\n")
                sys.stdout.flush()
    faults = [run for run in runs if run.fault]
    for run in faults:
        sys.stdout.write(f"\n{run.target} by {run.engine}:\n{run.fault}\n")
    if not chosen.no_page:
        PAGE.write_text(page([*told(PAGE), *runs]), encoding="utf-8")
    return 1 if faults else 0


def _installed() -> list[str]:
    return [engine for engine in ENGINES if importlib.util.find_spec(engine) is not None]


def _run(name: str, reads: str, engine: str, seconds: int) -> Run:
    folder = _KEPT / engine / name
    folder.mkdir(parents=True, exist_ok=True)
    for left in ("count.json", "fault", "input", "slowest"):
        (folder / left).unlink(missing_ok=True)
    paths = [str(REPOSITORY), *(str(REPOSITORY / "tests" / room) for room in ("badinput", "plugins"))]
    with (folder / "log").open("wb") as log:
        ended = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("fuzz_engines.py")), engine, name, str(seconds), str(folder)],
            stdout=log,
            stderr=log,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
            check=False,
        )
    counts = json.loads((folder / "count.json").read_text()) if (folder / "count.json").exists() else {}
    fault = ""
    if ended.returncode:
        told = folder / "fault"
        fault = told.read_text() if told.exists() else f"ended with {ended.returncode}; see {folder / 'log'}"
    inputs, took, slowest = (counts.get(key, 0) for key in ("inputs", "seconds", "slowest_s"))
    engine = f"{engine} {version(engine)}"
    return Run(name, reads, engine, inputs, took, slowest, fault, f"{datetime.now(UTC):%Y-%m-%d}")


def _row(run: Run) -> str:
    verdict = "none" if not run.fault else f"**{run.fault.strip('*').strip().splitlines()[-1][:80]}**"
    return (
        f"| {run.target} | {run.reads} | {run.engine} | {run.inputs:,} | {run.seconds:,.0f} | "
        f"{run.slowest_s * 1000:,.0f} | {verdict} | {run.day} |"
    )


def told(path: Path) -> list[Run]:
    """What the page has already."""
    rows = re.findall(r"^\| (.+) \|$", path.read_text(encoding="utf-8"), re.MULTILINE) if path.exists() else []
    cells = [row.split(" | ") for row in rows if not row.startswith(("target", "--"))]
    return [
        Run(c[0], c[1], c[2], _number(c[3]), _number(c[4]), _number(c[5]) / 1000, "" if c[6] == "none" else c[6], c[7])
        for c in cells
    ]


def _number(text: str) -> int:
    return int(text.replace(",", ""))


def page(runs: list[Run]) -> str:
    """The latest run of each target by each engine, in the order of the targets."""
    latest = {(run.target, run.engine.split()[0]): run for run in runs}
    shown = sorted(latest.values(), key=lambda run: (list(fuzz_targets.READS).index(run.target), run.engine))
    return "\n".join(
        [
            "# Bad input by the million",
            "<!-- Written by scripts/fuzz; run it, don't edit. -->",
            "",
            "Everything that reads bytes from outside, under inputs that engines make from good ones: one place "
            "changed among many that stay right, or bytes cut, doubled and exchanged. A fault is an exception that "
            "is not a refusal the house knows, an answer of 5xx, a guard of last resort that had to act (`*.failed` "
            f"in the log), a call of more than {LONGEST_S:.0f} s of CPU, or any input that takes {HANG_S} s by the "
            "clock. The counts are those of the last run of each target by each engine.",
            "",
            "Requests made from `openapi.yaml` are not among these: schemathesis sends them in every run of the tests "
            "(`tests/contract/test_openapi_fuzz.py`), where each answer has to be one the contract describes.",
            "",
            f"**{sum(run.inputs for run in shown):,} inputs, {sum(bool(run.fault) for run in shown)} faults** under "
            f"Python {sys.version.split()[0]}.",
            "",
            "| target | reads | engine | inputs | seconds | slowest, CPU ms | faults | day |",
            "|---|---|---|--:|--:|--:|---|---|",
            *(_row(run) for run in shown),
            "",
        ]
    )
