"""A layer holds what differs; what it makes is validated as a whole, and its faults are named by its own lines."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from layered import BASE, KNOWN, layer

from cds.errors import PolicyError
from cds.policy.differences import differences
from cds.policy.layers import laid_over, merge, parse_layer
from cds.policy.schema import Policy, parse


def over(*texts: str) -> Policy:
    return laid_over(BASE, "base.yaml", [(parse_layer(t, "change.yaml"), "B. Second") for t in texts], KNOWN)[0]


def fault(*texts: str) -> str:
    with pytest.raises(PolicyError) as caught:
        over(*texts)
    return str(caught.value)


def test_only_what_differs_is_changed() -> None:
    policy = over(layer(0.03))
    assert policy.service("my-service").parameters == {"threshold": 0.03, "kinds": ["a", "b"]}
    assert set(policy.orders) == {"scan", "blood"}
    assert (policy.name, policy.author, policy.approver) == ("Base + A change", "A. Lead", "B. Second")


def test_nothing_takes_away_and_a_list_replaces() -> None:
    policy = over(layer(None, orders={"scan": None}, services={"my-service": {"parameters": {"kinds": ["c"]}}}))
    assert set(policy.orders) == {"blood"}
    assert policy.service("my-service").parameters == {"threshold": 0.02, "kinds": ["c"]}


def test_the_later_layer_wins() -> None:
    assert over(layer(0.03), layer(0.05)).service("my-service").parameters["threshold"] == 0.05


def test_the_version_of_what_is_made_follows_from_all_of_it() -> None:
    one, same, other, less = over(layer(0.03)), over(layer(0.03)), over(layer(0.04)), over()
    assert len({one.version, other.version, less.version}) == 3
    assert one.version == same.version


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (layer(7), "services.my-service.parameters.threshold: must be less than 1, not 7"),
        (layer(None, services={"my-servise": {}}), "did you mean 'my-service'?"),
        (layer(None, budgets={}), "did you mean 'budget'?"),
        (layer(None, models={"score-a": {"thresholds": {"hihg": 1}}}), "no such threshold; its card has: high"),
        (
            layer(None, override_reasons={str(n): {"system": "s", "display": {}} for n in range(6)}),
            "must have 5 entries at most",
        ),
    ],
)
def test_a_fault_is_the_layers_own_with_its_line(text: str, told: str) -> None:
    said = fault(text)
    assert told in said
    where, line, _ = said.split(":", 2)
    assert where.startswith("site ")
    key = told.partition(":")[0].split(".")[-1] if "." in told.partition(":")[0] else ""
    assert key in text.splitlines()[int(line) - 1]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (layer(author=""), "author: must have 1 or more characters, and nothing stands here"),
        (layer(effective="2026-11-01").replace("effective", "efective"), "effective: this key is required"),
        (layer(layer="team/x"), "layer: must be site, service/ID or department/NAME"),
        (layer(layer="department/x"), "needs 'applies_to'"),
        (layer(applies_to={"clients": ["north"]}), "'applies_to' is for a department"),
        (layer(layer="department/x", applies_to={"client": ["north"]}), "unknown key; did you mean 'clients'?"),
        (layer(until="2026-10-01"), "'until' (2026-10-01) lies before 'effective' (2026-11-01)"),
        ("- 1\n", "a policy is a mapping"),
        ("a: [", "not valid YAML"),
    ],
)
def test_a_layer_that_does_not_say_whose_it_is_is_refused(text: str, told: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parse_layer(text, "change.yaml")
    assert told in str(caught.value)
    assert str(caught.value).startswith("change.yaml:")


def test_whose_calls_a_layer_is_for() -> None:
    clinic = parse_layer(layer(layer="department/x", applies_to={"clients": ["north"], "users": ["P/1", "P/2"]}), "c")
    assert clinic.concerns("north", "any", "P/2")
    assert not clinic.concerns("north", "any", "P/3")
    assert not clinic.concerns("south", "any", "P/1")
    service = parse_layer(layer(layer="service/my-service"), "c")
    assert service.concerns("any", "my-service", "")
    assert not service.concerns("any", "other-service", "")


def test_what_differs_is_told_with_the_defaults_and_what_each_key_does() -> None:
    before = parse(BASE, "base.yaml", KNOWN)
    changes = {"repeats": {"silent_for": "30d"}, "models": {"score-a": {"thresholds": {"high": 0.5}}}}
    after = over(layer(0.05, **changes))
    told = {d.key: (d.before, d.after, d.does) for d in differences(before, after, KNOWN)}
    assert told["services.my-service.parameters.threshold"] == (0.02, 0.05, "From what risk a card is given.")
    assert told["models.score-a.thresholds.high"] == (0.4, 0.5, "From what score it is called high.")
    assert told["repeats.silent_for"][:2] == ("90d", "30d")
    assert len(told) == 3


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@given(JSON, JSON)
def test_merging_twice_is_merging_once(target: Any, patch: Any) -> None:
    assert merge(merge(target, patch), patch) == merge(target, patch)


@pytest.mark.parametrize(
    ("target", "patch", "made"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_the_examples_of_rfc_7396(target: Any, patch: Any, made: Any) -> None:
    assert merge(target, patch) == made
