"""Measure the service against its bars and write benchmarks/RESULTS.md.

    python benchmarks/run.py               everything, about ten minutes
    python benchmarks/run.py cpu split     two of them; the other sections of RESULTS.md stay as they are
    python benchmarks/run.py soak          half an hour, or --minutes; only when named, like overload and replicas
    python benchmarks/run.py --quick       a smoke run in a minute or two; prints, writes nothing

Each benchmark starts the servers it needs on free loopback ports, with a ledger of their own in a temporary folder.
HealthChain is installed from PyPI into .cache/bench-healthchain on first use. Close other programs: what counts are
ratios within one run, but latencies suffer from company. Linux only (CPU and memory are read from /proc).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a checkout that is not installed works as well

import cpu
import decoding
import footprint
import imaging_fetch
import imaging_gpu
import imaging_pipeline
import latency
import legion
import monitors
import no_prefetch
import overload
import replicas
import report_page
import results
import split
import sustained
import validation_bins
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

BENCHMARKS = {
    "cpu": (cpu.run, "CPU per 50 kB call against bare Flask and HealthChain"),
    "split": (split.run, "where the time of one call goes"),
    "latency": (latency.run, "p50, p99 and /health beside a busy processor and a slow FHIR server"),
    "no-prefetch": (no_prefetch.run, "total time when everything has to be fetched"),
    "footprint": (footprint.run, "memory per worker, time from start to first answer"),
    "imaging-fetch": (imaging_fetch.run, "one CT series from a real PACS to a volume: wall, CPU, memory"),
    "imaging-pipeline": (
        imaging_pipeline.run,
        "a study from the PACS to its stored result, and cards meanwhile",
    ),
    "imaging-gpu": (
        imaging_gpu.run,
        "a network of the published baseline's size: volumes a minute, against torch (only when named)",
    ),
    "decoding": (decoding.run, "our decoding against json.loads and full FHIR validation"),
    "report-page": (report_page.run, "first page of a report from stored predictions: server time and bytes"),
    "validation-bins": (validation_bins.run, "what joined bins lose of the AUC pooled over hospitals"),
    "monitors": (monitors.run, "what the committee's monitors see of a simulated hospital, and their false alarms"),
    "legion": (legion.run, "CPU of all models of a call, loading them, scoring many patients"),
    "overload": (overload.run, "calls per second at p99 <= 100 ms, and what becomes of twice as many"),
    "replicas": (replicas.run, "3 web processes and 2 workers on one PostgreSQL against one, calls per core"),
    "scaling": (sustained.scaling, "calls per second of one worker process against two"),
    "soak": (sustained.soak, "half an hour of calls: p99, growth of memory, lost rows (only when named)"),
}
NAMED_ONLY = {"soak", "overload", "replicas", "imaging-gpu"}
"""Too long for a run of everything, or in need of what a service does not need: torch, and better a GPU."""


def main() -> int:
    listing = "\n".join(f"  {name:16} {says}" for name, (_, says) in BENCHMARKS.items())
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=f"benchmarks:\n{listing}", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "names", nargs="*", metavar="BENCHMARK", help=f"which to run; default: all but {', '.join(sorted(NAMED_ONLY))}"
    )
    parser.add_argument("--minutes", type=int, help=f"of the soak (default: {sustained.MINUTES})")
    parser.add_argument("--quick", action="store_true", help="few repetitions, to see that it works; writes no results")
    parser.add_argument("--output", type=Path, default=results.RESULTS, help="results file (default: %(default)s)")
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.names if name not in BENCHMARKS]:
        parser.error(f"no benchmark called {', '.join(unknown)}; there are: {', '.join(BENCHMARKS)}")
    if arguments.minutes is not None and ("soak" not in arguments.names or arguments.minutes < 2):
        parser.error("--minutes is of the soak, and two at least: its memory's growth counts from the first")
    _get_ahead()
    console = Console()
    sections, missed = {}, 0
    for name in arguments.names or [name for name in BENCHMARKS if name not in NAMED_ONLY]:
        load = os.getloadavg()[0]
        with (
            tempfile.TemporaryDirectory(prefix="cds-bench-") as folder,
            Progress(TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=console) as progress,
        ):
            how = {"minutes": arguments.minutes} if name == "soak" and arguments.minutes else {}
            section = BENCHMARKS[name][0](Path(folder), progress, quick=arguments.quick, **how)
        show(console, section)
        missed += sum(f.met is False for f in section.figures)
        given = (" --quick" if arguments.quick else "") + "".join(f" --{key} {value}" for key, value in how.items())
        sections[name] = section.markdown(load, given)
        if not arguments.quick:
            results.write({name: sections[name]}, arguments.output)
    console.print("every bar met" if not missed else f"{missed} bar(s) missed", style="red" if missed else "green")
    return 1 if missed else 0


def _get_ahead() -> None:
    """Run with a negative nice value: the kernel weighs sessions first (sched(7), autogroup), processes within them."""
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    if nice < 0:
        with contextlib.suppress(OSError):
            Path("/proc/self/autogroup").write_text(str(nice), encoding="ascii")


def show(console: Console, section: results.Section) -> None:
    table = Table("figure", "measured", "asked", "", title=section.title, title_justify="left")
    for f in section.figures:
        table.add_row(f.name, f"{f.value:,.3g} {f.unit}", f.asked, f.verdict.strip("*"))
    console.print(table)
    for line in section.raw:
        console.print(line, style="dim", markup=False, highlight=False)


if __name__ == "__main__":
    sys.exit(main())
