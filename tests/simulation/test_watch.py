"""The simulated hospital is judged from its columns exactly as the committee judges the rows of a ledger."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cds import services as service_room
from cds.committee.evaluate import Evaluator
from cds.inference.registry import Registry, installed_folders, load
from cds.ledger.book import Book
from cds.ledger.migrate import upgrade
from cds.policy.packaged import packaged_policy
from cds.policy.schema import Known, Policy, parse
from cds.services.declaration import installed_packages
from cds.simulation.hospital import Plan, drawn
from cds.simulation.subject import charter, manifest
from cds.simulation.watch import SITE, Watcher
from cds.simulation.written import write

DAYS = 380


@pytest.fixture(scope="module")
def models() -> Registry:
    return load(installed_folders())


@pytest.fixture(scope="module")
def policy(models: Registry) -> Policy:
    path = packaged_policy(installed_packages())
    known = Known(models.thresholds(), service_room.load().parameters())
    return parse(path.read_text(encoding="utf-8"), str(path), known)


@pytest.fixture(params=["unit-unknown", "label-delay"])
def plan(request: pytest.FixtureRequest) -> Plan:
    return Plan(seed=7, days=DAYS + 10, calls_a_day=30, fault=request.param, fault_day=DAYS - 60)


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    upgrade(url)
    with Book(url) as opened:
        yield opened


def told(findings: Any) -> dict[tuple[str, str], Any]:
    """Without how outcomes are known, of which the simulation says nothing."""
    return {(f["measure"], f["about"]): f for f in findings if f["measure"] != "followed"}


def test_columns_and_ledger_give_the_same_findings(plan: Plan, book: Book, models: Registry, policy: Policy) -> None:
    hospital = drawn(plan)
    write(hospital, book, DAYS)
    watcher = Watcher(hospital)
    by_columns = watcher.on(DAYS).verdict
    everything = Evaluator(book, models, lambda site, service: policy, charter(), watcher.moment(DAYS))
    by_rows = everything.one(manifest(), SITE).verdict
    columns, rows = told(by_columns.findings), told(by_rows.findings)
    assert columns.keys() == rows.keys()
    assert columns["auc", ""]["n"] > 1000 and columns["arriving", "fhir"]["n"] > 50
    for key, finding in rows.items():
        mine = columns[key]
        assert {k for k in mine if k != "detail"} == {k for k in finding if k != "detail"}, key
        for name in ("level", "n", "events", "lacking"):
            assert mine.get(name) == finding.get(name), (key, name)
        for name in ("value", "lower", "upper"):
            if isinstance(finding.get(name), float):
                assert mine[name] == pytest.approx(finding[name], rel=1e-9, abs=1e-12), (key, name)
    assert (by_columns.level, by_columns.raised) == (by_rows.level, by_rows.raised)


def test_what_is_kept_between_two_looks_at_outcomes_is_what_was_found_at_the_last() -> None:
    hospital = drawn(Plan(seed=7, days=DAYS + 10, calls_a_day=30))
    weekly, daily = Watcher(hospital, outcomes_every=7), Watcher(hospital)
    first = [f.plain for f in weekly.findings(DAYS)]
    assert first == [f.plain for f in daily.findings(DAYS)]
    later = told(f.plain for f in weekly.findings(DAYS + 1))
    assert later["auc", ""] == told(first)["auc", ""]
    assert later["drift", "age"] != told(first)["drift", "age"]
