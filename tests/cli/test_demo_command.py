"""``cds demo``: the main job for real, and nothing left behind."""

from __future__ import annotations

import dataclasses
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import cast

import pytest
import yaml

from cds.cli.research import research_policy
from cds.demo import run as demo
from cds.demo.hospital import Told, everybody
from cds.errors import SettingsError
from cds.policy.packaged import packaged_policy
from cds.services.declaration import installed_packages
from hooks import stories
from hooks.stories import studies

pytestmark = pytest.mark.system
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("CDS_")}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """The demonstration takes SIGTERM to itself; the tests want it back. And a shell starts what it puts in the
    background deaf to Ctrl-C, which children inherit; a terminal doesn't."""
    before = [(number, signal.getsignal(number)) for number in (signal.SIGTERM, signal.SIGINT)]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before:
        signal.signal(number, handler)


def command(*more: str, port: int) -> list[str]:
    return [sys.executable, "-m", "cds", "demo", "--port", str(port), *more]


def test_once_every_patient_gets_what_is_due(tmp_path: Path) -> None:
    """Scans through a real Orthanc; with the embedded archive: tests/app/test_wheel.py."""
    words = command("--once", "--pacs", "--data-dir", str(tmp_path), port=free_port())
    done = subprocess.run(
        words,
        cwd=tmp_path,
        env={**ENVIRONMENT, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    told = everybody().STORIES
    assert len(told) > len(stories.STORIES), "a model's folder brings a patient of its own"
    for story in told:
        assert f"{story.name}, {story.age}" in done.stdout
    assert f"{len(told)} patients, every one got the cards expected." in done.stdout
    assert f"{len(studies.IMAGED)} patients with scans, every scan was dealt with as expected." in done.stdout
    assert "Authentication is off in this demo" in done.stdout
    for log in ("demo.log", "worker.log"):
        assert "Traceback" not in (tmp_path / log).read_text(encoding="utf-8")


@pytest.fixture
def without_scans(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the extra for images is not installed."""
    monkeypatch.setattr("cds.demo.imaging.told_by_images", lambda: None)


def test_without_the_extra_for_images_the_rest_is_shown_and_says_what_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], without_scans: None
) -> None:
    monkeypatch.setattr(demo, "everybody", lambda: told("jaundice-head"))
    assert demo.run(once=True, port=free_port(), language="en", data_dir=tmp_path) == 0
    assert "Patients told by their scans are left out" in " ".join(capsys.readouterr().out.split())
    with pytest.raises(SettingsError, match="extra 'imaging'"):
        demo.run(once=True, port=free_port(), language="en", data_dir=tmp_path, pacs=True)


def told(story_id: str, topics: tuple[str, ...] | None = None) -> Told:
    """A hospital of one patient, of whom something else may be expected."""
    story = stories.story(story_id)
    expects = tuple(
        dataclasses.replace(e, topics=topics) if topics is not None and e.hook == "patient-view" else e
        for e in story.expects
    )
    one = SimpleNamespace(**vars(stories))
    one.STORIES = (dataclasses.replace(story, expects=expects),)
    return Told(cast(ModuleType, one), ())


def test_a_patient_who_gets_something_else_than_is_due_is_exit_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], without_scans: None
) -> None:
    monkeypatch.setattr(demo, "everybody", lambda: told("jaundice-head", topics=("endpac-high",)))
    assert demo.run(once=True, port=free_port(), language="en", data_dir=tmp_path) == 1
    printed = " ".join(capsys.readouterr().out.split())  # lines are wrapped
    assert "not as expected: jaundice-head: patient-view: card 'pancreas-risk' does not tell endpac-high" in printed
    assert "1 patients, 1 finding(s) not as expected." in printed


def descendants(pid: int) -> set[int]:
    """Children, their children and so on, as the kernel lists them."""
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").glob("*"):
        for child in (task / "children").read_text().split():
            found |= {int(child)} | descendants(int(child))
    return found


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@contextmanager
def running(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "printed").open("wb") as printed:
        process = subprocess.Popen(
            command("--data-dir", str(folder), port=port),
            cwd=folder,
            env=ENVIRONMENT,
            stdout=printed,
            stderr=printed,
        )
    try:
        yield process
    finally:
        for pid in (*descendants(process.pid), process.pid) if process.poll() is None else ():
            os.kill(pid, signal.SIGKILL)
        process.wait()


@pytest.mark.parametrize(
    ("sent", "moment"),
    [(signal.SIGTERM, "Authentication is"), (signal.SIGINT, "The demo EHR is at")],
    ids=["killed at work", "Ctrl-C while serving"],
)
def test_stopped_it_leaves_no_process_behind(tmp_path: Path, sent: signal.Signals, moment: str) -> None:
    with running(tmp_path, free_port()) as process:
        deadline = time.monotonic() + 240
        while moment.encode() not in (tmp_path / "printed").read_bytes():
            assert time.monotonic() < deadline, (tmp_path / "printed").read_text()
            assert process.poll() is None
            time.sleep(0.1)
        children = descendants(process.pid)
        assert len(children) >= 4  # two servers with a worker each
        process.send_signal(sent)
        process.wait(timeout=30)
        deadline = time.monotonic() + 5
        while any(map(alive, children)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert [pid for pid in children if alive(pid)] == []
    assert "Traceback" not in (tmp_path / "printed").read_text()


def test_children_that_do_not_leave_are_waited_for_once_and_not_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "_LEAVING_S", 1.0)
    deaf = "import pathlib, signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    deaf += "pathlib.Path(sys.argv[1]).touch(); time.sleep(60)"
    ready = [tmp_path / str(number) for number in range(3)]
    before = signal.getsignal(signal.SIGTERM)
    try:
        children = [demo.Command([sys.executable, "-c", deaf, str(path)]) for path in ready]
        with demo._running(*children, log=tmp_path / "log") as processes:
            while not all(path.exists() for path in ready):
                time.sleep(0.02)
            begun = time.monotonic()
        assert time.monotonic() - begun < 2.5
        assert [process.wait(5) for process in processes] == [-signal.SIGKILL] * 3
    finally:
        signal.signal(signal.SIGTERM, before)


def test_on_request_models_for_research_speak_and_say_what_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], without_scans: None
) -> None:
    monkeypatch.setattr(demo, "everybody", lambda: told("chronic-pancreatitis"))
    policy = research_policy()
    assert demo.run(once=True, port=free_port(), language="en", data_dir=tmp_path, policy=policy) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "Every research model is on" in printed
    assert "Research result: a urine panel was measured" in printed
    assert "For research only. Not established for care" in printed
    assert "1 patients, under a policy for which nothing is expected of them." in printed


def test_the_policy_for_research_changes_nothing_but_which_models_run() -> None:
    packaged = yaml.safe_load(packaged_policy(installed_packages()).read_text(encoding="utf-8"))
    research = yaml.safe_load(research_policy())
    assert {key for key in packaged if packaged[key] != research[key]} == {"name", "reason", "models"}
    before, after = packaged["models"], research["models"]
    assert {"urine-panel", "mskcc-nomogram", "qcancer-prognostic"} <= {id for id in after if id not in before}
    assert all(block["enabled"] for block in after.values())
    assert not any("-ct-" in id for id in after)


def test_a_port_in_use_is_gone_round(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, without_scans: None) -> None:
    monkeypatch.setattr(demo, "everybody", lambda: told("jaundice-head"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = int(taken.getsockname()[1])
        assert demo.run(once=True, port=port, language="nl", data_dir=tmp_path) == 0
