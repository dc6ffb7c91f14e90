"""What one machine keeps up: a soak of half an hour, and one worker process against two."""

from __future__ import annotations

import statistics
from pathlib import Path

import servers
from cpu import templates
from overload import rows_of
from patient_view import USER, WITH_CARD, Ehr, body
from results import Section
from rich.progress import Progress

P99_MS, GROWTH_PERCENT, SCALING = 100.0, 2.0, 1.8
CLIENTS, PAUSE_S = 8, 0.2
MINUTES = 30
WARM = 7
"""Minutes after which nothing is new: a used token is remembered for five and dropped within two more."""


def soak(folder: Path, progress: Progress, *, quick: bool, minutes: int = MINUTES) -> Section:
    """Minute by minute, so that what creeps shows."""
    minutes, seconds = (3, 5.0) if quick else (minutes, 60.0)
    section = Section(
        "soak",
        "Calls for long at a large hospital's pace",
        f"{CLIENTS} clients, each calling after pauses drawn about {PAUSE_S * 1000:.0f} ms, {minutes} rounds of "
        f"{seconds:.0f} s, two workers; signed calls, 50 kB of prefetch, SQLite ledger, metrics and log. Memory is the "
        "proportional set size of the process tree without pages of files, of which a library's share changes with "
        "whatever else on the machine has it open. Used tokens are remembered as long as they are good and up to two "
        f"minutes more, so what creeps is what comes after round {WARM}. A lost row is an answered call without one in "
        "the ledger, an error any answer other than 200 and than the 503 with Retry-After that refuses a call; errors "
        "and refusals are listed with the round in which they came.",
    )
    ehr = Ehr()
    task = progress.add_task("soak", total=minutes)
    p99s, sizes, calls = [], [], 0
    errors: dict[int, int] = {}
    refused: dict[int, int] = {}
    with servers.ours(ehr, folder) as server:
        sent = body(WITH_CARD, templates(server))
        servers.Load(server, sent, ehr, folder, clients=CLIENTS, calls=200, patient=WITH_CARD, user=USER).run()
        before = rows_of(folder)
        for minute in range(1, minutes + 1):
            measured = servers.Load(
                server,
                sent,
                ehr,
                folder,
                clients=CLIENTS,
                seconds=seconds,
                pause=PAUSE_S,
                goes_on=True,
                patient=WITH_CARD,
                user=USER,
                tokens=int(seconds * CLIENTS / PAUSE_S) + 100,
            ).run()
            calls += len(measured.ms)
            errors[minute], refused[minute] = len(measured.faults), len(measured.shed_ms)
            section.raw += [f"round {minute}: {fault[:160]}" for fault in measured.faults[:1]]
            p99s.append(measured.quantile(0.99))
            sizes.append(server.own_memory_mb())
            about = f"soak: {calls} calls, p99 {p99s[-1]:.0f} ms, {sizes[-1]:.0f} MB"
            about += f", {sum(errors.values())} errors, {sum(refused.values())} refused"
            progress.update(task, advance=1, description=about)
        lost = calls - (rows_of(folder) - before)
    section.add("p99, worst round", max(p99s), "ms", bar=P99_MS)
    if len(sizes) > WARM:
        since = sizes[WARM - 1]
        section.add(f"growth of memory after round {WARM}", 100 * (sizes[-1] / since - 1), "%", bar=GROWTH_PERCENT)
    section.add("growth of memory after the first round", 100 * (sizes[-1] / sizes[0] - 1), "%")
    for name, by_round in (("errors", errors), ("refused with 503", refused)):
        section.add(name, sum(by_round.values()), "", bar=0.0)
        if some := [f"{count} in round {minute}" for minute, count in by_round.items() if count]:
            section.raw.append(f"{name}: {', '.join(some)}")
    section.add("lost rows", lost, "", bar=0.0)
    section.add("calls answered", calls, "")
    section.raw.append("p99 by round, ms: " + " ".join(f"{p99:.0f}" for p99 in p99s))
    section.raw.append("memory by round, MB: " + " ".join(f"{size:.0f}" for size in sizes))
    return section


def scaling(folder: Path, progress: Progress, *, quick: bool) -> Section:
    """One and two worker processes in turns, saturated: what the second adds. The load's own process takes CPU, too."""
    rounds, seconds = (1, 4.0) if quick else (3, 30.0)
    section = Section(
        "scaling",
        "One worker process against two",
        f"{CLIENTS} clients that call again at once, {rounds} rounds of {seconds:.0f} s each in turns; otherwise as in "
        "the soak. The clients run on the same processors, so on a machine of two the second worker has to share its "
        "own with them.",
    )
    ehr = Ehr()
    task = progress.add_task("scaling", total=rounds * 2)
    rates: dict[int, list[float]] = {1: [], 2: []}
    for turn in range(rounds):
        for workers in (1, 2):
            place = folder / f"{turn}-{workers}"
            place.mkdir()
            with servers.ours(ehr, place, workers=workers) as server:
                sent = body(WITH_CARD, templates(server))
                servers.Load(server, sent, ehr, place, clients=CLIENTS, calls=100, patient=WITH_CARD, user=USER).run()
                measured = servers.Load(
                    server,
                    sent,
                    ehr,
                    place,
                    clients=CLIENTS,
                    seconds=seconds,
                    patient=WITH_CARD,
                    user=USER,
                    tokens=int(seconds * 600) + 100,
                ).run()
            rates[workers].append(measured.per_second)
            progress.advance(task)
    one, two = statistics.median(rates[1]), statistics.median(rates[2])
    section.add("one worker", one, "calls/s")
    section.add("two workers", two, "calls/s")
    section.add("two against one", two / one, "×", bar=SCALING, sense="at least")
    return section
