"""A good call with something in it changed, thousands of ways: an answer or a 4xx, never a 5xx."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from called_service import CalledService
from chart_calls import ALARMING, NOW, SERVICE, SIGN, Resource, chart, order_sign, patient_view
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from servers import prefetch_of

from hooks import stories

DISEASED = stories.story("folfirinox-falling")
LONGEST_S = 1.0


def _some(resources: list[Resource]) -> list[Resource]:
    """A few of each kind: mutations should hit what is read, not the two-hundredth blood pressure."""
    kept: list[Resource] = []
    for resource in reversed(resources):
        if sum(r["resourceType"] == resource["resourceType"] for r in kept) < 6:
            kept.append(resource)
    return kept


VIEW = patient_view(ALARMING, prefetch_of(_some(chart(ALARMING))))
SIGNED = order_sign(DISEASED, prefetch_of(_some(chart(DISEASED))), stories.draft_orders(DISEASED, NOW.date()))

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=20),
    st.sampled_from(
        ["", "Patient/x", "http://[", "2026-02-30", "\u0000", "9" * 400, "-1", "Bundle", "OperationOutcome"]
    ),
)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += _places(inner, (*path, key))
    return found


_PLACES = {id(body): _places(body) for body in (VIEW, SIGNED)}


@st.composite
def mutated(draw: st.DrawFn, body: dict[str, Any]) -> bytes:
    """One to three places changed, removed, doubled or exchanged."""
    changed = copy.deepcopy(body)
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(_PLACES[id(body)]))
        _mutate(draw, changed, path)
    return json.dumps(changed).encode("utf-8", "surrogatepass")


def _mutate(draw: st.DrawFn, place: Any, path: tuple[Any, ...]) -> None:
    try:
        for key in path[:-1]:
            place = place[key]
        _ = place[path[-1]]
    except (KeyError, IndexError, TypeError):
        return  # an earlier mutation took this place away
    if not isinstance(place, dict | list):
        return
    last = path[-1]
    kind = draw(st.sampled_from(["replace", "remove", "wrap", "double", "swap"]))
    if kind == "replace":
        place[last] = draw(anything)
    elif kind == "remove":
        del place[last]
    elif kind == "wrap":
        place[last] = [place[last]]
    elif kind == "double" and isinstance(place, list):
        place.append(copy.deepcopy(place[last]))
    elif kind == "swap" and isinstance(place, dict):
        other = draw(st.sampled_from(sorted(place)))
        place[last], place[other] = place[other], place[last]


_quickly = settings(
    max_examples=250,  # scripts/fuzz asks millions
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.large_base_example],
)


def _answers(service: CalledService, body: bytes, path: str) -> None:
    told = service.call(body, path)
    assert told.status in (200, 400, 403, 404, 412), told.body
    if told.cpu_s >= LONGEST_S:  # what is slow to read is slow again; this process's garbage was collected once
        assert service.call(body, path).cpu_s < LONGEST_S
    if told.status == 200:
        assert all(len(card["summary"]) < 140 for card in told.cards)
    else:
        assert told.words


@_quickly
@given(body=mutated(VIEW))
@pytest.mark.threat("bad-input")
def test_a_mutated_patient_view(service: CalledService, body: bytes) -> None:
    _answers(service, body, SERVICE)


@_quickly
@given(body=mutated(SIGNED))
@pytest.mark.threat("bad-input")
def test_a_mutated_order_sign(service: CalledService, body: bytes) -> None:
    _answers(service, body, SIGN)


@_quickly
@given(body=st.one_of(st.binary(max_size=200), anything.map(lambda value: json.dumps(value).encode())))
@pytest.mark.threat("bad-input")
def test_anything_at_all(service: CalledService, body: bytes) -> None:
    for path in (SERVICE, f"{SERVICE}/feedback"):
        assert service.call(body, path).status == 400


@pytest.mark.parametrize("path", [SERVICE, SIGN])
def test_the_calls_that_are_mutated_are_good_ones(service: CalledService, path: str) -> None:
    assert service.answered(VIEW if path == SERVICE else SIGNED, path).cards
