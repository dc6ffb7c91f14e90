"""How long a clinician waits: beside a busy processor, and for /health while calls wait on a slow FHIR server."""

from __future__ import annotations

import statistics
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import servers
from cpu import templates
from no_prefetch import answers, asked_for
from patient_view import USER, WITH_CARD, Ehr, body, without_prefetch
from results import Section
from rich.progress import Progress

from cds.imaging_settings import ImagingSettings

CLIENTS, P99_MS, HEALTH_MS, PER_SECOND = 8, 50.0, 10.0, 70.0
UPSTREAM_S = 0.1


def run(folder: Path, progress: Progress, *, quick: bool) -> Section:
    seconds = 5.0 if quick else 60.0
    section = Section(
        "latency",
        "Latency beside other work",
        f"Busy: {CLIENTS} clients call with 50 kB of prefetch for {seconds:.0f} s, two workers, while another process "
        "burns one core at the same priority; once at the pace of a large hospital (about 40 calls a second, each "
        "client after a pause drawn about 0.2 s), once each calling again at once (saturated: what shows is queueing), "
        "and so again with the other process at the priority that `cds worker` gives itself. "
        f"Waiting: one worker, {CLIENTS} clients, no prefetch, each upstream query takes {UPSTREAM_S * 1000:.0f} ms; "
        "meanwhile `/health` is asked 20 times a second.",
    )
    ehr = Ehr()
    task = progress.add_task("latency", total=5)
    _busy(section, ehr, folder, seconds, progress, task)
    _waiting(section, ehr, folder, min(seconds, 30.0), progress, task)
    return section


def _busy(section: Section, ehr: Ehr, folder: Path, seconds: float, progress: Progress, task: object) -> None:
    place = folder / "busy"
    place.mkdir()
    with servers.ours(ehr, place) as server:
        sent = body(WITH_CARD, templates(server))
        servers.Load(server, sent, ehr, place, clients=CLIENTS, calls=200, patient=WITH_CARD, user=USER).run()
        paced: dict[str, Any] = {"pause": 0.2, "tokens": int(seconds * 45) + 100}
        saturated: dict[str, Any] = {"tokens": int(seconds * 600) + 100}
        for name, how, nice in (
            ("paced", paced, 0),
            ("saturated", saturated, 0),
            ("saturated, the job at a worker's priority", saturated, ImagingSettings().nice),
        ):
            about = {"clients": CLIENTS, "seconds": seconds, "patient": WITH_CARD, "user": USER, **how}
            load = servers.Load(server, sent, ehr, place, **about)
            job = subprocess.Popen(["nice", "-n", str(nice), sys.executable, "-c", "while True: pass"])
            try:
                measured = load.run()
            finally:
                job.kill()
                job.wait()
            section.raw.append(
                f"busy, {name}: {len(measured.ms)} calls, {measured.per_second:.0f}/s, "
                f"p50 {statistics.median(measured.ms):.1f} ms, p99 {measured.quantile(0.99):.1f} ms"
            )
            section.add(f"busy, {name}: p50", statistics.median(measured.ms), "ms")
            section.add(f"busy, {name}: p99", measured.quantile(0.99), "ms", bar=P99_MS)
            progress.advance(task)  # type: ignore[arg-type]


def _waiting(section: Section, ehr: Ehr, folder: Path, seconds: float, progress: Progress, task: object) -> None:
    place = folder / "waiting"
    place.mkdir()
    given = answers(asked_for(place, ehr), (UPSTREAM_S,))
    progress.advance(task)  # type: ignore[arg-type]
    with servers.upstream(given, place, WITH_CARD) as far:
        base = f"http://127.0.0.1:{far.port}/fhir"
        with servers.ours(ehr, place, workers=1, fhir=base) as server:
            sent = without_prefetch(WITH_CARD, base)
            servers.Load(server, sent, ehr, place, clients=CLIENTS, calls=40, patient=WITH_CARD, user=USER).run()
            calls = servers.Load(
                server,
                sent,
                ehr,
                place,
                clients=CLIENTS,
                seconds=seconds,
                tokens=int(seconds * 90) + 100,
                patient=WITH_CARD,
                user=USER,
            )
            prober = replace(server, path="/health")
            probes = servers.Load(prober, None, None, place, clients=1, seconds=seconds, pause=0.05)
            calls.start(), probes.start()
            measured, health = calls.finish(), probes.finish()
            progress.advance(task)  # type: ignore[arg-type]
    section.add("waiting: calls per second and worker", measured.per_second, "/s", bar=PER_SECOND, sense="at least")
    section.add("waiting: /health p99", health.quantile(0.99), "ms", bar=HEALTH_MS)
    section.raw.append(
        f"waiting: {len(measured.ms)} calls, p50 {statistics.median(measured.ms):.1f} ms, "
        f"p99 {measured.quantile(0.99):.1f} ms, CPU {measured.cpu_ms:.1f} ms a call; "
        f"/health p50 {statistics.median(health.ms):.1f} ms, p99 {health.quantile(0.99):.1f} ms"
    )
