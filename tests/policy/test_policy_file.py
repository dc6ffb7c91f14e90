"""What a clinical lead gets wrong is named with line and what is allowed; the last good policy stays in force."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict

from cds.errors import PolicyError
from cds.policy.schema import Known, parse
from cds.policy.store import PolicyStore

GOOD = """\
name: Test
author: A
approver: B
effective: 2026-01-01
reason: because
models:
  score-a: {enabled: true}
services:
  my-service:
    parameters:
      threshold: 0.02
"""


class Parameters(BaseModel):
    model_config = ConfigDict(extra="forbid")
    threshold: float = 0.03
    urgency: Literal["info", "warning"] = "info"


KNOWN = Known({"score-a": frozenset({"high"}), "score-b": frozenset()}, {"my-service": Parameters})


def test_the_version_is_the_content() -> None:
    first, same, other = (parse(t, "p.yaml", KNOWN).version for t in (GOOD, GOOD, GOOD + "# changed\n"))
    assert first == same != other


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("threshold: 0.02", "treshold: 0.02", 11, "did you mean 'threshold'?"),
        ("threshold: 0.02", "threshold: much", 11, "must be a number"),
        ("threshold: 0.02", "urgency: critical", 11, "'info' or 'warning'"),
        ("score-a: {enabled: true}", "scorea: {enabled: true}", 7, "did you mean 'score-a'?"),
        ("my-service:", "my-servise:", 9, "did you mean 'my-service'?"),
        ("author: A", "autor: A", 2, "did you mean 'author'?"),
        ("{enabled: true}", "{thresholds: {high: .nan}}", 7, "must be a number"),
        ("enabled: true", "enabled: perhaps", 7, "true or false"),
        ("reason: because", "reason: because\ncards: {most: 4}", 6, "cards.most: must be 3 or less, not 4"),
        ("effective: 2026-01-01", "effective: soon", 4, "must be a day"),
        ("name: Test", "name: [unclosed", 2, "not valid YAML"),
        ("effective: 2026-01-01", "effective: 2026-02-30", 0, "not valid YAML"),
        ("score-a: {enabled: true}", "2013: {enabled: true}", 7, "not installed"),
        ("score-a: {enabled: true}", "on: {enabled: true}", 6, "not installed"),
        ("reason: because", "reason: because\nname: Again", 6, "written twice"),
    ],
)
def test_a_fault_is_named_with_its_line(old: str, new: str, line: int, says: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parse(GOOD.replace(old, new), "p.yaml", KNOWN)
    start = f"p.yaml:{line}:" if line else "p.yaml:"
    assert any(fault.startswith(start) and says in fault for fault in str(caught.value).splitlines()), str(caught.value)


def test_all_faults_are_named_at_once() -> None:
    broken = GOOD.replace("author: A\n", "").replace("threshold: 0.02", "treshold: 1")
    with pytest.raises(PolicyError) as caught:
        parse(broken, "p.yaml", KNOWN)
    assert len(str(caught.value).splitlines()) == 2


def test_a_research_model_runs_only_if_named() -> None:
    policy = parse(GOOD, "p.yaml", KNOWN)
    assert policy.model_enabled("score-a", needs_enabling=True)
    assert not policy.model_enabled("score-b", needs_enabling=True)
    assert policy.model_enabled("score-b", needs_enabling=False)


@pytest.fixture
def clock() -> list[float]:
    return [0.0]


@pytest.fixture
def store(tmp_path: Path, clock: list[float]) -> tuple[PolicyStore, Callable[[str], None]]:
    path = tmp_path / "policy.yaml"
    path.write_text(GOOD, encoding="utf-8")

    def write(text: str) -> None:
        # as Kubernetes does it: a new file is moved into place
        fresh = tmp_path / "next"
        fresh.write_text(text, encoding="utf-8")
        os.replace(fresh, path)
        clock[0] += 10
        made.current()  # the first look, after which the file has a second to change again
        clock[0] += 1

    made = PolicyStore(path, KNOWN, poll_s=2, clock=lambda: clock[0])
    return made, write


def test_a_changed_file_takes_effect(store: tuple[PolicyStore, Callable[[str], None]]) -> None:
    policies, write = store
    before = policies.current().version
    write(GOOD.replace("0.02", "0.05"))
    assert policies.current().version != before
    assert policies.current().service("my-service").parameters == {"threshold": 0.05}


def test_a_wrong_file_leaves_the_last_good_policy_in_force(
    store: tuple[PolicyStore, Callable[[str], None]], caplog: pytest.LogCaptureFixture
) -> None:
    policies, write = store
    before = policies.current().version
    write(GOOD.replace("threshold", "treshold"))
    assert policies.current().version == before
    assert policies.fault is not None
    assert "treshold" in policies.fault
    assert "policy.rejected" in caplog.text
    write(GOOD)
    assert policies.current().version == before
    assert policies.fault is None


def test_a_file_that_is_still_being_written_is_not_taken(tmp_path: Path, clock: list[float]) -> None:
    """Its first half is a policy as well: without the service's parameters."""
    path = tmp_path / "policy.yaml"
    path.write_text(GOOD, encoding="utf-8")
    store = PolicyStore(path, KNOWN, poll_s=2, clock=lambda: clock[0])
    changed = GOOD.replace("0.02", "0.05")
    half = changed[: changed.index("services:")]
    assert parse(half, "p.yaml", KNOWN).services == {}
    for text in (half, changed):
        path.write_text(text, encoding="utf-8")
        clock[0] += 2
        assert store.current().service("my-service").parameters == {"threshold": 0.02}
    clock[0] += 1
    assert store.current().service("my-service").parameters == {"threshold": 0.05}


def test_a_file_that_was_never_finished_is_refused_wherever_it_was_cut(tmp_path: Path, clock: list[float]) -> None:
    path = tmp_path / "policy.yaml"
    whole = GOOD + "...\n"
    path.write_text(whole, encoding="utf-8")
    store = PolicyStore(path, KNOWN, poll_s=2, clock=lambda: clock[0])
    before = store.current()
    taken = 0
    for cut in range(len(GOOD)):
        path.write_text(GOOD.replace("0.02", "0.05")[:cut], encoding="utf-8")
        for _ in range(2):
            clock[0] += 2
            assert store.current() is before
        assert store.fault is not None
        taken += "only a part of the file" in store.fault
    assert taken == len(GOOD)  # said as such, also where the rest would have been valid
    path.write_text(whole.replace("0.02", "0.05"), encoding="utf-8")
    for _ in range(2):
        clock[0] += 2
        store.current()
    assert store.current().service("my-service").parameters == {"threshold": 0.05}


def test_a_policy_without_an_end_mark_may_be_changed_and_is_warned_of(
    tmp_path: Path, clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(GOOD, encoding="utf-8")
    store = PolicyStore(path, KNOWN, poll_s=2, clock=lambda: clock[0])
    assert "policy.no_end_mark" in caplog.text
    path.write_text(GOOD.replace("0.02", "0.05"), encoding="utf-8")
    for _ in range(2):
        clock[0] += 2
        store.current()
    assert store.current().service("my-service").parameters == {"threshold": 0.05}


def test_without_a_good_policy_nothing_starts(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text("name: x\n", encoding="utf-8")
    with pytest.raises(PolicyError, match="author"):
        PolicyStore(path, KNOWN, poll_s=1)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('code: "1"', 'code: "CTPANC "', "orders.scan.code: 'CTPANC ' is no code: write at least one"),
        ('code: "1"', 'code: "CT  PANC"', "orders.scan.code: 'CT  PANC' is no code"),
        ('code: "1"', "code: ''", "orders.scan.code: '' is no code"),
        ('system: "urn:x"', 'system: "our codes"', "orders.scan.system: 'our codes' is no code system: write its"),
        ('system: "urn:x"', 'system: ""', "orders.scan.system: '' is no code system"),
        ("display: Scan", 'display: " "', "orders.scan.display: is empty: write the name"),
    ],
)
def test_an_order_that_no_ehr_could_take_is_refused_with_its_line(old: str, new: str, told: str) -> None:
    orders = 'orders:\n  scan: {system: "urn:x", code: "1", display: Scan}\n'
    with pytest.raises(PolicyError) as caught:
        parse(GOOD + orders.replace(old, new), "p.yaml", KNOWN)
    assert str(caught.value).startswith(f"p.yaml:13: {told}")
    assert parse(GOOD + orders.replace("urn:x", "http://loinc.org"), "p.yaml", KNOWN).orders["scan"].code == "1"


HERE = replace(KNOWN, hooks=frozenset({"patient-view", "order-sign"}), orders=frozenset({"ct-pancreas", "mr-pancreas"}))
SCAN = '{system: "urn:x", code: "1", display: Scan}'


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (
            "repeats: {hooks: [patient-vieuw]}",
            "12: repeats.hooks.0: no service answers a hook 'patient-vieuw'; did you",
        ),
        ("repeats: {hooks: [order-sign, any]}", "12: repeats.hooks.1: no service answers a hook 'any'; there are: ord"),
        (f"orders:\n  ct-pancreass: {SCAN}", "13: orders.ct-pancreass: no card proposes it; did you mean 'ct-pancr"),
    ],
)
def test_a_name_that_means_nothing_here_is_refused_with_its_line(more: str, told: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parse(GOOD + more + "\n", "p.yaml", HERE)
    (fault,) = str(caught.value).splitlines()
    assert fault.startswith(f"p.yaml:{told}")


@pytest.mark.parametrize(
    "more",
    [
        "repeats: {hooks: [order-sign, patient-view]}",
        f"orders:\n  mr-pancreas: {SCAN}",  # though the other, which looks like it, is missing
        f"orders:\n  ct-pancreas: {SCAN}\n  ct-pancreas-2: {SCAN}",  # a site's own, beside the one it looks like
        f"orders:\n  colonoscopy: {SCAN}",
    ],
)
def test_a_site_may_name_fewer_orders_than_cards_propose_and_more(more: str) -> None:
    parse(GOOD + more + "\n", "p.yaml", HERE)


@pytest.mark.parametrize("snooze", ["3000y", "-1d", "soon"])
def test_a_snooze_is_a_length_people_live(snooze: str) -> None:
    reasons = f"override_reasons:\n  later: {{system: x, display: {{en: Later}}, snooze: {snooze}}}\n"
    with pytest.raises(PolicyError, match="snooze"):
        parse(GOOD + reasons, "p.yaml", KNOWN)


def test_what_a_service_requires_is_missed_though_the_policy_does_not_name_it() -> None:
    class Demanding(BaseModel):
        limit: float

    known = Known(KNOWN.models, {**KNOWN.services, "demanding": Demanding})
    with pytest.raises(PolicyError, match=r"services\.demanding\.parameters\.limit: this key is required"):
        parse(GOOD, "p.yaml", known)
