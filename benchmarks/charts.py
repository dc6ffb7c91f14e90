"""What one chart of the report costs: processor time warm, bytes, and the first drawing with the import of matplotlib.

    python benchmarks/charts.py

The charts are those of tests/charts/drawn.py. Processor time of this thread: company on the machine matters less.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "charts")]

from drawn import ALL  # noqa: E402

ROUNDS = 40


def cost(draw: Callable[[], object]) -> float:
    """Median, ms."""
    found = []
    for _ in range(ROUNDS):
        begun = time.thread_time()
        draw()
        found.append(1000 * (time.thread_time() - begun))
    return statistics.median(found)


def main() -> None:
    begun = time.thread_time()
    ALL["people"]()
    print(f"first drawing, imports included: {1000 * (time.thread_time() - begun):.0f} ms")
    for name, draw in ALL.items():
        for narrow in (False, True):
            size = len(draw(narrow=narrow).markup.encode())
            ms = cost(lambda draw=draw, narrow=narrow: draw(narrow=narrow))  # type: ignore[misc]
            print(f"{name:8} {'phone' if narrow else 'page':6} {ms:6.1f} ms  {size / 1000:5.1f} kB")


if __name__ == "__main__":
    main()
