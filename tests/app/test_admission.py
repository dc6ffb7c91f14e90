"""A process takes in hand what it can answer in time, lets a burst wait its turn, and refuses the rest at once."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest
from patience import eventually

from cds.admission import COMPUTING, HELD_UP_S, WAITING_A_PLACE, Admission
from cds.errors import Overloaded


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Calls:
    """Calls that hold their place until they are let go, each in its own thread."""

    admission: Admission
    begun: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)
    _ends: dict[str, threading.Event] = field(default_factory=dict)

    def come(self, *names: str, waits: bool = False) -> None:
        """One after the other; ``waits``: no place is expected to be free."""
        for name in names:
            self._ends[name] = threading.Event()
            before = len(self.admission.waiting)
            self._threads.append(threading.Thread(target=self._call, args=(name,)))
            self._threads[-1].start()
            eventually(lambda n=name, b=before: n in self.settled or (waits and len(self.admission.waiting) > b))

    @property
    def settled(self) -> list[str]:
        return self.begun + self.refused

    def end(self, *names: str) -> None:
        for name in names:
            self._ends[name].set()

    def close(self) -> None:
        self.end(*self._ends)
        for thread in self._threads:
            thread.join(timeout=10)

    def _call(self, name: str) -> None:
        try:
            with self.admission.place():
                self.begun.append(name)
                self._ends[name].wait(20)
        except Overloaded:
            self.refused.append(name)


def take_and_leave(admission: Admission) -> None:
    with admission.place():
        pass


@pytest.fixture
def calls() -> Iterator[Calls]:
    """One place, half a minute of patience, and a clock that stands unless it is moved."""
    made = Calls(Admission(1, 30.0, Clock()))
    yield made
    made.close()


def at(calls: Calls, now: float) -> None:
    clock = calls.admission.clock
    assert isinstance(clock, Clock)
    clock.now = now


def test_while_places_are_free_nobody_is_refused_however_long_the_others_take() -> None:
    clock = Clock()
    admission = Admission(3, 0.25, clock)
    with ExitStack() as others:
        for hour in range(3):
            clock.now = 3600.0 * hour
            others.enter_context(admission.place())
        with pytest.raises(Overloaded):
            others.enter_context(admission.place())


def test_who_would_wait_too_long_is_refused_at_once_and_told_when_to_come_again() -> None:
    clock = Clock()
    admission = Admission(2, 0.25, clock)
    with admission.place() as first, first.aside(), admission.place():
        clock.now = 7.0  # what hangs shows before it has ended
        begun = time.monotonic()
        with pytest.raises(Overloaded) as refused, admission.place():
            pass
        assert time.monotonic() - begun < 0.2
    assert refused.value.retry_after_s == 4  # two that took seven seconds leave a place every 3.5
    with admission.place():
        pass


def test_who_waits_in_vain_is_refused_when_the_longest_wait_is_over() -> None:
    admission = Admission(1, 0.2)
    with admission.place():
        begun = time.monotonic()
        with pytest.raises(Overloaded), admission.place():
            pass
        assert 0.15 < time.monotonic() - begun < 2.0
    assert not admission.waiting


def test_first_come_first_served(calls: Calls) -> None:
    calls.come("a")
    calls.come("b", "c", "d", waits=True)
    for ended, begun in (("a", "b"), ("b", "c"), ("c", "d")):
        calls.end(ended)
        eventually(lambda b=begun: calls.begun[-1] == b)
    assert calls.begun == ["a", "b", "c", "d"]


def test_a_burst_waits_for_its_turn(calls: Calls) -> None:
    at(calls, 0.0)
    calls.come("earlier")
    at(calls, 31.0)
    calls.end("earlier")
    eventually(lambda: not calls.admission.taken)
    calls.come("a")
    calls.come("b", "c", waits=True)
    at(calls, 31.2)
    calls.come("d", waits=True)
    assert calls.refused == []


def test_a_queue_that_stands_is_kept_short(calls: Calls) -> None:
    """Before it is so long that anybody would have to be refused for it."""
    at(calls, 0.0)
    calls.come("earlier")
    at(calls, 31.0)
    calls.end("earlier")
    eventually(lambda: not calls.admission.taken)
    calls.come("a")
    calls.come("b", "c", waits=True)
    at(calls, 31.5)
    calls.come("d")
    assert calls.refused == ["d"]


def overloaded(calls: Calls) -> None:
    """One was refused for the number that waited; since then two of those began, and two wait."""
    calls.come("earlier")
    at(calls, 31.0)
    calls.end("earlier")
    eventually(lambda: not calls.admission.taken)
    calls.come("a")
    calls.come(*(f"w{n}" for n in range(WAITING_A_PLACE)), waits=True)
    calls.come("one more")
    assert calls.refused == ["one more"]
    for ended, begun in (("a", "w0"), ("w0", "w1")):
        calls.end(ended)
        eventually(lambda b=begun: calls.begun[-1] == b)


def test_while_calls_are_refused_the_queue_is_kept_short(calls: Calls) -> None:
    overloaded(calls)
    at(calls, 31.9)
    calls.come("d")
    assert calls.refused == ["one more", "d"]


def test_after_a_second_in_which_few_were_refused_a_burst_may_wait_again(calls: Calls) -> None:
    overloaded(calls)
    calls.end("w1", "w2", "w3")
    eventually(lambda: not calls.admission.taken)
    at(calls, 32.1)  # in the second before one was refused
    take_and_leave(calls.admission)
    calls.come("b")
    calls.come("c", "d", waits=True)
    calls.come("e")
    assert calls.refused == ["one more", "e"]
    calls.end("b", "c", "d")
    eventually(lambda: not calls.admission.taken)
    for second in (33.2, 34.3):  # the first looks back on one in which "e" was refused
        at(calls, second)
        take_and_leave(calls.admission)
    calls.come("f")
    calls.come("g", "h", "i", "j", waits=True)
    assert calls.refused == ["one more", "e"]


def test_one_computes_at_a_time_and_one_that_waits_for_a_server_does_not() -> None:
    calls = Calls(Admission(16, 30.0, Clock()))
    try:
        calls.come("a")
        calls.come("next", waits=True)
        time.sleep(3 * HELD_UP_S)  # by a clock that stands
        assert "next" not in calls.begun
        calls.admission.step_aside()
        eventually(lambda: "next" in calls.begun)
        calls.admission.step_back()
        calls.come("another", waits=True)  # who comes back goes on, and others wait for both to end
        calls.end("a")
        time.sleep(3 * HELD_UP_S)
        assert "another" not in calls.begun
        calls.end("next")
        eventually(lambda: "another" in calls.begun)
    finally:
        calls.close()


def test_a_call_that_the_machine_held_up_does_not_make_a_short_queue_look_long() -> None:
    clock = Clock()
    calls = Calls(Admission(16, 0.25, clock))
    try:
        for held_s in (*[0.004] * 60, 2.0):
            with calls.admission.place():
                clock.now += held_s
        calls.come("a")
        calls.come(*(f"w{n}" for n in range(20)), waits=True)
        assert not calls.refused
    finally:
        calls.close()


def test_where_servers_are_waited_for_several_may_begin() -> None:
    clock = Clock()
    calls = Calls(Admission(16, 30.0, clock))
    try:
        for _ in range(40):
            with calls.admission.place() as place:
                clock.now += 0.02
                with place.aside():
                    clock.now += 0.05
        calls.come("a", "b", "c")  # each computes for less than a third of its time
        calls.come("d", waits=True)
        time.sleep(3 * HELD_UP_S)
        assert calls.begun == ["a", "b", "c"]
    finally:
        calls.close()


def test_calls_that_are_held_up_hold_up_few_others() -> None:
    clock = Clock()
    calls = Calls(Admission(16, 30.0, clock))
    try:
        calls.come("a")
        for name in (f"n{n}" for n in range(COMPUTING - 1)):
            calls.come(name, waits=True)
            assert name not in calls.begun
            clock.now += 2 * HELD_UP_S
            eventually(lambda n=name: n in calls.begun)
        calls.come("one too many", waits=True)
        clock.now += 2 * HELD_UP_S
        time.sleep(3 * HELD_UP_S)
        assert "one too many" not in calls.begun
        calls.end("n0", "n1", "n2")
        time.sleep(3 * HELD_UP_S)
        assert "one too many" not in calls.begun  # they have moved, and one still computes
        calls.end("a")
        eventually(lambda: "one too many" in calls.begun)
    finally:
        calls.close()


def test_waiting_for_a_server_is_no_computing() -> None:
    """Calls that wait ten seconds each and compute for none leave the next caller no wait to fear."""
    clock = Clock()
    admission = Admission(16, 0.25, clock)
    for _ in range(20):
        with admission.place() as place, place.aside():
            clock.now += 10
    with ExitStack() as others:
        for _ in range(COMPUTING):
            others.enter_context(admission.place())
        waits = threading.Thread(target=take_and_leave, args=(admission,))
        waits.start()
        eventually(lambda: len(admission.waiting) == 1)  # not refused at once
    waits.join(timeout=10)
    assert not admission.taken


def test_so_many_wait_and_no_more(calls: Calls) -> None:
    calls.come("a")
    calls.come(*(f"w{n}" for n in range(WAITING_A_PLACE)), waits=True)
    calls.come("one more")
    assert calls.refused == ["one more"]


def test_a_call_that_fails_gives_its_place_back() -> None:
    admission = Admission(1, 0.2)
    for _ in range(3):
        with pytest.raises(ValueError), admission.place():
            raise ValueError
    assert not admission.taken


def test_refusals_are_told_once_a_second_with_their_number(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    admission = Admission(1, 0.25, clock)
    with caplog.at_level(logging.WARNING, "cds.admission"), admission.place():
        for tenth in range(25):
            clock.now = 60 + tenth / 10
            with pytest.raises(Overloaded), admission.place():
                pass
    lines = [record.getMessage() for record in caplog.records]
    assert [line.split()[:2] for line in lines] == [["calls.shed", f"count={n}"] for n in (1, 10, 10)]
    assert "limit=threads in_hand=1 waiting=0" in lines[0]
