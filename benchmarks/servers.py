"""Real servers as child processes: started, waited for, measured from outside, stopped.

CPU is user + system time of the whole process tree, from ``/proc`` (Linux); memory is the proportional set size, which
counts what forked workers share once.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from load import Spec
from patient_view import Ehr

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PEER = ROOT / ".cache" / "bench-healthchain"
PEER_VERSION = "0.16.1"
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Server:
    name: str
    pid: int
    port: int
    path: str
    audience: str = ""
    ports: tuple[int, ...] = ()
    """Of several that share the load; empty: this one alone."""
    beside: tuple[int, ...] = ()
    """Further processes whose trees count as the server's."""

    def tree(self) -> list[int]:
        """This process and all below it, and those beside it."""
        children: dict[int, list[int]] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    parent = int(_stat(int(entry.name))[1])
                    children.setdefault(parent, []).append(int(entry.name))
        found, open_ends = [], [self.pid, *self.beside]
        while open_ends:
            pid = open_ends.pop()
            found.append(pid)
            open_ends += children.get(pid, [])
        return found

    def cpu_s(self) -> float:
        """User and system time used so far by the tree, seconds; the clock ticks every 10 ms."""
        total = 0
        for pid in self.tree():
            with contextlib.suppress(OSError):
                total += sum(int(ticks) for ticks in _stat(pid)[11:13])
        return total / _TICK

    def memory_mb(self) -> dict[int, tuple[float, float]]:
        """Process id -> (resident, proportional) megabytes."""
        found = {}
        for pid in self.tree():
            fields = _memory(pid)
            found[pid] = (fields["Rss"] * 1024 / 1e6, fields["Pss"] * 1024 / 1e6)
        return found

    def own_memory_mb(self) -> float:
        """Proportional megabytes of the tree without pages of files: a process's share of a library's code changes with
        whatever else on the machine has it open."""
        return sum(fields["Pss_Anon"] + fields["Pss_Shmem"] for fields in map(_memory, self.tree())) * 1024 / 1e6


def _memory(pid: int) -> dict[str, int]:
    """Kilobytes by kind."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    return {line.split(":")[0]: int(line.split()[1]) for line in text.splitlines()[1:]}


def _stat(pid: int) -> list[str]:
    # the name, in brackets, may hold blanks
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()


def ours(
    ehr: Ehr, folder: Path, *, workers: int = 2, fhir: str | None = None, base: str = "", **settings: str
) -> contextlib.AbstractContextManager[Server]:
    """`cds serve` as a hospital runs it: signed calls, all models, SQLite ledger, metrics, log. ``base``: the address
    that callers know, where it is another. ``settings``: further ones."""
    port = free_port()
    base = base or f"http://127.0.0.1:{port}"
    (folder / "jwks.json").write_text(json.dumps(ehr.jwks), encoding="utf-8")
    (folder / "ledger.key").write_text(secrets.token_hex(32), encoding="ascii")
    own = {"ledger_key_file": str(folder / "ledger.key"), **settings}
    (folder / "cds.toml").write_text(
        f"""\
public_url = "{base}"
port = {port}
workers = {workers}
leaving_s = 0
data_dir = {json.dumps(str(folder))}
{"".join(f"{name} = {json.dumps(value)}" + chr(10) for name, value in own.items())}
[clients.bench]
issuer = "{ehr.issuer}"
jwks_file = {json.dumps(str(folder / "jwks.json"))}
fhir_servers = {json.dumps([fhir] if fhir else [])}
""",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "cds", "--settings", str(folder / "cds.toml"), "serve"]
    path = "/cds-services/pancreas-risk"
    return _running("ours", command, port, path, "/health", folder, audience=base + path)


def bare(folder: Path) -> contextlib.AbstractContextManager[Server]:
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--chdir", str(HERE), "--bind", f"127.0.0.1:{port}"]
    command += ["--workers", "2", "--threads", "16", "--worker-class", "gthread", "--keep-alive", "30"]
    command += ["--log-level", "warning", "bare_server:app"]
    return _running("bare", command, port, "/cds-services/bare", "/health", folder)


def healthchain(folder: Path) -> contextlib.AbstractContextManager[Server]:
    """Its own virtual environment, made on first use: it pins other versions of our libraries."""
    python = PEER / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(PEER)], check=True)
    asked = subprocess.run([python, "-m", "pip", "show", "healthchain"], capture_output=True, text=True, check=False)
    if f"Version: {PEER_VERSION}" not in asked.stdout:
        subprocess.run([python, "-m", "pip", "install", "-q", f"healthchain=={PEER_VERSION}"], check=True)
    port = free_port()
    command = [str(python), "-m", "uvicorn", "--app-dir", str(HERE), "--port", str(port), "--workers", "2"]
    command += ["--log-level", "warning", "healthchain_server:app"]
    return _running("HealthChain", command, port, "/cds/cds-services/bench", "/cds/cds-discovery", folder)


def upstream(
    answers: dict[str, dict[str, object]], folder: Path, patient: str
) -> contextlib.AbstractContextManager[Server]:
    port = free_port()
    (folder / "answers.json").write_text(json.dumps(answers), encoding="utf-8")
    command = [sys.executable, str(HERE / "upstream.py"), str(port), str(folder / "answers.json"), patient]
    return _running("upstream", command, port, "/fhir", f"/fhir/Patient/{patient}", folder)


@contextlib.contextmanager
def _running(
    name: str, command: list[str], port: int, path: str, alive: str, folder: Path, audience: str = ""
) -> Iterator[Server]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CDS_")}
    log = folder / f"{name}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment, cwd=folder)
    try:
        _wait(f"http://127.0.0.1:{port}{alive}", process, log)
        yield Server(name, process.pid, port, path, audience)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(url: str, process: subprocess.Popen[bytes], log: Path, patience_s: float = 60.0) -> None:
    end = time.monotonic() + patience_s
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.005)
    raise SystemExit(f"{url} did not come up; {log} ends with:\n{log.read_text(errors='replace')[-2000:]}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Measured:
    ms: list[float]
    wall_s: float
    cpu_ms: float
    """CPU of the server's process tree per call."""
    shed_ms: tuple[float, ...] = ()
    """Of calls answered with 503 and Retry-After."""
    faults: tuple[str, ...] = ()
    """Whatever else was answered."""

    @property
    def per_second(self) -> float:
        return len(self.ms) / self.wall_s

    def quantile(self, q: float) -> float:
        if not self.ms:
            return float("inf")
        ordered = sorted(self.ms)
        return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


class Load:
    """One load process in the making: what it needs lies in files before the clock starts."""

    def __init__(self, server: Server, body: bytes | None, ehr: Ehr | None, folder: Path, **how: float | str) -> None:
        count = int(how.pop("tokens", 0) or how.get("calls", 0))
        self._server = server
        self._folder = Path(tempfile.mkdtemp(dir=folder))
        names = {"body": "", "tokens": ""}
        if body is not None:
            names["body"] = str(self._folder / "body.json")
            Path(names["body"]).write_bytes(body)
        if ehr is not None:
            names["tokens"] = str(self._folder / "tokens.txt")
            Path(names["tokens"]).write_text("\n".join(ehr.tokens(server.audience, count)), encoding="ascii")
        spec = Spec(**{"port": server.port, "ports": server.ports, "path": server.path, **names, **how})  # type: ignore[arg-type]
        (self._folder / "spec.json").write_text(json.dumps(asdict(spec)), encoding="utf-8")
        self._process: subprocess.Popen[str] | None = None
        self._cpu = 0.0

    def start(self) -> Load:
        self._cpu = self._server.cpu_s()
        command = [sys.executable, str(HERE / "load.py"), str(self._folder / "spec.json")]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        return self

    def finish(self) -> Measured:
        if self._process is None:
            raise SystemExit("the load was never started")
        out, err = self._process.communicate(timeout=600)
        if self._process.returncode != 0:
            raise SystemExit(f"{self._server.name}: {err.strip()[-1000:]}")
        found = json.loads(out)
        cpu = (self._server.cpu_s() - self._cpu) * 1000 / max(1, len(found["ms"]))
        return Measured(found["ms"], found["wall_s"], cpu, tuple(found["shed_ms"]), tuple(found["faults"]))

    def run(self) -> Measured:
        return self.start().finish()
