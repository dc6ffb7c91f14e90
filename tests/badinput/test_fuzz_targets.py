"""Whatever is sent to a reader of outside bytes, it is read or refused; ``scripts/fuzz`` asks the same for hours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from random import Random

import fuzz_targets
import pytest
from fuzz_targets import READS, Target
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutations import mutate

_IN_SUITE = [name for name in READS if name != "call"]  # whole calls: test_mutated_calls.py


@pytest.fixture(scope="module")
def targets() -> Iterator[dict[str, Callable[[], Target]]]:
    with ExitStack() as stack:
        yield fuzz_targets.targets(stack)


def test_every_target_says_what_it_reads(targets: dict[str, Callable[[], Target]]) -> None:
    assert list(targets) == list(READS)


@pytest.mark.parametrize("name", _IN_SUITE)
@pytest.mark.threat("bad-input")
def test_bad_input_is_read_or_refused(targets: dict[str, Callable[[], Target]], name: str) -> None:
    target = targets[name]()
    for seed in (b"", *target.seeds):
        target.run(seed)

    examples = 40 if target.shape == "yaml" else 150  # a file that people write is read slowly, and seldom

    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
    @given(raw=st.sampled_from(target.seeds), chance=st.integers(0, 2**63))
    def holds(raw: bytes, chance: int) -> None:
        target.run(mutate(raw, target.shape, Random(chance)))

    holds()


@pytest.mark.parametrize("name", _IN_SUITE)
def test_a_mutation_leaves_enough_to_be_read(targets: dict[str, Callable[[], Target]], name: str) -> None:
    """Were every mutation refused at the first byte, nothing behind it would be tried."""
    target = targets[name]()
    changed = {mutate(target.seeds[0], target.shape, Random(n)) for n in range(20)}
    assert len(changed) > 10
    assert sum(len(one) > len(target.seeds[0]) / 2 for one in changed) > len(changed) / 2
