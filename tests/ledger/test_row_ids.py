"""Ids of rows are UUIDs that sort by the time of their making."""

from __future__ import annotations

import os
import threading
import time
import uuid

from cds.ids import new_id


def test_an_id_is_a_version_7_uuid_in_its_usual_spelling() -> None:
    made = new_id()
    assert str(uuid.UUID(made)) == made
    assert (uuid.UUID(made).version, uuid.UUID(made).variant) == (7, uuid.RFC_4122)


def test_an_id_holds_the_moment_it_was_made() -> None:
    before = time.time_ns() // 1_000_000
    made = uuid.UUID(new_id()).int >> 80
    assert before <= made <= time.time_ns() // 1_000_000


def test_a_later_id_sorts_after_an_earlier_one() -> None:
    made = []
    for _ in range(5):
        made.append(new_id())
        time.sleep(0.002)
    assert sorted(made) == made


def test_ids_of_one_millisecond_differ() -> None:
    assert len({new_id() for _ in range(10_000)}) == 10_000


def test_every_random_bit_is_used() -> None:
    ids = [uuid.UUID(new_id()).int for _ in range(200)]
    mask = (0xFFF << 64) | ((1 << 62) - 1)
    seen_set = seen_clear = 0
    for one in ids:
        seen_set |= one & mask
        seen_clear |= ~one & mask
    assert seen_set == seen_clear == mask


def test_ids_of_threads_differ() -> None:
    made: list[str] = []
    threads = [threading.Thread(target=lambda: made.extend(new_id() for _ in range(2_000))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({_random(one) for one in made}) == 16_000


def test_a_forked_process_does_not_make_the_ids_of_its_parent() -> None:
    new_id()  # random bits are drawn for more than one
    there, here = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(here, "".join(new_id() for _ in range(70)).encode())
        os._exit(0)
    os.close(here)
    with os.fdopen(there, encoding="ascii") as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    theirs = {_random(text[at : at + 36]) for at in range(0, len(text), 36)}
    assert len(theirs) == 70
    assert not theirs & {_random(new_id()) for _ in range(70)}


def _random(made: str) -> int:
    return uuid.UUID(made).int & ((1 << 62) - 1)
