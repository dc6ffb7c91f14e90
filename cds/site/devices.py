"""Where networks that read scans would run, and that they compute there what they should."""

from __future__ import annotations

import shutil
import subprocess
import time

from cds.errors import CdsError
from cds.inference.registry import Registry
from cds.inference.runtime import check_installation, load_cuda_libraries, wanted_providers
from cds.settings import Settings
from cds.site.findings import Findings
from cds.studies.plan import bundle_of, volume_models

_SEED = 1


def look(settings: Settings, models: Registry, findings: Findings) -> None:
    with findings.of("device", "ONNX Runtime") as say:
        say(f"{check_installation()}, runs on {wanted_providers()[0]}")
    on_gpu = wanted_providers()[0] != "CPUExecutionProvider"
    if on_gpu:
        if missing := load_cuda_libraries():
            findings.fault("device", f"CUDA libraries are missing: {missing}", "GPU")
        else:
            findings.good("device", _gpus() or "a GPU is there", "GPU")
    elif settings.require_gpu or settings.imaging.device in ("cuda", "tensorrt"):
        findings.fault("device", "a GPU is required by the settings, and none is usable here", "GPU")
    else:
        findings.note("device", "none is used: networks run on the processor, a scan takes minutes", "GPU")
    if settings.pacs:
        _networks(settings, models, findings)


def _gpus() -> str:
    """What NVIDIA's own tool says, where it is installed."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ""
    asked = [tool, "--query-gpu=name,memory.total,memory.free,driver_version", "--format=csv,noheader"]
    # nothing in the command comes from outside
    done = subprocess.run(asked, capture_output=True, text=True, timeout=20, check=False)  # nosec B603
    return "; ".join(done.stdout.strip().splitlines()) if done.returncode == 0 else ""


def _networks(settings: Settings, models: Registry, findings: Findings) -> None:
    """Each network's known answers where it has any, and the time of one window."""
    try:
        from cds.inference.volumes import golden  # what reads scans is an extra
        from cds.inference.volumes.network import Network
        from cds.studies.devices import Devices, server_of
    except ImportError as error:
        why = f"what reads scans is not installed here ({error.name}): pip install '.[imaging]' where `cds worker` runs"
        findings.note("device", why, "networks")
        return
    devices, server = Devices(settings), server_of(settings)
    slot = devices.names[0]
    for name, model in volume_models(models).items():
        bundle = bundle_of(model)
        assert bundle is not None
        try:
            devices.analysis(model, slot)  # loads and tests it
            times = []
            for stage in bundle.stages:
                network = Network(stage, model.folder, devices.device(slot), server)
                window = golden.window(stage, _SEED)
                network(window)
                start = time.monotonic()
                network(window)
                times.append(f"{stage.name} {1000 * (time.monotonic() - start):.0f} ms")
        except CdsError as error:
            findings.fault("device", f"{error.code}: {error}", f"network {name}")
            continue
        tested = "gives the answers it was imported with" if bundle.golden is not None else "has no known answers"
        findings.good("device", f"on {network.provider}: {tested}; one window: {', '.join(times)}", f"network {name}")
