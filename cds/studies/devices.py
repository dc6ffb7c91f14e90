"""The devices of this machine, one study at a time on each, and the networks loaded on them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cds.inference.model import Model
from cds.inference.open_inference import Address, ModelServer
from cds.inference.runtime import wanted_providers
from cds.inference.volumes.analyse import Analysis
from cds.inference.volumes.network import Device
from cds.jobs.slots import Slots
from cds.settings import Settings
from cds.studies.plan import bundle_of

_LOOK_S = 0.2


class Devices:
    """Shared by the worker's threads; the slots by all processes of the machine."""

    def __init__(self, settings: Settings) -> None:
        imaging = settings.imaging
        on_gpu = imaging.device != "cpu" and wanted_providers()[0] != "CPUExecutionProvider"
        self.names = tuple(f"gpu-{number}" for number in imaging.gpus) if on_gpu else ("cpu-0",)
        self._imaging = imaging
        self._folder = settings.data_dir
        self._required = settings.require_gpu
        self._slots = Slots(settings.data_dir / "slots", self.names)
        self._server = server_of(settings)
        self._loaded: dict[tuple[str, Path], Analysis] = {}
        self._lock = threading.Lock()

    @contextmanager
    def take(self, waiting: Callable[[], None]) -> Iterator[str]:
        """A free device, held until the block ends. ``waiting`` is called while there is none; it may raise."""
        while True:
            with self._slots.take(_LOOK_S) as name:
                if name is not None:
                    yield name
                    return
            waiting()

    def analysis(self, model: Model, slot: str) -> Analysis:
        """The model's networks on that device, loaded and tested once. Raises ModelError: a library or a device that
        computes something else is found before a scan is read."""
        key = (slot, model.folder)
        with self._lock:
            found = self._loaded.get(key)
        if found is None:
            bundle = bundle_of(model)
            assert bundle is not None
            found = Analysis(bundle, model.folder, self.device(slot), self._server)
            found.self_test()
            with self._lock:
                self._loaded[key] = found
        return found

    def clear(self, slot: str) -> None:
        """Let go of the networks on that device, whose arenas keep what they once took; they are loaded anew when
        wanted."""
        with self._lock:
            self._loaded = {key: found for key, found in self._loaded.items() if key[0] != slot}

    def device(self, slot: str) -> Device:
        kind, _, number = slot.partition("-")
        return Device(
            threads=self._imaging.threads,
            provider=self._imaging.device if kind == "gpu" else "cpu",
            device_id=int(number) if kind == "gpu" else 0,
            memory_limit_mb=self._imaging.gpu_memory_mb,
            half=self._imaging.half,
            engine_cache=self._folder / "engines" if self._imaging.device == "tensorrt" else None,
            required=self._required,
        )


def server_of(settings: Settings) -> ModelServer | None:
    """The model server of the settings; None: networks run in the worker."""
    found = settings.inference
    if found.url is None:
        return None
    return ModelServer(
        Address(
            url=found.url,
            timeout_s=found.timeout_s,
            pause_s=found.pause_s,
            token_file=found.token_file,
            ca_file=settings.ca_file,
            binary=found.binary,
            fallback=found.fallback,
        )
    )
