"""The engines that make inputs, each in a process of its own: ``python fuzz_engines.py ENGINE TARGET SECONDS FOLDER``.

Counts go to FOLDER/count.json as they grow, because a coverage-guided run ends without leave to say anything more.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any

HANG_S = 60
"""By the clock: an input that takes longer ends the run as a fault. Long, since such runs give way to others."""
_SLOW_S = 1.0
"""The slowest input of a run is kept when it took longer."""
_LARGEST = 65_536
_MEMORY_MB = 4096


class Counted:
    """A target that keeps count, and what was wrong."""

    def __init__(self, run: Callable[[bytes], None], folder: Path) -> None:
        self._run, self._folder = run, folder
        self._inputs, self._slowest, self._began, self._told = 0, 0.0, time.monotonic(), 0.0

    def __call__(self, raw: bytes) -> None:
        began = time.process_time()
        try:
            self._run(raw)
        except BaseException:
            (self._folder / "input").write_bytes(raw)
            (self._folder / "fault").write_text(traceback.format_exc(), encoding="utf-8")
            raise
        took = time.process_time() - began
        self._inputs += 1
        if took > max(_SLOW_S, self._slowest):
            (self._folder / "slowest").write_bytes(raw)
        self._slowest = max(self._slowest, took)
        if time.monotonic() - self._told > 1:
            self.tell()

    def tell(self) -> None:
        self._told = time.monotonic()
        counts = {"inputs": self._inputs, "slowest_s": self._slowest, "seconds": self._told - self._began}
        fresh = self._folder / "count.new"
        fresh.write_text(json.dumps(counts), encoding="utf-8")
        fresh.replace(self._folder / "count.json")


def by_atheris(name: str, seconds: int, folder: Path, stack: ExitStack) -> None:
    import atheris

    # what is to guide must be instrumented as it is imported
    with atheris.instrument_imports(include=["cds"], enable_loader_override=False):
        import fuzz_targets
    from mutations import mutate

    target = fuzz_targets.targets(stack)[name]()
    corpus = folder / "corpus"
    corpus.mkdir(exist_ok=True)
    for number, seed in enumerate(target.seeds):
        (corpus / f"seed-{number}").write_bytes(seed)

    def custom(raw: bytes, most: int, seed: int) -> bytes:
        if seed % 2:
            return bytes(atheris.Mutate(raw, min(most, len(raw) + 4096)))
        return mutate(raw, target.shape, Random(seed))[:most]

    counted = Counted(target.run, folder)
    arguments = [
        sys.argv[0],
        f"-max_total_time={seconds}",
        f"-timeout={HANG_S}",
        f"-rss_limit_mb={_MEMORY_MB}",
        f"-max_len={_LARGEST}",
        f"-artifact_prefix={folder}/",
        str(corpus),
    ]
    atheris.Setup(arguments, counted, custom_mutator=custom)
    atheris.Fuzz()


def by_hypothesis(name: str, seconds: int, folder: Path, stack: ExitStack) -> None:
    import faulthandler

    import fuzz_targets
    from hypothesis import HealthCheck, Phase, given, seed, settings
    from hypothesis import strategies as st
    from mutations import mutate

    target = fuzz_targets.targets(stack)[name]()
    counted = Counted(target.run, folder)
    rounds = 0
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        rounds += 1

        @seed(rounds)
        @settings(
            max_examples=200,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(raw=st.sampled_from(target.seeds), chance=st.integers(0, 2**63))
        def some(raw: bytes, chance: int) -> None:
            faulthandler.dump_traceback_later(HANG_S, exit=True)
            counted(mutate(raw, target.shape, Random(chance)))

        some()
    faulthandler.cancel_dump_traceback_later()
    counted.tell()


ENGINES: dict[str, Any] = {"atheris": by_atheris, "hypothesis": by_hypothesis}

if __name__ == "__main__":
    engine, name, seconds, folder = sys.argv[1:5]
    os.environ.setdefault("PYTHONHASHSEED", "0")
    with ExitStack() as stack:
        ENGINES[engine](name, int(seconds), Path(folder), stack)
