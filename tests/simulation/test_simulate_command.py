"""``cds simulate-hospital`` as somebody at a terminal meets it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "cli"))

from command_line import cds

from cds.ledger.tables import calls, feedback, predictions
from cds.simulation.subject import faults


def test_a_fault_is_told_with_its_time_and_the_promise() -> None:
    done = cds("simulate-hospital", "--fault", "unit-unknown", "--seed", "5")
    assert done.exit_code == 0, done.output
    assert "unit-unknown" in done.stdout and "2 days" in done.stdout and "unusable" in done.stdout


def test_scripts_get_json_and_the_same_seed_the_same_answer() -> None:
    once, again = (cds("simulate-hospital", "--fault", "unit-silent", "--seed", "5", "--json") for _ in range(2))
    [told] = json.loads(once.stdout)
    assert told["in_time"] is True and told["after_d"] <= told["within_d"]
    assert once.stdout == again.stdout


def test_years_without_a_fault_are_counted_and_may_be_kept_as_a_ledger(tmp_path: Path) -> None:
    path = tmp_path / "hospital.db"
    done = cds("simulate-hospital", "--years", "0.15", "--ledger", str(path))
    assert done.exit_code == 0, done.output
    assert "0 false alarm(s)" in done.stdout
    with sa.create_engine(f"sqlite:///{path}").connect() as connection:
        counts = [
            connection.execute(sa.select(sa.func.count()).select_from(t)).scalar_one() for t in (calls, predictions)
        ]
        assert counts[0] == counts[1] > 1000
        assert connection.execute(sa.select(sa.func.count()).select_from(feedback)).scalar_one() > 20
    again = cds("simulate-hospital", "--years", "0.1", "--ledger", str(path))
    assert again.exit_code == 2
    assert "is there already" in again.stderr


def test_an_unknown_fault_is_answered_with_those_there_are() -> None:
    done = cds("simulate-hospital", "--fault", "scaner-change")
    assert done.exit_code == 2
    assert "scanner-change" in done.stderr and "all" in done.stderr


def test_the_faults_are_listed_with_their_promises() -> None:
    done = cds("simulate-hospital", "--list")
    assert done.exit_code == 0
    for fault in faults().values():
        assert fault.name in done.stdout and f"{fault.within_d} days" in done.stdout
