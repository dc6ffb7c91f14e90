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

from cds.admission import COMPUTING, HELD_UP_S, WAITING_A_PLACE, Admission, _Turn
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


@pytest.fixture
def several() -> Iterator[Calls]:
    """Two places, of which one computes, and calls that took three seconds, so that eight may wait."""
    made = Calls(Admission(2, 30.0, Clock()))
    made.come("earlier")
    at(made, 31.0)
    made.end("earlier")
    eventually(lambda: not made.admission.taken)
    yield made
    made.close()


@pytest.mark.parametrize(("computed_s", "stands_after_s"), [(0.002, 0.3), (0.02, 0.8)])
def test_a_long_queue_that_stands_is_kept_short(computed_s: float, stands_after_s: float) -> None:
    """Before it is so long that anybody would have to be refused for it. A short one may stand."""
    clock = Clock()
    admission = Admission(16, 0.25, clock)
    for _ in range(100):
        with admission.place():
            clock.now += computed_s
    admission.waiting.extend([_Turn()] * (round(0.08 / computed_s) - 1))
    admission._watch(clock.now + 2 * stands_after_s)
    assert admission._patience() == 0.25
    admission.waiting.extend([_Turn()] * 2)
    admission._watch(clock.now + 0.9 * stands_after_s)
    assert admission._patience() == 0.25
    admission._watch(clock.now + 1.1 * stands_after_s)
    assert admission._patience() < 0.1


def overloaded(calls: Calls) -> None:
    """One was refused for the number that waited; since then all others have been answered."""
    names = [f"w{n}" for n in range(2 * WAITING_A_PLACE)]
    calls.come("a")
    calls.come(*names, waits=True)
    calls.come("one more")
    assert calls.refused == ["one more"]
    calls.end("a", *names)
    eventually(lambda: not calls.admission.taken)


def burst(calls: Calls, name: str) -> int:
    """How many of nine that come at once are refused; the others are answered."""
    before = len(calls.refused)
    names = [f"{name}{n}" for n in range(9)]
    calls.come(*names, waits=True)
    calls.end(*names)
    eventually(lambda: not calls.admission.taken)
    return len(calls.refused) - before


def test_while_calls_are_refused_the_queue_is_kept_short(several: Calls) -> None:
    overloaded(several)
    at(several, 31.9)
    assert burst(several, "b") == 9 - 1 - 4  # one computes, and four may wait whatever a call takes


def test_a_second_after_the_last_refusal_a_burst_may_wait_again(several: Calls) -> None:
    overloaded(several)
    at(several, 32.1)
    assert burst(several, "b") == 0


def test_bursts_far_apart_are_no_overload(several: Calls) -> None:
    overloaded(several)
    for hour in range(5):
        at(several, 3600.0 * (hour + 1))
        assert burst(several, f"{hour}-") == 0


@pytest.mark.parametrize(
    ("refused", "at_once", "goes_on"), [(8, 0, False), (12, 0, True), (12, 15, True), (12, 30, False)]
)
def test_overload_goes_on_while_many_are_refused_and_few_need_not_wait(
    refused: int, at_once: int, goes_on: bool
) -> None:
    clock = Clock(100.0)
    admission = Admission(1, 30.0, clock)
    refuse_one(admission)
    for number in range(99):
        clock.now += 0.01
        if number < 99 - refused:
            take_and_leave(admission)
        else:
            refuse_one(admission)
    admission._at_once = at_once  # as if the others had waited
    clock.now = 101.05  # the last refusal is less than a second ago
    take_and_leave(admission)
    assert admission._overload is goes_on


def refuse_one(admission: Admission) -> None:
    admission.waiting.extend([_Turn()] * WAITING_A_PLACE)  # as many as may wait
    admission.taken += 1
    with pytest.raises(Overloaded), admission.place():
        pass
    admission.taken -= 1
    admission.waiting.clear()


def test_threads_that_come_and_give_up_lose_no_place() -> None:
    """Who gives up just when its turn comes has the turn."""
    admission, end = Admission(2, 0.002), time.monotonic() + 2
    faults: list[BaseException] = []

    def caller() -> None:
        while time.monotonic() < end and not faults:
            try:
                with admission.place():
                    time.sleep(0.0005)
            except Overloaded:
                time.sleep(0.0002)
            except BaseException as error:  # a thread's end is seen by nobody else
                faults.append(error)

    threads = [threading.Thread(target=caller) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)
    assert not faults
    assert (admission.taken, len(admission.waiting), admission._aside) == (0, 0, [])


def test_one_computes_at_a_time_and_one_that_waits_for_a_server_does_not() -> None:
    calls = Calls(Admission(16, 30.0, Clock()))
    try:
        calls.come("a")
        calls.come("next", waits=True)
        time.sleep(3 * HELD_UP_S)  # by a clock that stands
        assert "next" not in calls.begun
        begins = calls.admission.step_aside(0.0)
        eventually(lambda: "next" in calls.begun)
        calls.admission.step_back(begins)
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
    admission = Admission(16, 0.25, clock)
    for held_s in (*[0.004] * 60, 2.0):
        with admission.place():
            clock.now += held_s
    with admission.place():
        admission.waiting.extend([_Turn()] * 20)
        assert admission._expected(clock.now) < 0.25
        admission.waiting.clear()


def test_a_moment_aside_keeps_the_turn_and_a_long_one_does_not() -> None:
    clock = Clock()
    calls = Calls(Admission(16, 30.0, clock))
    try:
        with calls.admission.place() as place:
            with place.aside(after_s=0.005):
                clock.now += 0.004
                calls.come("a", waits=True)
                assert not calls.begun
            assert place.aside_s == 0
            with place.aside(after_s=0.005):
                clock.now += 0.025
                eventually(lambda: calls.begun == ["a"])
            assert place.aside_s == pytest.approx(0.02)
    finally:
        calls.close()


def test_who_comes_while_all_that_compute_hang_is_refused_at_once() -> None:
    clock = Clock()
    admission = Admission(16, 2.0, clock)
    take_and_leave(admission)
    with ExitStack() as hanging:
        for _ in range(COMPUTING):
            clock.now += 2 * HELD_UP_S
            hanging.enter_context(admission.place())
        clock.now += 3.0
        begun = time.monotonic()
        with pytest.raises(Overloaded), admission.place():
            pass
        assert time.monotonic() - begun < 1.0


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
        calls.end("n0")
        eventually(lambda: "one too many" in calls.begun)
    finally:
        calls.close()


def test_one_that_hangs_does_not_slow_those_that_do_not() -> None:
    clock = Clock()
    admission = Admission(16, 0.25, clock)
    with admission.place():
        clock.now += 2 * HELD_UP_S
        for _ in range(100):
            with admission.place():  # one after the other, none waits
                clock.now += 0.005
    assert not admission._computes


@pytest.mark.parametrize(("overload", "waits_s"), [(True, (0.6, 2.5)), (False, (2.9, 20.0))])
def test_who_has_waited_twice_what_an_overload_allows_is_refused(overload: bool, waits_s: tuple[float, float]) -> None:
    admission = Admission(1, 3.0)
    admission._overload, admission._watched_from = overload, time.monotonic() + 60
    with admission.place():
        begun = time.monotonic()
        with pytest.raises(Overloaded), admission.place():
            pass
    assert waits_s[0] < time.monotonic() - begun < waits_s[1]


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
