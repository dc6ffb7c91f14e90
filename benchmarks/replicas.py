"""Three web processes and two study workers on one PostgreSQL, against one web process on it: calls per core."""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import servers
from cpu import templates
from patient_view import USER, WITH_CARD, Ehr, body
from results import Section
from rich.progress import Progress

WEB, STUDY, PER_CORE, CLIENTS = 3, 2, 0.85, 12


@dataclass(frozen=True)
class Site:
    """Servers that share one database, as one to call."""

    server: servers.Server
    sent: bytes
    ehr: Ehr
    folder: Path
    database: str

    def rows(self) -> int:
        import psycopg

        with psycopg.connect(self.database) as connection:
            found = connection.execute("SELECT count(*) FROM calls").fetchone()
        return int(found[0]) if found else 0

    def load(self, **how: float) -> servers.Measured:
        about = {"clients": CLIENTS, "patient": WITH_CARD, "user": USER, "goes_on": True}
        return servers.Load(self.server, self.sent, self.ehr, self.folder, **about, **how).run()


def run(folder: Path, progress: Progress, *, quick: bool) -> Section:
    rounds, seconds = (1, 4.0) if quick else (3, 30.0)
    section = Section(
        "replicas",
        f"{WEB} web processes and {STUDY} workers on one PostgreSQL",
        f"{CLIENTS} clients that call again at once, {rounds} rounds of {seconds:.0f} s each in turns: one web process "
        f"of one worker on a PostgreSQL of its own database, then {WEB} such processes with a data folder each, among "
        f"which the clients are shared out, and {STUDY} study workers that look for work, all on one database. Signed "
        "calls, 50 kB of prefetch with one card, metrics and log. PostgreSQL with fsync, on this machine. Per core: "
        "calls by the seconds of processor time that web processes, workers and PostgreSQL took together, so that the "
        "load and other programs do not count. A lost row is an answered call without one in the database.",
    )
    sys.path.append(str(servers.ROOT / "tests" / "plugins"))
    from postgres_server import PostgresServer

    ehr = Ehr()
    found: dict[str, list[servers.Measured]] = {"one": [], "several": []}
    lost = 0
    task = progress.add_task("replicas", total=2 * rounds)
    cluster = tempfile.TemporaryDirectory(prefix="cds-bench-postgres-")  # its user can't enter ours
    postgres = PostgresServer(Path(cluster.name), durable=True)
    postgres.start()
    try:
        for turn in range(rounds):
            for name, web, study in (("one", 1, 0), ("several", WEB, STUDY)):
                place = folder / f"{turn}-{name}"
                place.mkdir()
                database = postgres.create_database(f"{name}{turn}")
                with _site(ehr, place, database, postgres.pid, web, study) as site:
                    site.load(calls=200)
                    before = site.rows()
                    measured = site.load(seconds=seconds, tokens=int(seconds * 900) + 100)
                    lost += len(measured.ms) - (site.rows() - before)
                found[name].append(measured)
                progress.advance(task)
    finally:
        postgres.kill()
        cluster.cleanup()
    one, several = ([1000 / m.cpu_ms for m in found[name]] for name in ("one", "several"))
    for name, says in (("one", "one web process"), ("several", f"{WEB} web processes and {STUDY} workers")):
        section.add(says, statistics.median(m.per_second for m in found[name]), "calls/s")
        section.add(f"{says}: p99", statistics.median(m.quantile(0.99) for m in found[name]), "ms")
        section.add(f"{says}, per core", statistics.median(1000 / m.cpu_ms for m in found[name]), "calls/s")
    ratio = statistics.median(b / a for a, b in zip(one, several, strict=True))
    section.add("several against one, per core", ratio, "×", bar=PER_CORE, sense="at least")
    errors = [fault for measured in (*found["one"], *found["several"]) for fault in measured.faults]
    section.add("errors", len(errors), "", bar=0.0)
    section.add("refused with 503", sum(len(m.shed_ms) for ms in found.values() for m in ms), "", bar=0.0)
    section.add("lost rows", lost, "", bar=0.0)
    section.raw += sorted({fault[:160] for fault in errors})[:5]
    return section


@contextlib.contextmanager
def _site(ehr: Ehr, folder: Path, database: str, postgres: int, web: int, study: int) -> Iterator[Site]:
    """``web`` processes known under one address, and ``study`` workers."""
    (folder / "shared.key").write_text(os.urandom(32).hex(), encoding="ascii")
    shared = {"database_url": database, "ledger_key_file": str(folder / "shared.key")}
    base = "http://cds.bench.invalid"
    with contextlib.ExitStack() as running:
        started = []
        for number in range(web):
            place = folder / f"web{number}"
            place.mkdir()
            started.append(running.enter_context(servers.ours(ehr, place, workers=1, base=base, **shared)))
        workers = [running.enter_context(_worker(folder / "web0" / "cds.toml", number)) for number in range(study)]
        whole = replace(
            started[0],
            ports=tuple(server.port for server in started),
            beside=(*(server.pid for server in started[1:]), *(worker.pid for worker in workers), postgres),
        )
        _settled(whole)
        yield Site(whole, body(WITH_CARD, templates(whole)), ehr, folder, database)


def _settled(server: servers.Server, patience_s: float = 60.0) -> None:
    """What processes compute to start is none of the calls'."""
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        before = server.cpu_s()
        time.sleep(1)
        if server.cpu_s() - before < 0.1:
            return


@contextlib.contextmanager
def _worker(settings: Path, number: int) -> Iterator[subprocess.Popen[Any]]:
    command = [sys.executable, "-m", "cds", "--settings", str(settings), "worker"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CDS_")}
    with (settings.parent / f"worker{number}.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=settings.parent)
    try:
        yield process
        if process.poll() is not None:
            raise SystemExit(f"a study worker ended: {(settings.parent / f'worker{number}.log').read_text()[-1000:]}")
    finally:
        process.kill()
        process.wait()
