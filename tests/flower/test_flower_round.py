"""One coordinator and three hospitals on loopback, in real Flower processes, each with a folder of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from hospitals import hospital
from validation_network import Desk, Network

BIN = Path(sys.executable).parent
APP = Path(__file__).parents[2] / "cds/flower/app"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(folder: Path, home: Path, *words: str) -> Iterator[Path]:
    """A process of Flower's, with its log."""
    log = folder / f"{words[0]}.log"
    environment = {**os.environ, "FLWR_HOME": str(home), "FLWR_TELEMETRY_ENABLED": "0", "PYTHONUNBUFFERED": "1"}
    environment["PATH"] = f"{BIN}:{environment['PATH']}"  # it starts programs of its own
    with log.open("wb") as out:
        process = subprocess.Popen([str(BIN / words[0]), *words[1:]], stdout=out, stderr=out, env=environment)
        try:
            yield log
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def listening(port: int, log: Path) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError(log.read_text())


class Flower:
    """A SuperLink, and a SuperNode in each house."""

    def __init__(self, network: Network, houses: dict[str, Path], folder: Path) -> None:
        self._network, self._houses, self._home = network, houses, folder / "flower"
        self._home.mkdir()
        self._port = free_port()
        (self._home / "config.toml").write_text(
            f'[superlink]\ndefault = "round"\n[superlink.round]\naddress = "127.0.0.1:{self._port}"\ninsecure = true\n'
        )
        self.inbox = network.coordinator.folder / "inbox"

    @contextmanager
    def started(self) -> Iterator[None]:
        with ExitStack() as stack:
            link = ("flower-superlink", "--insecure", "--port", str(self._port))
            log = stack.enter_context(
                running(self._home, self._home, *link, "--disable-runtime-dependency-installation")
            )
            listening(self._port, log)
            for name, outbox in self._houses.items():
                home = self._home / name
                home.mkdir()
                stack.enter_context(running(home, home, "flower-supernode", "--insecure", "--superlink",
                                            f"127.0.0.1:{self._port}", "--port", str(free_port()), "--node-config",
                                            f"outbox='{outbox}'"))  # fmt: skip
            yield

    def run(self) -> str:
        """What the coordinator reads."""
        told = {"round": self._network.round, "coordinator": self._network.public, "hospitals": self._network.keys,
                "inbox": self.inbox}  # fmt: skip
        config = " ".join(f"{name}='{path}'" for name, path in told.items())
        done = subprocess.run(
            [str(BIN / "flwr"), "run", str(APP), "round", "--stream", "--run-config",
             f"{config} houses={len(self._houses)} wait-s=60"],
            env={**os.environ, "FLWR_HOME": str(self._home), "FLWR_TELEMETRY_ENABLED": "0", "COLUMNS": "200"},
            capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip
        return done.stdout + done.stderr


def signed(network: Network, folder: Path, name: str, seed: int) -> Desk:
    desk = network.joins(folder, name)
    hospital(3000 + 1000 * seed, seed).write(desk.folder / "cases.csv")
    assert network.run(desk, name).exit_code == 0
    reviewed = desk.done("review", desk.folder / "draft.json")
    assert network.signs(desk, name, reviewed.split("Code of this review: ")[1].strip()).exit_code == 0
    return desk


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Network:
    return Network(tmp_path_factory.mktemp("network"))


def test_three_hospitals_results_arrive_by_flower_and_are_pooled(network: Network, tmp_path: Path) -> None:
    outboxes: dict[str, Path] = {}
    desks = {name: signed(network, tmp_path, name, seed) for seed, name in enumerate(("north", "south", "west"))}
    for name, desk in desks.items():
        outboxes[name] = desk.folder / "outbox"
        outboxes[name].mkdir()
        shutil.copy(desk.folder / "draft.json", outboxes[name])  # not signed: may lie there, doesn't leave
        (outboxes[name] / "notes.json").write_text('{"patient": "p17"}')
    results = {name: (desk.folder / "result.json").read_text() for name, desk in desks.items()}
    (outboxes["north"] / "result.json").write_text(results["north"])
    (outboxes["south"] / "result.json").write_text(results["south"].replace('"signature": "', '"signature": "A'))
    flower = Flower(network, outboxes, tmp_path)
    with flower.started():
        told = flower.run()
        assert "3 houses asked, 1 results in" in told, told
        assert "no result: nothing is signed for this round yet" in told, "of west, whose outbox has a draft only"
        assert "refused:" in told and "the signature does not fit" in told, "of south, changed after it was signed"
        assert [path.read_text() for path in flower.inbox.iterdir()] == [results["north"]]
        for name in ("south", "west"):
            (outboxes[name] / "result.json").write_text(results[name])
        told = flower.run()
        assert "3 houses asked, 3 results in" in told, told
    arrived = sorted(path.read_text() for path in flower.inbox.glob("*.json"))
    assert arrived == sorted(results.values())
    assert "p17" not in "".join(path.read_text() for path in flower.inbox.iterdir())
    pooled = network.coordinator.done("pool", network.round, *flower.inbox.glob("*.json"), "--coordinator",
                                      network.public, "--hospitals", network.keys)  # fmt: skip
    assert "12000 people in 3 hospitals: north, south, west" in pooled
