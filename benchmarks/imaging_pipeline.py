"""A study from a real PACS through `cds worker` to its stored result: seconds, memory, share of the network; and how
long clinicians wait for their cards meanwhile.

The study is a phantom that the shipped network assesses, as large as a CT of the abdomen. Beside the worker, a process
of its own does the least that any worker must: fetch, decode and the network's own runs.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import statistics
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
if TYPE_CHECKING:
    from rich.progress import Progress

    from cds.jobs import Job, Jobs

MODEL = "pancreas-ct-demo"
SLICES, SIZE, THREADS = 200, 512, 2
SECONDS, MEMORY_GB, SHARE, P99_MS = 20.0, 2.0, 1.3, 50.0
STUDY = "1.2.826.0.1.3680043.10.9.7"
SERIES = ("Native 1.2", "Arterial 1.2", "Portal venous 1.2")
CLIENTS, LOAD_S, QUEUED = 8, 30.0, 3


def run(folder: Path, progress: Progress, *, quick: bool) -> Any:
    sys.path.append(str(ROOT / "tests" / "plugins"))
    from orthanc import Orthanc
    from results import Section

    rounds = 1 if quick else 9
    section = Section(
        "imaging-pipeline",
        "One study from the PACS to its stored result",
        f"A phantom of {SLICES} x {SIZE} x {SIZE}, uncompressed, in Orthanc on this machine; `cds worker` with "
        f"{THREADS} threads and the shipped network; from the claim of the job to its end, median of {rounds} studies "
        "after one that loads the network. `least`: fetch, decode and stack, the quickest of imaging-fetch's bare way, "
        "the worker's own and what the worker's log says, and the network's own runs on the same windows, without "
        "resampling, candidates or storing; in a process of its own, in turns. Memory: VmHWM of the worker. Written "
        f"back: {len(SERIES)} series ({', '.join(SERIES)}), one of them chosen, and SEG and SR into the archive, as a "
        f"demonstration. Cards: {CLIENTS} clients at the pace of a large hospital (about 40 calls a second, 50 kB of "
        f"prefetch) for {LOAD_S:.0f} s, two web workers, while one study is read and {QUEUED} wait, all the time; "
        "their p99 is held against the bar of that pace, and says nothing of an overload.",
    )
    task = progress.add_task("imaging-pipeline", total=rounds * 2 + 4)
    (folder / "pacs").mkdir()
    pacs = Orthanc(folder / "pacs")
    pacs.start()
    try:
        whole, count = _phantom(), 1 + rounds + QUEUED + 1
        for number in range(count):
            pacs.store(_stored(whole, number))
        for number in (count, count + 1):
            for at, name in enumerate(SERIES, start=1):
                pacs.store(_stored(whole, number, at, name))
        progress.advance(task)
        _alone(section, pacs, folder, rounds, lambda: progress.advance(task))
        _written_back(section, pacs, folder, first=count)
        progress.advance(task)
        _beside_cards(section, pacs, folder, first=1 + rounds, seconds=5.0 if quick else LOAD_S)
        progress.advance(task)
    finally:
        pacs.kill()
    return section


def _alone(section: Any, pacs: Any, folder: Path, rounds: int, step: Any) -> None:
    from patient_view import Ehr

    settings = _service(Ehr(), pacs, folder / "alone")[1]
    ours, cpu, least = [], [], []
    with _queue(settings) as (jobs, ask), _worker(settings) as worker:
        first = _seconds(_done(jobs, ask(0)))
        step()
        for number in range(1, 1 + rounds):
            before = _cpu_s(worker)
            ours.append(_seconds(_done(jobs, ask(number))))
            cpu.append(_cpu_s(worker) - before)
            step()
            least.append(_least_of(pacs, number))
            step()
        peak = _peak_gb(worker)
    middle = {name: statistics.median(one[name] for one in least) for name in least[0]}
    section.add("claim to stored result, network loaded", statistics.median(ours), "s", bar=SECONDS)
    section.add("claim to stored result, the worker's first", first, "s", bar=SECONDS)
    section.add("peak memory of the worker", peak, "GB", bar=MEMORY_GB)
    stages = _stages(settings)
    decode = min(middle["least_s"], middle["ours_s"], stages["fetch"] / 1000)
    decode_cpu = min(middle["least_cpu_s"], middle["ours_cpu_s"])
    wall, spent = decode + middle["network_s"], decode_cpu + middle["network_cpu_s"]
    section.add("wall, ours / least", statistics.median(ours) / wall, "×", bar=SHARE)
    section.add("CPU, ours / least", statistics.median(cpu) / spent, "×", bar=SHARE)
    section.raw += [
        f"ours   wall {statistics.median(ours):.2f} s ({min(ours):.2f} to {max(ours):.2f})  "
        f"CPU {statistics.median(cpu):.2f} s",
        f"least  wall: fetch, decode and stack {decode:.2f} s, network {middle['network_s']:.2f} s  "
        f"CPU: {decode_cpu:.2f} s, {middle['network_cpu_s']:.2f} s",
        f"fetch, decode and stack alone: imaging-fetch's bare way {middle['least_s']:.2f} s, the worker's "
        f"{middle['ours_s']:.2f} s, the latter in the worker's log {stages['fetch'] / 1000:.2f} s",
        f"resampling on the CPU: {middle['resampling_s']:.2f} of the analysis's {middle['analysis_s']:.2f} s, "
        f"{100 * middle['resampling_s'] / middle['analysis_s']:.0f} %",
        "ours   " + ", ".join(f"{name} {ms:.0f} ms" for name, ms in stages.items()),
    ]


def _written_back(section: Any, pacs: Any, folder: Path, *, first: int) -> None:
    """``first``: a study of several series, as is the one after it; the first loads the network and what writes."""
    from patient_view import Ehr

    settings = _service(Ehr(), pacs, folder / "written", write=True)[1]
    with _queue(settings) as (jobs, ask), _worker(settings) as worker:
        _done(jobs, ask(first))
        job = _done(jobs, ask(first + 1))
        peak = _peak_gb(worker)
    written = (job.result or {}).get("written", {})
    if len(written.get("pacs", {}).get("objects", ())) != len(("seg", "sr")):
        raise SystemExit(f"SEG and SR were not written back: {written}")
    section.add("several series, written back: claim to stored result", _seconds(job), "s", bar=SECONDS)
    section.add("several series, written back: peak memory of the worker", peak, "GB", bar=MEMORY_GB)


def _beside_cards(section: Any, pacs: Any, folder: Path, *, first: int, seconds: float) -> None:
    import servers
    from cpu import templates
    from patient_view import USER, WITH_CARD, Ehr, body

    ehr = Ehr()
    service, settings = _service(ehr, pacs, folder / "beside")
    with service as server, _queue(settings) as (jobs, ask):
        sent = body(WITH_CARD, templates(server))
        about = {"clients": CLIENTS, "patient": WITH_CARD, "user": USER}
        warm: dict[str, Any] = {**about, "calls": 200}
        servers.Load(server, sent, ehr, folder, **warm).run()
        paced: dict[str, Any] = {**about, "seconds": seconds, "pause": 0.2}
        loads = [servers.Load(server, sent, ehr, folder, **paced, tokens=int(seconds * 45) + 100) for _ in range(2)]
        idle = loads[0].run()
        asked = [ask(number) for number in range(first, first + QUEUED + 1)]
        with _worker(settings), _kept_waiting(jobs, asked) as read:
            _until(lambda: jobs.depth()["running"])
            begun = len(read)
            beside = loads[1].run()
            finished = len(read) - begun
    section.add("cards at a large hospital's pace while studies are read: p99", beside.quantile(0.99), "ms", bar=P99_MS)
    section.raw += [
        f"cards, {name}: {len(m.ms)} calls, p50 {statistics.median(m.ms):.1f} ms, p99 {m.quantile(0.99):.1f} ms"
        for name, m in (("no study", idle), ("studies read", beside))
    ]
    section.raw.append(f"studies read while the cards were asked for: {finished}")


def _service(ehr: Any, pacs: Any, place: Path, *, write: bool = False) -> tuple[Any, Path]:
    """A service as a hospital runs it, with the PACS in its settings; and the settings, for a worker. ``write``: what
    it finds goes back to the PACS, which is for demonstrations with this network, and for policies that enable it."""
    import servers

    import hooks
    from cds.demo.imaging import policy_with

    place.mkdir()
    opened = place / "policy.yaml"
    packaged = (Path(hooks.__file__).parent / "policy.yaml").read_text(encoding="utf-8")
    opened.write_text(policy_with(packaged, MODEL), encoding="utf-8")
    service = servers.ours(ehr, place, **({"environment": "demo", "policy_file": str(opened)} if write else {}))
    settings = place / "cds.toml"
    with settings.open("a", encoding="utf-8") as file:
        file.write(
            f'\n[pacs.main]\nurl = "{pacs.base}"\nuser = "{pacs.user}"\npassword = "{pacs.password}"\n'
            f'\n[imaging]\ndevice = "cpu"\nthreads = {THREADS}\nquiet_period_s = 0\n'
            f"write_pacs = {str(write).lower()}\n"
        )
    return service, settings


@contextlib.contextmanager
def _queue(settings: Path) -> Iterator[tuple[Jobs, Any]]:
    """The queue, and what asks for the study of a number: by hand, since in production this network runs unasked for
    nobody."""
    from cds.app import create_engine
    from cds.ledger.migrate import upgrade
    from cds.settings import load
    from cds.studies.about import About

    given = load(settings)
    upgrade(given.ledger_url)
    engine = create_engine(given)

    def ask(number: int) -> int:
        [(job, _)] = engine.studies.intake.ask(About(f"{STUDY}.{number}"), "bench", "hand", only=[MODEL]).jobs
        return job.id

    yield engine.studies.jobs, ask
    engine.ledger.close()
    engine.studies.jobs.close()


@contextlib.contextmanager
def _kept_waiting(jobs: Jobs, asked: list[int]) -> Iterator[list[int]]:
    """Whatever study is done waits again, so that there is always one being read and others behind it."""
    from cds.studies.again import repeat

    read: list[int] = []
    stopping = threading.Event()

    def work() -> None:
        while not stopping.wait(0.1):
            for id in asked:
                job = jobs.get(id)
                if job is not None and job.state == "done" and repeat(jobs, job):
                    read.append(id)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield read
    finally:
        stopping.set()
        thread.join()


@contextlib.contextmanager
def _worker(settings: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "cds", "--settings", str(settings), "worker"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CDS_")}
    with (settings.parent / "worker.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=settings.parent)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _done(jobs: Jobs, id: int) -> Job:
    def ended() -> Job | None:
        found = jobs.get(id)
        return found if found is not None and found.state in ("done", "dead") else None

    job: Job = _until(ended)
    if (job.result or {}).get("outcome") != "assessed":
        raise SystemExit(f"the study was not assessed: {job.reason or job.result}")
    return job


def _until(condition: Any, seconds: float = 180.0) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.05)
    raise SystemExit("the worker did not come so far in time")


def _seconds(job: Job) -> float:
    assert job.started_at is not None and job.finished_at is not None
    return (job.finished_at - job.started_at) / timedelta(seconds=1)


def _peak_gb(process: subprocess.Popen[bytes]) -> float:
    for line in Path(f"/proc/{process.pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e9
    raise SystemExit("no VmHWM of the worker")


def _cpu_s(process: subprocess.Popen[bytes]) -> float:
    """User and system time of the worker so far; its threads included."""
    import servers

    return sum(int(ticks) for ticks in servers._stat(process.pid)[11:13]) / os.sysconf("SC_CLK_TCK")


def _stages(settings: Path) -> dict[str, float]:
    """Where the time went, from the worker's own log: the median ms of each stage, without the first study."""
    found: dict[str, list[float]] = {}
    for line in (settings.parent / "worker.log").read_text(encoding="utf-8").splitlines():
        if "study.times" in line:
            for name, ms in re.findall(r"(\w+)_ms=(\d+)", line):
                found.setdefault(name, []).append(float(ms))
    return {name: statistics.median(ms[1:]) for name, ms in found.items()}


def _phantom() -> Any:
    """[SLICES, SIZE, SIZE] HU of a body with a lesion that the shipped network assesses, finer than it was made."""
    from scipy import ndimage

    from hooks.stories import studies

    scan = studies.IMAGED[0].scans[-1]
    made = studies._phantom().make(scan.seed, lesion=scan.lesion_mm is not None, lesion_mm=scan.lesion_mm)
    factors = [n / m for n, m in zip((SLICES, SIZE, SIZE), made.ct.shape, strict=True)]
    fine = ndimage.zoom(made.ct.astype(np.float32), factors, order=1, grid_mode=True, mode="nearest")
    spacing = tuple(mm / f for mm, f in zip(made.spacing, factors, strict=True))
    return np.clip(np.rint(fine), -1024, 3071).astype(np.int16), spacing


def _stored(phantom: Any, number: int, series: int = 1, name: str = "Portal venous 1.2") -> list[bytes]:
    from ct_series import slices_of, stored

    hu, spacing = phantom
    uid = f"{STUDY}.{number}"
    named = {"StudyDescription": "CT abdomen, generated phantom", "SeriesDescription": name}
    return [stored(ds) for ds in slices_of(hu, spacing=spacing, study_uid=uid, series_uid=f"{uid}.{series}", **named)]


def _least_of(pacs: Any, number: int) -> dict[str, float]:
    command = [
        sys.executable,
        __file__,
        pacs.base,
        pacs.user,
        pacs.password,
        f"{STUDY}.{number}",
        f"{STUDY}.{number}.1",
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def measure() -> None:
    """In the process of its own: decoding in both ways, then the network's runs alone, and the resampling; seconds of
    each as JSON."""
    import imaging_fetch

    from cds.inference import registry
    from cds.inference.volumes import analyse
    from cds.inference.volumes.analyse import Analysis, Assessed
    from cds.inference.volumes.network import Device, Network

    parser = argparse.ArgumentParser()
    for name in ("base", "user", "password", "study", "series"):
        parser.add_argument(name)
    given = parser.parse_args()
    model = registry.load([ROOT / "models"])[MODEL]
    bundle = model.manifest.runtime.volume
    assert bundle is not None
    analysis = Analysis(bundle, model.folder, Device(threads=THREADS, provider="cpu"))
    spent: dict[str, float] = defaultdict(float)

    @contextlib.contextmanager
    def clock(name: str) -> Iterator[None]:
        begin, cpu = time.perf_counter(), time.process_time()
        yield
        spent[f"{name}_s"] += time.perf_counter() - begin
        spent[f"{name}_cpu_s"] += time.process_time() - cpu

    for name, way in (("least", imaging_fetch._least), ("ours", imaging_fetch._ours)):
        fetch = way(given)
        fetch()  # a worker has fetched before
        with clock(name):
            hu = fetch()

    def timed(name: str, real: Any) -> Any:
        def call(*given: Any) -> Any:
            with clock(name):
                return real(*given)

        return call

    Network.__call__ = timed("network", Network.__call__)  # type: ignore[method-assign]
    for name in ("resampled", "coarsened"):
        setattr(analyse, name, timed("resampling", getattr(analyse, name)))
    scale = [80 / SLICES * 3.0, 176 / SIZE * 2.0, 176 / SIZE * 2.0]
    with clock("analysis"):
        found = analysis(hu, (scale[0], scale[1], scale[2]))
    assert isinstance(found, Assessed)
    sys.stdout.write(json.dumps(spent))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))  # a checkout that is not installed works as well
    measure()
