"""Which of several workers takes a new connection."""

from __future__ import annotations

import multiprocessing

from cds.sharing import Held


def test_who_holds_more_lets_another_go_first() -> None:
    held = Held()
    held.say(1, 3)
    held.say(2, 2)
    assert held.give_way(1)
    assert not held.give_way(2)


def test_of_equals_none_waits() -> None:
    held = Held()
    for worker in (1, 2, 3):
        held.say(worker, 0)
    assert not any(held.give_way(worker) for worker in (1, 2, 3))


def test_a_worker_alone_and_one_whose_fellow_has_ended_wait_for_nobody() -> None:
    held = Held()
    held.say(1, 9)
    assert not held.give_way(1)
    held.say(2, 0)
    assert held.give_way(1)
    held.gone(2)
    assert not held.give_way(1)


def test_the_count_is_seen_by_the_processes_forked_after_it() -> None:
    held = Held()
    held.say(1, 5)
    child = multiprocessing.get_context("fork").Process(target=held.say, args=(2, 4))
    child.start()
    child.join(30)
    assert child.exitcode == 0 and held.give_way(1)


def test_a_worker_started_after_many_others_takes_the_place_of_one_long_gone() -> None:
    held = Held()
    held.say(7, 1)
    held.say(100_007, 2)
    assert held.give_way(100_007)
