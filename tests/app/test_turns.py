"""Calls take turns at computing, and nobody is kept by one who does not end his."""

from __future__ import annotations

import threading
import time
from contextlib import nullcontext

import pytest

from cds.timings import Timings
from cds.turns import Turn, Turns


def test_one_computes_at_a_time() -> None:
    turns, inside, most = Turns(patience_s=5.0), 0, 0

    def call() -> None:
        nonlocal inside, most
        for _ in range(20):
            with turns.one(nullcontext()):
                inside += 1
                most = max(most, inside)
                time.sleep(0.0005)
                inside -= 1

    calls = [threading.Thread(target=call) for _ in range(6)]
    for one in calls:
        one.start()
    for one in calls:
        one.join()
    assert most == 1


def test_a_turn_that_does_not_end_is_not_waited_for() -> None:
    turns, timings = Turns(patience_s=0.05), Timings()
    with turns.one(nullcontext()):
        start = time.monotonic()
        with turns.one(timings.stage("turn")):
            assert 0.04 < time.monotonic() - start < 0.5
    assert timings.ms["turn"] >= 40
    with turns.one(timings.stage("next")):  # and whoever had no turn gave none back
        assert timings.ms["next"] < 40


def test_who_waits_longest_is_next_and_who_gave_up_is_passed_over() -> None:
    turns, order = Turns(patience_s=5.0), []
    hasty = Turn(turns._lock, 0.01, nullcontext)

    def wait(name: int) -> None:
        with turns.one(nullcontext()):
            order.append(name)

    waiting = [threading.Thread(target=wait, args=(name,)) for name in range(5)]
    with turns.one(nullcontext()):
        for number, one in enumerate(waiting):
            one.start()
            while len(turns._lock._waiting) <= number:
                time.sleep(0.001)
            if number == 1:
                hasty.take()
        order.append(-1)
    for one in waiting:
        one.join(5)
    hasty.give()
    assert order == [-1, 0, 1, 2, 3, 4]


def test_a_fault_ends_the_turn() -> None:
    turns, timings = Turns(patience_s=5.0), Timings()
    with pytest.raises(ValueError), turns.one(nullcontext()):
        raise ValueError
    with turns.one(timings.stage("turn")):
        assert timings.ms["turn"] < 1000


def test_while_a_server_is_waited_for_others_have_their_turn() -> None:
    turns, timings = Turns(patience_s=5.0), Timings()
    with turns.one(nullcontext()) as mine:
        with mine.aside(), turns.one(timings.stage("aside")):
            assert timings.ms["aside"] < 1000
        other = threading.Thread(target=lambda: turns.one(timings.stage("after")).__enter__(), daemon=True)
        other.start()
        other.join(0.1)
        assert "after" not in timings.ms  # it is ours again
    other.join(5)
    assert "after" in timings.ms
