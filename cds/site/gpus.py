"""This machine's GPUs and their memory, as NVIDIA's own tool tells them; judged by what networks take there."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass

from cds.site.findings import Findings

_ASKED = ("index", "uuid", "name", "driver_version", "memory.total", "memory.free")
_PATIENCE_S = 20


@dataclass(frozen=True)
class Gpu:
    number: int
    """The tool's own."""
    uuid: str
    name: str
    driver: str
    total_mb: int | None
    """None where the GPU has no memory of its own to tell of."""
    free_mb: int | None


@dataclass(frozen=True)
class Need:
    """What a worker would take on each GPU."""

    limit_mb: int = 0
    """``imaging.gpu_memory_mb``; 0: none is set."""
    weights_mb: int = 0
    """Of all networks together; 0: none is computed here."""


def gpus() -> tuple[Gpu, ...] | str:
    """Those there are, or why that can't be told."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return "nvidia-smi is not installed"
    asked = [tool, f"--query-gpu={','.join(_ASKED)}", "--format=csv,noheader,nounits"]
    try:
        # nothing in the command comes from outside
        done = subprocess.run(asked, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)  # nosec B603
    except subprocess.TimeoutExpired:
        return f"nvidia-smi gave no answer in {_PATIENCE_S} s"
    except OSError as error:
        return f"nvidia-smi can't be run: {error.strerror}"
    if done.returncode != 0:
        said = (done.stdout or done.stderr).strip().splitlines()
        return f"nvidia-smi failed: {said[0][:200] if said else f'exit code {done.returncode}'}"
    try:
        return tuple(_gpu(line) for line in done.stdout.splitlines() if line.strip())
    except ValueError:
        return "nvidia-smi answers in a way that is not known here"


def _gpu(line: str) -> Gpu:
    number, uuid, name, driver, total, free = (part.strip() for part in line.split(","))
    return Gpu(int(number), uuid, name, driver, _mb(total), _mb(free))


def _mb(told: str) -> int | None:
    """``[N/A]`` where memory is the machine's own."""
    return None if told.startswith("[") else int(told)


def look(numbers: tuple[int, ...], need: Need, findings: Findings) -> None:
    """``numbers``: of the GPUs that the settings name, as CUDA counts them."""
    found = gpus()
    if isinstance(found, str):
        findings.note("device", f"its memory is not known: {found}", "GPU")
        return
    for number in numbers:
        what = f"GPU {number}"
        wanted = _shown(number)
        gpu = next((gpu for gpu in found if _is(gpu, wanted)), None)
        if wanted.startswith("MIG-"):
            findings.note("device", "its memory is not known: it is a part of a GPU (MIG)", what)
        elif gpu is None:
            there = ", ".join(str(one.number) for one in found) or "none"
            why = f"imaging.gpus names it, and nvidia-smi tells of {there} that this process may use"
            findings.fault("device", why, what)
        else:
            _judge(gpu, need, what, findings)


def _shown(number: int) -> str:
    """What the one with this number is called, number or UUID: CUDA counts those alone that it is shown. Empty: it is
    shown none by this number."""
    shown = os.environ.get("CUDA_VISIBLE_DEVICES")
    if shown is None:
        return str(number)
    listed = [one.strip() for one in shown.split(",") if one.strip()]
    return listed[number] if number < len(listed) else ""


def _is(gpu: Gpu, called: str) -> bool:
    return called == str(gpu.number) or (called.startswith("GPU-") and gpu.uuid.startswith(called))


def _judge(gpu: Gpu, need: Need, what: str, findings: Findings) -> None:
    told = f"{gpu.name}, driver {gpu.driver}"
    if gpu.total_mb is None or gpu.free_mb is None:
        findings.note("device", f"{told}: tells of no memory of its own", what)
        return
    told += f": {gpu.free_mb} of {gpu.total_mb} MB free"
    limit, weights = need.limit_mb, need.weights_mb
    if limit > gpu.total_mb:
        findings.fault("device", f"{told}; imaging.gpu_memory_mb = {limit} is more than it has", what)
    elif 0 < limit < weights:
        why = f"{told}; imaging.gpu_memory_mb = {limit}, and the networks' weights alone are {weights} MB"
        findings.fault("device", why, what)
    elif weights > gpu.total_mb:
        findings.fault("device", f"{told}; the networks' weights alone are {weights} MB", what)
    elif max(limit, weights) > gpu.free_mb:
        wanted = f"imaging.gpu_memory_mb lets a worker take {limit} MB" if limit else f"weights take {weights} MB"
        why = f"{told}; {wanted}: unless it is a worker that holds the rest, scans will find too little memory"
        findings.note("device", why, what)
    else:
        fits = f"; {limit} MB may be taken (imaging.gpu_memory_mb)" if limit else ""
        fits += f"; the networks' weights are {weights} MB" if weights else ""
        findings.good("device", told + fits, what)
