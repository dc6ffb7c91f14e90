"""CPU per 50 kB patient-view call: ours beside a bare Flask endpoint and beside HealthChain, in turns, in one run."""

from __future__ import annotations

import contextlib
import json
import statistics
import urllib.request
from collections import defaultdict
from pathlib import Path

import servers
from patient_view import USER, WITH_CARD, WITHOUT_CARD, Ehr, body, holds
from results import Section
from rich.progress import Progress

TIMES_BARE, TIMES_LESS = 2.5, 10.0


def templates(server: servers.Server, service: str = "pancreas-risk") -> dict[str, str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/cds-services", timeout=10) as answer:
        listed = json.loads(answer.read())["services"]
    found: dict[str, str] = next(s["prefetch"] for s in listed if s["id"] == service)
    return found


def run(folder: Path, progress: Progress, *, quick: bool) -> Section:
    rounds, calls, peer_calls = (2, 200, 60) if quick else (7, 800, 150)
    section = Section(
        "cpu",
        "CPU per 50 kB patient-view call with prefetch",
        "User and system time of the server's process tree per call, closed loop of four keep-alive clients in another "
        "process, another patient id each call. Ours: `cds serve`, two workers, a fresh RS384 token each call, every "
        "model, SQLite ledger, metrics, log. Bare: Flask and gunicorn gthread, two workers, `request.get_json()` and a "
        "constant answer. HealthChain: uvicorn, two workers, `CdsFhirAdapter` and one rule, no authentication. "
        f"{rounds} rounds, the servers taking turns; ratios are medians of the rounds' own ratios.",
    )
    found: dict[str, list[float]] = defaultdict(list)
    ehr = Ehr()
    with contextlib.ExitStack() as running:
        ours = running.enter_context(servers.ours(ehr, folder))
        others = [running.enter_context(servers.bare(folder)), running.enter_context(servers.healthchain(folder))]
        bodies = {name: body(name, templates(ours)) for name in (WITH_CARD, WITHOUT_CARD)}
        section.raw += [f"{name}: {holds(sent)}" for name, sent in bodies.items()]
        task = progress.add_task("cpu", total=(rounds + 1) * 2 * 3)
        for turn in range(rounds + 1):  # the first one warms up and does not count
            for name, sent in bodies.items():
                for server in (ours, *others):
                    count = peer_calls if server.name == "HealthChain" else calls
                    signer = ehr if server is ours else None
                    measured = servers.Load(
                        server, sent, signer, folder, clients=4, calls=count, patient=name, user=USER
                    ).run()
                    if turn:
                        found[f"{server.name}, {name}"].append(measured.cpu_ms)
                    progress.advance(task)
    for key, values in found.items():
        section.raw.append(f"{key:28} median {statistics.median(values):6.2f} ms   rounds: {_listed(values)}")
    for story, says in ((WITHOUT_CARD, "no card"), (WITH_CARD, "one card")):
        mine, floor, peer = (found[f"{who}, {story}"] for who in ("ours", "bare", "HealthChain"))
        section.add(f"ours, {says}", statistics.median(mine), "ms")
        section.add(f"ours / bare, {says}", _ratio(mine, floor), "×", bar=TIMES_BARE)
        section.add(f"HealthChain / ours, {says}", _ratio(peer, mine), "×", bar=TIMES_LESS, sense="at least")
    return section


def _ratio(above: list[float], below: list[float]) -> float:
    """Median of the rounds' own ratios: what disturbs the machine disturbs both sides of a round."""
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


def _listed(values: list[float]) -> str:
    return " ".join(f"{v:.2f}" for v in values)
