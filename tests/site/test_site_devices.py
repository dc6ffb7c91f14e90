"""What is said of GPUs, their memory, and the networks that would run on them.

No GPU can be had where these tests run. NVIDIA's tool is a script on PATH that prints what the real one prints, and the
driver's file is said to be there; ONNX Runtime and the network are real, and fall back to the processor as they do on a
machine whose GPU fails.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from study_scene import MODEL, known_answers, write_model

from cds.inference import registry
from cds.settings import Settings, load
from cds.site import devices, gpus
from cds.site.findings import Finding, Findings

ROW = "{}, GPU-{}, NVIDIA L4, 570.86.15, 23034, {}"
Nvidia = Callable[..., None]


@pytest.fixture
def nvidia(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Nvidia:
    """A machine with a GPU, whose tool says this."""

    def tells(*rows: str, code: int = 0, libraries: str = "") -> None:
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        tool = folder / "nvidia-smi"
        wanted = "--query-gpu=index,uuid,name,driver_version,memory.total,memory.free --format=csv,noheader,nounits"
        lines = "\n".join(f"echo '{row}'" for row in rows)
        tool.write_text(f'#!/bin/sh\n[ "$*" = "{wanted}" ] || exit 9\n{lines}\nexit {code}\n')
        tool.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
        monkeypatch.setattr(devices, "load_cuda_libraries", lambda: libraries)

    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("cds.inference.runtime._gpu_present", lambda: True)
    return tells


def settings_of(folder: Path, *, scans: bool = False, **given: Any) -> Settings:
    (folder / "cds.toml").touch()
    pacs = {"main": {"url": "http://127.0.0.1:9/dicom-web"}} if scans else {}
    return load(folder / "cds.toml", data_dir=folder / "data", pacs=pacs, **given)


def told(settings: Settings, models: registry.Registry | None = None) -> dict[str, Finding]:
    findings = Findings()
    devices.look(settings, models or registry.load([]), findings)
    return {row.what: row for row in findings.rows}


def with_network(folder: Path, *, known: bool) -> registry.Registry:
    """One network, with or without the answers it was imported with."""
    if not known:
        return registry.load([write_model(folder)])
    content = known_answers()
    models = write_model(folder, golden={"file": "golden.json", "sha256": hashlib.sha256(content).hexdigest()})
    (models / MODEL / "golden.json").write_bytes(content)
    return registry.load([models])


@pytest.mark.parametrize(
    ("limit", "free", "verdict", "said"),
    [
        (0, 22_000, "good", "NVIDIA L4, driver 570.86.15: 22000 of 23034 MB free"),
        (8_000, 22_000, "good", "8000 MB may be taken (imaging.gpu_memory_mb)"),
        (8_000, 7_999, "note", "imaging.gpu_memory_mb lets a worker take 8000 MB: unless it is a worker that holds"),
        (23_035, 22_000, "fault", "imaging.gpu_memory_mb = 23035 is more than it has"),
    ],
)
def test_a_gpus_memory_is_judged_by_what_a_worker_may_take(
    nvidia: Nvidia, tmp_path: Path, limit: int, free: int, verdict: str, said: str
) -> None:
    nvidia(ROW.format(0, "a", free))
    settings = settings_of(tmp_path, scans=True, imaging={"gpu_memory_mb": limit})
    rows = told(settings)
    assert rows["GPU"].verdict == "good"
    assert rows["GPU 0"].verdict == verdict, rows["GPU 0"]
    assert said in rows["GPU 0"].why


@pytest.mark.parametrize(
    ("total", "verdict", "said"),
    [(8_000, "good", "the networks' weights are 1 MB"), (0, "fault", "the networks' weights alone are 1 MB")],
)
def test_a_gpu_that_can_not_hold_the_networks_weights_is_a_fault(
    nvidia: Nvidia, tmp_path: Path, total: int, verdict: str, said: str
) -> None:
    nvidia(f"0, GPU-a, NVIDIA L4, 570.86.15, {total}, {total}")
    row = told(settings_of(tmp_path, scans=True), with_network(tmp_path, known=False))["GPU 0"]
    assert (row.verdict, said in row.why) == (verdict, True), row


def test_a_limit_below_the_networks_weights_is_a_fault(nvidia: Nvidia) -> None:
    nvidia(ROW.format(0, "a", 22_000))
    findings = Findings()
    gpus.look((0,), gpus.Need(limit_mb=100, weights_mb=101), findings)
    [row] = findings.rows
    assert row.verdict == "fault" and "imaging.gpu_memory_mb = 100, and the networks' weights alone are 101" in row.why


def test_each_gpu_of_the_settings_is_looked_at_and_tried(nvidia: Nvidia, tmp_path: Path) -> None:
    nvidia(ROW.format(0, "a", 22_000), ROW.format(1, "b", 21_000))
    settings = settings_of(tmp_path, scans=True, imaging={"gpus": [0, 1, 2]})
    rows = told(settings, with_network(tmp_path, known=True))
    assert "22000 of" in rows["GPU 0"].why and "21000 of" in rows["GPU 1"].why
    assert rows["GPU 2"].verdict == "fault" and "nvidia-smi tells of 0, 1" in rows["GPU 2"].why
    for slot in ("gpu-0", "gpu-1", "gpu-2"):
        row = rows[f"network {MODEL} on {slot}"]
        # there is none in truth: ONNX Runtime takes the processor without a word
        assert row.verdict == "fault" and "it was to run on the GPU, and ONNX Runtime could not" in row.why


def test_cuda_s_own_numbering_is_followed(nvidia: Nvidia, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nvidia(ROW.format(0, "a1", 1), ROW.format(1, "b1", 2), ROW.format(2, "c1", 3))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,GPU-b")
    rows = told(settings_of(tmp_path, imaging={"gpus": [0, 1, 2]}))
    assert ": 3 of" in rows["GPU 0"].why and ": 2 of" in rows["GPU 1"].why
    assert rows["GPU 2"].verdict == "fault"


def test_the_memory_of_a_part_of_a_gpu_is_not_known(
    nvidia: Nvidia, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nvidia(ROW.format(0, "a", 1))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-5c2b, GPU-b")
    rows = told(settings_of(tmp_path, imaging={"gpus": [0, 1]}))
    assert (rows["GPU 0"].verdict, "MIG" in rows["GPU 0"].why) == ("note", True), rows["GPU 0"]
    assert rows["GPU 1"].verdict == "fault"


@pytest.mark.parametrize(
    ("rows", "code", "what", "said"),
    [
        (("NVIDIA-SMI has failed: no driver",), 9, "GPU", "nvidia-smi failed: NVIDIA-SMI has failed: no driver"),
        ((), 6, "GPU", "nvidia-smi failed: exit code 6"),
        (("a new kind of line",), 0, "GPU", "in a way that is not known here"),
        (("0, GPU-a, NVIDIA GB10, 580.1, [N/A], [N/A]",), 0, "GPU 0", "tells of no memory of its own"),
    ],
)
def test_memory_that_is_not_told_of_is_worth_knowing(
    nvidia: Nvidia, tmp_path: Path, rows: tuple[str, ...], code: int, what: str, said: str
) -> None:
    nvidia(*rows, code=code)
    row = told(settings_of(tmp_path))[what]
    assert row.verdict == "note" and said in row.why, row


def test_a_machine_without_nvidia_s_tool_says_so(
    nvidia: Nvidia, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nvidia()
    monkeypatch.setenv("PATH", str(tmp_path))
    row = told(settings_of(tmp_path))["GPU"]
    assert row.verdict == "note" and row.why == "its memory is not known: nvidia-smi is not installed"


def test_missing_cuda_libraries_are_a_fault_and_memory_is_told_all_the_same(nvidia: Nvidia, tmp_path: Path) -> None:
    nvidia(ROW.format(0, "a", 22_000), libraries="libcudnn.so.9")
    rows = told(settings_of(tmp_path))
    assert rows["GPU"].verdict == "fault" and "libcudnn.so.9" in rows["GPU"].why
    assert rows["GPU 0"].verdict == "good"


@pytest.mark.parametrize(
    ("given", "verdict", "said"),
    [
        ({"require_gpu": True}, "fault", "a GPU is required by the settings"),
        ({"imaging": {"device": "cuda"}}, "fault", "a GPU is required by the settings"),
        ({}, "note", "networks run on the processor"),
    ],
)
def test_no_gpu_is_a_fault_only_where_one_is_required(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], verdict: str, said: str
) -> None:
    monkeypatch.setattr("cds.inference.runtime._gpu_present", lambda: False)  # on a machine that has one, too
    row = told(settings_of(tmp_path, **given))["GPU"]
    assert row.verdict == verdict and said in row.why


@pytest.mark.parametrize(
    ("known", "verdict", "said"),
    [(True, "good", "gives the answers it was imported with"), (False, "note", "it has no known answers")],
)
def test_a_network_without_known_answers_is_not_called_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool, verdict: str, said: str
) -> None:
    monkeypatch.setattr("cds.inference.runtime._gpu_present", lambda: False)
    row = told(settings_of(tmp_path, scans=True), with_network(tmp_path, known=known))[f"network {MODEL}"]
    assert row.verdict == verdict and said in row.why and "one window: look " in row.why


def test_without_an_archive_networks_are_not_tried_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cds.inference.runtime._gpu_present", lambda: False)
    rows = told(settings_of(tmp_path), with_network(tmp_path, known=True))
    assert rows["networks"].verdict == "note" and "without a [pacs.NAME] no scan is read" in rows["networks"].why
    assert f"network {MODEL}" not in rows
