"""How many calls a second one machine answers in time, and what becomes of twice as many."""

from __future__ import annotations

import contextlib
import sqlite3
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import servers
from cpu import templates
from patient_view import USER, WITH_CARD, Ehr, body
from results import Section
from rich.progress import Progress

P99_MS, TIMES = 100.0, 2.0
STEPS, KEPT = 6, 0.97
"""Of the search by halves; share of a rate that has to be answered for it to count as sustained."""
MOST_LOWERED = 8
PEER_STEPS, PEER_S = 4, 10.0
"""Of the same search for the peers, which is to say about how far away they are."""
CLIENTS = 96
"""Connections of the load in an open loop: more than are ever in hand at once, so that none waits for a free one."""


@dataclass
class Rig:
    """A running service, and calls at a rate."""

    server: servers.Server
    sent: bytes
    ehr: Ehr | None
    """None: calls are not signed."""
    folder: Path

    def at(self, rate: float, seconds: float) -> servers.Measured:
        """``rate`` calls a second, whether others are answered or not."""
        return self._load(clients=CLIENTS, rate=rate, seconds=seconds, tokens=int(rate * seconds) + CLIENTS)

    def saturated(self, seconds: float) -> servers.Measured:
        """Eight clients that call again as soon as they are answered."""
        return self._load(clients=8, seconds=seconds, tokens=int(seconds * 900) + 100)

    def warm(self) -> None:
        self._load(clients=8, calls=200)

    def rows(self) -> int:
        return rows_of(self.folder)

    def _load(self, **how: float) -> servers.Measured:
        about = {"patient": WITH_CARD, "user": USER, "goes_on": True}
        return servers.Load(self.server, self.sent, self.ehr, self.folder, **about, **how).run()


def rows_of(folder: Path) -> int:
    """Calls in a SQLite ledger."""
    with contextlib.closing(sqlite3.connect(folder / "ledger.db", timeout=30)) as ledger:
        return int(ledger.execute("SELECT count(*) FROM calls").fetchone()[0])


def run(folder: Path, progress: Progress, *, quick: bool) -> Section:
    steps, step_s, hold_s, top_s = (2, 3.0, 4.0, 3.0) if quick else (STEPS, 20.0, 120.0, 10.0)
    peer_steps, peer_s = (1, 3.0) if quick else (PEER_STEPS, PEER_S)
    section = Section(
        "overload",
        "Calls a second in time, and twice as many",
        f"Two workers; signed calls, 50 kB of prefetch with one card, SQLite ledger, metrics and log, another patient "
        "each. Calls come at a rate whether others were answered or not; milliseconds count from when a call was due. "
        f"Sustained is the highest rate that a search by halves ({steps} steps of {step_s:.0f} s) finds with a p99 of "
        f"at most {P99_MS:.0f} ms, no call refused and no fault, and that then holds for {hold_s:.0f} s; one that does "
        f"not hold is lowered by a twentieth, {MOST_LOWERED} times at most. Then {TIMES:g} × that for {hold_s:.0f} s. "
        "A lost row is an answered call without one in the ledger. The load runs on the same processors and takes its "
        "share of them. Then the same search for bare Flask and for HealthChain (both as in `cpu`: two workers, the "
        f"same body, no signature, ledger or metrics), {peer_steps} steps of {peer_s:.0f} s, not held for longer; 0 "
        "when not even a fifth of what it answers saturated comes in time.",
    )
    ehr = Ehr()
    task = progress.add_task("overload", total=steps + 4 + 2 * (peer_steps + 1))
    with servers.ours(ehr, folder) as server:
        rig = Rig(server, body(WITH_CARD, templates(server)), ehr, folder)
        rig.warm()
        before, top = rig.rows(), rig.saturated(top_s)
        answered = len(top.ms)
        progress.advance(task)

        def tried(rate: float, seconds: float) -> servers.Measured:
            nonlocal answered
            measured = rig.at(rate, seconds)
            answered += len(measured.ms)
            section.raw += [_line(rate, measured), *(fault[:160] for fault in measured.faults[:1])]
            progress.advance(task)
            return measured

        section.raw.append(f"saturated by eight clients: {top.per_second:.0f}/s, p99 {top.quantile(0.99):.0f} ms")
        rate = searched(
            lambda rate: in_time(rate, tried(rate, step_s)), 0.2 * top.per_second, 1.25 * top.per_second, steps
        )
        held = tried(rate, hold_s)
        for _ in range(MOST_LOWERED):
            if in_time(rate, held):
                break
            rate *= 0.95
            held = tried(rate, hold_s)
        over = tried(TIMES * rate, hold_s)
        after = tried(rate, step_s)
        lost = answered - (rig.rows() - before)
    peers = {}
    for started in (servers.bare(folder), servers.healthchain(folder)):
        with started as server:
            peer = Rig(server, rig.sent, None, folder)
            peers[server.name] = _sustained_by(peer, section, peer_steps, peer_s, lambda: progress.advance(task))
    came = len(over.ms) + len(over.shed_ms) + len(over.faults)
    section.add("sustained", rate, "calls/s")
    section.add("sustained: p99", held.quantile(0.99), "ms", bar=P99_MS)
    section.add("sustained: errors", len(held.faults), "", bar=0.0)
    section.add(f"{TIMES:g} × as many: p99 of answered calls", over.quantile(0.99), "ms", bar=P99_MS)
    section.add(f"{TIMES:g} × as many: answered", over.per_second, "calls/s")
    section.add(f"{TIMES:g} × as many: refused with 503 and Retry-After", 100 * len(over.shed_ms) / came, "% of calls")
    if over.shed_ms:
        section.add(f"{TIMES:g} × as many: a refusal takes, median", statistics.median(over.shed_ms), "ms")
    section.add(f"{TIMES:g} × as many: errors", len(over.faults), "", bar=0.0)
    section.add("and back at the sustained rate: p99", after.quantile(0.99), "ms", bar=P99_MS)
    section.add("lost rows", lost, "", bar=0.0)
    section.add("calls answered", answered, "")
    for name, reached in peers.items():
        section.add(f"{name}: sustained", reached, "calls/s")
    return section


def _sustained_by(peer: Rig, section: Section, steps: int, step_s: float, advance: Callable[[], None]) -> float:
    """Calls a second; 0 when not even the least that is tried comes in time."""
    peer.warm()
    top = peer.saturated(step_s).per_second
    advance()

    def holds(rate: float) -> bool:
        measured = peer.at(rate, step_s)
        section.raw.append(f"{peer.server.name}: {_line(rate, measured)}")
        advance()
        return in_time(rate, measured)

    least = 0.2 * top
    found = searched(holds, least, 1.25 * top, steps)
    return found if found > least or holds(least) else 0.0


def searched(holds: Callable[[float], bool], low: float, high: float, steps: int) -> float:
    """The highest rate found that holds; ``low`` is taken to."""
    for _ in range(steps):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def in_time(rate: float, measured: servers.Measured) -> bool:
    enough = measured.per_second >= KEPT * rate
    return enough and not measured.shed_ms and not measured.faults and measured.quantile(0.99) <= P99_MS


def _line(rate: float, measured: servers.Measured) -> str:
    return (
        f"{rate:6.0f}/s due: {measured.per_second:.0f}/s answered, p50 {measured.quantile(0.5):.0f} ms, "
        f"p99 {measured.quantile(0.99):.0f} ms, {len(measured.shed_ms)} refused, {len(measured.faults)} errors, "
        f"CPU {measured.cpu_ms:.1f} ms a call"
    )
