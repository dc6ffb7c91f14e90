"""All models together: CPU of a call's tabular models, loading the folder of models, many patients in batches."""

from __future__ import annotations

import dataclasses
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import orjson
from results import Section
from rich.progress import Progress

from cds.fhir.decoding import decode
from cds.inference import registry
from cds.inference.crew import crew
from cds.inference.prediction import Assessment, Prediction
from cds.record.facts import Record
from cds.record.features import Already
from cds.record.reading import Reader
from cds.services import declaration as services
from cds.services.joined import join
from hooks.stories import STORIES, all_resources

MODELS_MS, LOAD_S, LOAD_MB, PATIENTS_A_MINUTE = 1.5, 1.0, 80, 20_000
PROCESSES = 2

# in a process of its own, which has done nothing but import: what is measured is the legion alone
_LOAD = """
import json, os, time
import numpy, onnxruntime, yaml, pydantic
from cds.inference import registry
from cds.inference.runtime import wanted_providers
from pathlib import Path
def resident():
    line = next(l for l in Path("/proc/self/status").read_text().splitlines() if l.startswith("VmRSS"))
    return int(line.split()[1]) / 1000
folders = registry.installed_folders()
wanted_providers()
before, start, clock = resident(), time.perf_counter(), time.process_time()
models = registry.load(folders)
read = time.perf_counter() - start
for model in models.models.values():
    model.warm()
print(json.dumps({
    "models": len(models.models),
    "graphs": sum(m.graph is not None for m in models.models.values()),
    "read_s": read,
    "wall_s": time.perf_counter() - start,
    "cpu_s": time.process_time() - clock,
    "mb": resident() - before,
}))
"""


def run(folder: Path, progress: Progress, *, quick: bool) -> Section:
    starts, rounds, cohort = (2, 20, 1_000) if quick else (7, 200, 10_000)
    section = Section(
        "legion",
        "All models together",
        "Calls: each service's models are asked about each of the demonstration's patients, as on a call (features, "
        f"eligibility, graphs with what-ifs, rules); CPU of one thread, median of {rounds} rounds; the figure is of "
        "the service and the patient that cost most. Whole legion: all models there are, about one patient, which no "
        "call does; the patient that costs most. Load: every folder read and "
        "validated, every graph opened, in a process that has imported ONNX Runtime and the libraries; median of "
        f"{starts}. Batch: {cohort:,} records, made from the demonstration's patients by leaving out some of what is "
        f"known, scored by every model in {PROCESSES} processes; decoded records in, predictions out.",
    )
    task = progress.add_task("legion", total=starts + 2)
    loads = []
    for _ in range(starts):
        loads.append(_load())
        progress.advance(task)
    legion = registry.load(registry.installed_folders())
    models = list(legion.models.values())
    records = _records(legion)
    calls: dict[str, float] = {}
    for service in join(services.load(), legion).services.values():
        asked = [legion[m] for m in service.all_models]
        slowest, took = _call(asked, records, rounds)
        calls[f"{service.id}, {service.hook}, {len(asked)} models, {slowest}"] = took[slowest]
    dearest = max(calls, key=lambda name: calls[name])
    slowest, cpu = _call(models, records, rounds)
    progress.advance(task)
    minute, scored, predictions = _batch(models, _cohort(records, cohort))
    progress.advance(task)

    first = loads[0]
    section.raw.append(f"{first['models']:.0f} models, {first['graphs']:.0f} of them graphs")
    for costs in (calls, {f"whole legion, {name}": ms for name, ms in cpu.items()}):
        section.raw += [f"{name:64} {ms:6.3f} ms" for name, ms in sorted(costs.items(), key=lambda item: -item[1])]
    section.raw.append("loads: " + " ".join(f"{x['wall_s']:.2f} s" for x in loads))
    section.raw.append(f"reading alone: {statistics.median(x['read_s'] for x in loads):.2f} s")
    section.raw.append(f"batch: {scored:,} patients, {predictions:,} predictions")
    section.add(f"CPU of a call's models, {dearest}", calls[dearest], "ms", bar=MODELS_MS)
    section.add(f"CPU of the whole legion, {slowest}", cpu[slowest], "ms")
    section.add("CPU of the whole legion, median patient", statistics.median(cpu.values()), "ms")
    section.add("loading all models", statistics.median(x["wall_s"] for x in loads), "s", bar=LOAD_S)
    section.add("memory of all models", statistics.median(x["mb"] for x in loads), "MB", bar=LOAD_MB)
    section.add(
        f"batch scoring, {PROCESSES} processes", minute, "patients a minute", bar=PATIENTS_A_MINUTE, sense="at least"
    )
    return section


def _load() -> dict[str, float]:
    done = subprocess.run([sys.executable, "-c", _LOAD], capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _records(legion: registry.Registry) -> dict[str, Record]:
    now = datetime.now(UTC)
    resources = all_resources(now.date())
    found = {}
    for story in STORIES:
        mine = [r for r in resources if r["id"] == story.id or str(r["id"]).startswith(f"{story.id}-")]
        bundle = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": r} for r in mine]}
        reader = Reader(legion.vocabulary, story.id, now, UTC)
        reader.read(decode(orjson.dumps(bundle)).resources)
        found[story.id] = reader.finish()
    return found


def _cpu_ms(work: Callable[[], object]) -> float:
    start = time.thread_time_ns()
    work()
    return (time.thread_time_ns() - start) / 1e6


def _call(models: Sequence[registry.Model], records: dict[str, Record], rounds: int) -> tuple[str, dict[str, float]]:
    """(the patient that costs most, CPU ms by patient)"""
    samples: dict[str, list[float]] = {name: [] for name in records}
    for turn in range(rounds + 5):
        for name, record in records.items():
            took = _cpu_ms(lambda record=record: _assessed(models, record))
            if turn >= 5:
                samples[name].append(took)
    cpu = {name: statistics.median(values) for name, values in samples.items()}
    return max(cpu, key=lambda name: cpu[name]), cpu


def _assessed(models: Sequence[registry.Model], record: Record) -> None:
    """As the engine asks the models of a service."""
    already: Already = {}
    for model in models:
        model.assess(record, already)


def _cohort(records: dict[str, Record], count: int) -> list[Record]:
    chance = random.Random(20261123)
    found = []
    for number in range(count):
        record = list(records.values())[number % len(records)]
        kept = {name: facts for name, facts in record.facts.items() if chance.random() < 0.9}
        found.append(dataclasses.replace(record, facts=kept))
    return found


def _batch(models: list[registry.Model], cohort: list[Record]) -> tuple[float, int, int]:
    """(patients a minute, patients, predictions), by the code of ``cds models score``. Records are decoded and shared
    with the processes from the start, as a validation would have them; the clock starts when all have begun."""

    def predicted(_: int, answers: tuple[Assessment, ...]) -> int:
        return sum(isinstance(answer, Prediction) for answer in answers)

    with crew(models, cohort.__getitem__, predicted, PROCESSES) as hands:
        start = time.perf_counter()
        predictions = sum(sum(told) for told in hands.score(range(len(cohort))))
        seconds = time.perf_counter() - start
    return len(cohort) / seconds * 60, len(cohort), predictions
