"""Small cells are joined away, totals stay, and little of the ranking is lost."""

from __future__ import annotations

import numpy as np
import pytest
from hospitals import asked, exact_auc, hospital
from hypothesis import given, settings
from hypothesis import strategies as st

from cds.validation.bins import Bin, cut, join_small, joined, logit_edges, safe, tabulate


def table(scores: np.ndarray, events: np.ndarray) -> tuple[Bin, ...]:
    return tabulate(asked().edges, scores, events, np.ones(len(scores), bool), np.ones(len(scores)))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 4)), min_size=3, max_size=14))
def test_no_cut_leaves_a_small_cell_and_none_loses_a_person(cells: list[tuple[int, int, int]]) -> None:
    bins = [
        Bin(i / 20, (i + 1) / 20, e + o + c, e, o, float(e), float(o), (e + o + c) * (i + 0.5) / 20)
        for i, (e, o, c) in enumerate(cells)
    ]
    cuts = join_small([bins], 5)
    if cuts is None:
        assert not safe([joined(bins)], 5)
        return
    merged = cut(bins, cuts)
    assert safe(merged, 5)
    whole, all_of_it = joined(merged), joined(bins)
    assert (whole.people, whole.events, whole.others) == (all_of_it.people, all_of_it.events, all_of_it.others)
    assert whole.score_sum == pytest.approx(all_of_it.score_sum)


def test_nothing_is_joined_where_nothing_is_small() -> None:
    bins = [Bin(i / 3, (i + 1) / 3, 20, 10, 10, 10.0, 10.0, 5.0) for i in range(3)]
    assert join_small([bins], 5) == (0, 1, 2, 3)


def test_the_cut_that_keeps_the_ranking_is_taken() -> None:
    # the second bin is too small; its neighbour below is like it, the one above is not
    bins = [
        Bin(0.0, 0.3, 105, 5, 100, 5.0, 100.0, 10.0),
        Bin(0.3, 0.6, 22, 1, 21, 1.0, 21.0, 10.0),
        Bin(0.6, 1.0, 60, 50, 10, 50.0, 10.0, 50.0),
    ]
    assert join_small([bins], 5) == (0, 2, 3)


@pytest.mark.parametrize("seed", range(5))
def test_one_hospitals_ranking_is_known_to_three_thousandths(seed: int) -> None:
    one = hospital(9000, seed)
    merged = cut(fine := table(one.scores, one.events), join_small([fine], 5) or ())
    events, below, area = sum(b.events for b in merged), 0, 0.0
    for b in merged:
        area += b.events * (below + b.others / 2)
        below += b.others
    assert area / events / below == pytest.approx(exact_auc(one.scores, one.events), abs=0.003)


def test_edges_are_the_same_for_everybody_and_reach_from_0_to_1() -> None:
    edges = logit_edges(0.001, 0.5, 50)
    assert (len(edges), edges[0], edges[1], edges[-2], edges[-1]) == (51, 0.0, 0.001, 0.5, 1.0)
    assert list(edges) == sorted(set(edges))
    with pytest.raises(ValueError):
        logit_edges(0.5, 0.1, 50)


def test_scores_on_an_edge_and_at_the_ends_are_counted_once() -> None:
    scores = np.array([0.0, 0.0005, 0.5, 1.0])
    bins = table(scores, np.array([False, True, True, False]))
    assert sum(b.people for b in bins) == 4
    assert [b.people for b in bins if b.low in (0.0, 0.0005, 0.5)] == [1, 1, 2]
