"""What was collected stays until the end: the collector of garbage need not go over it again and again."""

from __future__ import annotations

import gc


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()
