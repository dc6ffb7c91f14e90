"""Prometheus is answered in its time whatever the database does: a scrape that comes too late is told as a service that
is down, and each one that waits holds a thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from cds.ledger.migrate import upgrade
from cds.web.committee_metrics import Verdicts
from cds.web.metrics import exposition

pytestmark = pytest.mark.system
SCRAPE_S = 5.0
"""Half of what the chart's ServiceMonitor waits."""
READY = {
    "ready": True,
    "policy": {"version": "1", "rejected": ""},
    "ledger": {"reachable": False, "spooled": 0, "rejected": 0},
    "models_not_loaded": [],
}


@pytest.fixture
def locked(postgres_database: Callable[[], str]) -> Iterator[str]:
    """A ledger that answers, but for what the committee decided: a change of the schema waits there."""
    url = postgres_database()
    upgrade(url)
    with psycopg.connect(url) as other:
        other.execute("LOCK TABLE verdicts, standings IN ACCESS EXCLUSIVE MODE")
        yield url
        other.rollback()


def test_verdicts_that_do_not_come_are_not_waited_for(locked: str) -> None:
    verdicts = Verdicts(locked)

    def scraped(_: int) -> float:
        begun = time.monotonic()
        verdicts.families()
        return time.monotonic() - begun

    with ThreadPoolExecutor(8) as several:
        took = sorted(several.map(scraped, range(8)))
    assert took[-1] < SCRAPE_S
    assert took[-2] < 0.5  # one asks, and nobody stands behind it


def test_a_ledger_that_does_not_answer_is_not_asked_for_verdicts(locked: str) -> None:
    begun = time.monotonic()
    assert b"cds_ledger_reachable 0.0" in exposition(ready=READY, verdicts=Verdicts(locked))
    assert time.monotonic() - begun < 0.5
