"""Figures with their bars, and RESULTS.md: each benchmark a section, with machine, date, versions and commands."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

RESULTS = Path(__file__).resolve().parent / "RESULTS.md"
_VERSIONS = ("flask", "gunicorn", "msgspec", "onnxruntime-gpu", "onnxruntime", "SQLAlchemy", "PyJWT", "fhir.resources")


@dataclass(frozen=True)
class Figure:
    """One measured value. ``bar``: the most it may be, or the least."""

    name: str
    value: float
    unit: str
    bar: float | None = None
    sense: Literal["at most", "at least"] = "at most"

    @property
    def met(self) -> bool | None:
        if self.bar is None:
            return None
        return self.value <= self.bar if self.sense == "at most" else self.value >= self.bar

    @property
    def verdict(self) -> str:
        return {None: "", True: "met", False: "**missed**"}[self.met]

    @property
    def asked(self) -> str:
        return "" if self.bar is None else f"{self.sense} {self.bar:g} {self.unit}".strip()


@dataclass
class Section:
    """What one benchmark found."""

    name: str
    title: str
    how: str
    figures: list[Figure] = field(default_factory=list)
    raw: list[str] = field(default_factory=list)
    """Raw medians, one a line: what the figures were computed from."""

    def add(self, name: str, value: float, unit: str, **bar: object) -> None:
        self.figures.append(Figure(name, value, unit, **bar))  # type: ignore[arg-type]

    def markdown(self, load_before: float, given: str = "") -> str:
        """``given``: the options it was run with."""
        lines = [
            f"## {self.name}: {self.title}",
            "",
            self.how,
            "",
            "| figure | measured | asked | |",
            "|---|--:|--:|---|",
        ]
        lines += [f"| {f.name} | {f.value:,.3g} {f.unit} | {f.asked} | {f.verdict} |" for f in self.figures]
        if self.raw:
            lines += ["", "```text", *self.raw, "```"]
        today = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
        command = f"python benchmarks/run.py {self.name}{given}"
        nice = os.getpriority(os.PRIO_PROCESS, 0)
        ahead = f", ahead of other programs (nice {nice})" if nice < 0 else ""
        lines += ["", f"`{command}`, {today}, {machine()}, load average before the run {load_before:.1f}{ahead}."]
        return "\n".join(lines)


def machine() -> str:
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return f"{os.cpu_count()} × {model}, {memory:.0f} GB, {platform.system()} {platform.release()}"


def versions() -> str:
    found = [f"Python {platform.python_version()}"]
    for name in _VERSIONS:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return ", ".join(found)


def write(sections: dict[str, str], path: Path = RESULTS) -> None:
    """Replace the sections that were measured, keep the others as they were."""
    kept = _sections(path.read_text(encoding="utf-8")) if path.exists() else {}
    kept |= sections
    head = f"""\
# Benchmark results

Written by `benchmarks/run.py`; do not edit. Ratios come from servers measured in turns within one run, so that they
mean something on a machine other programs use as well; absolute figures hold for the machine named below each section
only. A bar that was not met says **missed**. The figures below are from virtual machines of two processors that other
programs were using, too: the load average before each run stands with it.

Versions of the last run: {versions()}
"""
    path.write_text(head + "\n" + "\n\n".join(kept[name] for name in sorted(kept)) + "\n", encoding="utf-8")


def _sections(text: str) -> dict[str, str]:
    parts = re.split(r"^(?=## )", text, flags=re.MULTILINE)[1:]
    return {part[3:].partition(":")[0]: part.strip() for part in parts}
