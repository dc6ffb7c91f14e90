"""Where networks that read scans would run, and that they compute there what they should."""

from __future__ import annotations

import math
import time

import numpy as np

from cds.errors import CdsError
from cds.inference.registry import Registry
from cds.inference.runtime import check_installation, load_cuda_libraries, wanted_providers
from cds.settings import Settings
from cds.site import gpus
from cds.site.findings import Findings
from cds.studies.plan import bundle_of, volume_models

_SEED = 1
_CPU = "CPUExecutionProvider"


def look(settings: Settings, models: Registry, findings: Findings) -> None:
    with findings.of("device", "ONNX Runtime") as say:
        say(f"{check_installation()}, runs on {wanted_providers()[0]}")
    if wanted_providers()[0] != _CPU:
        if missing := load_cuda_libraries():
            findings.fault("device", f"CUDA libraries are missing: {missing}", "GPU")
        else:
            findings.good("device", "there is one, and CUDA's libraries are loaded", "GPU")
        # models that read records run there as well, wherever no scan is read
        gpus.look(settings.imaging.gpus, _need(settings, models), findings)
    elif settings.require_gpu or settings.imaging.device in ("cuda", "tensorrt"):
        findings.fault("device", "a GPU is required by the settings, and none is usable here", "GPU")
    else:
        findings.note("device", "none is used: networks run on the processor, a scan takes minutes", "GPU")
    if settings.pacs:
        _networks(settings, models, findings)
    else:
        findings.note("device", "none is tried: without a [pacs.NAME] no scan is read", "networks")


def _need(settings: Settings, models: Registry) -> gpus.Need:
    """Of what computes scans: a worker loads each network on each GPU, and keeps it."""
    limit, elsewhere = settings.imaging.gpu_memory_mb, settings.inference.url is not None
    if not settings.pacs or settings.imaging.device == "cpu" or (elsewhere and not settings.inference.fallback):
        return gpus.Need()
    total = 0
    for model in volume_models(models).values():
        bundle = bundle_of(model)
        assert bundle is not None
        files = (model.folder / fold.file for stage in bundle.stages for fold in stage.folds)
        total += sum(file.stat().st_size for file in files if file.is_file())
    return gpus.Need(limit, math.ceil(total / 1024**2))


def _networks(settings: Settings, models: Registry, findings: Findings) -> None:
    """Each network on each device: its known answers where it has any, and the time of one window."""
    try:
        from cds.inference.volumes import golden  # what reads scans is an extra
        from cds.inference.volumes.network import Network
        from cds.studies.devices import Devices, server_of
    except ImportError as error:
        why = f"what reads scans is not installed here ({error.name}): pip install '.[imaging]' where `cds worker` runs"
        findings.note("device", why, "networks")
        return
    devices, server = Devices(settings), server_of(settings)
    for slot in devices.names:
        for name, model in volume_models(models).items():
            what = f"network {name}" if len(devices.names) == 1 else f"network {name} on {slot}"
            bundle = bundle_of(model)
            assert bundle is not None
            try:
                devices.analysis(model, slot)  # loads and tests it
                times = []
                for stage in bundle.stages:
                    device = devices.device(slot)
                    network, window = Network(stage, model.folder, device, server), golden.window(stage, _SEED)
                    network(np.repeat(window, device.batch, axis=0))  # as many as of a scan: too little memory shows
                    network(window)
                    start = time.monotonic()
                    network(window)
                    times.append(f"{stage.name} {1000 * (time.monotonic() - start):.0f} ms")
            except CdsError as error:
                findings.fault("device", f"{error.code}: {error}", what)
                continue
            told = f"on {network.provider}: one window: {', '.join(times)}"
            if slot.startswith("gpu") and network.provider == _CPU:
                findings.fault("device", f"{told}; it was to run on the GPU, and ONNX Runtime could not", what)
            elif bundle.golden is None:
                why = f"{told}; it has no known answers, so that it computes here what it should is not known"
                findings.note("device", why, what)
            else:
                findings.good("device", f"{told}; gives the answers it was imported with", what)
        devices.clear(slot)
