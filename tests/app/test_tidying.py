"""A worker collects as a whole now and then, though no call leaves it a reason to."""

from __future__ import annotations

import gc
import threading
from typing import Any

import pytest
from patience import eventually

from cds import serve


def test_what_the_interpreter_keeps_of_dropped_tuples_is_given_back_again_and_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole: list[str] = []

    def seen(phase: str, about: dict[str, Any]) -> None:
        if phase == "stop" and about["generation"] == 2:
            whole.append(threading.current_thread().name)

    monkeypatch.setattr(serve, "TIDY_S", 0.01)
    stop = threading.Event()
    thread = threading.Thread(target=serve.tidy, args=(stop,), name="tidy", daemon=True)
    gc.callbacks.append(seen)
    try:
        thread.start()
        eventually(lambda: whole.count("tidy") >= 2)
    finally:
        stop.set()
        thread.join(10)
        gc.callbacks.remove(seen)
    assert not thread.is_alive()
