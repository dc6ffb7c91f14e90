"""Nothing sent along: the whole call against the slowest of its queries. One parallel round, or the sum would show."""

from __future__ import annotations

import json
import re
import statistics
from pathlib import Path

import servers
from cpu import templates
from patient_view import USER, WITH_CARD, Ehr, Json, body, without_prefetch
from results import Section
from rich.progress import Progress

DELAYS_S = (0.08, 0.1, 0.12, 0.15)
TIMES, PLUS_MS = 1.3, 20.0


def answers(found: dict[str, Json], delays: tuple[float, ...]) -> dict[str, dict[str, object]]:
    """Resource type -> what the upstream answers and after how long; the delays go round."""
    return {
        kind: {"delay_s": delays[i % len(delays)], "body": {k: v for k, v in answer.items() if k != "link"}}
        for i, (kind, answer) in enumerate(found.items())
    }


def asked_for(folder: Path, ehr: Ehr) -> dict[str, Json]:
    """Resource type -> the answer to the service's one query for it: the 50 kB that `cpu` sends as prefetch."""
    place = folder / "discovery"
    place.mkdir()
    with servers.ours(ehr, place, workers=1) as server:
        wanted = templates(server)
    kinds = {key: re.split(r"[/?]", template)[0] for key, template in wanted.items()}
    return {kinds[key]: found for key, found in json.loads(body(WITH_CARD, wanted))["prefetch"].items()}


def run(folder: Path, progress: Progress, *, quick: bool) -> Section:
    calls = 20 if quick else 150
    task = progress.add_task("no-prefetch", total=3)
    ehr = Ehr()
    found = asked_for(folder, ehr)
    progress.advance(task)
    given = answers(found, DELAYS_S)
    with servers.upstream(given, folder, WITH_CARD) as far:
        base = f"http://127.0.0.1:{far.port}/fhir"
        with servers.ours(ehr, folder, fhir=base) as server:
            sent = without_prefetch(WITH_CARD, base)
            servers.Load(server, sent, ehr, folder, clients=2, calls=10, patient=WITH_CARD, user=USER).run()
            progress.advance(task)
            measured = servers.Load(
                server, sent, ehr, folder, clients=1, calls=calls, patient=WITH_CARD, user=USER
            ).run()
            progress.advance(task)
    slowest = max(float(str(a["delay_s"])) for a in given.values()) * 1000
    section = Section(
        "no-prefetch",
        "Everything fetched by the service",
        f"{len(given)} queries that take {', '.join(f'{d * 1000:.0f}' for d in DELAYS_S)} ms in turn, one client, "
        f"{calls} calls. The bar is {TIMES} × the slowest query + {PLUS_MS:.0f} ms.",
        raw=[f"{kind:20} {float(str(a['delay_s'])) * 1000:.0f} ms" for kind, a in given.items()],
    )
    bar = TIMES * slowest + PLUS_MS
    section.add("slowest query", slowest, "ms")
    section.add("total, median", statistics.median(measured.ms), "ms", bar=bar)
    section.add("total, 95th percentile", measured.quantile(0.95), "ms", bar=bar)
    section.add("CPU per call", measured.cpu_ms, "ms")
    return section
